"""Retention: what has been finished for long goes, in bounded steps; everything else stays."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from psycopg.types.json import Jsonb

from tests.support.rpc import Rpc

OLD = timedelta(days=400)


@pytest.fixture
def rpc(any_database: str) -> Iterator[Rpc]:
    session = Rpc(any_database)
    yield session
    session.close()


def event(rpc: Rpc, event_type: str = "a", age: timedelta = OLD, **columns: Any) -> UUID:
    values = {
        "event_type": event_type,
        "payload": Jsonb({}),
        "processed": True,
        "created_at": rpc.now - age,
    } | columns
    (row,) = rpc.rows(
        f"insert into events ({', '.join(values)})"  # noqa: S608
        f" values ({', '.join(['%s'] * len(values))}) returning id",
        *values.values(),
    )
    made: UUID = row["id"]
    return made


def task(rpc: Rpc, status: str | None, age: timedelta = OLD) -> None:
    rpc.rows(
        "insert into agent_tasks (task_type, agent_type, scheduled_for, context_json, status,"
        " created_at) values ('a', 'a', %s, '{}', %s, %s) returning id",
        rpc.now - age,
        status,
        rpc.now - age,
    )


def log(rpc: Rpc, agent_type: str, age: timedelta = OLD) -> None:
    rpc.rows(
        "insert into agent_actions_log (agent_type, action_type, created_at)"
        " values (%s, 'a', %s) returning id",
        agent_type,
        rpc.now - age,
    )


def left(rpc: Rpc, table: str) -> int:
    (row,) = rpc.rows(f"select count(*) as n from {table}")  # noqa: S608
    count: int = row["n"]
    return count


def test_it_deletes_finished_events_tasks_and_logs_that_are_old(rpc: Rpc) -> None:
    for age in (OLD, timedelta(days=10)):
        event(rpc, age=age)
        event(rpc, age=age, metadata=Jsonb({"dead": {"error": "x"}}))
        task(rpc, "completed", age)
        task(rpc, "failed", age)
        log(rpc, "bouncer", age)
        log(rpc, "concierge", age)
    answer = rpc.call("prune")
    assert answer == {
        "outcome": "pruned",
        "events": 1,
        "dead_letters": 1,
        "tasks": 2,
        "logs": 2,
        "more": False,
    }
    assert [left(rpc, t) for t in ("events", "agent_tasks", "agent_actions_log")] == [2, 2, 2]


def test_it_keeps_what_is_open_or_has_no_time(rpc: Rpc) -> None:
    for processed in (False, None):
        event(rpc, processed=processed)
    event(rpc, created_at=None)
    for status in ("pending", "processing", None):
        task(rpc, status)
    rpc.pass_time(days=4000)
    answer = rpc.call("prune")
    assert (answer["events"], answer["tasks"]) == (0, 0)


def test_it_keeps_what_members_have_said_about_texts_and_an_onboarding_that_goes_on(
    rpc: Rpc,
) -> None:
    newcomer = rpc.member("+12125550001", verified=None)
    member = rpc.member("+12125550002", verified=True)
    rpc.pass_time(days=400)
    step = "user.onboarding_step.completed"
    kept = [
        event(rpc, kind, aggregate_id=member, aggregate_type="user")
        for kind in ("user.opted_out", "user.opted_in", "user.verified")
    ]
    kept.append(event(rpc, step, aggregate_id=newcomer, aggregate_type="user"))
    gone = event(rpc, step, aggregate_id=member, aggregate_type="user")
    rpc.call("prune")
    assert {row["id"] for row in rpc.rows("select id from events")} == set(kept)
    assert gone not in kept


def test_a_dead_letter_has_a_time_of_its_own(rpc: Rpc) -> None:
    event(rpc, age=timedelta(days=100), metadata=Jsonb({"dead": {"error": "x"}}))
    assert rpc.call("prune", events="30 days")["dead_letters"] == 0
    assert rpc.call("prune", dead_letters="30 days")["dead_letters"] == 1


def test_a_dead_letter_s_time_begins_when_it_is_given_up(rpc: Rpc) -> None:
    for age in (OLD, timedelta(days=1)):
        event(rpc, metadata=Jsonb({"dead": {"error": "x", "at": str(rpc.now - age)}}))
    assert rpc.call("prune")["dead_letters"] == 1
    rpc.pass_time(days=365)
    assert rpc.call("prune")["dead_letters"] == 1


def test_it_never_touches_the_ledger_nor_a_text(rpc: Rpc) -> None:
    member = rpc.member()
    rpc.queue(member)
    rpc.rows(
        "insert into credit_events (user_id, event_type, amount, reference_type, reference_id,"
        " idempotency_key, created_at, processed)"
        " values (%s, 'a', 5, 'a', gen_random_uuid(), 'k', %s, true) returning id",
        member,
        rpc.now,
    )
    tables = ("credit_events", "messages", "message_queue", "users", "conversations")
    before = [left(rpc, table) for table in tables]
    rpc.pass_time(days=4000)
    rpc.call("prune", events="1 day", dead_letters="1 day", tasks="1 day", logs="1 day")
    assert [left(rpc, table) for table in tables] == before
    assert min(before) == 1


def test_nothing_younger_than_a_week_goes_whatever_is_asked(rpc: Rpc) -> None:
    event(rpc, age=timedelta(days=6))
    task(rpc, "completed", timedelta(days=6))
    log(rpc, "a", timedelta(days=6))
    answer = rpc.call("prune", events="0", dead_letters="0", tasks="0", logs="0")
    assert (answer["events"], answer["tasks"], answer["logs"]) == (0, 0, 0)


def test_a_call_deletes_at_most_its_limit_of_each_kind_and_says_whether_more_is_left(
    rpc: Rpc,
) -> None:
    for number in range(5):
        event(rpc)
        log(rpc, f"agent {number % 2}")
    steps = [rpc.call("prune", limit=2) for _ in range(3)]
    assert [(step["events"], step["logs"], step["more"]) for step in steps] == [
        (2, 2, True),
        (2, 2, True),
        (1, 1, False),
    ]


def test_it_passes_over_rows_that_somebody_holds(rpc: Rpc, any_database: str) -> None:
    held, free = event(rpc), event(rpc)
    other = Rpc(any_database)
    with other.connection.transaction():
        other.rows("select id from events where id = %s for update", held)
        assert rpc.call("prune")["events"] == 1
    other.close()
    assert [row["id"] for row in rpc.rows("select id from events")] == [held]
    assert free != held
