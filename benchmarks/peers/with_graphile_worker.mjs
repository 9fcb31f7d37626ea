// graphile-worker as benchmarks/queues.py runs it: `install`, `fill N`, or `work BATCH`.
//
// Measured is its own worker, since fetching and completing are not offered apart from it: one job
// at a time as it comes, and for a batch the settings that its documentation gives for that, a local
// queue and completions put together. The database is named by PGHOST, PGUSER and PGDATABASE, as for
// psql.

import { createInterface } from "node:readline/promises";
import { Logger, makeWorkerUtils, runOnce } from "graphile-worker";
import pg from "pg";

const [action, size] = process.argv.slice(2);
const batch = Number(size);
const fail = (error) => {
  throw error;
};
const pgPool = new pg.Pool({ max: action === "work" && batch > 1 ? 4 : 2 });
pgPool.on("error", fail);
pgPool.on("connect", (client) => client.on("error", fail));
const logger = new Logger(() => () => {});

if (action === "work") {
  await pgPool.query("select 1");
  const told = createInterface({ input: process.stdin });
  console.log("ready");
  await told.question("");
  let done = 0;
  await runOnce({
    pgPool,
    noHandleSignals: true,
    taskList: {
      bench: async () => {
        done += 1;
      },
    },
    preset: {
      worker: {
        logger,
        concurrentJobs: batch,
        ...(batch > 1 ? { localQueue: { size: batch }, completeJobBatchDelay: 0 } : {}),
      },
    },
  });
  console.log(`done ${done}`);
  told.close();
} else {
  const utils = await makeWorkerUtils({ pgPool, logger });
  await utils.migrate();
  if (action === "fill") {
    await utils.addJobs(Array.from({ length: batch }, () => ({ identifier: "bench", payload: {} })));
  }
  await utils.release();
}
process.exit(0);
