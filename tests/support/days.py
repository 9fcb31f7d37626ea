"""Members whose days pass by the stack's clock, for journeys that take weeks."""

import contextlib
from collections.abc import Callable
from datetime import datetime
from typing import Any

from tests.support.community import run_tasks
from tests.support.stack import NEW_YORK, StackUnderTest, wait_for
from tests.support.texting import Phone

MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86_400


def member(stack: StackUnderTest, **columns: Any) -> Phone:
    """A verified member in New York who has written before."""
    phone = Phone(stack)
    phone.converse("hi there")
    phone.verify(timezone="America/New_York", **columns)
    return phone


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
    """Whether a text with these words has come."""
    return any(words in text for text in phone.received())


def to_hour(stack: StackUnderTest, hour: int) -> None:
    """Move the clock to the next such hour in New York, and let happen what is due then."""
    stack.advance_to(hour)
    run_tasks(stack)


def local_time(stack: StackUnderTest) -> datetime:
    """The stack's time in New York."""
    return stack.now().astimezone(NEW_YORK)


def priorities(phone: Phone) -> list[dict[str, Any]]:
    """The member's list, the oldest first."""
    return phone.rows(
        "select p.* from user_priorities p join users u on u.id = p.user_id"
        " where u.phone_number = %s order by p.created_at",
        phone.number,
    )


def ledger(phone: Phone) -> list[int]:
    """What the member was paid, the oldest first."""
    return [
        row["amount"]
        for row in phone.rows(
            "select c.amount from credit_events c join users u on u.id = c.user_id"
            " where u.phone_number = %s order by c.created_at",
            phone.number,
        )
    ]
