"""task_processor: works through the background tasks that are due.

Trigger: Cloud Scheduler, every 2 minutes, authenticated by IAM. Runs may overlap and ticks repeat:
         a task is claimed by one of them.
Reads:   due tasks and their context, under their members' leases (sql/functions/claim_tasks.sql).
Commits: each handler's unit of work (sql/functions/commit_work.sql), then sends what it queued.
         Batch follows batch until one is empty; while a task takes long, another every 2 min.
Answers: 200 with counts; 503 when the database is out of reach.
"""

from flask import Request, Response, jsonify

from lib.adapters import claude, pubsub, supabase
from lib.adapters.twilio_sms import Sms
from lib.agents.handlers import event_handlers, task_handlers
from lib.core import log, trace
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
from lib.engine.spending import Spending
from lib.engine.tasks import TaskProcessor

log.setup()
_log = log.get("task_processor")
_keywords = load(KeywordSettings)
_email = load(EmailSettings)
_database = supabase.connect()
_publish = pubsub.connect()
_spending = Spending(_database, load(ModelSettings).daily_spend_cap_usd)
_complete = claude.connect().complete
_outbox = Outbox(_database, Sms(load(TwilioSenderSettings)))
_events = EventProcessor(
    _database,
    event_handlers(
        _complete,
        addresses=Addresses(_email.email_token_secret, _email.email_domain),
        answer_help=not _keywords.twilio_handles_keywords,
        is_spent=_spending.is_over,
    ),
    _outbox,
    _publish,
)
_tasks = TaskProcessor(
    _database,
    task_handlers(_spending.guard(_complete)),
    _outbox,
    _publish,
    follow=_events.run,
)

#: Seconds in which a run claims, as long as there is work; its last tasks have 8 minutes more, and
#: with them it is over before Cloud Scheduler gives the call up, after 30 minutes at most. A task
#: that conflicts is decided again and may be cut off then: its lease runs out, and it is redone.
CLAIM_FOR_S = 1200.0


@trace.function
@trace.step(_log, "tasks")
def task_processor(_request: Request) -> Response:
    """Entry point."""
    try:
        ran = _tasks.run(CLAIM_FOR_S)
    except supabase.DatabaseError as error:
        trace.fail(error, outcome="cut short")
        return Response("The database is out of reach.", 503, mimetype="text/plain")
    trace.say(outcome="done", claimed=ran.claimed, outcomes=dict(ran.outcomes), more=ran.more)
    return jsonify({"claimed": ran.claimed, "outcomes": ran.outcomes, "more": ran.more})
