"""Every queued text that does not simply wait for its time says why and until when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.support.claims import send, settle
from tests.support.rpc import NOON, Rpc

ADA, BOB = "+12125550101", "+12125550102"
SYSTEM = {"kind": "system"}


def listed(rpc: Rpc, limit: int = 50, **arguments: object) -> list[dict[str, Any]]:
    """The texts on all pages of `limit`."""
    after: dict[str, Any] | None = {}
    texts: list[dict[str, Any]] = []
    while after is not None:
        page = {"after": after["due_at"], "after_id": after["id"]} if after else {}
        answer = rpc.call("list_held_texts", limit=limit, **page, **arguments)
        texts += answer["texts"]
        after = answer["next"]
    return texts


def only(rpc: Rpc) -> dict[str, Any]:
    (text,) = listed(rpc)
    return text


def state(rpc: Rpc) -> tuple[str, str]:
    text = only(rpc)
    return text["state"], text["why"]


def test_a_text_held_by_quiet_hours_says_until_when_there_and_here_and_when_it_was_due(
    rpc: Rpc,
) -> None:
    rpc.now = datetime(2026, 11, 24, 3, 30, tzinfo=UTC)  # half past ten in the evening
    due = rpc.now - timedelta(minutes=3)
    ada = rpc.member(ADA)
    topic = f"intro:{uuid4()}"
    text = rpc.queue(ada, "text", data={"topic": topic}, due=due, priority="high")
    assert rpc.claim_texts() == []
    assert only(rpc) | {"until": None, "due": None} == {
        "id": str(text),
        "user_id": str(ada),
        "state": "held",
        "why": "quiet_hours",
        "until": None,
        "local": "2026-11-24 08:00",
        "zone": "America/New_York",
        "due": None,
        "kind": "proactive",
        "topic": topic,
        "priority": "high",
    }
    assert datetime.fromisoformat(only(rpc)["until"]) == datetime(2026, 11, 24, 13, tzinfo=UTC)
    assert datetime.fromisoformat(only(rpc)["due"]) == due


def test_a_text_to_be_judged_that_a_rule_holds_says_the_rule_and_until_when(rpc: Rpc) -> None:
    rpc.now = datetime(2026, 11, 24, 3, 30, tzinfo=UTC)
    rpc.queue(rpc.member(ADA), requires_fresh_context=True)
    assert rpc.call("claim_renders", token=uuid4())["renders"] == []
    assert state(rpc) == ("held", "quiet_hours")
    assert only(rpc)["local"] == "2026-11-24 08:00"


def test_a_hold_that_is_over_is_not_what_keeps_a_text_from_being_judged(rpc: Rpc) -> None:
    rpc.now = datetime(2026, 11, 24, 3, 30, tzinfo=UTC)
    text, token = rpc.queue(rpc.member(ADA), requires_fresh_context=True), uuid4()
    assert rpc.call("claim_renders", token=uuid4())["renders"] == []
    rpc.now = datetime(2026, 11, 24, 13, tzinfo=UTC)
    assert len(rpc.call("claim_renders", token=token)["renders"]) == 1
    rpc.call("fail_render", token=token, id=text, error="x", kind="dependency")
    assert state(rpc) == ("fresh", "fresh_context")


def test_a_text_that_could_not_be_judged_says_when_that_is_tried_again(rpc: Rpc) -> None:
    text, token = rpc.queue(rpc.member(ADA), requires_fresh_context=True), uuid4()
    assert len(rpc.call("claim_renders", token=token)["renders"]) == 1
    assert state(rpc) == ("fresh", "judging")
    rpc.call("fail_render", token=token, id=text, error="x", kind="own")
    assert state(rpc) == ("fresh", "fresh_context")
    assert datetime.fromisoformat(only(rpc)["until"]) == rpc.now + timedelta(seconds=10)


def test_what_is_due_later_or_over_is_not_listed(rpc: Rpc) -> None:
    ada = rpc.member(ADA)
    rpc.queue(ada, due=rpc.now + timedelta(days=1))
    rpc.queue(ada, due=rpc.now)
    for status in ("sent", "superseded", "failed"):
        rpc.queue(ada, status=status, due=rpc.now - timedelta(days=1))
    assert listed(rpc) == []


def test_a_text_in_flight_is_stuck_after_five_minutes(rpc: Rpc) -> None:
    user, token = rpc.member(ADA), uuid4()
    text = rpc.queue(user, data=SYSTEM)
    send(rpc, token)
    assert state(rpc) == ("in_flight", "in_flight")
    settle(rpc, token, text, user, "ambiguous", code="answer")
    assert state(rpc) == ("in_flight", "answer")
    rpc.pass_time(minutes=5)
    assert state(rpc) == ("stuck", "answer")
    rpc.rows("update message_queue set sent_at = null returning id")
    assert state(rpc) == ("stuck", "answer")


def test_a_text_given_back_is_tried_again_at_its_time(rpc: Rpc) -> None:
    user, token = rpc.member(ADA), uuid4()
    text = rpc.queue(user, data=SYSTEM)
    send(rpc, token)
    settle(rpc, token, text, user, "released", code="429")
    assert state(rpc) == ("again", "429")
    assert datetime.fromisoformat(only(rpc)["until"]) == rpc.now + timedelta(seconds=5)


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ({"requires_fresh_context": True}, "fresh_context"),
        ({"final_message": None}, "not_rendered"),
    ],
)
def test_a_text_to_be_judged_or_rendered_is_stuck_when_nobody_does(
    rpc: Rpc, columns: dict[str, Any], why: str
) -> None:
    text = rpc.queue(rpc.member(ADA), **columns)
    assert state(rpc) == ("fresh", why)
    rpc.pass_time(minutes=5)
    assert state(rpc) == ("stuck", why)
    until = rpc.now + timedelta(seconds=60)
    rpc.rows(
        "update message_queue set message_data = jsonb_build_object('render',"
        " jsonb_build_object('until', %s::timestamptz)) where id = %s returning id",
        until,
        text,
    )
    assert state(rpc) == ("fresh", "judging")
    assert datetime.fromisoformat(only(rpc)["until"]) == until


def test_a_text_that_is_due_and_does_not_leave_is_stuck(rpc: Rpc) -> None:
    rpc.queue(rpc.member(ADA))
    rpc.pass_time(minutes=4, seconds=59)
    assert listed(rpc) == []
    rpc.pass_time(seconds=1)
    assert state(rpc) == ("stuck", "overdue")


@pytest.mark.parametrize("due", ["infinity", "-infinity"])
def test_a_text_of_no_time_is_stuck(rpc: Rpc, due: str) -> None:
    rpc.queue(rpc.member(ADA), scheduled_for=due)
    assert state(rpc) == ("stuck", "never")
    assert (only(rpc)["until"], only(rpc)["local"], only(rpc)["due"]) == (None, None, None)


@pytest.mark.parametrize(
    "hold", [{"rule": 7}, {"until": "nonsense"}, {"due": "infinity"}, {"rule": [], "due": {}}]
)
def test_a_damaged_hold_is_listed(rpc: Rpc, hold: dict[str, Any]) -> None:
    until = rpc.now + timedelta(hours=1)
    rpc.queue(rpc.member(ADA), data={"hold": hold, "kind": [1]}, due=until, priority="absurd")
    text = only(rpc)
    assert (text["state"], text["kind"], text["priority"]) == ("held", "proactive", "medium")
    assert datetime.fromisoformat(text["until"]) == until


def hold(rpc: Rpc, user: UUID, number: int) -> list[str]:
    """Texts held until the same moment: their ids."""
    return [
        str(rpc.queue(user, data={"hold": {"rule": "daily_limit"}}, due=NOON + timedelta(days=1)))
        for _ in range(number)
    ]


def test_pages_and_filters_show_each_once(rpc: Rpc) -> None:
    ada, bob = rpc.member(ADA), rpc.member(BOB)
    held = [*hold(rpc, ada, 4), *hold(rpc, bob, 3)]
    stuck = rpc.queue(bob, due=rpc.now - timedelta(hours=1))
    assert [t["id"] for t in listed(rpc, limit=2)] == [str(stuck), *sorted(held)]
    assert {t["id"] for t in listed(rpc, limit=2, state="held")} == set(held)
    assert {t["id"] for t in listed(rpc, limit=2, user_id=ada)} == set(held[:4])
    assert [t["id"] for t in listed(rpc, state="stuck")] == [str(stuck)]


def test_a_call_looks_at_so_many_rows_and_the_next_goes_on(rpc: Rpc) -> None:
    ada = rpc.member(ADA)
    rpc.rows(
        "insert into message_queue (user_id, agent_id, message_data, final_message, scheduled_for)"
        " select %s, 'x', '{}', 'x', %s + interval '1 min' from generate_series(1, 20000)"
        " returning 1",
        ada,
        rpc.now,
    )
    (held,) = hold(rpc, ada, 1)
    first = rpc.call("list_held_texts")
    assert first["texts"] == []
    assert first["next"] is not None
    assert [text["id"] for text in listed(rpc)] == [held]
