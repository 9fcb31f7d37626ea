"""message_orchestrator: sends the texts that are due.

Trigger: Cloud Scheduler, every minute. The same code runs in event_processor right after a commit
         that queued a text for now, so this finds what was held back or left over.
Reads:   due rows of message_queue, through the gate of opt-out, budget, quiet hours and order
         (sql/functions/claim_texts.sql, gate_text.sql).
Commits: what became of each text at Twilio (sql/functions/record_sends.sql).
Answers: 200 with a count; 503 when the database is out of reach. Overlapping runs do no harm.
"""

import time

from flask import Request, Response, jsonify

from lib.adapters import supabase
from lib.adapters.twilio_sms import Sms
from lib.core import log, trace
from lib.core.settings import TwilioSettings, load
from lib.engine.outbox import Outbox

log.setup()
_log = log.get("message_orchestrator")
_database = supabase.connect()
_outbox = Outbox(_database, Sms(load(TwilioSettings)))

#: Seconds one run may take: it ends before the next minute's tick.
RUN_S = 50.0


@trace.function
@trace.step(_log, "send due")
def message_orchestrator(_request: Request) -> Response:
    """Entry point."""
    try:
        claimed = _outbox.send_due(time.monotonic() + RUN_S)
    except supabase.DatabaseError as error:
        trace.fail(error, outcome="cut short")
        return Response("The database is out of reach.", 503, mimetype="text/plain")
    trace.say(outcome="done", claimed=claimed)
    return jsonify({"claimed": claimed})
