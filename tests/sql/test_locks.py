"""Who waits for whom, and who does not (protocol.md, "Locks").

The order of what happens is forced, so that each of these fails for certain when its rule is taken
out of the SQL: see tests/mutants.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from lib.engine.work import UnitOfWork
from tests.support.claims import Fill, add_task, claim, claim_tasks, commit, send, turn, work
from tests.support.rpc import Rpc
from tests.support.sessions import Sessions

ADA, BOB, EVE = "+12125550101", "+12125550102", "+12125550103"

#: Holds every member, as whoever works for them does.
HOLD = "select 1 as one from users for no key update"


# The lock of a member

#: Arguments for a function, and a query for the time that it wrote.
Prepared = tuple[str, dict[str, Any], str]


def recording(rpc: Rpc) -> Prepared:
    rpc.member(ADA)
    text = {
        "message_id": str(uuid4()),
        "event_id": str(uuid4()),
        "sid": "SM1",
        "phone": ADA,
        "body": "hi",
        "answer": True,
    }
    return "record_inbound", {"text": text}, "select max(created_at) as at from messages"


def claiming(rpc: Rpc) -> Prepared:
    arguments = {"event_id": rpc.text(ADA)["event_id"], "token": uuid4(), "lease_s": 60}
    query = "select (metadata #>> '{lease,until}')::timestamptz - interval '60 s' as at from events"
    return "claim_event", arguments, query


def committing(rpc: Rpc) -> Prepared:
    claimed = turn(rpc, ADA)
    user = UUID(claimed["event"]["aggregate_id"])
    arguments = work(claimed, lambda unit: unit.emit("test", aggregate_id=user))
    return "commit_work", arguments, "select created_at as at from events where event_type = 'test'"


def committing_a_task(rpc: Rpc) -> Prepared:
    task, token = claimed_task(rpc)
    arguments = {"work": {"task": task, "changes": []}, "token": token}
    return "commit_work", arguments, "select completed_at as at from agent_tasks"


def failing(rpc: Rpc) -> Prepared:
    claimed = turn(rpc, ADA)
    arguments = {"event_ids": claimed["events"], "token": claimed["token"]}
    query = "select (metadata ->> 'retry_at')::timestamptz - interval '10 s' as at from events"
    return "fail_event", arguments | {"error": "e", "kind": "own"}, query


def failing_a_task(rpc: Rpc) -> Prepared:
    task, token = claimed_task(rpc)
    arguments = {"task_id": task, "token": token, "error": "e", "kind": "dependency"}
    query = "select scheduled_for - interval '5 s' as at from agent_tasks"
    return "fail_task", arguments, query


def rereading_a_task(rpc: Rpc) -> Prepared:
    task, token = claimed_task(rpc)
    arguments = {"task_id": task, "token": token, "lease_s": 60}
    query = (
        "select (result_json #>> '{claim,until}')::timestamptz - interval '60 s' as at"
        " from agent_tasks"
    )
    return "reread_task", arguments, query


def sending(rpc: Rpc) -> Prepared:
    user = rpc.member(ADA)
    rpc.queue(user, data={"kind": "system"})
    arguments = {"token": uuid4(), "user_id": user}
    return "claim_texts", arguments, "select sent_at as at from message_queue"


def recording_a_send(rpc: Rpc) -> Prepared:
    text, user, token = in_flight(rpc)
    result = {
        "id": str(text),
        "user_id": str(user),
        "outcome": "accepted",
        "sid": "SM1",
        "status": "queued",
        "receipt_key": str(uuid4()),
    }
    query = "select last_message_at as at from conversations"
    return "record_sends", {"token": token, "results": [result]}, query


def recording_a_receipt(rpc: Rpc) -> Prepared:
    text, _, _ = in_flight(rpc)
    receipt = {
        "message_id": str(text),
        "sid": "SM1",
        "status": "sent",
        "event_id": str(uuid4()),
        "receipt_key": str(uuid4()),
    }
    query = "select last_message_at as at from conversations"
    return "record_delivery", {"receipt": receipt}, query


def settling(rpc: Rpc) -> Prepared:
    text, _, token = in_flight(rpc)
    query = (
        "select (message_data #>> '{send,empty_at}')::timestamptz as at"
        " from message_queue where message_data -> 'send' ? 'empty_at'"
    )
    return "settle_send", {"id": text, "token": token, "found": []}, query


def claimed_task(rpc: Rpc) -> tuple[str, UUID]:
    """A member's task and the token of its claim."""
    add_task(rpc, rpc.member(ADA))
    token = uuid4()
    (task,) = claim_tasks(rpc, token)
    return task, token


