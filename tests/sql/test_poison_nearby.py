"""A row that nobody can make sense of stops neither the queues nor whoever it belongs to.

Rows come from anybody who writes SQL: a time beyond all calendars, a lease without an end, a
payload of another shape. What needs such a row fails alone, the rest goes on (protocol.md, 29).
"""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from psycopg.types.json import Jsonb

from lib.engine.documents import Shelf
from lib.engine.turn import Turn
from tests.support.claims import add_task, claim, claim_tasks
from tests.support.rpc import Rpc

ADA, BOB = "+12125550101", "+12125550102"
#: The last time that PostgreSQL has, to which nothing can be added.
LAST = "294276-12-31T23:59:59Z"
DEEP = "[" * 1500 + "]" * 1500


def add_event(rpc: Rpc, user_id: UUID | None = None, **columns: Any) -> str:
    """An open event, by default of nobody and of now."""
    values = {
        "event_type": "user.opted_in",
        "aggregate_type": "user" if user_id else "other",
        "aggregate_id": user_id,
        "payload": '{"keyword": "START"}',
        "metadata": "{}",
        "created_at": rpc.now,
    } | columns
    query = (
        f"insert into events ({', '.join(values)})"  # noqa: S608
        f" values ({', '.join(['%s'] * len(values))}) returning id"
    )
    (row,) = rpc.rows(query, *values.values())
    return str(row["id"])


def turn_of(rpc: Rpc, phone: str) -> Turn:
    """What the member's agent reads of a new text."""
    claimed = claim(rpc, rpc.text(phone)["event_id"])
    assert claimed["outcome"] == "claimed"
    return Turn.model_validate({"source": claimed["events"][0]} | claimed["context"])


# The sweeper


@pytest.mark.parametrize("published_at", [LAST, "infinity", "-infinity", "soon", "now"])
@pytest.mark.parametrize("retry_at", [None, "-infinity"])
def test_an_event_published_at_the_end_of_time_stops_no_sweep(
    rpc: Rpc, published_at: str, retry_at: str | None
) -> None:
    add_event(rpc, metadata=Jsonb({"published_at": published_at, "retry_at": retry_at}))
    good = add_event(rpc)
    rpc.pass_time(minutes=2)
    assert good in rpc.call("sweep_events")["events"]


@pytest.mark.parametrize("created_at", [LAST, "infinity", "9999-01-01T00:00:00Z", "-infinity"])
def test_an_event_of_another_time_is_published_as_one_of_now(rpc: Rpc, created_at: str) -> None:
    event = add_event(rpc, created_at=created_at)
    rpc.pass_time(minutes=2)
    assert rpc.call("sweep_events")["events"] == [event]
    assert rpc.call("sweep_events")["events"] == []


# Leases


@pytest.mark.parametrize("until", [LAST, "infinity", "2999-01-01T00:00:00Z"])
def test_a_lease_longer_than_any_is_none(rpc: Rpc, until: str) -> None:
    ada = rpc.member(ADA)
    held = add_event(rpc, ada, metadata=Jsonb({"lease": {"token": "x", "until": until}}))
    task = add_task(
        rpc, ada, status="processing", result_json=Jsonb({"claim": {"token": "x", "until": until}})
    )
    rpc.rows("update agent_tasks set last_attempted_at = %s returning id", rpc.now)
    assert claim(rpc, rpc.text(ADA)["event_id"])["outcome"] == "claimed"
    rpc.pass_time(minutes=2)
    assert claim(rpc, held)["outcome"] == "claimed"
    rpc.pass_time(minutes=2)
    assert claim_tasks(rpc) == [str(task)]


def test_no_claim_is_given_for_more_than_an_hour(rpc: Rpc) -> None:
    event, task = rpc.text(ADA)["event_id"], add_task(rpc, rpc.member(BOB))
    token = uuid4()
    assert claim(rpc, event, lease_s=86_400)["outcome"] == "claimed"
    assert claim_tasks(rpc, token, lease_s=86_400) == [str(task)]
    rpc.call("reread_task", task_id=task, token=token, lease_s=86_400)
    assert claim(rpc, event)["outcome"] == "busy"
    rpc.pass_time(minutes=61)
    assert claim(rpc, event)["outcome"] == "claimed"
    assert claim_tasks(rpc) == [str(task)]


# What a claim reads


def shown_at_the_end_of_time(rpc: Rpc, user_id: UUID) -> None:
    """A text that brought something up so late that nothing can be added to it."""
    (item,) = rpc.rows(
        "insert into user_priorities (user_id, priority_rank, item_type, item_id, created_at)"
        " values (%s, 1, 'solution_update', gen_random_uuid(), %s) returning id",
        user_id,
        rpc.now,
    )
    rpc.queue(user_id, data={"items": [str(item["id"])]}, status="sent", sent_at=LAST)
    rpc.rows("update messages set created_at = 'infinity' returning id")


