"""The community loop: what an answer earns, when a request is over, what its requester is told.

>>> [credits_for(score) for score in (6, 7, 10)]
[0, 15, 45]
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

#: behaviour.md, "Community": usefulness 0-10; 7 and more is paid.
SCORES = range(11)
PAID_FROM = 7
CREDITS_AT_LEAST = 15
CREDITS_PER_POINT = 10


def credits_for(score: int) -> int:
    """What an answer of this usefulness earns, in credits."""
    return CREDITS_AT_LEAST + CREDITS_PER_POINT * (score - PAID_FROM) if score >= PAID_FROM else 0


def payment_key(response_id: object) -> str:
    """The idempotency key of the payment for an answer: one answer is paid once."""
    return f"community_response:{response_id}"


def is_late(answered_at: datetime | None, closed_at: datetime | None) -> bool:
    """Whether an answer came after its request was closed: thanked, recorded, not paid."""
    return closed_at is not None and answered_at is not None and answered_at > closed_at


def closing_reason(
    scored: Sequence[bool], *, expired: bool
) -> Literal["expired", "answered"] | None:
    """Why a request that is due is closed now; None while an answer waits for its score."""
    if not all(scored):
        return None
    return "expired" if expired else "answered"


def closing_text(summary: str | None, answers: int) -> str:
    """What a requester is told, once, when the request is closed."""
    about = f" about {summary.strip()}" if summary and summary.strip() else ""
    if answers == 0:
        return f"Nobody has answered your question{about} in time, so I have closed it."
    came = "one answer" if answers == 1 else f"{answers} answers"
    return f"Your question{about} is closed now. It got {came}."
