"""Events: one is claimed, decided and committed, and with it whatever else of its member waits.

Whoever is told about an event may call `EventProcessor.run` with its id, any number of times and at
the same time.
"""

import time
from collections.abc import Callable, Mapping
from uuid import UUID, uuid4

from lib.adapters.supabase import Database
from lib.core import log, trace
from lib.core.model import JSON
from lib.engine.commits import commit_alone
from lib.engine.outbox import Outbox
from lib.engine.registry import EVENT_TYPES
from lib.engine.step import Claim, Decide, Done, Stepper, check_payload
from lib.engine.work import UnitOfWork

_log = log.get("events")

#: behaviour.md, "Turns": lease 90 s, of which the model gets 45 s.
LEASE_S = 90
DECIDE_S = 45.0
#: Events one run goes on with before it leaves the rest to the sweeper, and seconds in which it
#: begins with another: a function has ten minutes, and a push is not waited for any longer.
MAX_CHAIN = 20
CHAIN_FOR_S = 120.0


class EventProcessor:
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
        self._steps = Stepper(database, outbox, publish, commit_alone(database))

    def run(self, event_id: UUID) -> str:
        """Process an event and whatever else of its member waits; returns the first one's outcome.

        Outcomes: applied, skipped, rescheduled, dead, busy, done, not_due, stale, unknown. Each is
        recorded, or needs no record, so the delivery can be acknowledged.

        Raises:
            DatabaseUnavailable: nothing could be recorded; the delivery should be repeated.
        """
        first: str | None = None
        following: UUID | None = event_id
        until = time.monotonic() + CHAIN_FOR_S
        for _ in range(MAX_CHAIN):
            if following is None or (first and time.monotonic() >= until):
                break
            done = self._one(following)
            first = first or done.outcome
            following = done.more
        return first or "unknown"

    def _one(self, event_id: UUID) -> Done:
        with trace.step(_log, "event", event_id=str(event_id)) as step:
            claim = self._claim(event_id)
            if isinstance(claim, str):
                step.say(outcome=claim)
                return Done(claim)
            step.say(
                event_type=claim.type,
                events=len(claim.event_ids),
                user=log.user_hash(claim.user_id),
            )
            done = self._steps.run(
                claim,
                self._decide,
                DECIDE_S,
                lambda before: self._claim(before.source, replaces=before.token),
            )
            step.say(outcome=done.outcome)
            return done

    def _decide(self, claim: Claim, deadline: float) -> UnitOfWork:
        registered = EVENT_TYPES.get(claim.type)
        check_payload(claim, registered.payload if registered else None)
        if registered and registered.audit_only:
            return UnitOfWork(claim.source, created_by="event_processor")
        return self._handlers[claim.type](claim, deadline)

    def _claim(self, event_id: UUID, replaces: UUID | None = None) -> Claim | str:
        token = uuid4()
        answer = self._database.call(
            "claim_event", event_id=event_id, token=token, lease_s=LEASE_S, replaces=replaces
        )
        if answer["outcome"] != "claimed":
            outcome: str = answer["outcome"]
            return outcome
        event: JSON = answer["event"]
        return Claim(
            token=token,
            type=event["event_type"],
            payload=event["payload"],
            context=answer["context"],
            event_ids=[UUID(i) for i in answer["events"]],
            alone=answer["alone"],
            user_id=event["aggregate_id"] if event["aggregate_type"] == "user" else None,
        )