def test_a_task_whose_context_cannot_be_read_is_handed_out_and_stops_no_other(rpc: Rpc) -> None:
    ada = rpc.member(ADA, verified=True)
    shown_at_the_end_of_time(rpc, ada)
    broken = add_task(rpc, ada, task_type="account_manager_review", priority="high")
    good = add_task(rpc, rpc.member(BOB))
    token = uuid4()
    tasks = rpc.call("claim_tasks", token=token)["tasks"]
    assert [(t["id"], t["context"]) for t in tasks] == [
        (str(broken), {"unreadable": "22008"}),
        (str(good), None),
    ]
    again = rpc.call("reread_task", task_id=broken, token=token)
    assert again["task"]["context"] == {"unreadable": "22008"}


@pytest.mark.parametrize("event_type", ["user.message.received", "priority.update"])
def test_an_event_whose_context_cannot_be_read_is_claimed_and_counts_its_attempts(
    rpc: Rpc, event_type: str
) -> None:
    ada = rpc.member(ADA, verified=True)
    shown_at_the_end_of_time(rpc, ada)
    text = event_type == "user.message.received"
    event = rpc.text(ADA)["event_id"] if text else add_event(rpc, ada, event_type=event_type)
    for _ in range(5):
        claimed = claim(rpc, event)
        assert (claimed["outcome"], claimed["context"]) == ("claimed", {"unreadable": "22008"})
        rpc.pass_time(minutes=2)
    assert claim(rpc, event)["outcome"] == "dead"


@pytest.mark.parametrize("payload", ['{"step": 7}', '{"step": {}}', f'{{"step": {DEEP}}}'])
def test_a_step_of_onboarding_that_is_none_is_left_out_of_every_turn(
    rpc: Rpc, payload: str
) -> None:
    ada = rpc.member(ADA)
    for one in (payload, '{"step": "email", "value": "x"}'):
        add_event(
            rpc, ada, event_type="user.onboarding_step.completed", payload=one, processed=True
        )
    assert turn_of(rpc, ADA).steps_completed == ["email"]


@pytest.mark.parametrize("context", ["[]", "null", '"x"', DEEP])
def test_a_look_after_a_member_with_any_payload_is_no_part_of_their_turns(
    rpc: Rpc, context: str
) -> None:
    ada = rpc.member(ADA)
    task = add_task(rpc, ada, task_type="re_engagement_check", context_json=context)
    found = turn_of(rpc, ADA).re_engagement
    assert found is not None
    assert found.id == task


@pytest.mark.parametrize("time", ["infinity", "-infinity", LAST, "0044-03-15 12:00:00+00 BC"])
def test_times_beyond_the_calendar_spoil_no_turn_and_no_review(rpc: Rpc, time: str) -> None:
    ada = rpc.member(ADA, verified=True)
    rpc.rows(
        "insert into user_priorities"
        " (user_id, priority_rank, item_type, item_id, created_at, expires_at, presented_at)"
        " values (%s, 1, 'solution_update', gen_random_uuid(), %s, %s, %s) returning id",
        *(ada, time, time, time),
    )
    rpc.rows("update messages set created_at = %s returning id", time)
    assert [item.expires_at is not None for item in turn_of(rpc, ADA).items] == [True]
    rpc.pass_time(minutes=2)
    add_task(rpc, ada, task_type="account_manager_review")
    (review,) = rpc.call("claim_tasks", token=uuid4())["tasks"]
    assert Shelf.model_validate(review["context"]).member is not None


def test_settings_of_any_depth_and_tags_of_nothing_spoil_no_turn_and_no_review(rpc: Rpc) -> None:
    ada = rpc.member(ADA, verified=True, expertise=[None, "freight"], response_pattern=DEEP)
    rpc.rows(
        "insert into agent_instances (agent_type, user_id, config_json, status)"
        " values ('concierge', %s, %s, 'active') returning id",
        ada,
        DEEP,
    )
    assert turn_of(rpc, ADA).member.expertise == ["freight"]
    rpc.pass_time(minutes=2)
    add_task(rpc, ada, task_type="account_manager_review")
    (review,) = rpc.call("claim_tasks", token=uuid4())["tasks"]
    shelf = Shelf.model_validate(review["context"])
    assert shelf.member is not None
    assert (shelf.member.expertise, shelf.member.response_pattern) == (["freight"], None)


def test_a_text_is_recorded_whatever_was_counted_before_it(rpc: Rpc) -> None:
    rpc.member(ADA)
    rpc.rows("update conversations set messages_since_summary = 2147483647 returning id")
    assert rpc.text(ADA)["outcome"] == "recorded"
