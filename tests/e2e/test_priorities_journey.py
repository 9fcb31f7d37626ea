"""Journey F of behaviour.md over the real functions: what a member hears of, and when; days pass by
the stack's clock."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from psycopg.types.json import Jsonb

from tests.support.community import run_tasks
from tests.support.days import (
    DAY_S,
    MINUTE_S,
    has_read,
    ledger,
    local_time,
    member,
    priorities,
    to_hour,
    until,
)
from tests.support.stack import StackUnderTest, running_stack
from tests.support.texting import Phone

TAX = ["tax", "customs"]
#: Questions by what they are worth to somebody who knows all of it; no two of them overlap.
WORTH = {
    65: "Who knows beekeeping?",
    80: "Who knows robotics and sensors?",
    95: "Who knows drones, lidar and avionics?",
}
KNOWS = ["beekeeping", "robotics", "sensors", "drones", "lidar", "avionics"]
ANSWER = (
    "We tried three of them at our last company, and I switched us to the simplest one, because"
    " it saved our team a day each week"
)


@pytest.fixture(scope="module")
def own() -> Iterator[StackUnderTest]:
    """A stack whose clock these tests move, on and on."""
    with running_stack() as running:
        yield running


def questions_read(phone: Phone) -> list[str]:
    """The questions that this phone was asked, in order."""
    return [q for text in phone.received() for q in WORTH.values() if q in text]


def test_of_several_items_the_best_is_brought_up_each_morning_at_the_members_hour(
    own: StackUnderTest,
) -> None:
    early = member(own, expertise=KNOWS)
    at_two = member(own, expertise=KNOWS, response_pattern=Jsonb({"best_hour": 14}))
    askers = [member(own) for _ in WORTH]
    own.advance(3 * DAY_S)  # nobody has been active for two days
    to_hour(own, 15)
    for asker, question in zip(askers, WORTH.values(), strict=True):
        asker.converse(question)
        asker.wait_until_idle()
    for phone in (early, at_two):
        until(own, lambda p=phone: len(priorities(p)) == len(WORTH), MINUTE_S)  # type: ignore[misc]
        ranked = sorted(priorities(phone), key=lambda item: item["priority_rank"])
        assert [item["value_score"] for item in ranked] == [95, 80, 65]

    # The first morning: the best one, alone, each at their hour
    to_hour(own, 8)
    assert questions_read(early) == questions_read(at_two) == []
    to_hour(own, 9)
    until(own, lambda: questions_read(early), MINUTE_S)
    assert local_time(own).hour == 9
    to_hour(own, 13)
    assert questions_read(at_two) == []
    to_hour(own, 14)
    until(own, lambda: questions_read(at_two), MINUTE_S)
    to_hour(own, 21)
    for phone in (early, at_two):
        assert questions_read(phone) == [WORTH[95]]
        (budget,) = phone.rows(
            "select messages_sent from user_message_budget where user_id = %s and date = %s",
            phone.user()["id"],
            local_time(own).date(),
        )
        assert budget["messages_sent"] == 1

    # The second morning: the next one; the third: the one that nobody had been shown for a day
    to_hour(own, 9)
    until(own, lambda: len(questions_read(early)) == 2, MINUTE_S)
    to_hour(own, 9)
    until(own, lambda: len(questions_read(early)) == 3, MINUTE_S)
    assert questions_read(early) == [WORTH[95], WORTH[80], WORTH[65]]


def test_an_answer_ends_an_item_and_pays_for_it(own: StackUnderTest) -> None:
    asker, expert = member(own), member(own, expertise=["welding"])
    to_hour(own, 12)
    asker.converse("Who knows welding?")
    asker.wait_until_idle()
    # Worth 65, it waits for a text of the expert's, or for a day.
    for _ in range(3):
        to_hour(own, 9)
    until(own, lambda: has_read(expert, "welding"))
    expert.converse(ANSWER)
    expert.wait_until_idle()
    (item,) = priorities(expert)
    assert item["status"] == "actioned"
    until(own, lambda: ledger(expert), MINUTE_S * 2)


def test_an_item_that_nobody_answers_is_shown_twice_and_then_no_more(own: StackUnderTest) -> None:
    asker = member(own)
    expert = member(own, expertise=TAX)
    to_hour(own, 12)
    asker.converse(f"Does anyone know {' '.join(TAX)}?")
    asker.wait_until_idle()
    run_tasks(own)
    for _ in range(10 * 2):
        own.advance(DAY_S / 2)
        run_tasks(own)
    first, second = (t for t in expert.texts_recorded("outbound") if "tax customs" in t["content"])
    assert second["created_at"] - first["created_at"] >= timedelta(hours=72)
    assert [p["status"] for p in priorities(expert)] == ["expired"]