def in_flight(rpc: Rpc) -> tuple[UUID, UUID, UUID]:
    """A text on its way to Twilio, its member, and the token of its claim."""
    user = rpc.member(ADA)
    text, token = rpc.queue(user, data={"kind": "system"}), uuid4()
    assert len(send(rpc, token, user)) == 1
    return text, user, token


@pytest.mark.parametrize(
    "prepare",
    [recording, claiming, committing, committing_a_task, failing, failing_a_task, rereading_a_task,
     sending, recording_a_send, recording_a_receipt, settling],
    ids=lambda prepare: prepare.__name__,
)  # fmt: skip
def test_whoever_works_for_a_member_waits_for_the_one_before_then_writes_then_reads_the_clock(
    sessions: Sessions, prepare: Callable[[Rpc], Prepared]
) -> None:
    holder, worker = sessions.open(), sessions.open()
    worker.now = datetime.now(UTC) - timedelta(minutes=1)
    function, arguments, written = prepare(worker)
    with holder.connection.transaction():
        holder.rows(HOLD)
        waiting = sessions.waits(worker, lambda: worker.call(function, now=None, **arguments))
        # Calls of models are logged whatever becomes of the rest.
        assert sessions.written(worker) <= {"agent_actions_log"}
        (left,) = holder.rows("select clock_timestamp() as at")
    waiting.result()
    (row,) = worker.rows(written)
    assert row["at"] > left["at"]


def test_who_holds_a_member_holds_up_no_row_that_refers_to_them(sessions: Sessions) -> None:
    holder, writer = sessions.open(), sessions.open()
    user = writer.member(ADA)
    with holder.connection.transaction():
        holder.rows("select lock_member(%s)", user)
        sessions.at_once(writer, lambda: writer.queue(user))


def test_of_two_claims_at_once_for_one_member_one_is_told_busy(sessions: Sessions) -> None:
    first, second = sessions.open(), sessions.open()
    text = first.text()
    # One that no claim of a text takes with it.
    (other,) = first.rows(
        "insert into events (event_type, aggregate_id, aggregate_type, payload)"
        " values ('test', %s, 'user', '{}') returning id::text",
        text["user_id"],
    )
    with first.connection.transaction():
        assert claim(first, text["event_id"])["outcome"] == "claimed"
        waiting = sessions.waits(second, lambda: claim(second, other["id"]))
    assert waiting.result() == {"outcome": "busy"}


def test_a_claim_that_waited_sees_what_the_holder_before_it_finished(sessions: Sessions) -> None:
    first, second = sessions.open(), sessions.open()
    claimed = turn(first)
    with first.connection.transaction():
        commit(first, claimed)
        waiting = sessions.waits(second, lambda: claim(second, claimed["events"][0]))
    assert waiting.result() == {"outcome": "done"}


def test_a_text_waits_while_a_task_of_its_member_is_claimed_and_is_then_told_busy(
    sessions: Sessions,
) -> None:
    first, second = sessions.open(), sessions.open()
    add_task(first, first.member(ADA))
    event = first.text(ADA)["event_id"]
    with first.connection.transaction():
        assert len(claim_tasks(first)) == 1
        waiting = sessions.waits(second, lambda: claim(second, event))
    assert waiting.result() == {"outcome": "busy"}


def test_a_task_is_passed_over_while_a_text_of_its_member_is_claimed_and_decided(
    sessions: Sessions,
) -> None:
    first, second = sessions.open(), sessions.open()
    add_task(first, first.member(ADA))
    event = first.text(ADA)["event_id"]
    second.now = first.now
    with first.connection.transaction():
        claimed = claim(first, event)
        assert sessions.at_once(second, lambda: claim_tasks(second)) == []
    assert claim_tasks(second) == []
    commit(first, claimed)
    assert len(claim_tasks(second)) == 1


# Batches wait for nobody


def test_a_batch_of_tasks_leaves_out_members_whom_somebody_holds(sessions: Sessions) -> None:
    holder, worker = sessions.open(), sessions.open()
    ada, bob = worker.member(ADA), worker.member(BOB)
    add_task(worker, ada)
    free = [add_task(worker, bob), add_task(worker, None)]
    with holder.connection.transaction():
        holder.rows("select lock_member(%s)", ada)
        taken = sessions.at_once(worker, lambda: claim_tasks(worker))
    assert sorted(taken) == sorted(map(str, free))


