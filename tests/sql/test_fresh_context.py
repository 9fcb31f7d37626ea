"""What words of a member and changed settings do to texts that wait (protocol.md, 24, 25, 28)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.support.claims import send, settle
from tests.support.rpc import Rpc
from tests.support.sessions import Sessions

ADA, BOB = "+12125550101", "+12125550102"
SYSTEM = {"kind": "system"}
#: Eleven in the evening in New York, eight in the evening in Los Angeles.
NIGHT = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)
MORNING = datetime(2026, 11, 24, 13, 0, tzinfo=UTC)


def fresh(rpc: Rpc, *texts: UUID) -> list[bool]:
    """Which of these texts must be judged afresh before they leave."""
    return [rpc.queued(text)["requires_fresh_context"] is True for text in texts]


def held(rpc: Rpc, text: UUID) -> bool:
    return "hold" in rpc.queued(text)["message_data"]


def held_at_night(rpc: Rpc, phone: str = ADA, **columns: Any) -> tuple[UUID, UUID]:
    """A member and a text of theirs that quiet hours hold until the morning."""
    user = rpc.member(phone)
    rpc.now = NIGHT
    text = rpc.queue(user, **columns)
    assert send(rpc, uuid4(), user) == []
    assert rpc.queued(text)["scheduled_for"] == MORNING
    return user, text


# A new inbound text


def test_a_new_text_turns_what_was_to_be_said_unasked_into_what_is_judged_afresh(rpc: Rpc) -> None:
    ada, bob = rpc.member(ADA), rpc.member(BOB)
    plain = rpc.queue(ada, data={})
    later = rpc.queue(ada, data={"kind": "proactive"}, due=rpc.now + timedelta(days=3))
    odd = rpc.queue(ada, data={"kind": 7})
    reply = rpc.queue(ada, data={"kind": "reply"})
    fixed = rpc.queue(ada, data=SYSTEM)
    sent = rpc.queue(ada, status="sent")
    others = rpc.queue(bob)
    rpc.text(ADA)
    assert fresh(rpc, plain, later, odd) == [True, True, True]
    assert fresh(rpc, reply, fixed, sent, others) == [False, False, False, False]
    assert sorted(rpc.claim_texts() + rpc.claim_texts()) == ["a text"] * 3


def test_the_same_text_again_changes_nothing(rpc: Rpc) -> None:
    user = rpc.member(ADA)
    (known,) = rpc.rows("select id, twilio_message_sid as sid from messages")
    text = rpc.queue(user)
    again = {"message_id": str(known["id"]), "sid": known["sid"]}
    assert rpc.text(ADA, **again)["outcome"] == "duplicate"
    assert fresh(rpc, text) == [False]


def test_what_is_on_its_way_stays_as_it_is(rpc: Rpc) -> None:
    user, token = rpc.member(ADA), uuid4()
    text = rpc.queue(user)
    assert send(rpc, token) == ["a text"]
    before = rpc.queued(text)
    rpc.text(ADA)
    assert rpc.queued(text) == before
    settle(rpc, token, text, user, "accepted")
    assert fresh(rpc, text) == [False]


@pytest.mark.parametrize("wrote", [True, False])
def test_what_is_given_back_is_judged_afresh_if_the_member_has_written_meanwhile(
    rpc: Rpc, wrote: bool
) -> None:
    user, token = rpc.member(ADA), uuid4()
    columns: dict[str, Any] = {"sequence_id": uuid4(), "sequence_total": 2}
    parts = [rpc.queue(user, f"{n}", sequence_position=n, **columns) for n in (1, 2)]
    rpc.pass_time(seconds=1)
    assert send(rpc, token) == ["1"]
    if wrote:
        rpc.text(ADA, "No news today, please.")
    settle(rpc, token, parts[0], user, "released", code="429")
    assert fresh(rpc, *parts) == [wrote] * 2
    rpc.pass_time(minutes=1)
    assert send(rpc, uuid4()) == ([] if wrote else ["1"])


def test_a_later_part_and_an_answer_that_are_given_back_go_on_whatever_was_written_meanwhile(
    rpc: Rpc,
) -> None:
    user = rpc.member(ADA)
    columns: dict[str, Any] = {"sequence_id": uuid4(), "sequence_total": 2}
    for n in (1, 2):
        rpc.queue(user, f"{n}", sequence_position=n, **columns)
    assert rpc.claim_texts() == ["1"]
    rpc.queue(user, "an answer", data={"kind": "reply"})
    for words in ("2", "an answer"):
        (found,) = rpc.call("claim_texts", token=(token := uuid4()))["sends"]
        assert found["body"] == words
        rpc.text(ADA)
        settle(rpc, token, found["id"], user, "released", code="429")
        rpc.pass_time(minutes=1)
        assert rpc.claim_texts() == [words]


@pytest.mark.parametrize("begun", [True, False])
def test_a_sequence_that_has_begun_goes_on_and_another_is_judged_as_a_whole(
    rpc: Rpc, begun: bool
) -> None:
    user = rpc.member(ADA)
    columns: dict[str, Any] = {"sequence_id": uuid4(), "sequence_total": 3}
    parts = [rpc.queue(user, f"{n}", sequence_position=n, **columns) for n in (1, 2, 3)]
    if begun:
        assert rpc.claim_texts() == ["1"]
    rpc.text(ADA)
    assert fresh(rpc, *parts[1:]) == [not begun] * 2
    assert rpc.claim_texts() + rpc.claim_texts() == (["2", "3"] if begun else [])


def test_a_new_text_releases_holds_and_the_gate_says_again_why_nothing_leaves(rpc: Rpc) -> None:
    user, text = held_at_night(rpc)
    reply = rpc.queue(user, "late answer", data={"kind": "reply"})
    assert send(rpc, uuid4(), user) == []
    assert held(rpc, reply)
    due = rpc.now
    rpc.pass_time(minutes=5)
    rpc.text(ADA)
    for one in (text, reply):
        assert not held(rpc, one)
        assert rpc.queued(one)["scheduled_for"] == due
    # An answer is exempt while the member is there.
    assert send(rpc, uuid4(), user) == ["late answer"]


def test_a_new_text_ends_the_judging_of_a_text_and_leaves_that_of_others(rpc: Rpc) -> None:
    ada, bob = rpc.member(ADA), rpc.member(BOB)
    render = {"render": {"token": "x", "until": "2999-01-01T00:00:00Z", "attempt": 3}}
    judged = [rpc.queue(ada, data=render), rpc.queue(ada, data=SYSTEM | render)]
    others = rpc.queue(bob, data=render)
    rpc.text(ADA)
    assert ["render" in rpc.queued(text)["message_data"] for text in judged] == [False, False]
    assert rpc.queued(others)["message_data"] == render


@pytest.mark.parametrize("data", ["null", '"x"', '{"hold": 7}', '{"hold": {"due": "soon"}}'])
def test_texts_with_odd_data_are_released_and_judged_like_others(rpc: Rpc, data: str) -> None:
    user = rpc.member(ADA)
    text = rpc.queue(user)
    due = rpc.queued(text)["scheduled_for"]
    rpc.rows("update message_queue set message_data = %s::jsonb returning id", data)
    assert rpc.text(ADA)["outcome"] == "recorded"
    assert fresh(rpc, text) == [True]
    assert rpc.queued(text)["scheduled_for"] == due


def test_a_text_that_comes_while_another_is_claimed_waits_and_finds_it_in_flight(
    sessions: Sessions,
) -> None:
    sender, recorder = sessions.open(), sessions.open()
    user = sender.member(ADA)
    first, second = sender.queue(user, "first"), sender.queue(user, "second", priority="low")
    with sender.connection.transaction():
        assert send(sender, uuid4(), user) == ["first"]
        waiting = sessions.waits(recorder, lambda: recorder.text(ADA))
    assert waiting.result()["outcome"] == "recorded"
    assert fresh(sender, first, second) == [False, True]


# Changed settings


@pytest.mark.parametrize(
    ("change", "leaves"),
    [
        ("timezone = 'America/Los_Angeles'", True),
        ("quiet_hours_start = '23:30', quiet_hours_end = '08:00'", True),
        ("quiet_hours_start = '21:00', quiet_hours_end = '23:00'", True),
        ("quiet_hours_start = '21:00', quiet_hours_end = '07:00'", False),
        ("phone_number = '+13105550101'", True),
    ],
)
def test_a_member_whose_settings_change_is_judged_by_the_new_ones_at_once(
    rpc: Rpc, change: str, leaves: bool
) -> None:
    user, text = held_at_night(rpc)
    other = held_at_night(rpc, BOB)[1]
    rpc.rows(f"update users set {change} where id = %s returning id", user)  # noqa: S608
    assert (held(rpc, text), held(rpc, other)) == (False, True)
    assert rpc.queued(text)["scheduled_for"] == NIGHT
    assert bool(rpc.claim_texts(user)) is leaves
    if not leaves:
        assert rpc.queued(text)["scheduled_for"] == MORNING - timedelta(hours=1)


@pytest.mark.parametrize(
    "change", ["company = 'Acme'", "timezone = timezone", "quiet_hours_start = null"]
)
def test_what_is_not_changed_releases_nothing(rpc: Rpc, change: str) -> None:
    user, text = held_at_night(rpc)
    rpc.rows(f"update users set {change} where id = %s returning id", user)  # noqa: S608
    assert held(rpc, text)


def over_the_day(rpc: Rpc) -> tuple[UUID, UUID]:
    """A member who got five texts today, and a sixth that is held."""
    user = rpc.member(ADA)
    rpc.rows(
        "insert into user_message_budget (user_id, date, messages_sent)"
        " values (%s, '2026-11-23', 5) returning id",
        user,
    )
    text = rpc.queue(user)
    assert send(rpc, uuid4(), user) == []
    assert rpc.queued(text)["message_data"]["hold"]["rule"] == "daily_limit"
    return user, text


def test_a_budget_that_is_raised_releases_what_it_held(rpc: Rpc) -> None:
    user, text = over_the_day(rpc)
    rpc.rows("update user_message_budget set daily_limit = 6 returning id")
    assert not held(rpc, text)
    assert rpc.claim_texts(user) == ["a text"]


def test_quiet_hours_that_are_switched_off_hold_nothing_any_more(rpc: Rpc) -> None:
    user, text = held_at_night(rpc)
    rpc.rows("update user_message_budget set quiet_hours_enabled = false returning id")
    assert not held(rpc, text)
    assert rpc.claim_texts(user) == ["a text"]


def test_a_days_row_with_limits_of_its_own_releases_holds_too(rpc: Rpc) -> None:
    user, text = held_at_night(rpc)
    rpc.rows(
        "insert into user_message_budget (user_id, date, quiet_hours_enabled)"
        " values (%s, '2026-11-24', false) returning id",
        user,
    )
    assert not held(rpc, text)


def test_the_gates_own_writes_release_nothing(rpc: Rpc) -> None:
    user, text = over_the_day(rpc)
    rpc.rows("update user_message_budget set daily_limit = 5, messages_sent = 4 returning id")
    rpc.queue(user, "another", priority="high")
    assert rpc.claim_texts(user) == ["another"]
    assert held(rpc, text)
    rpc.now = MORNING
    rpc.queue(user, "the first of its day", priority="high")
    hold = '{"hold": {"rule": "daily_limit", "due": "2026-11-23T17:00:00Z"}}'
    rpc.rows(
        "update message_queue set scheduled_for = %s, message_data = %s::jsonb"
        " where id = %s returning id",
        MORNING + timedelta(days=1), hold, text,
    )  # fmt: skip
    assert rpc.claim_texts(user) == ["the first of its day"]
    assert len(rpc.rows("select 1 as one from user_message_budget")) == 2
    assert held(rpc, text)


def test_a_limit_that_is_raised_while_the_gate_decides_by_the_old_one_is_not_lost(
    sessions: Sessions,
) -> None:
    sender, operator = sessions.open(), sessions.open()
    user = sender.member(ADA)
    sender.rows(
        "insert into user_message_budget (user_id, date, messages_sent)"
        " values (%s, '2026-11-23', 5) returning id",
        user,
    )
    text = sender.queue(user)
    with sender.connection.transaction():
        assert send(sender, uuid4(), user) == []
        waiting = sessions.waits(
            operator,
            lambda: operator.rows("update user_message_budget set daily_limit = 9 returning id"),
        )
    waiting.result()
    assert not held(sender, text)
    assert sender.claim_texts(user) == ["a text"]


# The successor of a text that is in flight


@pytest.mark.parametrize("kind", ["proactive", "system"])
def test_a_text_queued_while_one_on_its_topic_is_in_flight_is_judged_when_that_has_arrived(
    rpc: Rpc, kind: str
) -> None:
    user, token = rpc.member(ADA), uuid4()
    text = rpc.queue(user, "old", data={"topic": "t"})
    assert send(rpc, token) == ["old"]
    rpc.pass_time(seconds=1)
    successor = rpc.queue(user, "new", data={"topic": "t", "kind": kind})
    other = rpc.queue(user, "other", data={"topic": "u"})
    settle(rpc, token, text, user, "accepted")
    assert fresh(rpc, successor, other) == [kind == "proactive", False]


def test_a_callback_that_proves_acceptance_has_the_successor_judged_too(rpc: Rpc) -> None:
    user = rpc.member(ADA)
    text = rpc.queue(user, "old", data={"topic": "t"})
    assert send(rpc, uuid4()) == ["old"]
    rpc.pass_time(seconds=1)
    successor = rpc.queue(user, "new", data={"topic": "t"})
    ids = {name: str(uuid4()) for name in ("event_id", "receipt_key")}
    receipt = ids | {"message_id": str(text), "sid": "SM1", "status": "sent"}
    assert rpc.call("record_delivery", receipt=receipt)["outcome"] == "moved"
    assert fresh(rpc, successor) == [True]


def test_the_successor_of_a_text_that_was_not_taken_leaves_in_its_place(rpc: Rpc) -> None:
    user, token = rpc.member(ADA), uuid4()
    text = rpc.queue(user, "old", data={"topic": "t"})
    assert send(rpc, token) == ["old"]
    rpc.pass_time(seconds=1)
    rpc.queue(user, "new", data={"topic": "t"})
    settle(rpc, token, text, user, "released", code="429")
    rpc.pass_time(minutes=1)
    assert [rpc.claim_texts(), rpc.claim_texts()] == [["new"], []]
    assert rpc.queued(text)["status"] == "superseded"
