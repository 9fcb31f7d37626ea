"""pgqueuer as benchmarks/queues.py runs it: `install`, `fill N`, or `work BATCH`.

Measured are dequeue and log_jobs of its Queries over asyncpg, one of each for a whole batch, as its
own worker calls them. The database is named by PGHOST, PGUSER and PGDATABASE, as for psql.
"""

import sys
import uuid
from datetime import timedelta

import asyncpg
import uvloop
from pgqueuer.db import AsyncpgDriver
from pgqueuer.queries import EntrypointExecutionParameter, Queries

ENTRYPOINT = "bench"


async def main(action: str, size: int) -> None:
    """Do what the command line says."""
    connection = await asyncpg.connect()
    queries = Queries(AsyncpgDriver(connection))
    if action == "install":
        await queries.install()
    elif action == "fill":
        await queries.enqueue([ENTRYPOINT] * size, [None] * size, [0] * size)
    else:
        await connection.fetchval("select 1")
        print("ready", flush=True)
        sys.stdin.readline()
        print("done", await work(queries, size), flush=True)
    await connection.close()


async def work(queries: Queries, batch: int) -> int:
    """Claim and complete until nothing is left; how many there were."""
    worker = uuid.uuid4()
    done = 0
    while True:
        jobs = await queries.dequeue(
            batch_size=batch,
            entrypoints={ENTRYPOINT: EntrypointExecutionParameter(0)},
            queue_manager_id=worker,
            global_concurrency_limit=None,
            heartbeat_timeout=timedelta(seconds=30),
        )
        if not jobs:
            return done
        await queries.log_jobs([(job, "successful", None) for job in jobs])
        done += len(jobs)


uvloop.run(main(sys.argv[1], int((sys.argv[2:] or ["0"])[0])))