def test_a_batch_of_texts_leaves_out_members_whom_somebody_holds(sessions: Sessions) -> None:
    holder, worker = sessions.open(), sessions.open()
    ada, bob = worker.member(ADA), worker.member(BOB)
    worker.queue(ada, "to ada")
    worker.queue(bob, "to bob")
    with holder.connection.transaction():
        holder.rows("select lock_member(%s)", ada)
        sent = sessions.at_once(worker, lambda: send(worker, uuid4()))
    assert sent == ["to bob"]


def test_two_sweepers_at_once_hand_out_each_event_once(sessions: Sessions) -> None:
    first, second = sessions.open(), sessions.open()
    first.text(ADA)
    second.now = first.now = first.now + timedelta(seconds=61)
    with first.connection.transaction():
        assert len(first.call("sweep_events")["events"]) == 1
        swept = sessions.at_once(second, lambda: second.call("sweep_events"))
    assert swept["events"] == second.call("sweep_events")["events"] == []


def test_two_sweepers_at_once_look_up_each_stuck_text_once(sessions: Sessions) -> None:
    first, second = sessions.open(), sessions.open()
    in_flight(first)
    second.now = first.now = first.now + timedelta(minutes=2)
    with first.connection.transaction():
        assert len(first.call("claim_stuck_sends", token=uuid4())["sends"]) == 1
        stuck = sessions.at_once(
            second, lambda: second.call("claim_stuck_sends", token=uuid4())["sends"]
        )
    assert stuck == second.call("claim_stuck_sends", token=uuid4())["sends"] == []


# Several members, several rows


def retitle(*users: UUID) -> Fill:
    """A decision that changes these members, in this order."""

    def decide(unit: UnitOfWork) -> None:
        for user in users:
            unit.update("users", user, {"title": "x"}, expect={})

    return decide


def test_units_that_change_the_same_members_in_opposite_order_are_both_applied(
    sessions: Sessions,
) -> None:
    first, second, holder = sessions.open(), sessions.open(), sessions.open()
    low, middle, high = sorted(first.member(f"+1212555020{nth}") for nth in range(3))
    one, two = turn(first, ADA), turn(first, BOB)
    with holder.connection.transaction():
        # The middle one is held until each has taken what it takes before.
        holder.rows("select lock_member(%s)", middle)
        up = sessions.waits(first, lambda: commit(first, one, retitle(low, middle, high)))
        down = sessions.waits(second, lambda: commit(second, two, retitle(high, middle, low)))
    assert (up.result()["outcome"], down.result()["outcome"]) == ("applied", "applied")


def test_a_unit_and_the_outcome_of_a_batch_about_the_same_members_are_both_applied(
    sessions: Sessions,
) -> None:
    first, second, holder = sessions.open(), sessions.open(), sessions.open()
    low, middle, high = sorted(first.member(f"+1212555020{nth}") for nth in range(3))
    claimed = turn(first, ADA)
    results = [
        {"id": str(uuid4()), "user_id": str(user), "outcome": "ambiguous"}
        for user in (high, middle, low)
    ]
    with holder.connection.transaction():
        holder.rows("select lock_member(%s)", middle)
        unit = sessions.waits(first, lambda: commit(first, claimed, retitle(low, middle, high)))
        batch = sessions.waits(
            second, lambda: second.call("record_sends", token=uuid4(), results=results)
        )
    assert (unit.result()["outcome"], batch.result()["outcome"]) == ("applied", "applied")


def test_units_that_change_the_same_rows_in_opposite_order_are_both_applied(
    sessions: Sessions,
) -> None:
    first, second, holder = sessions.open(), sessions.open(), sessions.open()
    for nth in range(3):
        first.member(f"+1212555020{nth}")
    rows = [row["id"] for row in first.rows("select id from conversations order by id")]
    one, two = turn(first, ADA), turn(first, BOB)

    def count(ids: list[UUID]) -> Fill:
        def decide(unit: UnitOfWork) -> None:
            for conversation in ids:
                unit.add("conversations", conversation, messages_since_summary=1)

        return decide

    with holder.connection.transaction():
        holder.rows("select 1 as one from conversations where id = %s for update", rows[1])
        up = sessions.waits(first, lambda: commit(first, one, count(rows)))
        down = sessions.waits(second, lambda: commit(second, two, count(rows[::-1])))
    assert (up.result()["outcome"], down.result()["outcome"]) == ("applied", "applied")
    counts = first.rows(
        "select messages_since_summary as n from conversations where id = any(%s)", rows
    )
    assert [row["n"] for row in counts] == [3, 3, 3]


