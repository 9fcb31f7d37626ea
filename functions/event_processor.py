"""event_processor: one event, from claim to commit.

Trigger: Pub/Sub push (raw, or a CloudEvent through Eventarc), authenticated by IAM; on one machine
         the relay. The body names one event id. Or Cloud Scheduler, with {"event_type": …} of a
         type that is due by the clock; that call is recorded as an event first, once for each
         X-CloudScheduler-ScheduleTime.
Reads:   the event and its context, under the member's lease (sql/functions/claim_event.sql).
Commits: the handler's unit of work (sql/functions/commit_work.sql), then sends what it queued.
Answers: 200 whenever the outcome is recorded or needs no record; 503 when nothing could be
         recorded, so that Pub/Sub tries again; 400 to a body that names no event, which Pub/Sub
         in the end dead-letters.
"""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from flask import Request, Response, jsonify

from lib.adapters import claude, pubsub, push, supabase
from lib.adapters.push import BadPush
from lib.adapters.twilio_sms import Sms
from lib.agents.handlers import event_handlers
from lib.core import log, trace
from lib.core.ids import scheduled_event_id
from lib.core.settings import (
    EmailSettings,
    KeywordSettings,
    ModelSettings,
    TwilioSenderSettings,
    load,
)
from lib.domain.verification import Addresses
from lib.engine.outbox import Outbox
from lib.engine.process import EventProcessor
from lib.engine.registry import EVENT_TYPES
from lib.engine.spending import Spending

log.setup()
_log = log.get("event_processor")
_keywords = load(KeywordSettings)
_email = load(EmailSettings)
_database = supabase.connect()
_processor = EventProcessor(
    _database,
    event_handlers(
        claude.connect().complete,
        addresses=Addresses(_email.email_token_secret, _email.email_domain),
        answer_help=not _keywords.twilio_handles_keywords,
        is_spent=Spending(_database, load(ModelSettings).daily_spend_cap_usd).is_over,
    ),
    Outbox(_database, Sms(load(TwilioSenderSettings))),
    pubsub.connect(),
)


@trace.function
def event_processor(request: Request) -> Response:
    """Entry point."""
    try:
        body = push.read(request.get_data(cache=False))
        if isinstance(body, dict) and "event_type" in body:
            event_id = _record_scheduled(
                body["event_type"], request.headers.get("X-CloudScheduler-ScheduleTime", "")
            )
        else:
            event_id = push.event_id_of(body)
        return jsonify({"outcome": _processor.run(event_id)})
    except BadPush as error:
        _log.error("push refused", extra={"reason": str(error)})
        return Response(str(error), 400, mimetype="text/plain")
    except supabase.DatabaseError:
        # Its step's line says where and why.
        return Response("The event could not be recorded.", 503, mimetype="text/plain")


def _record_scheduled(event_type: Any, scheduled_at: str) -> UUID:
    """Make a schedule's call an event; the same call again is the same event.

    Raises:
        BadPush: no such type is due by the clock, or the call does not say when it was due.
    """
    registered = EVENT_TYPES.get(event_type) if isinstance(event_type, str) else None
    if registered is None or not registered.scheduled:
        raise BadPush("The body names no event type that a schedule may ask for.")
    due = _utc(scheduled_at)
    if due is None:
        raise BadPush("X-CloudScheduler-ScheduleTime is missing or no time with an offset.")
    event_id = scheduled_event_id(event_type, due)
    with trace.step(_log, "tick", event_id=str(event_id), event_type=event_type):
        answer = _database.call(
            "record_event",
            event={
                "id": event_id,
                "event_type": event_type,
                "payload": {"scheduled_at": due},
                "created_by": "cloud_scheduler",
            },
        )
        trace.say(outcome=answer["outcome"])
    return event_id


def _utc(written: str) -> datetime | None:
    """A time; None for what is none, or has no offset and so would be this machine's time."""
    try:
        time = datetime.fromisoformat(written)
        return time.astimezone(UTC) if time.tzinfo else None
    except (ValueError, OverflowError):
        return None
