"""Claims and commits that meet others half-way (protocol.md, "Claim and commit").

The order of what happens is forced, so that each of these fails for certain when its rule is taken
out of the SQL: see tests/mutants.
"""

from __future__ import annotations

import json
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from lib.engine.work import UnitOfWork
from tests.support.claims import Fill, add_task, claim, claim_tasks, commit, turn
from tests.support.ledger import MOVEMENT, balances, members, write
from tests.support.rpc import Rpc
from tests.support.sessions import Sessions

ADA, BOB = "+12125550101", "+12125550102"


def owner(claimed: dict[str, Any]) -> UUID:
    """The member whom a claimed turn is about."""
    return UUID(claimed["event"]["aggregate_id"])


def count(claimed: dict[str, Any]) -> Fill:
    """A change that shows how often it was applied."""
    conversation = UUID(claimed["context"]["conversation"]["id"])
    return lambda unit: unit.add("conversations", conversation, messages_since_summary=10)


def counted(rpc: Rpc) -> int:
    """How often it was."""
    (row,) = rpc.rows("select messages_since_summary / 10 as times from conversations")
    times: int = row["times"]
    return times


def fail(rpc: Rpc, claimed: dict[str, Any], **more: Any) -> dict[str, Any]:
    """What fail_event answers about a claimed turn."""
    given = {"event_ids": claimed["events"], "token": claimed["token"], "error": "e", "kind": "own"}
    return rpc.call("fail_event", **given | more)


# 5: the same token, the same claim


def test_a_claim_repeated_while_the_first_still_runs_gets_the_same_and_counts_once(
    sessions: Sessions,
) -> None:
    first, second = sessions.open(), sessions.open()
    event, token = first.text()["event_id"], uuid4()
    second.now = first.now
    with first.connection.transaction():
        claimed = claim(first, event, token=token)
        waiting = sessions.waits(second, lambda: claim(second, event, token=token))
    assert waiting.result() == claimed


# 6 and 8: what came meanwhile


def test_a_claim_takes_the_text_that_is_being_recorded(sessions: Sessions) -> None:
    recorder, worker = sessions.open(), sessions.open()
    one = recorder.text(body="one")["event_id"]
    with recorder.connection.transaction():
        two = recorder.text(body="two")["event_id"]
        waiting = sessions.waits(worker, lambda: claim(worker, one))
    assert waiting.result()["events"] == [one, two]


@pytest.mark.parametrize("final", [False, True])
def test_a_commit_tells_of_the_text_that_is_being_recorded(sessions: Sessions, final: bool) -> None:
    recorder, worker = sessions.open(), sessions.open()
    claimed = turn(worker)
    with recorder.connection.transaction():
        two = recorder.text(body="two")["event_id"]
        waiting = sessions.waits(worker, lambda: commit(worker, claimed, final=final))
    answer = waiting.result()
    if final:
        assert (answer["outcome"], answer["more"]) == ("applied", two)
    else:
        assert answer == {"outcome": "newer"}


def test_a_failure_tells_of_the_text_that_is_being_recorded(sessions: Sessions) -> None:
    recorder, worker = sessions.open(), sessions.open()
    claimed = turn(worker)
    with recorder.connection.transaction():
        two = recorder.text(body="two")["event_id"]
        waiting = sessions.waits(worker, lambda: fail(worker, claimed))
    assert waiting.result()["more"] == two


# 7: one commit, by whoever holds the lease


def test_a_commit_made_three_times_at_once_is_applied_once_and_answered_alike(
    sessions: Sessions,
) -> None:
    first, *others = (sessions.open() for _ in range(3))
    claimed = turn(first)
    with first.connection.transaction():
        applied = commit(first, claimed, count(claimed))
        waiting = [
            sessions.waits(other, partial(commit, other, claimed, count(claimed)))
            for other in others
        ]
    assert applied["outcome"] == "applied"
    assert [again.result() for again in waiting] == [applied, applied]
    assert counted(first) == 1


