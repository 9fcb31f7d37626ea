"""The concierge: answers verified members. It has no tools yet, so it changes nothing but texts."""

from lib.agents import context
from lib.agents.frame import deciding, instance_of, reply, update_member
from lib.agents.loop import Exchange, Prompt
from lib.core.model import JSON, Complete
from lib.engine.turn import Turn
from lib.engine.work import UnitOfWork

AGENT_TYPE = "concierge"
PROMPT: Prompt[None] = Prompt(AGENT_TYPE)


def decide(turn: Turn, complete: Complete, deadline: float) -> UnitOfWork:
    """Answer the member's texts.

    `deadline` (seconds of time.monotonic()) is when the model must be done.

    Raises:
        DecisionFailed: no answer; its cause is ModelUnavailable, ModelRejected or an error of ours.
    """
    with deciding(turn, AGENT_TYPE) as work:
        instance_id = instance_of(turn, work, PROMPT)
        exchange = Exchange(PROMPT, turn, work, None, complete, deadline, instance_id)
        texts = exchange.answer(_card(turn), lambda: [_safe(turn)])
        update_member(work, turn.member, {"poc_agent_id": str(instance_id)})
        reply(work, turn, texts)
    return work


def _card(turn: Turn) -> JSON:
    member = turn.member
    known = {
        "first_name": member.first_name,
        "last_name": member.last_name,
        "company": member.company,
        "title": member.title,
        "expertise": member.expertise,
    }
    return {
        "known": {key: value for key, value in known.items() if value},
        "local_time": context.local_time(turn),
    }


def _safe(turn: Turn) -> str:
    """What is said when the model's answer is not fit to be sent."""
    if context.only_media(turn):
        return "I cannot open pictures or files here. Could you write it out?"
    return "I did not get that into words properly. Could you say it another way?"
