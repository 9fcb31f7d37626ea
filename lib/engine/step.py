"""Decide and commit what was claimed, and what follows from each answer: the same for an event and
for a task.

At-least-once delivery in, effects exactly once: a claim may be decided any number of times, its
commit is applied once.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ValidationError

from lib.adapters.supabase import Database, DatabaseUnavailable
from lib.core import log, trace
from lib.core.ids import derived_id
from lib.core.model import JSON, ModelUnavailable
from lib.engine.commits import Commit
from lib.engine.outbox import Outbox
from lib.engine.work import DecisionFailed, UnitOfWork

_log = log.get("step")

#: protocol.md, 9: a conflict is decided again at most three times.
MAX_CONFLICTS = 3


@dataclass(frozen=True)
class Claim:
    """What was claimed: one task, or the events of one turn, and the context to decide with."""

    token: UUID
    type: str
    payload: Any
    context: JSON | None
    event_ids: list[UUID] = field(default_factory=list)
    task_id: UUID | None = None
    alone: bool = False
    user_id: str | None = None

    @property
    def source(self) -> UUID:
        """The id that the ids of new rows are derived from."""
        return self.task_id or self.event_ids[0]


#: `decide(claim, deadline)` → unit of work; `deadline` in time.monotonic() seconds.
Decide = Callable[[Claim, float], UnitOfWork]
#: Claims again under a new token, after *newer* or *conflict*: the claim, or the outcome instead.
Reclaim = Callable[[Claim], Claim | str]


class Malformed(Exception):
    """An event or task that no handler can ever take; its words are fixed ones."""


class Unreadable(Exception):
    """A row that the context is made of cannot be read; its words are the server's code."""


class CommitRefused(Exception):
    """The database would not apply a unit of work; its words name the change, never a value."""


@dataclass(frozen=True)
class Done:
    """What became of a claim, and the member's next open event if one waits."""

    outcome: str
    more: UUID | None = None


class Stepper:
    """Decides and commits claims. Safe to share between threads."""

    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        publish: Callable[[list[str]], None],
        commit: Commit,
    ) -> None:
        self._database = database
        self._commit = commit
        self._outbox = outbox
        self._publish = publish

    def run(self, claim: Claim, decide: Decide, decide_s: float, reclaim: Reclaim) -> Done:
        """Decide within `decide_s` seconds and commit; again if the rows have moved meanwhile.

        Outcomes: applied, stale, rescheduled, dead (event) or failed (task), and whatever
        `reclaim` gives instead of a claim. Each is recorded or needs no record.

        Raises:
            DatabaseUnavailable: nothing could be recorded; the lease will run out.
        """
        deadline = time.monotonic() + decide_s
        asked_again = False
        conflicts = 0
        round_ = 0
        while True:
            work: UnitOfWork | None = None
            decided_at = time.monotonic()
            try:
                with trace.span("decide", type=claim.type):
                    work = decide(claim, deadline)
                trace.say(decide_ms=round((time.monotonic() - decided_at) * 1000))
                commit = self._commit(
                    {
                        **_source_of(claim),
                        "changes": work.changes,
                        "calls": _calls(work, claim, round_),
                        "final": claim.alone or asked_again,
                    },
                    claim.token,
                )
            except DatabaseUnavailable:
                raise
            except Exception as error:  # noqa: BLE001 - whatever a handler raises is recorded, not lost
                return self._fail(claim, work, error, round_)
            match commit["outcome"]:
                case "applied":
                    self._publish(commit["emitted"])
                    self._outbox.send_for(commit["texts_due"])
                    return Done("applied", _id(commit["more"]))
                case "newer" | "conflict" as reason if conflicts < MAX_CONFLICTS:
                    self._database.call("log_calls", calls=_calls(work, claim, round_))
                    asked_again = asked_again or reason == "newer"
                    conflicts += reason == "conflict"
                    deadline = time.monotonic() + decide_s  # the lease begins anew, too
                    again = reclaim(claim)
                    if isinstance(again, str):
                        return Done(again)
                    claim = again
                    round_ += 1
                case "stale":
                    self._database.call("log_calls", calls=_calls(work, claim, round_))
                    return Done("stale")
                case _:
                    _log.error("commit refused", extra=commit)
                    refused = CommitRefused(
                        f"{commit['outcome']}: {commit.get('error') or commit.get('table')}"
                    )
                    return self._fail(claim, work, refused, round_)

    def _fail(
        self,
        claim: Claim,
        work: UnitOfWork | None,
        error: Exception,
        round_: int,
    ) -> Done:
        """Record a failure: a dependency's, our own, or one that is final.

        Raises:
            DatabaseUnavailable: it could not be recorded; the lease will run out.
        """
        if isinstance(error, DecisionFailed):
            work = error.work
        cause = error.__cause__ if isinstance(error, DecisionFailed) else error
        kind = "own"
        if isinstance(cause, ModelUnavailable):
            kind = "dependency"
        elif isinstance(cause, Malformed):
            kind = "permanent"
        said = str(cause) if isinstance(cause, _WORDED) else log.describe(cause)
        calls = _calls(work, claim, round_) if work else []
        if claim.task_id:
            answer = self._database.call(
                "fail_task",
                task_id=claim.task_id,
                token=claim.token,
                error=said,
                kind=kind,
                calls=calls,
            )
        else:
            answer = self._database.call(
                "fail_event",
                event_ids=claim.event_ids,
                token=claim.token,
                error=said,
                kind=kind,
                calls=calls,
                notice=work.meanwhile if work else None,
            )
            self._outbox.send_for(answer.get("texts_due", []))
        if kind == "dependency":
            trace.warn(kind=kind, reason=log.describe(cause))
        else:
            trace.fail(cause if kind == "own" else None, kind=kind, reason=said)
        return Done(answer["outcome"], _id(answer.get("more")))


#: Errors whose words are ours, and fit to be kept.
_WORDED = Malformed | Unreadable | CommitRefused


def check_payload(claim: Claim, payload: type[BaseModel] | None) -> None:
    """Refuse what nobody will ever be able to handle; `payload` is the type's, None if unknown.

    Raises:
        Malformed: the type is unknown, or the payload is not of it.
        Unreadable: there is no context to decide with, until somebody mends a row.
    """
    if payload is None:
        raise Malformed("unknown type")
    try:
        payload.model_validate(claim.payload)
    except ValidationError:
        raise Malformed("malformed payload") from None
    if claim.context and "unreadable" in claim.context:
        raise Unreadable(f"a row of its context cannot be read ({claim.context['unreadable']})")


def _source_of(claim: Claim) -> JSON:
    """The claim as commit_work's source."""
    return {"task": claim.task_id} if claim.task_id else {"events": claim.event_ids}


def _calls(work: UnitOfWork, claim: Claim, round_: int) -> list[JSON]:
    """The unit's model calls as rows, with ids of this attempt's round: each one's cost counts."""
    round_id = derived_id(derived_id(claim.token, str(claim.source)), round_)
    return [{"id": str(derived_id(round_id, n)), **call} for n, call in enumerate(work.calls)]


def _id(value: str | None) -> UUID | None:
    return UUID(value) if value else None
