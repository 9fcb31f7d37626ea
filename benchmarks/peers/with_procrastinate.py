"""procrastinate as benchmarks/queues.py runs it: `install`, `fill N`, or `work BATCH`.

It claims one job with each statement, whatever the batch. For 1, fetch_job and finish_job of its
JobManager are measured, as its worker calls them; for more, the worker itself with as many jobs at
once over four connections. The database is named by PGHOST, PGUSER and PGDATABASE, as for psql.
"""

import asyncio
import logging
import sys

import procrastinate
from procrastinate.jobs import Status

CONNECTIONS = 4

logging.disable(logging.CRITICAL)


async def main(action: str, size: int) -> None:
    """Do what the command line says."""
    connections = CONNECTIONS if action == "work" and size > 1 else 1
    connector = procrastinate.PsycopgConnector(min_size=connections, max_size=connections)
    app = procrastinate.App(connector=connector)
    done = 0

    @app.task(name="bench")
    async def nothing() -> None:
        nonlocal done
        done += 1

    async with app.open_async():
        if action == "install":
            await app.schema_manager.apply_schema_async()
        elif action == "fill":
            await nothing.batch_defer_async(*({} for _ in range(size)))
        else:
            await connector.execute_query_one_async("select 1 as one")
            print("ready", flush=True)
            sys.stdin.readline()
            if size == 1:
                done = await one_by_one(app)
            else:
                await app.run_worker_async(
                    concurrency=size,
                    wait=False,
                    listen_notify=False,
                    install_signal_handlers=False,
                )
            print("done", done, flush=True)


async def one_by_one(app: procrastinate.App) -> int:
    """Claim and complete until nothing is left; how many there were."""
    jobs = app.job_manager
    worker = await jobs.register_worker()
    done = 0
    while (job := await jobs.fetch_job(queues=None, worker_id=worker)) is not None:
        await jobs.finish_job(job, Status.SUCCEEDED, delete_job=False)
        done += 1
    return done


asyncio.run(main(sys.argv[1], int((sys.argv[2:] or ["0"])[0])))
