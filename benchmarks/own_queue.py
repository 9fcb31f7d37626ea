"""Our own tasks as benchmarks/queues.py runs them: ``python -m benchmarks.own_queue ACTION N``.

`nobodys N` and `members N` add so many due tasks, nobody's or each a member's of its own. `work
BATCH` measures claim_tasks and then commit_work for one task, commit_batch for more, over psycopg.
`http BATCH` measures the same calls through the Supabase API, as the functions make them. PGHOST,
PGUSER and PGDATABASE name the database as for psql, SUPABASE_URL names the API.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg.types.json import Jsonb

Call = Callable[..., dict[str, Any]]

NOBODYS = """
    insert into agent_tasks (task_type, agent_type, scheduled_for, context_json)
    select 'bench', 'bench', now(), '{}' from generate_series(1, %s)
"""
MEMBERS = """
    with members as (
        insert into users (phone_number) select n from generate_series(1, %s) as n returning id
    )
    insert into agent_tasks (task_type, agent_type, user_id, scheduled_for, context_json)
    select 'bench', 'bench', id, now(), '{}' from members
"""
#: Before there was anything due.
LONG_AGO = "2000-01-01T00:00:00Z"


def main(action: str, size: int) -> None:
    """Do what the command line says."""
    if action in ("nobodys", "members"):
        with psycopg.connect() as connection:
            connection.execute(NOBODYS if action == "nobodys" else MEMBERS, (size,))
    elif action == "work":
        with psycopg.connect(autocommit=True, prepare_threshold=0) as connection:
            _when_told(_direct(connection), size)
    else:
        # Here, because nothing else needs the settings that it reads.
        from lib.adapters import supabase

        _when_told(supabase.connect().call, size)


def _direct(connection: psycopg.Connection) -> Call:
    """The calls of Database.call, without HTTP between."""

    def call(function: str, **arguments: Any) -> dict[str, Any]:
        values = {k: Jsonb(v) if isinstance(v, dict | list) else v for k, v in arguments.items()}
        named = ", ".join(f"p_{name} => %({name})s" for name in values)
        row = connection.execute(f"select {function}({named})".encode(), values).fetchone()
        assert row is not None
        answer: dict[str, Any] = row[0]
        return answer

    return call


def _when_told(call: Call, batch: int) -> None:
    """Be connected and say so, work when told to, and say how many tasks that were."""
    call("claim_tasks", token=uuid4(), limit=1, now=LONG_AGO)
    print("ready", flush=True)
    sys.stdin.readline()
    print("done", _work(call, batch), flush=True)


def _work(call: Call, batch: int) -> int:
    """Claim and complete until nothing is left; how many there were."""
    done = 0
    while True:
        token = uuid4()
        claimed = call("claim_tasks", token=token, limit=batch)["tasks"]
        if not claimed:
            return done
        works = [{"task": task["id"]} for task in claimed]
        for result in _commit(call, token, works):
            assert result["outcome"] == "applied", result
            done += 1


def _commit(call: Call, token: UUID, works: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if len(works) == 1:
        return [call("commit_work", work=works[0], token=token)]
    answer = call("commit_batch", units=[{"work": work, "token": str(token)} for work in works])
    results: list[dict[str, Any]] = answer["results"]
    return results


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