def test_a_tasks_commit_made_twice_at_once_is_applied_once_and_answered_alike(
    sessions: Sessions,
) -> None:
    first, second = sessions.open(), sessions.open()
    user, token = first.member(ADA), uuid4()
    add_task(first, user)
    (task,) = claim_tasks(first, token)
    unit = UnitOfWork(UUID(task), created_by="test")
    unit.append("users", user, expertise=["a"])
    arguments = {"work": {"task": task, "changes": unit.changes}, "token": token}
    with first.connection.transaction():
        applied = first.call("commit_work", **arguments)
        waiting = sessions.waits(second, lambda: second.call("commit_work", **arguments))
    assert applied["outcome"] == "applied"
    assert waiting.result() == applied
    assert first.rows("select expertise from users") == [{"expertise": ["a"]}]


def test_a_holder_whose_lease_is_being_taken_over_is_stale_also_when_the_other_is_done(
    sessions: Sessions,
) -> None:
    quick, slow = sessions.open(), sessions.open()
    lost = turn(slow)
    quick.now = slow.now
    quick.pass_time(seconds=91)
    with quick.connection.transaction():
        taken = claim(quick, lost["events"][0])
        waiting = sessions.waits(slow, lambda: commit(slow, lost, count(lost)))
    assert waiting.result() == {"outcome": "stale"}
    assert commit(quick, taken)["outcome"] == "applied"
    assert commit(slow, lost, count(lost)) == {"outcome": "stale"}
    assert fail(slow, lost)["outcome"] == "stale"
    assert counted(slow) == 0


def test_a_holder_who_lost_one_of_several_texts_is_stale(rpc: Rpc) -> None:
    rpc.text()
    claimed = turn(rpc)
    assert len(claimed["events"]) == 2
    rpc.rows("update events set processed = true where id = %s returning id", claimed["events"][1])
    assert commit(rpc, claimed, count(claimed)) == {"outcome": "stale"}
    assert counted(rpc) == 0


def test_a_task_that_somebody_else_claimed_meanwhile_is_stale_to_its_first_holder(
    sessions: Sessions,
) -> None:
    quick, slow = sessions.open(), sessions.open()
    token = uuid4()
    add_task(slow, slow.member(ADA))
    (task,) = claim_tasks(slow, token, lease_s=60)
    quick.now = slow.now
    quick.pass_time(seconds=61)
    arguments = {"work": {"task": task, "changes": []}, "token": token}
    with quick.connection.transaction():
        assert claim_tasks(quick) == [task]
        waiting = sessions.waits(slow, lambda: slow.call("commit_work", **arguments))
    assert waiting.result() == {"outcome": "stale"}


# 9: what a decision has read


def test_a_decision_about_what_somebody_is_changing_is_a_conflict(sessions: Sessions) -> None:
    other, worker = sessions.open(), sessions.open()
    claimed = turn(worker)
    user = owner(claimed)

    def decide(unit: UnitOfWork) -> None:
        unit.update("users", user, {"company": "Acme"}, expect={"company": None})

    with other.connection.transaction():
        other.rows("update users set company = 'Else' returning id")
        waiting = sessions.waits(worker, lambda: commit(worker, claimed, count(claimed), decide))
    assert waiting.result() == {"outcome": "conflict", "change": 2, "table": "users"}
    assert worker.rows("select company from users") == [{"company": "Else"}]
    assert counted(worker) == 0


def test_of_two_decisions_about_one_step_of_a_workflow_one_is_a_conflict(
    sessions: Sessions,
) -> None:
    first, second = sessions.open(), sessions.open()
    one, two = turn(first, ADA), turn(second, BOB)
    (flow,) = first.rows(
        "insert into solution_workflows (user_id, request_description, current_step)"
        " values (%s, 'x', 'a') returning id",
        owner(one),
    )

    def step(to: str) -> Fill:
        return lambda unit: unit.update(
            "solution_workflows", flow["id"], {"current_step": to}, expect={"current_step": "a"}
        )

    with first.connection.transaction():
        assert commit(first, one, step("b"))["outcome"] == "applied"
        waiting = sessions.waits(second, lambda: commit(second, two, step("c")))
    assert waiting.result()["outcome"] == "conflict"
    assert first.rows("select current_step as at from solution_workflows") == [{"at": "b"}]


