// pg-boss as benchmarks/queues.py runs it: `install`, `fill N`, or `work BATCH`.
//
// Measured are its documented fetch() and complete(), one of each for a whole batch. The database is
// named by PGHOST, PGUSER and PGDATABASE, as for psql.

import { createInterface } from "node:readline/promises";
import { PgBoss } from "pg-boss";

const QUEUE = "bench";
const [action, size] = process.argv.slice(2);

const boss = new PgBoss({
  host: process.env.PGHOST,
  user: process.env.PGUSER,
  database: process.env.PGDATABASE,
  max: 1,
  // Its own background work, which the others do not do either while they are measured.
  supervise: false,
  schedule: false,
  migrate: action === "install",
});
boss.on("error", (error) => {
  throw error;
});
await boss.start();

if (action === "install") {
  await boss.createQueue(QUEUE);
} else if (action === "fill") {
  await boss.insert(QUEUE, Array.from({ length: Number(size) }, () => ({ data: {} })));
} else {
  const batchSize = Number(size);
  const told = createInterface({ input: process.stdin });
  console.log("ready");
  await told.question("");
  let done = 0;
  for (;;) {
    const jobs = await boss.fetch(QUEUE, { batchSize });
    if (jobs.length === 0) {
      break;
    }
    const completed = await boss.complete(QUEUE, jobs.map((job) => job.id));
    done += completed.affected;
  }
  console.log(`done ${done}`);
  told.close();
}
await boss.stop({ graceful: false });
process.exit(0);
