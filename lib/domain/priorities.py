"""What a member is to hear of, what it is worth, and when (behaviour.md, "Priority scores").

>>> request_score(matching=2, answered_before=True, useful=1)
95
>>> impact_text("It cut our churn.")
'What came of your answer, in their words: "It cut our churn."'
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Protocol, TypeVar
from zoneinfo import ZoneInfo

RESPONSE_SCORE = 90
IMPACT_SCORE = 80
SOLUTION_SCORE = 80
#: From this score on a member who is active hears of it at once, or in the morning.
NOW_FROM, MORNING_FROM = 90, 80
#: From this score on it may be mentioned in a reply.
MENTION_FROM = 60
MENTION_APART = timedelta(days=3)
ACTIVE_WITHIN = timedelta(hours=48)
MORNING_HOUR = 9
KEPT = 10
#: A member who writes within this time after a showing has answered it; two unanswered end it.
ANSWER_WITHIN = timedelta(hours=72)
SHOWINGS = 2
#: A request that nobody was shown for so long is worth at least MORNING_FROM.
OVERLOOKED_AFTER = timedelta(hours=24)
#: Inbound texts of 90 days below which nothing is learnt of a member's best hour.
HOURS_FROM = 5


#: So many telling words of an item, one after another, bring it up.
TOLD_WORDS = 4
_FILLING = re.compile(
    r"(?:an?|and|are|as|at|be|by|do|does|for|from|has|have|how|i|in|is|it|of|on|or|our|that|the|their"
    r"|they|this|to|was|we|what|which|who|with|you|your)"
)


def tells(text: str, item: str, *, known: str) -> bool:
    """Whether a text repeats words of an item, other than words that are known without it.

    >>> tells("By the way: which freight tool suits teams?", "Which freight tool suits teams?",
    ...     known="")
    True
    """
    return bool((_runs(text) & _runs(item)) - _runs(known))


def _runs(text: str) -> set[tuple[str, ...]]:
    words = [word for word in re.findall(r"\w+", text.casefold()) if not _FILLING.fullmatch(word)]
    return {tuple(words[i : i + TOLD_WORDS]) for i in range(len(words) - TOLD_WORDS + 1)}


def request_score(*, matching: int, answered_before: bool, useful: int) -> int:
    """What another member's question is worth to an expert, 0 to 100."""
    return min(100, 50 + 15 * matching + 10 * answered_before + 5 * useful)


def matching_tags(one: Sequence[str] | None, other: Sequence[str] | None) -> int:
    """How many tags two members or requests share, trimmed and case-folded."""
    return len(_normal(one) & _normal(other))


def deliver_at(
    score: float,
    now: datetime,
    zone: ZoneInfo,
    last_inbound_at: datetime | None,
    hour: int | None,
) -> datetime | None:
    """When the member hears of it; None: when they next write. Times are UTC.

    `hour` is the member's best hour of the day, if one is known.
    """
    if score >= NOW_FROM and last_inbound_at and last_inbound_at > now - ACTIVE_WITHIN:
        return now
    return next_morning(now, zone, hour) if score >= MORNING_FROM else None


def next_morning(now: datetime, zone: ZoneInfo, hour: int | None) -> datetime:
    """The next local 09:00, or the member's best hour (UTC)."""
    local = now.astimezone(zone)
    at = time(MORNING_HOUR if hour is None else hour)
    for days in (0, 1, 2):
        moment = datetime.combine(local.date() + timedelta(days=days), at, zone).astimezone(UTC)
        if moment > now:
            return moment
    raise AssertionError("a day has 25 hours at most")


def best_hour(texts_by_hour: Mapping[int, int] | None) -> int | None:
    """The hour of the day in which the member writes most; None with few texts."""
    if not texts_by_hour or sum(texts_by_hour.values()) < HOURS_FROM:
        return None
    return max(sorted(texts_by_hour), key=lambda hour: texts_by_hour[hour])


def may_be_mentioned(score: float | None, shown_at: datetime | None, now: datetime) -> bool:
    """Whether a reply may bring it up after answering."""
    recently = shown_at is not None and shown_at > now - MENTION_APART
    return (score or 0) >= MENTION_FROM and not recently


def impact_text(impact: str | None) -> str:
    """What an expert is told of their answer: the requester's words, or that it was passed on."""
    if impact and impact.strip():
        return f'What came of your answer, in their words: "{" ".join(impact.split())}"'
    return "Your answer was passed on."


class Ranked(Protocol):
    """What can be ranked."""

    @property
    def value_score(self) -> float | None:
        """0 to 100."""


RankedT = TypeVar("RankedT", bound=Ranked)


def ranked(items: Sequence[RankedT]) -> tuple[list[RankedT], list[RankedT]]:
    """Those that are kept, the best first, and those that are not. Of equals the older first."""
    order = sorted(items, key=lambda item: -(item.value_score or 0))
    return order[:KEPT], order[KEPT:]


def _normal(tags: Sequence[str] | None) -> set[str]:
    return {tag.strip().casefold() for tag in tags or () if tag.strip()}
