"""event_processor: one event, from claim to commit.

Trigger: Pub/Sub push (raw, or a CloudEvent through Eventarc), authenticated by IAM; on one machine
         the relay. The body names one event id.
Reads:   the event and its context, under the member's lease (sql/functions/claim_event.sql).
Commits: the handler's unit of work (sql/functions/commit_work.sql), then sends what it queued.
Answers: 200 whenever the outcome is recorded or needs no record; 503 when nothing could be
         recorded, so that Pub/Sub tries again; 400 to a body that names no event, which Pub/Sub
         in the end dead-letters.
"""

from flask import Request, Response, jsonify

from lib.adapters import claude, pubsub, supabase
from lib.adapters.push import BadPush, event_id_of
from lib.adapters.twilio_sms import Sms
from lib.agents.handlers import handlers
from lib.core import log
from lib.core.settings import TwilioSettings, load
from lib.engine.outbox import Outbox
from lib.engine.process import Processor

log.setup()
_log = log.get("event_processor")
_twilio = load(TwilioSettings)
_database = supabase.connect()
_processor = Processor(
    _database,
    handlers(claude.connect().complete, answer_help=not _twilio.twilio_handles_keywords),
    Outbox(_database, Sms(_twilio)),
    pubsub.publish,
)


def event_processor(request: Request) -> Response:
    """Entry point."""
    try:
        event_id = event_id_of(request.get_json(silent=True))
    except BadPush as error:
        _log.error("push refused", extra={"reason": str(error)})
        return Response(str(error), 400, mimetype="text/plain")
    try:
        return jsonify({"outcome": _processor.run(event_id)})
    except supabase.DatabaseError:
        _log.exception("nothing recorded", extra={"event_id": str(event_id)})
        return Response("The event could not be recorded.", 503, mimetype="text/plain")
