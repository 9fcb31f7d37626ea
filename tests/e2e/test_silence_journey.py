"""Journey G of behaviour.md over the real functions: members who fall silent; days pass by the
stack's clock."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from tests.support.community import run_tasks
from tests.support.days import DAY_S, member, to_hour
from tests.support.stack import StackUnderTest, running_stack
from tests.support.texting import Phone, control_claude, scripted


@pytest.fixture(scope="module")
def own() -> Iterator[StackUnderTest]:
    """A stack whose clock these tests move, on and on."""
    with running_stack() as running:
        yield running


@pytest.fixture(autouse=True)
def nothing_scripted(own: StackUnderTest) -> Iterator[None]:
    yield
    control_claude(own, reset=True)


def texts_in(stack: StackUnderTest, phone: Phone, days: float, step: float = 3.5) -> list[Any]:
    """When texts came while so many days passed, to about half a day."""
    sent: list[Any] = []
    before = len(phone.received())
    for _ in range(round(days / step)):
        stack.advance(step * DAY_S)
        to_hour(stack, 12)
        phone.wait_until_idle()
        if len(phone.received()) > before + len(sent):
            sent.append(stack.now())
    assert len(phone.received()) == before + len(sent)
    return sent


def test_a_member_who_falls_silent_is_written_to_at_most_three_times_a_week_apart(
    own: StackUnderTest,
) -> None:
    phone = member(own, first_name="Mia")
    to_hour(own, 12)
    phone.converse("thanks!")
    phone.wait_until_idle()
    scripted(own, "Mia, did that work out?", "Mia, still looking?", "Mia, one more try?", "No")
    sent = texts_in(own, phone, 42)
    assert len(sent) == 3
    assert all(b - a >= timedelta(days=6, hours=12) for a, b in pairwise(sent))
    rows = [row for row in phone.queued_rows() if row["message_data"].get("topic")]
    assert [row["message_data"]["kind"] for row in rows] == ["proactive"] * 3
    left = [row["sent_at"] for row in rows]
    assert all(b - a >= timedelta(days=7) for a, b in pairwise(left))


def test_the_agent_may_choose_silence_and_looks_again_a_week_later(own: StackUnderTest) -> None:
    phone = member(own, first_name="Noa")
    to_hour(own, 12)
    phone.converse("thanks!")
    phone.wait_until_idle()
    scripted(own, "(silence)", "Noa, did that work out?")
    first, *more = texts_in(own, phone, 20)
    assert more == []
    decided = phone.rows(
        "select completed_at from agent_tasks where user_id = %s and status = 'completed'"
        " and task_type = 're_engagement_check' order by completed_at",
        phone.user()["id"],
    )
    assert first - decided[0]["completed_at"] >= timedelta(days=7)


def test_not_now_is_thirty_days_of_peace_whatever_is_written_in_them(own: StackUnderTest) -> None:
    phone = member(own, first_name="Ole")
    to_hour(own, 12)
    phone.converse("too busy, not now please", "ok thanks")
    phone.wait_until_idle()
    said = own.now()
    scripted(own, "Ole, is it a better time?")
    (sent,) = texts_in(own, phone, 33, step=3)
    assert sent - said >= timedelta(days=30)


def test_somebody_who_stops_in_onboarding_is_asked_twice_a_day_apart(own: StackUnderTest) -> None:
    phone = Phone(own)
    phone.converse("hi there")
    before = len(phone.received())
    for _ in range(8):
        own.advance(DAY_S / 2)
        run_tasks(own)
    assert len(phone.received()) == before + 2
