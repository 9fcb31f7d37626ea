"""What a task is made of: who is there, what is in the database, what is written, what must be so
in the end. Plain data; tests/conversations/README.md says how to add one.

>>> hello = Task(
...     "a newcomer says hello",
...     script=[Writes("hi", right=["Who told you about Yachtparty?"])],
...     grade=[Told("who")],
... )
>>> hello.cast["member"].exists
False
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

#: When every task begins: a Monday noon in New York, outside everybody's quiet hours.
BEGIN = datetime(2026, 11, 23, 17, 0, tzinfo=UTC)

_IDS = UUID("b64e0a3c-5b0e-4b57-a5a1-0c54c5b6b3c4")


def ref(name: str) -> UUID:
    """The id of a row that a task names."""
    return uuid5(_IDS, name)


def who(name: str) -> UUID:
    """The `users.id` of somebody of the cast who exists before the task begins."""
    return ref(f"person:{name}")


def ago(**delta: float) -> datetime:
    """A time before the task begins."""
    return BEGIN - timedelta(**delta)


# Who is there


@dataclass(frozen=True)
class Person:
    """Somebody with a phone. `columns` are of `users`; `earlier` are texts of the day before,
    "member: …" or "agent: …"; `steps` are those of the onboarding that are done."""

    exists: bool = True
    columns: Mapping[str, Any] = field(default_factory=dict)
    earlier: Sequence[str] = ()
    steps: Sequence[str] = ()
    waiting: bool = False


def newcomer() -> Person:
    """Somebody who has never written."""
    return Person(exists=False)


def in_onboarding(*earlier: str, steps: Sequence[str] = (), **columns: Any) -> Person:
    """Somebody whom the bouncer knows; its last text asked for the first thing missing."""
    return Person(columns={"verified": False} | columns, earlier=earlier, steps=steps)


def waiting(*earlier: str, **columns: Any) -> Person:
    """Somebody who has told everything and waits for a person's decision."""
    known = {
        "verified": False,
        "first_name": "Ida",
        "last_name": "Berg",
        "company": "Fjord",
        "title": "CTO",
        "email": "ida@fjord.test",
        "email_verified": True,
    }
    steps = ("referrer", "name", "company_title", "email", "email_verification")
    return Person(columns=known | columns, earlier=earlier, steps=steps, waiting=True)


def member(*earlier: str, **columns: Any) -> Person:
    """A verified member in New York, who has written before."""
    known = {
        "verified": True,
        "first_name": "Ida",
        "last_name": "Berg",
        "company": "Fjord",
        "title": "CTO",
        "email": "ida@fjord.test",
        "email_verified": True,
        "timezone": "America/New_York",
    }
    return Person(
        columns=known | columns,
        earlier=earlier or ("member: hi", "agent: Hi, what do you need?"),
    )


@dataclass(frozen=True)
class Row:
    """A row that is there before the task begins."""

    table: str
    columns: Mapping[str, Any]


# What a right model answers


@dataclass(frozen=True)
class Use:
    """The use of one tool."""

    tool: str
    given: Mapping[str, Any]


@dataclass(frozen=True)
class Job:
    """The answer to a background job, named as its prompt's file is."""

    name: str
    words: str


#: One answer of the model: a text, a tool, several tools together, or a background job's.
Move = str | Use | tuple[Use, ...] | Job


def use(tool: str, **given: Any) -> Use:
    """The model uses a tool."""
    return Use(tool, given)


def scores(points: int) -> Job:
    """The model scores an answer."""
    return Job("answer_score", str(points))


# What happens


@dataclass(init=False)
class Writes:
    """Somebody writes: several texts are there before any is answered, as when they follow each
    other quickly; `meanwhile` comes while the model is writing. `media` pictures come with the
    last text. `quiet`: no answer is wanted.
    """

    texts: tuple[str, ...]
    by: str
    media: int
    meanwhile: str | None
    quiet: bool
    right: Sequence[Move]

    def __init__(
        self,
        *texts: str,
        by: str = "member",
        media: int = 0,
        meanwhile: str | None = None,
        quiet: bool = False,
        right: Sequence[Move] = (),
    ) -> None:
        self.texts, self.by, self.media = texts, by, media
        self.meanwhile, self.quiet, self.right = meanwhile, quiet, right


@dataclass(frozen=True)
class Answers:
    """The member answers what they are asked: of `lines` (pattern of the agent's latest texts →
    what they write then) the first that fits and was not used yet, at most `most` times and until
    none fits."""

    lines: Mapping[str, str]
    by: str = "member"
    most: int = 8
    right: Sequence[Move] = ()


@dataclass(frozen=True)
class Mails:
    """The member writes an e-mail, from `sender`, to the address that they were last given; if they
    were given none, they cannot."""

    sender: str
    by: str = "member"
    right: Sequence[Move] = ()


@dataclass(frozen=True)
class Passes:
    """Time passes, and what is due meanwhile happens."""

    days: float = 0
    hours: float = 0
    right: Sequence[Move] = ()


@dataclass(frozen=True)
class If:
    """What happens depends on what is so by now."""

    check: "Check"
    then: Sequence["Step"]
    otherwise: Sequence["Step"] = ()


Step = Writes | Answers | Mails | Passes | If


# What must be so in the end


class Like:
    """A value that holds a pattern, in any case."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern

    def __repr__(self) -> str:
        return f"like {self.pattern!r}"


class Among:
    """A value that is one of these."""

    def __init__(self, *values: Any) -> None:
        self.values = values

    def __repr__(self) -> str:
        return f"one of {self.values}"


class Holds:
    """A list that holds an element with this pattern, in any case."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern

    def __repr__(self) -> str:
        return f"holding {self.pattern!r}"


@dataclass(init=False)
class Has:
    """So many rows of `table` (`count` None: at least one) have these values; payload__step looks
    into a json column. `of` names whose rows are meant: those with that person's `user_id`, or
    their row of `users`."""

    table: str
    values: Mapping[str, Any]
    of: str | None
    count: int | None

    def __init__(
        self, table: str, of: str | None = None, count: int | None = None, **values: Any
    ) -> None:
        self.table, self.of, self.count, self.values = table, of, count, values


def none(table: str, of: str | None = None, **values: Any) -> Has:
    """No row of `table` has these values."""
    return Has(table, of, 0, **values)


def known(of: str = "member", **columns: Any) -> Has:
    """The person's row of `users` holds this."""
    return Has("users", of, 1, **columns)


@dataclass(frozen=True)
class Told:
    """A text with this pattern (any case) was sent; `step` counts the script's steps from 1."""

    pattern: str
    to: str = "member"
    step: int | None = None


@dataclass(frozen=True)
class NeverTold:
    """No text with this pattern (any case) was sent."""

    pattern: str
    to: str = "member"


@dataclass(frozen=True)
class Texts:
    """So many texts were sent to somebody, at least and at most; `step` counts from 1."""

    least: int
    most: int
    to: str = "member"
    step: int | None = None


@dataclass(init=False)
class AnyOf:
    """At least one of these is so."""

    checks: tuple["Check", ...]

    def __init__(self, *checks: "Check") -> None:
        self.checks = checks


Check = Has | Told | NeverTold | Texts | AnyOf


@dataclass(frozen=True)
class Task:
    """One conversation and how it is graded.

    `name` is one sentence. Besides its `grade`, every task is held to what must always be so
    (tests/conversations/grading.py).
    """

    name: str
    script: Sequence[Step]
    grade: Sequence[Check]
    cast: Mapping[str, Person] = field(default_factory=lambda: {"member": newcomer()})
    rows: Sequence[Row] = ()
