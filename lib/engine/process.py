"""One event: claim → decide → commit, and what follows from each answer.

At-least-once delivery in, effects exactly once: whoever is told about an event may call
`Processor.run` with its id, any number of times and at the same time.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from pydantic import ValidationError

from lib.adapters.supabase import Database, DatabaseUnavailable
from lib.core import log
from lib.core.ids import derived_id
from lib.core.model import JSON, ModelUnavailable
from lib.engine.events import EVENT_TYPES
from lib.engine.outbox import Outbox
from lib.engine.work import DecisionFailed, UnitOfWork

_log = log.get("processor")

#: behaviour.md, "Turns": lease 90 s, of which the model gets 45 s.
LEASE_S = 90
DECIDE_S = 45.0
#: protocol.md, 9: a conflict is decided again at most three times.
MAX_CONFLICTS = 3
#: Events one run goes on with before it leaves the rest to the sweeper.
MAX_CHAIN = 20


@dataclass(frozen=True)
class Claim:
    """What was claimed: the first event's row, all claimed ids, and the context to decide with."""

    token: UUID
    event: JSON
    event_ids: list[UUID]
    alone: bool
    context: JSON | None

    @property
    def source(self) -> UUID:
        """The id that the ids of new rows are derived from."""
        return self.event_ids[0]


#: `decide(claim, deadline)` → unit of work; `deadline` in time.monotonic() seconds.
Decide = Callable[[Claim, float], UnitOfWork]


class Processor:
    """Runs events through their handlers. Safe to share between threads."""

    def __init__(
        self,
        database: Database,
        handlers: Mapping[str, Decide],
        outbox: Outbox,
        publish: Callable[[list[str]], None],
    ) -> None:
        self._database = database
        self._handlers = handlers
        self._outbox = outbox
        self._publish = publish

    def run(self, event_id: UUID) -> str:
        """Process an event and whatever else of its member waits; returns the first one's outcome.

        Outcomes: applied, skipped, rescheduled, dead, busy, done, not_due, stale, unknown. Each is
        recorded, or needs no record, so the delivery can be acknowledged.

        Raises:
            DatabaseUnavailable: nothing could be recorded; the delivery should be repeated.
        """
        first: str | None = None
        following: str | None = str(event_id)
        for _ in range(MAX_CHAIN):
            if following is None:
                break
            outcome, following = self._one(UUID(following))
            first = first or outcome
        return first or "unknown"

    def _one(self, event_id: UUID) -> tuple[str, str | None]:
        started = time.monotonic()
        deadline = started + DECIDE_S
        token = uuid4()
        answer = self._database.call("claim_event", event_id=event_id, token=token, lease_s=LEASE_S)
        asked_again = False
        conflicts = 0
        while True:
            if answer["outcome"] != "claimed":
                self._line(event_id, answer["outcome"], started)
                return answer["outcome"], None
            claim = Claim(
                token=token,
                event=answer["event"],
                event_ids=[UUID(i) for i in answer["events"]],
                alone=answer["alone"],
                context=answer["context"],
            )
            work: UnitOfWork | None = None
            decided_in = time.monotonic()
            try:
                work = self._decide(claim, deadline)
                decided_in = time.monotonic() - decided_in
                commit = self._database.call(
                    "commit_work",
                    work={
                        "events": claim.event_ids,
                        "changes": work.changes,
                        "calls": _with_ids(work, token),
                        "final": claim.alone or asked_again,
                    },
                    token=token,
                )
            except DatabaseUnavailable:
                raise
            except Exception as error:  # noqa: BLE001 - whatever a handler raises is recorded, not lost
                return self._failed(claim, work, error, started)
            match commit["outcome"]:
                case "applied":
                    self._publish(commit["emitted"])
                    self._line(event_id, "applied", started, claim, decide_s=round(decided_in, 3))
                    self._outbox.send_for(commit["texts_due"])
                    return "applied", commit["more"]
                case "newer" | "conflict" as reason if conflicts < MAX_CONFLICTS:
                    self._database.call("log_calls", calls=_with_ids(work, token))
                    asked_again = asked_again or reason == "newer"
                    conflicts += reason == "conflict"
                    previous, token = token, uuid4()
                    deadline = time.monotonic() + DECIDE_S  # the lease begins anew, too
                    answer = self._database.call(
                        "claim_event",
                        event_id=claim.source,
                        token=token,
                        lease_s=LEASE_S,
                        replaces=previous,
                    )
                case "stale":
                    self._database.call("log_calls", calls=_with_ids(work, token))
                    self._line(event_id, "stale", started, claim)
                    return "stale", None
                case _:
                    _log.error("commit refused", extra={"event_id": str(event_id), **commit})
                    return self._failed(claim, work, CommitRefused(commit["outcome"]), started)

    def _decide(self, claim: Claim, deadline: float) -> UnitOfWork:
        """The handler's unit of work.

        Raises:
            MalformedEvent: nobody will ever be able to handle this event.
        """
        name = claim.event["event_type"]
        registered = EVENT_TYPES.get(name)
        if registered is None:
            raise MalformedEvent("unknown event type")
        try:
            registered.payload.model_validate(claim.event["payload"])
        except ValidationError:
            raise MalformedEvent("malformed payload") from None
        if registered.audit_only:
            return UnitOfWork(claim.source, created_by="event_processor")
        return self._handlers[name](claim, deadline)

    def _failed(
        self, claim: Claim, work: UnitOfWork | None, error: Exception, started: float
    ) -> tuple[str, str | None]:
        """Record a failure: a dependency's, our own, or one that is final."""
        if isinstance(error, DecisionFailed):
            work = error.work
        cause = error.__cause__ if isinstance(error, DecisionFailed) else error
        kind = "own"
        if isinstance(cause, ModelUnavailable):
            kind = "dependency"
        elif isinstance(cause, MalformedEvent):
            kind = "permanent"
        said = (
            str(cause) if isinstance(cause, MalformedEvent | CommitRefused) else log.describe(cause)
        )
        answer = self._database.call(
            "fail_event",
            event_ids=claim.event_ids,
            token=claim.token,
            error=said,
            kind=kind,
            calls=_with_ids(work, claim.token) if work else [],
        )
        _log.log(
            30 if kind == "dependency" else 40,
            "event failed",
            extra={"event_id": str(claim.source), "kind": kind, "outcome": answer["outcome"]},
            exc_info=cause if kind == "own" else None,
        )
        self._line(claim.source, answer["outcome"], started, claim)
        return answer["outcome"], answer.get("more")

    def _line(
        self,
        event_id: UUID,
        outcome: str,
        started: float,
        claim: Claim | None = None,
        **fields: Any,
    ) -> None:
        _log.info(
            "event",
            extra={
                "event_id": str(event_id),
                "event_type": claim.event["event_type"] if claim else None,
                "events": len(claim.event_ids) if claim else 0,
                "outcome": outcome,
                "duration_ms": round((time.monotonic() - started) * 1000),
                **fields,
            },
        )


class MalformedEvent(Exception):
    """An event that no handler can ever take; its words are fixed ones."""


class CommitRefused(Exception):
    """The database would not apply a unit of work; its word is the commit's outcome."""


def _with_ids(work: UnitOfWork, token: UUID) -> list[JSON]:
    """The unit's model calls as rows, with ids of this attempt: each attempt's cost counts."""
    return [{"id": str(derived_id(token, n)), **call} for n, call in enumerate(work.calls)]
