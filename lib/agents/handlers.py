"""Which code decides about which event: the one place where event types meet handlers."""

from lib.agents import bouncer, concierge
from lib.agents.routing import agent_for
from lib.core.model import Complete
from lib.domain import messaging
from lib.engine.process import Claim, Decide, MalformedEvent
from lib.engine.turn import Member, Turn
from lib.engine.work import UnitOfWork

_AGENTS = {"bouncer": bouncer.decide, "concierge": concierge.decide}


def handlers(complete: Complete, *, answer_help: bool) -> dict[str, Decide]:
    """The handlers of all event types that have one.

    `complete` calls the model; `answer_help` is false where Twilio answers HELP itself.
    """

    def message_received(claim: Claim, deadline: float) -> UnitOfWork:
        return decide_turn(claim, complete, deadline, answer_help=answer_help)

    return {"user.message.received": message_received}


def decide_turn(
    claim: Claim, complete: Complete, deadline: float, *, answer_help: bool
) -> UnitOfWork:
    """One turn: the member's agent answers the new texts; HELP is answered by rule, without it.

    Raises:
        MalformedEvent: there is no text to answer.
        DecisionFailed: the agent could not decide.
    """
    context = claim.context or {}
    if not context.get("texts"):
        raise MalformedEvent("the event names no text of its member")
    agent = agent_for(Member.model_validate(context["member"]))
    instances = [a for a in context["agent_instances"] if a["agent_type"] == agent]
    helps = [t for t in context["texts"] if messaging.keyword(t["content"]) == "help"]
    others = [t for t in context["texts"] if t not in helps]
    turn = Turn.model_validate(
        context
        | {
            "source": claim.source,
            "agent_instance": instances[0] if instances else None,
            "texts": others or helps,
        }
    )
    work = (
        _AGENTS[agent](turn, complete, deadline)
        if others
        else UnitOfWork(claim.source, created_by=agent)
    )
    if helps and answer_help:
        work.say(
            turn.member.id,
            [messaging.HELP_TEXT],
            kind="system",
            conversation_id=turn.conversation.id,
            priority="high",
        )
    return work
