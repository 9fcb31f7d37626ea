"""Journeys C, F and G of behaviour.md over the real functions; days pass by the stack's clock."""

import contextlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.support.community import close_due, now, run_tasks
from tests.support.stack import StackUnderTest, running_stack, wait_for
from tests.support.texting import Phone, scripted

MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86_400

#: What each test's question is about: experts of one know nothing of the others'.
FREIGHT, PAYROLL, TAX = ["freight", "customs"], ["payroll", "pensions"], ["tax", "audits"]
ANSWER = (
    "We tried three freight tools at our last company, and I switched us to the simplest one,"
    " because it saved our team a day each week"
)


@pytest.fixture(scope="module")
def own() -> Iterator[StackUnderTest]:
    """A stack whose clock these tests move, on and on."""
    with running_stack() as running:
        yield running


def member(stack: StackUnderTest, **columns: Any) -> Phone:
    """A verified member in New York who has written before."""
    phone = Phone(stack)
    phone.converse("hi there")
    phone.verify(timezone="America/New_York", **columns)
    return phone


def question(about: list[str]) -> str:
    return f"Does anyone know {' '.join(about)} tools?"


def until(
    stack: StackUnderTest, condition: Callable[[], Any], step_s: float = HOUR_S, steps: int = 30
) -> Any:
    """Let time pass until something is so; what it is."""
    for _ in range(steps):
        run_tasks(stack)
        with contextlib.suppress(AssertionError):
            return wait_for(condition, "that", 0.4)
        stack.advance(step_s)
    return wait_for(condition, "that in the end", 5)


def has_read(phone: Phone, words: str) -> bool:
    return any(words in text for text in phone.received())


def to_hour(stack: StackUnderTest, hour: int) -> None:
    """Move the clock to the next such hour in New York, and let happen what is due then."""
    local = now(stack).astimezone(ZoneInfo("America/New_York"))
    wanted = local.replace(hour=hour, minute=0, second=30)
    stack.advance(((wanted - local).total_seconds()) % DAY_S)
    run_tasks(stack)


def priorities(phone: Phone) -> list[dict[str, Any]]:
    return phone.rows(
        "select p.* from user_priorities p join users u on u.id = p.user_id"
        " where u.phone_number = %s order by p.created_at",
        phone.number,
    )


def ledger(phone: Phone) -> list[int]:
    return [
        row["amount"]
        for row in phone.rows(
            "select c.amount from credit_events c join users u on u.id = c.user_id"
            " where u.phone_number = %s order by c.created_at",
            phone.number,
        )
    ]


def test_a_member_who_falls_silent_is_written_to_at_most_three_times_a_week_apart(
    own: StackUnderTest,
) -> None:
    phone = member(own, first_name="Mia")
    to_hour(own, 12)
    phone.converse("thanks!")
    phone.wait_until_idle()
    scripted(own, "Mia, did that work out?", "Mia, still looking?", "Mia, one more try?", "No")
    before = len(phone.received())
    sent: list[Any] = []
    for _ in range(12):
        own.advance(3.5 * DAY_S)
        to_hour(own, 12)
        phone.wait_until_idle()
        if len(phone.received()) > before + len(sent):
            sent.append(now(own))
    assert len(sent) == 3
    assert all(b - a >= timedelta(days=6, hours=12) for a, b in pairwise(sent))