def test_a_decision_leaves_alone_what_it_does_not_name(sessions: Sessions) -> None:
    """A movement of credits and a growing list, written while the decision was made."""
    other, worker = sessions.open(), sessions.open()
    claimed = turn(worker)
    user = owner(claimed)
    ids = {"task_type": "x", "agent_type": "x", "context_json": {}}

    def decide(unit: UnitOfWork) -> None:
        unit.update("users", user, {"title": "CTO"}, expect={"title": None})
        unit.append("users", user, expertise=["b"])
        unit.insert("agent_tasks", ids | {"user_id": user, "scheduled_for": worker.now})

    with other.connection.transaction():
        other.rows(f"{MOVEMENT} returning id", user, 20, "k")
        other.rows("update users set expertise = '{a}', company = 'Acme' returning id")
        waiting = sessions.waits(worker, lambda: commit(worker, claimed, decide))
    assert waiting.result()["outcome"] == "applied"
    (row,) = worker.rows("select title, company, credit_balance, expertise from users")
    assert tuple(row.values()) == ("CTO", "Acme", 20, ["a", "b"])
    # 11: nor does it turn what it omits into null over the default.
    (task,) = worker.rows("select priority, status, retry_count, max_retries from agent_tasks")
    assert tuple(task.values()) == ("medium", "pending", 0, 3)


def test_an_update_that_states_no_expectation_is_invalid(rpc: Rpc) -> None:
    claimed = turn(rpc)

    def decide(unit: UnitOfWork) -> None:
        unit.update("users", owner(claimed), {"title": "CTO"}, expect={})
        del unit.changes[0]["expect"]

    answer = commit(rpc, claimed, decide)
    assert (answer["outcome"], answer["change"]) == ("invalid", 1)


# 10: what was paid for is written down, whatever became of the decision


def test_the_calls_of_a_refused_decision_are_logged_apart_and_once(rpc: Rpc) -> None:
    claimed = turn(rpc)
    call = {"id": str(uuid4()), "agent_type": "bouncer", "action_type": "llm", "cost_usd": 0.1}
    answer = rpc.call(
        "commit_work",
        work={"events": claimed["events"], "changes": [], "calls": [call]},
        token=uuid4(),
    )
    assert answer == {"outcome": "stale"}
    assert rpc.rows("select 1 as one from agent_actions_log") == []
    assert rpc.call("log_calls", calls=[call])["rows"] == 1
    assert rpc.call("log_calls", calls=[call])["rows"] == 0
    assert fail(rpc, claimed, calls=[call])["outcome"] == "rescheduled"
    assert len(rpc.rows("select 1 as one from agent_actions_log")) == 1


# 11: rows that others wrote


@pytest.mark.parametrize(
    "metadata", [None, "null", '"x"', "[1]", '{"attempt": "x", "retry_at": 1}']
)
def test_an_event_with_null_or_nonsense_in_every_nullable_column_is_swept_and_claimed(
    rpc: Rpc, metadata: str | None
) -> None:
    (event,) = rpc.rows(
        "insert into events (event_type, payload, metadata, processed, version, created_at)"
        " values ('test', '{}', %s::jsonb, null, null, null) returning id::text",
        metadata,
    )
    assert rpc.call("sweep_events")["events"] == [event["id"]]
    claimed = claim(rpc, event["id"])
    assert (claimed["outcome"], claimed["events"]) == ("claimed", [event["id"]])
    assert commit(rpc, claimed)["outcome"] == "applied"


# 12: the same thing, told again

INDEXES = (
    "messages_one_per_twilio_sid",
    "conversations_one_active_per_user",
    "community_responses_one_per_expert",
)


def inbound(**fields: Any) -> dict[str, Any]:
    """A text of Ada's as the webhook records it."""
    ids = {name: str(uuid4()) for name in ("message_id", "event_id")}
    text = ids | {"sid": f"SM{uuid4().hex}", "phone": ADA, "body": "hi", "answer": True}
    return {"text": text | fields}


