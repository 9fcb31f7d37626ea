"""Introductions: what one is worth, when it lapses, what each side is told.

behaviour.md, "Intros". A member who could introduce somebody (the connector) is asked first, then
the innovator who wants to meet them. The two learn each other's names when both have said yes.

>>> score(bounty=50, age=timedelta(days=1)), score(bounty=200, age=timedelta(days=3))
(85.0, 80)
>>> offer("Acme moves freight.", ["freight"], hidden=["Acme Inc."])
'freight'
"""

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Literal

NEW_FOR = timedelta(days=3)
FOLLOW_UP_AFTER = timedelta(days=7)

#: What ended an introduction that nobody declined, in `connector_response`.
Lapse = Literal["expired", "filled"]

#: Parts of companies' names that name none.
_GENERAL = frozenset(["and", "the", "inc", "llc", "ltd", "gmbh", "corp", "company", "group"])
_WORD = re.compile(r"\w+")
MIN_NAME_CHARS = 3


def score(*, bounty: int, age: timedelta) -> float:
    """What an introduction is worth to who is asked for it, 0 to 100; `bounty` in credits."""
    return 50 + min(bounty / 2, 30) + (10 if age < NEW_FOR else 0)


def bounty_key(opportunity_id: object) -> str:
    """The idempotency key of the connector's payment."""
    return f"intro_opportunity:{opportunity_id}"


def debit_key(opportunity_id: object) -> str:
    """The idempotency key of what the innovator pays."""
    return f"intro_opportunity_debit:{opportunity_id}"


def offer(
    description: str | None, categories: Sequence[str] | None, *, hidden: Sequence[str]
) -> str | None:
    """What the innovator offers, in words that name nobody; None when there are none.

    A description with any word of a name in it is left out, and so is such a category.
    """
    names = {
        word
        for name in hidden
        for word in _words(name)
        if len(word) >= MIN_NAME_CHARS and word not in _GENERAL
    }
    if description and description.strip() and not names & set(_words(description)):
        return description.strip()
    return ", ".join(c for c in categories or () if c and not names & set(_words(c))) or None


def who(name: str, title: str | None, company: str | None) -> str:
    """The person to be introduced, as they are spoken of."""
    return ", ".join(part for part in (name, title, company) if part)


def agreed_text(prospect: str, innovator: str | None, email: str | None) -> str:
    """What the connector is told when both have said yes."""
    other = innovator or "The other side"
    where = f" Their e-mail address for it is {email}." if email else ""
    return f"{other} would be glad if you introduced {prospect}.{where} Thanks for doing that."


def agreed_text_of_innovator(prospect: str, connector: str | None) -> str:
    """What the innovator is told when both have said yes."""
    return (
        f"{connector or 'The member'} has your name now and means to introduce you to {prospect}."
    )


def refused_text(prospect: str) -> str:
    """What the connector is told when the other side does not want it."""
    return f"The other side has decided against meeting {prospect}. Thanks all the same."


def withdrawn_text(prospect: str) -> str:
    """What the innovator is told when an agreed introduction is not made."""
    return f"The introduction to {prospect} will not be made after all."


def completed_text(prospect: str, bounty: int) -> str:
    """What the connector is told when it has happened."""
    earned = f" You have earned {bounty} credits." if bounty else ""
    return f"Thanks for introducing {prospect}.{earned}"


def completed_text_of_innovator(prospect: str, bounty: int) -> str:
    """What the innovator is told when it has happened."""
    paid = f" {bounty} credits went to the member who made it." if bounty else ""
    return f"The introduction to {prospect} has been made.{paid}"


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())