def test_a_question_goes_to_who_knows_and_its_answer_comes_back_and_is_paid_and_closed(
    own: StackUnderTest,
) -> None:
    asker = member(own, first_name="Ada", company="Quantel")
    expert = member(own, expertise=[" Freight", "CUSTOMS"])
    stranger = member(own, expertise=["gardening"])
    to_hour(own, 12)

    # The question
    asker.converse(question(FREIGHT))
    (request,) = wait_for(
        lambda: asker.rows("select * from community_requests"), "recorded request"
    )
    assert request["question"] == question(FREIGHT)
    assert request["target_user_ids"] == [expert.user()["id"]]
    assert (request["status"], request["responses_count"]) == ("open", 0)
    run_tasks(own)
    (offered,) = wait_for(lambda: priorities(expert), "priority of the expert")
    assert (offered["item_type"], offered["value_score"]) == ("community_request", 80)
    assert priorities(stranger) == []

    # The expert hears of it the next morning, and of nobody's name.
    to_hour(own, 8)
    expert.wait_until_idle()
    assert not has_read(expert, "freight customs")
    to_hour(own, 9)
    until(own, lambda: has_read(expert, "freight customs"), MINUTE_S)
    assert not any("Ada" in text or "Quantel" in text for text in expert.received())
    assert [p["status"] for p in priorities(expert)] == ["presented"]

    # The answer
    expert.converse(ANSWER)
    (response,) = wait_for(lambda: expert.rows("select * from community_responses"), "answer")
    assert response["verbatim_answer"] == ANSWER
    assert [p["status"] for p in priorities(expert)] == ["actioned"]
    until(own, lambda: ledger(expert), MINUTE_S * 2)
    (response,) = expert.rows("select * from community_responses")
    assert response["usefulness_score"] >= 7
    paid = 15 + 10 * (response["usefulness_score"] - 7)
    assert (ledger(expert), expert.user()["credit_balance"]) == ([paid], paid)

    # Back to the asker, who says what came of it
    until(own, lambda: has_read(asker, "simplest one"))
    assert not has_read(stranger, "simplest one")
    asker.converse("That helped, we went with the simplest one and saved a lot of time")
    wait_for(
        lambda: asker.rows(
            "select 1 from community_responses where impact_description is not null"
        ),
        "outcome",
    )

    # The expert is told what came of it, in those words, once
    own.advance(DAY_S)
    to_hour(own, 9)
    until(own, lambda: has_read(expert, "saved a lot of time"))
    (response,) = expert.rows("select * from community_responses")
    assert response["status"] == "closed_loop"

    # Closure: everybody asked has answered
    close_due(own)
    until(own, lambda: has_read(asker, "is closed now"))
    (request,) = asker.rows("select * from community_requests")
    assert request["status"] == "closed"
    for _ in range(5):
        own.advance(DAY_S)
        run_tasks(own)
    assert sum("saved a lot of time" in text for text in expert.received()) == 1
    assert sum("is closed now" in text for text in asker.received()) == 1
    assert ledger(expert) == [paid]
    assert [p["item_type"] for p in priorities(expert)] == [
        "community_request",
        "expert_impact_notification",
    ]


def test_a_question_that_is_open_already_is_attached_and_both_askers_hear_the_answer(
    own: StackUnderTest,
) -> None:
    first, second = member(own), member(own)
    expert = member(own, expertise=PAYROLL)
    to_hour(own, 12)
    for asker in (first, second):
        asker.converse(question(PAYROLL))
        asker.wait_until_idle()
    requests = wait_for(
        lambda: first.rows(
            "select * from community_requests where question = %s order by created_at",
            question(PAYROLL),
        ),
        "requests",
    )
    assert requests[1]["context_id"] == requests[0]["id"]
    assert requests[1]["target_user_ids"] == []
    run_tasks(own)
    to_hour(own, 9)
    until(own, lambda: has_read(expert, "payroll pensions"))
    expert.converse(ANSWER)
    for asker in (first, second):
        until(own, lambda a=asker: has_read(a, "simplest one"))  # type: ignore[misc]
    assert len(priorities(expert)) == 1


def test_an_item_that_nobody_answers_is_shown_twice_and_then_no_more(own: StackUnderTest) -> None:
    asker = member(own)
    expert = member(own, expertise=TAX)
    to_hour(own, 12)
    asker.converse(question(TAX))
    asker.wait_until_idle()
    run_tasks(own)
    shown: list[Any] = []
    for _ in range(10 * 2):
        own.advance(DAY_S / 2)
        run_tasks(own)
        if sum("tax audits" in text for text in expert.received()) > len(shown):
            shown.append(now(own))
    first, second = shown
    assert second - first >= timedelta(hours=72)
    assert [p["status"] for p in priorities(expert)] == ["expired"]


def test_somebody_who_stops_in_onboarding_is_asked_twice_a_day_apart(own: StackUnderTest) -> None:
    phone = Phone(own)
    phone.converse("hi there")
    before = len(phone.received())
    for _ in range(8):
        own.advance(DAY_S / 2)
        run_tasks(own)
    assert len(phone.received()) == before + 2