@pytest.mark.parametrize("known", [False, True], ids=["a stranger", "a member"])
def test_a_text_told_again_while_it_is_recorded_is_one_message_also_without_our_indexes(
    sessions: Sessions, known: bool
) -> None:
    for index in INDEXES:
        sessions.run_as_owner(f"drop index {index}")
    first, second = sessions.open(), sessions.open()
    if known:
        first.member(ADA)
    text = inbound()
    with first.connection.transaction():
        recorded = first.call("record_inbound", **text)
        waiting = sessions.waits(second, lambda: second.call("record_inbound", **text))
    assert recorded["outcome"] == "recorded"
    assert waiting.result() == recorded | {"outcome": "duplicate"}


def test_a_text_is_known_by_its_id_where_its_sid_is_not_kept(rpc: Rpc) -> None:
    text = inbound()
    rpc.call("record_inbound", **text)
    rpc.rows("update messages set twilio_message_sid = null returning id")
    assert rpc.call("record_inbound", **text)["outcome"] == "duplicate"


@pytest.mark.parametrize("known", [False, True], ids=["a stranger", "a member"])
def test_two_first_texts_at_once_are_one_member_and_one_conversation_also_without_our_indexes(
    sessions: Sessions, known: bool
) -> None:
    for index in INDEXES:
        sessions.run_as_owner(f"drop index {index}")
    first, second = sessions.open(), sessions.open()
    if known:
        first.rows("insert into users (phone_number) values (%s) returning id", ADA)
    with first.connection.transaction():
        first.call("record_inbound", **inbound())
        waiting = sessions.waits(second, lambda: second.call("record_inbound", **inbound()))
    assert waiting.result()["outcome"] == "recorded"
    for table, rows in (("users", 1), ("conversations", 1), ("messages", 2)):
        assert len(first.rows(f"select 1 as one from {table}")) == rows  # noqa: S608


def test_the_call_of_a_schedule_repeated_at_once_is_one_event(sessions: Sessions) -> None:
    first, second = sessions.open(), sessions.open()
    event = {"id": str(uuid4()), "event_type": "test", "payload": {}, "created_by": "x"}
    with first.connection.transaction():
        recorded = first.call("record_event", event=event)
        waiting = sessions.waits(second, lambda: second.call("record_event", event=event))
    assert (recorded, waiting.result()) == ({"outcome": "recorded"}, {"outcome": "duplicate"})
    assert len(first.rows("select 1 as one from events")) == 1


def test_a_unit_decided_twice_about_the_same_source_makes_its_rows_once(rpc: Rpc) -> None:
    claimed = turn(rpc)
    user = owner(claimed)
    for words in ("decided once", "decided again"):
        say = partial(UnitOfWork.say, user_id=user, texts=[words], kind="reply")
        assert commit(rpc, claimed, say)["outcome"] == "applied"
        # An operator opens it again.
        rpc.rows("update events set processed = false, metadata = '{}' returning id")
        claimed = claim(rpc, claimed["events"][0])
    assert rpc.rows("select final_message as said from message_queue") == [{"said": "decided once"}]


# 13: a movement that is refused is not credited


def test_a_movement_that_a_conflict_refuses_is_not_credited(any_database: str) -> None:
    with psycopg.connect(any_database) as connection:
        (user,) = members(connection, 1)
        write(connection, user, 20, "k")
        refused = connection.execute(
            "insert into credit_events"
            " select (jsonb_populate_record(e, %s)).* from credit_events as e"
            " on conflict (id) do nothing",
            (json.dumps({"idempotency_key": "other"}),),
        )
        assert refused.rowcount == 0
        assert balances(connection, user) == [20]


def test_a_movement_that_loses_its_key_to_another_member_meanwhile_is_not_credited(
    sessions: Sessions,
) -> None:
    first, second = sessions.open(), sessions.open()
    ada, bob = first.member(ADA), first.member(BOB)
    insert = f"{MOVEMENT} on conflict do nothing returning id"
    with first.connection.transaction():
        first.rows(insert, ada, 20, "k")
        waiting = sessions.waits(second, lambda: second.rows(insert, bob, 20, "k"))
    assert waiting.result() == []
    rows = first.rows("select credit_balance as n from users order by phone_number")
    assert [row["n"] for row in rows] == [20, 0]
