"""Sending what is due: claim texts, hand them to Twilio, record what became of them.

The row that says *sending* is committed before Twilio is called and the result after, so a crash
anywhere leaves something to look up rather than something to guess (architecture.md).
"""

import math
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

from lib.adapters.supabase import Database
from lib.adapters.twilio_errors import whose
from lib.adapters.twilio_sms import Accepted, NotTaken, Refused, SendResult, Sms, Unknown
from lib.core import clock, log
from lib.core.ids import derived_id, receipt_key
from lib.core.model import JSON
from lib.core.prices import sms_cost_usd
from lib.engine import segments

_log = log.get("outbox")

#: protocol.md, 21: Twilio is called within 5 s of the moment before the claim, or not at all.
SEND_WITHIN_S = 5.0
#: Texts claimed and sent at a time; at Twilio's usual 0.1-0.5 s a batch is far inside the 5 s.
BATCH = 20
_THREADS = 10
#: Texts to one member sent in one go: two full turns. More wait for the next tick.
_MEMBER_TEXTS = 6


class Outbox:
    """Sends queued texts. Safe to share between threads."""

    def __init__(self, database: Database, sms: Sms) -> None:
        self._database = database
        self._sms = sms

    def send_for(self, user_ids: Iterable[str]) -> int:
        """Send what is due for these members, part after part; returns how many were claimed."""
        claimed = 0
        for user_id in user_ids:
            for _ in range(_MEMBER_TEXTS):
                sends, is_more_due = self._round(UUID(user_id))
                claimed += sends
                if not is_more_due:
                    break
        return claimed

    def send_due(self, until: float, segments_per_s: float = math.inf) -> int:
        """Send what is due for anybody; returns how many texts were claimed.

        No new batch is begun after `until` (time.monotonic() seconds). Of one run no more than
        `segments_per_s` leave on the average: beyond what the sender may do Twilio would keep them
        in a queue of its own, where nothing new can pass them.
        """
        claimed = 0
        # No more than a second's worth at a time, so that what becomes urgent is next.
        limit = max(1, int(min(BATCH, segments_per_s)))
        while time.monotonic() < until:
            started = time.monotonic()
            token = uuid4()
            claim = self._database.call("claim_texts", token=token, limit=limit)
            self._hand_over(claim, token, started)
            claimed += len(claim["sends"])
            count = sum(segments.count(send["body"]) for send in claim["sends"])
            time.sleep(max(0.0, started + count / segments_per_s - time.monotonic()))
            # Who has more due is in a later batch, beside others: nobody's heap is sent in one go.
            if not claim["sends"] and not claim["more"]:
                break
        return claimed

    def _round(self, user_id: UUID) -> tuple[int, bool]:
        started = time.monotonic()
        token = uuid4()
        claim = self._database.call("claim_texts", token=token, user_id=user_id, limit=1)
        due = self._hand_over(claim, token, started)
        return len(claim["sends"]), claim["more"] or str(user_id) in due

    def _hand_over(self, claim: JSON, token: UUID, started: float) -> list[str]:
        """Send claimed texts and record the results; returns the members who have more due."""
        sends = claim["sends"]
        report_broken(claim)
        if not sends:
            return []

        def deliver(send: JSON) -> JSON:
            if time.monotonic() - started > SEND_WITHIN_S:
                return _result(send, NotTaken("deadline"))
            sent = self._sms.send(send["id"], send["to"], send["body"], send["valid_s"])
            return _result(send, sent)

        if len(sends) == 1:
            results = [deliver(sends[0])]
        else:
            with ThreadPoolExecutor(max_workers=_THREADS) as pool:
                results = list(pool.map(log.carried(deliver), sends))
        for result in results:
            _report_refused(result)
        recorded = self._database.call("record_sends", token=token, results=results)
        _log.info(
            "texts handed to Twilio",
            extra={
                "outcomes": dict(Counter(r["outcome"] for r in results)),
                "codes": sorted({r["code"] for r in results if "code" in r}),
                "duration_ms": round((time.monotonic() - started) * 1000),
            },
        )
        due: list[str] = recorded["texts_due"]
        return due


def report_broken(claim: JSON) -> None:
    """Log the texts that a claim could not hand out because something is wrong with their rows."""
    for broken in claim["broken"]:
        _log.error(
            "a text cannot be claimed",
            extra={
                "message_id": broken["id"],
                "user": log.user_hash(broken["user_id"]),
                "code": broken["code"],
            },
        )


def _report_refused(result: JSON) -> None:
    """Log a text that Twilio would not take, unless the member has said STOP or it may pass."""
    code = result.get("code", "")
    if result["outcome"] in {"refused", "released"} and code.isdigit():
        error_is = whose(code)
        if error_is not in {"member", "passing"}:
            _log.warning(
                "text refused",
                extra={
                    "message_id": result["id"],
                    "status": "refused",
                    "code": code,
                    "whose": error_is,
                },
            )


def _result(send: JSON, result: SendResult) -> JSON:
    """One entry of record_sends' `p_results`."""
    row: JSON = {"id": send["id"], "user_id": send["user_id"]}
    match result:
        case Accepted(sid=sid, status=status, segments=billed):
            return row | {
                "outcome": "accepted",
                "sid": sid,
                "status": status,
                "receipt_key": str(receipt_key(sid)),
                **cost(send, billed),
            }
        case Refused(code=code):
            event_id = str(derived_id(UUID(send["id"]), "opted_out"))
            return row | {"outcome": "refused", "code": code, "event_id": event_id}
        case NotTaken(code=code):
            return row | {"outcome": "released", "code": code}
        case Unknown(code=code):
            # If it was taken, a callback or a listing will say so, but not what it costs.
            return row | {"outcome": "ambiguous", "code": code, **cost(send)}


def cost(send: JSON, billed: int | None = None) -> JSON:
    """What `message_data` keeps of a claimed text: its segments, and about what they cost.

    `billed` is Twilio's count; a Messaging Service gives none when it takes a text.
    """
    count = billed or segments.count(send["body"])
    return {
        "segments": count,
        "cost_usd": sms_cost_usd(send["to"], count, clock.now().date()),
    }
