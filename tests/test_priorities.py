"""What a member hears of and when, number by number (behaviour.md, "Priority scores")."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from lib.domain import intros, priorities

NEW_YORK = ZoneInfo("America/New_York")
#: Monday, 12:00 in New York.
NOON = datetime(2026, 11, 23, 17, 0, tzinfo=UTC)
NEXT_NINE = datetime(2026, 11, 24, 14, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("matching", "answered", "useful", "score"),
    [(0, False, 0, 50), (1, False, 0, 65), (2, False, 0, 80), (1, True, 2, 85), (3, True, 9, 100)],
)
def test_a_question_is_worth_what_the_member_knows_of_it(
    matching: int, answered: bool, useful: int, score: int
) -> None:
    assert (
        priorities.request_score(matching=matching, answered_before=answered, useful=useful)
        == score
    )


@pytest.mark.parametrize(
    ("bounty", "days", "score"),
    [
        (0, 5, 50),
        (50, 5, 75),
        (50, 2.99, 85),
        (50, 3, 75),
        (60, 3, 80),
        (500, 0, 90),
        (25, 4, 62.5),
    ],
)
def test_an_introduction_is_worth_its_bounty_and_its_youth(
    bounty: int, days: float, score: float
) -> None:
    assert intros.score(bounty=bounty, age=timedelta(days=days)) == score


@pytest.mark.parametrize(
    ("score", "silent_h", "due"),
    [
        (90, 47.9, NOON),
        (90, 48, NEXT_NINE),
        (89.9, 0, NEXT_NINE),
        (80, 500, NEXT_NINE),
        (79.9, 0, None),
    ],
)
def test_the_worth_and_the_member_s_silence_decide_when(
    score: float, silent_h: float, due: datetime | None
) -> None:
    written = NOON - timedelta(hours=silent_h)
    assert priorities.deliver_at(score, NOON, NEW_YORK, written, None) == due


def test_a_member_who_never_wrote_hears_of_nothing_at_once() -> None:
    assert priorities.deliver_at(100, NOON, NEW_YORK, None, None) == NEXT_NINE


@pytest.mark.parametrize(
    ("now", "hour", "due"),
    [
        (NOON.replace(hour=13, minute=59), None, NOON.replace(hour=14)),  # 08:59, the same day
        (NOON.replace(hour=14), None, NEXT_NINE),  # 09:00 itself is over
        (NOON, 18, NOON.replace(hour=23)),  # the best hour of today is still to come
        (NOON, 7, NEXT_NINE.replace(hour=12)),
    ],
)
def test_the_next_morning_is_nine_or_the_member_s_best_hour(
    now: datetime, hour: int | None, due: datetime
) -> None:
    assert priorities.next_morning(now, NEW_YORK, hour) == due


@pytest.mark.parametrize(
    ("texts", "hour"),
    [({}, None), ({9: 4}, None), ({9: 2, 18: 3}, 18), ({20: 3, 7: 3}, 7), (None, None)],
)
def test_the_best_hour_is_learnt_from_five_texts_on(
    texts: dict[int, int] | None, hour: int | None
) -> None:
    assert priorities.best_hour(texts) == hour


@pytest.mark.parametrize(
    ("score", "shown_days", "may"),
    [(60, None, True), (59.9, None, False), (None, None, False), (60, 3, True), (99, 2.99, False)],
)
def test_what_is_worth_enough_and_was_not_shown_lately_may_be_mentioned(
    score: float | None, shown_days: float | None, may: bool
) -> None:
    shown = None if shown_days is None else NOON - timedelta(days=shown_days)
    assert priorities.may_be_mentioned(score, shown, NOON) is may
