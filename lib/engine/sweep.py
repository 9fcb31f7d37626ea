"""The sweeper's work: what a lost wake-up, a crash or an outage left lying is found here.

Each of these is bounded: open events are published again, texts without a known end are looked up
at Twilio, inbound texts the webhook missed are recorded, broken chains of tasks begin anew.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from lib.adapters.supabase import Database, DatabaseRefused
from lib.adapters.twilio_sms import ListedText, Texts, TwilioUnavailable
from lib.core import clock, log
from lib.core.ids import receipt_key
from lib.core.model import JSON
from lib.engine import inbound
from lib.engine.outbox import cost

_log = log.get("sweeper")

#: protocol.md, 17: the sweeper looks every 5 s and takes at most 200 events a time.
PAUSE_S = 5.0
BATCH = 200
#: Windows of 2,000 open events that one look goes through at most.
MAX_WINDOWS = 100
#: Calls of prune at one run; more is left to the next hour.
MAX_PRUNES = 10
#: Inbound texts are looked for this far back, at every run.
LOOK_BACK = timedelta(minutes=15)


@dataclass
class Swept:
    """Counts of one run, and at its end what operators are to be warned of (terraform/watch.yaml).

    `pruned`: rows deleted; `restored`: chains of reviews begun anew.
    `oldest_open_s`: seconds that the event waits which has waited longest, 0 when none does.
    `spent_today_usd`: what Claude has cost since midnight UTC.
    `refused`: texts whose beginning or end the database would not have.
    """

    passes: int = 0
    pruned: int = 0
    restored: int = 0
    published: int = 0
    settled: dict[str, int] = field(default_factory=dict)
    recovered: int = 0
    twilio_failed: int = 0
    refused: int = 0
    oldest_open_s: int = 0
    spent_today_usd: float = 0.0


class Sweeper:
    """One run of the event sweeper."""

    def __init__(
        self,
        database: Database,
        texts: Texts,
        publish: Callable[[list[str]], None],
        read_text: Callable[[ListedText], inbound.InboundText],
    ) -> None:
        self._database = database
        self._texts = texts
        self._publish = publish
        self._read_text = read_text
        self.swept = Swept()

    def run(self, for_s: float, passes: int | None = None) -> Swept:
        """Sweep for `for_s` seconds, or for a number of passes if that is given."""
        until = time.monotonic() + for_s
        done = 0
        self._recover_missed()
        while True:
            self._publish_open()
            self._reconcile()
            done += 1
            if (passes is not None and done >= passes) or time.monotonic() + PAUSE_S >= until:
                break
            time.sleep(PAUSE_S)
        self.swept.passes = done
        self.swept.oldest_open_s = int(self._database.call("oldest_open_event")["age_s"])
        self.swept.spent_today_usd = float(self._database.call("spent_today")["cost_usd"])
        return self.swept

    def prune(self) -> None:
        """Delete what has been finished for long (docs/database.md, "Retention")."""
        for _ in range(MAX_PRUNES):
            answer = self._database.call("prune")
            self.swept.pruned += sum(
                answer[kind] for kind in ("events", "dead_letters", "tasks", "logs")
            )
            if not answer["more"]:
                break

    def restore_reviews(
        self, active: timedelta, next_review: Callable[[UUID, datetime], tuple[UUID, datetime]]
    ) -> None:
        """Begin broken chains of reviews anew (protocol.md, 19), 1,000 at most.

        Of members who have written within `active`; `next_review` has a review's id and time.
        """
        found = self._database.call("unreviewed_members", active_s=int(active.total_seconds()))
        now = datetime.fromisoformat(found["now"])
        reviews = []
        for member in found["members"]:
            task_id, at = next_review(UUID(member), now)
            reviews.append({"id": str(task_id), "user_id": member, "scheduled_for": at.isoformat()})
        if reviews:
            answer = self._database.call("restore_reviews", reviews=reviews)
            self.swept.restored = answer["tasks"]

    def _publish_open(self) -> None:
        """Publish up to a batch of open events, going through all that wait if need be."""
        found = 0
        after: JSON | None = None
        for _ in range(MAX_WINDOWS):
            answer = self._database.call("sweep_events", limit=BATCH - found, after=after)
            self._publish(answer["events"])
            found += len(answer["events"])
            after = answer["next"]
            if after is None or found >= BATCH:
                break
        self.swept.published += found

    def _reconcile(self) -> None:
        """Look up texts in flight for two minutes (protocol.md, 23)."""
        token = uuid4()
        for send in self._database.call("claim_stuck_sends", token=token)["sends"]:
            try:
                listed = self._texts.sent_to(send["to"], datetime.fromisoformat(send["claimed_at"]))
            except TwilioUnavailable:
                # A listing that failed says nothing; the text stays in flight.
                self.swept.twilio_failed += 1
                continue
            found = [_found(text) | cost(send) for text in listed if text.body == send["body"]]
            try:
                answer = self._database.call("settle_send", id=send["id"], token=token, found=found)
            except DatabaseRefused:
                self._refused("text not settled", message_id=send["id"])
                continue
            outcome = answer["outcome"]
            self.swept.settled[outcome] = self.swept.settled.get(outcome, 0) + 1

    def _recover_missed(self) -> None:
        """Record inbound texts that Twilio has and we have not (protocol.md, 18)."""
        try:
            listed = self._texts.received(clock.now() - LOOK_BACK)
        except TwilioUnavailable:
            self.swept.twilio_failed += 1
            return
        texts = {str(t.message_id): t for t in map(self._read_text, listed)}
        if not texts:
            return
        missing = set(self._database.call("missing_messages", ids=list(texts))["missing"])
        for message_id, text in texts.items():  # in the order in which they were sent
            if message_id not in missing:
                continue
            try:
                answer = inbound.record(self._database, text)
            except DatabaseRefused:
                self._refused("text not recorded", message_id=message_id)
                continue
            self.swept.recovered += answer["outcome"] != "duplicate"
            if answer["event_id"]:
                self._publish([answer["event_id"]])

    def _refused(self, what: str, **fields: str) -> None:
        """One that the database will not have keeps nobody from the others."""
        self.swept.refused += 1
        _log.exception(what, extra=fields)


def _found(text: ListedText) -> JSON:
    return {"sid": text.sid, "status": text.status, "receipt_key": str(receipt_key(text.sid))}