def test_a_deadlock_with_a_strangers_transaction_is_retry_and_the_lease_is_kept(
    sessions: Sessions,
) -> None:
    stranger, worker = sessions.open(), sessions.open()
    low, high = sorted((worker.member(BOB), worker.member(EVE)))
    claimed = turn(worker, ADA)
    # The worker looks for a deadlock first, and so is the one that gives way.
    for session, wait in ((worker, "100ms"), (stranger, "1min")):
        session.connection.execute("reset role")
        session.connection.execute(f"set deadlock_timeout = '{wait}'".encode())
        session.connection.execute("set role service_role")
    with stranger.connection.transaction():
        stranger.rows("select lock_member(%s)", high)
        waiting = sessions.waits(worker, lambda: commit(worker, claimed, retitle(low, high)))
        stranger.rows("select lock_member(%s)", low)
    assert waiting.result() == {"outcome": "retry"}
    assert worker.rows("select 1 as one from users where title = 'x'") == []
    assert commit(worker, claimed, retitle(low, high))["outcome"] == "applied"


def test_a_unit_of_work_touches_at_most_a_hundred_members(rpc: Rpc) -> None:
    claimed = turn(rpc)  # whose member counts too
    for others, outcome in ((100, "invalid"), (99, "applied")):
        members = [str(uuid4()) for _ in range(others)]
        assert commit(rpc, claimed, members=members)["outcome"] == outcome


# Limits


def test_every_call_that_may_wait_for_a_lock_gives_up_after_two_seconds(
    shared_database: str,
) -> None:
    with psycopg.connect(shared_database) as connection:
        patient = connection.execute(
            "select proname from pg_proc where pronamespace = 'public'::regnamespace"
            " and prorettype = 'jsonb'::regtype and provolatile = 'v'"
            r" and prosrc ~ 'lock_member\(|for (no key )?update(?! skip)'"
            " and not 'lock_timeout=2s' = any (proconfig)"
        ).fetchall()
    assert patient == []


def test_no_call_hands_out_more_than_its_most(rpc: Rpc) -> None:
    rpc.rows(
        "with u as (insert into users (phone_number) select n from generate_series(1, 201) as n"
        " returning id), q as (insert into message_queue (user_id, agent_id, message_data,"
        " final_message, scheduled_for) select id, 'x', '{\"kind\": \"system\"}', 'x', %s from u),"
        " e as (insert into events (event_type, payload, created_at)"
        " select 'x', '{}', %s from u) insert into agent_tasks (task_type, agent_type,"
        " scheduled_for, context_json) select 'x', 'x', %s, '{}' from u returning id",
        *[rpc.now] * 3,
    )
    rpc.pass_time(minutes=2)
    assert len(rpc.call("sweep_events", limit=1000)["events"]) == 200
    assert len(claim_tasks(rpc, limit=1000)) == 100
    assert len(send(rpc, uuid4(), limit=1000)) == 200
    assert len(send(rpc, uuid4(), limit=1000)) == 1
    rpc.pass_time(minutes=2)
    stuck = rpc.call("claim_stuck_sends", token=uuid4(), limit=1000)
    assert len(stuck["sends"]) == 200


# What a lease costs


def test_taking_and_giving_back_a_lease_touches_no_index(sessions: Sessions) -> None:
    rpc = sessions.open()
    with rpc.connection.transaction():
        event = rpc.text()["event_id"]
        for _ in range(3):
            claimed = claim(rpc, event)
            failed = {"event_ids": claimed["events"], "token": claimed["token"], "error": "e"}
            rpc.call("fail_event", kind="dependency", **failed)
            rpc.pass_time(minutes=10)
            assert rpc.call("sweep_events")["events"] == [event]
        # Of this transaction alone, on pages that nobody else has filled.
        (updates,) = rpc.rows(
            "select n_tup_upd as n, n_tup_hot_upd as heap_only from pg_stat_xact_user_tables"
            " where relname = 'events'"
        )
    assert (updates["n"], updates["heap_only"]) == (9, 9)


def test_no_index_is_about_a_lease_or_other_working_state(shared_database: str) -> None:
    with psycopg.connect(shared_database) as connection:
        found = connection.execute(
            "select indexname from pg_indexes where schemaname = 'public'"
            " and indexdef ~ 'metadata|result_json|message_data'"
        ).fetchall()
    assert found == []
