"""message_orchestrator: sends the texts that are due.

Trigger: Cloud Scheduler, every minute. The same code runs in event_processor right after a commit
         that queued a text for now, so this finds what was held back or left over.
Reads:   due rows of message_queue, through the gate of opt-out, budget, quiet hours and order
         (sql/functions/claim_texts.sql, gate_text.sql). Beside it, without holding it up: due rows
         that the agent writes or judges afresh first (claim_renders.sql).
Commits: what became of each text at Twilio (sql/functions/record_sends.sql), and what the agent
         judged (commit_render.sql).
Answers: 200 with counts; 503 when the database is out of reach. Overlapping runs do no harm, but
         each is paced for itself.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from flask import Request, Response, jsonify

from lib.adapters import supabase
from lib.adapters.twilio_sms import Sms
from lib.agents.judgement import judge
from lib.core import log, trace
from lib.core.model import Complete
from lib.core.settings import ModelSettings, PaceSettings, TwilioSenderSettings, load
from lib.engine.outbox import Outbox
from lib.engine.render import Renderer
from lib.engine.spending import Spending

log.setup()
_log = log.get("message_orchestrator")
_database = supabase.connect()
_pace = load(PaceSettings)
_outbox = Outbox(_database, Sms(load(TwilioSenderSettings)))
_spending = Spending(_database, load(ModelSettings).daily_spend_cap_usd)

#: Seconds one run may take: it ends before the next minute's tick.
RUN_S = 50.0
#: Seconds in which a run begins to judge texts; the last of them have 25 s more.
JUDGE_FOR_S = 25.0


@cache
def _claude() -> Complete:
    """Claude, loaded when there is a text to judge: at most ticks there is none."""
    from lib.adapters import claude

    return _spending.guard(claude.connect().complete)


_renderer = Renderer(_database, lambda text, deadline: judge(text, _claude(), deadline), _outbox)


@trace.function
@trace.step(_log, "send due")
def message_orchestrator(_request: Request) -> Response:
    """Entry point."""
    try:
        with ThreadPoolExecutor(1) as pool:
            judging = pool.submit(log.carried(_renderer.run), JUDGE_FOR_S)
            claimed = _outbox.send_due(time.monotonic() + RUN_S, _pace.twilio_segments_per_second)
        rendered = judging.result()
    except supabase.DatabaseError as error:
        trace.fail(error, outcome="cut short")
        return Response("The database is out of reach.", 503, mimetype="text/plain")
    trace.say(
        outcome="done",
        claimed=claimed,
        judged=rendered.claimed,
        outcomes=dict(rendered.outcomes),
    )
    return jsonify({"claimed": claimed, "judged": rendered.claimed, "outcomes": rendered.outcomes})
