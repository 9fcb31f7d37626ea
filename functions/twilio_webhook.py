"""twilio_webhook: an inbound text.

Trigger: HTTPS from Twilio, proven by signature, for every text to our number.
Does:    records the text (sql/functions/record_inbound.sql; one message for one MessageSid,
         however often it comes), obeys opt-out keywords, wakes the event processor. No model is
         called here.
Answers: 200 with empty TwiML; 403 to anybody but Twilio; 400 with one sentence to a call without
         its fields; 503 when nothing could be recorded, so that Twilio tries again (if its
         number's URL ends in `#rc=5&rp=all`; else the event sweeper finds the text at Twilio).
"""

from flask import Request, Response

from lib.adapters import pubsub, supabase, twilio_forms
from lib.adapters.bad_call import BadCall
from lib.core import log, trace
from lib.core.settings import KeywordSettings, TwilioWebhookSettings, load
from lib.domain import messaging
from lib.engine import inbound

log.setup()
_log = log.get("twilio_webhook")
_settings = load(TwilioWebhookSettings)
_keywords = load(KeywordSettings)
_database = supabase.connect()
_publish = pubsub.connect()

EMPTY_TWIML = '<?xml version="1.0" encoding="UTF-8"?><Response></Response>'


@trace.function
@trace.step(_log, "text")
def twilio_webhook(request: Request) -> Response:
    """Entry point."""
    try:
        received = twilio_forms.read_text(
            _settings,
            request.method,
            request.query_string,
            request.get_data(cache=False),
            request.headers.get("X-Twilio-Signature", ""),
        )
    except BadCall as refusal:
        trace.warn(outcome="refused", status=refusal.status)
        return Response(refusal.sentence, refusal.status, mimetype="text/plain")
    text = messaging.inbound_text(
        received.sid,
        received.sender,
        received.body,
        received.media,
        twilio_answers=_keywords.twilio_handles_keywords,
    )
    try:
        answer = inbound.record(_database, text)
    except supabase.DatabaseError as error:
        trace.fail(error, outcome="unrecorded")
        return Response("The text could not be recorded.", 503, mimetype="text/plain")
    trace.say(
        outcome=answer["outcome"],
        event_id=answer["event_id"],
        user=log.user_hash(answer["user_id"]),
        media=len(text.media),
    )
    if answer["event_id"]:
        _publish([answer["event_id"]])
    return Response(EMPTY_TWIML, 200, mimetype="text/xml")
