"""Which code decides about which event or task: the one place where types meet handlers."""

from collections.abc import Callable

from lib.agents import agent_of_humans, bouncer, concierge, frame, summary
from lib.agents.routing import agent_for
from lib.core.model import Complete
from lib.domain import messaging
from lib.domain.verification import Addresses
from lib.engine.registry import SendRequested
from lib.engine.step import Claim, Decide, Malformed
from lib.engine.turn import Member, Turn
from lib.engine.work import UnitOfWork


def event_handlers(
    complete: Complete,
    *,
    addresses: Addresses,
    answer_help: bool,
    is_spent: Callable[[], bool],
) -> dict[str, Decide]:
    """The handlers of all event types that have one.

    `complete` calls the model; `addresses` makes those that prove an e-mail; `answer_help` is false
    where Twilio answers HELP itself; `is_spent` says that no more may be spent on the model today.
    """
    return {
        "user.message.received": lambda claim, deadline: decide_turn(
            claim,
            complete,
            deadline,
            addresses=addresses,
            answer_help=answer_help,
            is_spent=is_spent,
        ),
        "user.email_verified": lambda claim, _: bouncer.acknowledge(claim),
        "community.closure_due": lambda claim, _: agent_of_humans.close(claim),
        "message.send.requested": lambda claim, _: queue_text(claim),
    }


def task_handlers(complete: Complete) -> dict[str, Decide]:
    """The handlers of all task types."""
    return {
        "create_conversation_summary": lambda claim, deadline: summary.summarise(
            claim, complete, deadline
        ),
        "process_community_response": lambda claim, deadline: agent_of_humans.score(
            claim, complete, deadline
        ),
    }


def queue_text(claim: Claim) -> UnitOfWork:
    """Put what a background agent wants said into the queue; the orchestrator says when."""
    wanted = SendRequested.model_validate(claim.payload)
    work = UnitOfWork(claim.source, created_by="concierge")
    work.insert(
        "message_queue",
        {
            "user_id": wanted.user_id,
            "agent_id": work.created_by,
            "message_data": wanted.message_data.model_dump(mode="json", exclude_defaults=True)
            | {"kind": wanted.message_data.kind},
            "final_message": wanted.final_message,
            "priority": wanted.priority,
            **({"scheduled_for": wanted.scheduled_for} if wanted.scheduled_for else {}),
        },
    )
    return work


def decide_turn(
    claim: Claim,
    complete: Complete,
    deadline: float,
    *,
    addresses: Addresses,
    answer_help: bool,
    is_spent: Callable[[], bool],
) -> UnitOfWork:
    """One turn: the member's agent answers the new texts; HELP is answered by rule, without it.

    Raises:
        Malformed: there is no text to answer.
        DecisionFailed: the agent could not decide.
    """
    context = claim.context or {}
    if not context.get("texts"):
        raise Malformed("the event names no text of its member")
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
    if not others:
        work = UnitOfWork(claim.source, created_by=agent)
    elif turn.turns_today >= messaging.MAX_TURNS_A_DAY or is_spent():
        work = frame.rest(turn, agent)
    elif agent == bouncer.AGENT_TYPE:
        work = bouncer.decide(turn, complete, deadline, addresses)
    else:
        work = concierge.decide(turn, complete, deadline)
    summary.schedule(work, turn)
    if helps and answer_help:
        work.say(
            turn.member.id,
            [messaging.HELP_TEXT],
            kind="system",
            conversation_id=turn.conversation.id,
            priority="high",
        )
    return work
