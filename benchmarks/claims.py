"""What a claim costs, by how much waits: ``python -m benchmarks.claims``.

The functions over psycopg and a Unix socket, one after another, each in a transaction that is
rolled back, on a PostgreSQL of its own that does not wait for the disk. In every queue 100 and then
100,000 rows wait for their time, as many are held, and as many are over; the statistics are those
of the empty queue, the worst that a planner can be told.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import psycopg
from psycopg.types.json import Jsonb

from tests.support import backlog
from tests.support.database import SHIPPED, Servers

WAITING = (100, 100_000)
CALLS = 60

_DUE_TEXT = """
    insert into message_queue (user_id, agent_id, message_data, final_message, scheduled_for)
    select id, 'x', '{"kind": "system"}', 'x', now() from users order by id limit 1
"""
_DUE_TASK = """
    insert into agent_tasks (task_type, agent_type, scheduled_for, context_json)
    values ('none.such', 'x', now(), '{}')
"""


def measure() -> None:
    """Print one line for each claim: the median of both sizes, and their ratio."""
    servers = Servers()
    found: dict[str, list[float]] = {}
    try:
        server = servers.server(SHIPPED)
        for rows in WAITING:
            url = server.url(server.create(servers.template(SHIPPED)))
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("vacuum analyze")
                backlog.fill(connection, rows)
                for name, one in _calls(connection).items():
                    found.setdefault(name, []).append(_median_ms(connection, one))
    finally:
        servers.stop()
    print(f"\nclaims: PostgreSQL {SHIPPED}, fsync off; ms at the median of {CALLS}")
    print(f"{'':32}" + "".join(f"{rows:>12,}" for rows in WAITING) + "  waiting rows")
    for name, (few, many) in found.items():
        print(f"{name:32}{few:12.2f}{many:12.2f}  x {many / few:.1f}")


def _calls(connection: psycopg.Connection) -> dict[str, Callable[[], object]]:
    def call(function: str, **arguments: Any) -> Callable[[], object]:
        def run() -> object:
            values = {
                name: value() if callable(value) else value for name, value in arguments.items()
            }
            named = ", ".join(f"p_{name} => %({name})s" for name in values)
            return connection.execute(f"select {function}({named})".encode(), values).fetchone()

        return run

    def after(preparation: str, then: Callable[[], object]) -> Callable[[], object]:
        def run() -> object:
            connection.execute(preparation.encode())
            started = time.perf_counter()
            then()
            return time.perf_counter() - started

        return run

    recorded = connection.execute("select record_inbound(%s)", (_text(),)).fetchone()
    assert recorded is not None
    return {
        "record_inbound": call("record_inbound", text=_text),
        "claim_event": call("claim_event", event_id=recorded[0]["event_id"], token=uuid4),
        "claim_texts, none due": call("claim_texts", token=uuid4),
        "claim_texts, one due": after(_DUE_TEXT, call("claim_texts", token=uuid4)),
        "claim_tasks, none due": call("claim_tasks", token=uuid4, limit=10),
        "claim_tasks, one due": after(_DUE_TASK, call("claim_tasks", token=uuid4, limit=10)),
        "claim_stuck_sends": call("claim_stuck_sends", token=uuid4),
        "sweep_events, one window": call("sweep_events"),
    }


def _text() -> Jsonb:
    return Jsonb(
        {
            "message_id": str(uuid4()),
            "event_id": str(uuid4()),
            "reply_id": str(uuid4()),
            "sid": f"SM{uuid4().hex}",
            "phone": "+13105550199",
            "body": "hi",
            "media": [],
            "answer": True,
        }
    )


def _median_ms(connection: psycopg.Connection, one: Callable[[], object]) -> float:
    """Of a call; of its last part where it says how long that took."""
    taken = []
    for _ in range(CALLS):
        with connection.transaction(force_rollback=True):
            started = time.perf_counter()
            said = one()
            taken.append(said if isinstance(said, float) else time.perf_counter() - started)
    return statistics.median(taken) * 1000


if __name__ == "__main__":
    measure()
