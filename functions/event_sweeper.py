"""event_sweeper: finds what a lost wake-up, a crash or an outage left lying.

Trigger: Cloud Scheduler, every minute; works through most of it, looking every 5 s. A body
         {"passes": n} makes it look n times and answer at once (operators, the local stack).
Does:    publishes open events again, looks up texts whose hand-over to Twilio had no known end,
         records inbound texts that the webhook missed; once an hour deletes what has been finished
         for long and begins broken chains of reviews anew. Overlapping runs do no harm.
Answers: 200 with counts; 503 when the database is out of reach.
"""

from datetime import datetime

from flask import Request, Response, jsonify

from lib.adapters import pubsub, supabase
from lib.adapters.twilio_sms import ListedText, Texts
from lib.agents.account_manager import REVIEWED_WHILE_ACTIVE, next_review
from lib.core import log, trace
from lib.core.settings import KeywordSettings, SweepSettings, TwilioAccountSettings, load
from lib.domain import messaging
from lib.engine.inbound import InboundText
from lib.engine.sweep import Sweeper

log.setup()
_log = log.get("event_sweeper")
_keywords = load(KeywordSettings)
_sweep_for_s = load(SweepSettings).sweep_for_s
_database = supabase.connect()
_publish = pubsub.connect()
_texts = Texts(load(TwilioAccountSettings))

MAX_PASSES = 10


@trace.function
@trace.step(_log, "sweep")
def event_sweeper(request: Request) -> Response:
    """Entry point."""
    body = request.get_json(silent=True)
    asked = body.get("passes") if isinstance(body, dict) else None
    passes = min(asked, MAX_PASSES) if isinstance(asked, int) and asked > 0 else None
    sweeper = Sweeper(_database, _texts, _publish, _read)
    try:
        if _begins_an_hour(request.headers.get("X-CloudScheduler-ScheduleTime", "")):
            sweeper.prune()
            sweeper.restore_reviews(REVIEWED_WHILE_ACTIVE, next_review)
        swept = sweeper.run(_sweep_for_s, passes)
    except supabase.DatabaseError as error:
        trace.fail(error, outcome="cut short", **vars(sweeper.swept))
        return Response("The database is out of reach.", 503, mimetype="text/plain")
    trace.say(outcome="done", **vars(swept))
    return jsonify(vars(swept))


def _begins_an_hour(scheduled_at: str) -> bool:
    """Whether a tick is its hour's first; a call that no schedule makes is none."""
    try:
        return datetime.fromisoformat(scheduled_at).minute == 0
    except ValueError:
        return False


def _read(listed: ListedText) -> InboundText:
    """A text from Twilio's listing, as the webhook would have read it."""
    media = [{"url": "", "content_type": ""}] * listed.media_count
    return messaging.inbound_text(
        listed.sid,
        listed.sender,
        listed.body,
        media,
        twilio_answers=_keywords.twilio_handles_keywords,
    )
