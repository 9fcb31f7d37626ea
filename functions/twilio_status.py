"""twilio_status: a delivery receipt.

Trigger: HTTPS from Twilio, proven by signature, at every change of a sent text's status.
Does:    moves the message's status forward (sql/functions/record_delivery.sql); a receipt carries
         our message id in its URL and so proves acceptance before the SID is recorded.
Answers: 204; 403 to anybody but Twilio; 400 with one sentence; 503 when nothing could be recorded.
"""

from flask import Request, Response

from lib.adapters import supabase, twilio_forms
from lib.adapters.bad_call import BadCall
from lib.adapters.twilio_errors import whose
from lib.core import log, trace
from lib.core.ids import receipt_event_id, receipt_key
from lib.core.settings import TwilioStatusSettings, load

log.setup()
_log = log.get("twilio_status")
_settings = load(TwilioStatusSettings)
_database = supabase.connect()


@trace.function
@trace.step(_log, "receipt")
def twilio_status(request: Request) -> Response:
    """Entry point."""
    try:
        receipt = twilio_forms.read_receipt(
            _settings,
            request.method,
            request.query_string,
            request.get_data(cache=False),
            request.headers.get("X-Twilio-Signature", ""),
        )
    except BadCall as refusal:
        trace.warn(outcome="refused", status=refusal.status)
        return Response(refusal.sentence, refusal.status, mimetype="text/plain")
    try:
        answer = _database.call(
            "record_delivery",
            receipt={
                "message_id": receipt.message_id,
                "sid": receipt.sid,
                "status": receipt.status,
                "error_code": receipt.error_code,
                "event_id": receipt_event_id(receipt.sid, receipt.status),
                "receipt_key": receipt_key(receipt.sid),
            },
        )
    except supabase.DatabaseError as error:
        trace.fail(error, outcome="unrecorded")
        return Response("The receipt could not be recorded.", 503, mimetype="text/plain")
    trace.say(outcome=answer["outcome"], status=receipt.status, message_id=receipt.message_id)
    if receipt.error_code:
        error_is = whose(receipt.error_code)
        tell = trace.warn if error_is == "ours" else trace.say
        tell(code=receipt.error_code, whose=error_is)
    return Response(status=204)
