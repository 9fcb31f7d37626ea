"""Which code decides about which event or task: the one place where types meet handlers."""

from collections.abc import Callable

from lib.agents import (
    account_manager,
    agent_of_humans,
    bouncer,
    concierge,
    frame,
    hand_over,
    intros,
    re_engagement,
    solution_saga,
    summary,
)
from lib.agents.routing import agent_for, is_served
from lib.core.model import JSON, Complete
from lib.domain import messaging
from lib.domain.verification import Addresses
from lib.engine.documents import Silence
from lib.engine.registry import IntroFollowUp, PrioritiesToShow, SendRequested, SilenceCheck
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
        "user.inquiry.solution_needed": lambda claim, _: solution_saga.open_workflow(claim),
        "solution.research_complete": lambda claim, _: account_manager.offer_solution(claim),
        "community.request_needed": lambda claim, _: agent_of_humans.route(claim),
        "community.response_received": lambda claim, _: agent_of_humans.received(claim),
        "community.outcome_reported": lambda claim, _: agent_of_humans.outcome(claim),
        "user.email_verified": lambda claim, _: bouncer.acknowledge(claim),
        "user.verified": lambda claim, _: hand_over.take_on(claim),
        "community.closure_due": lambda claim, _: agent_of_humans.close(claim),
        "priority.update": lambda claim, _: account_manager.deliver(claim),
        "intro.opportunity_created": lambda claim, _: account_manager.offer_intro(claim),
        "intro.opportunity_accepted": lambda claim, _: intros.accepted(claim),
        "intro.opportunity_declined": lambda claim, _: intros.declined(claim),
        "intro.opportunity_completed": lambda claim, _: intros.completed(claim),
        "message.send.requested": lambda claim, _: queue_text(claim),
    }


def task_handlers(complete: Complete) -> dict[str, Decide]:
    """The handlers of all task types."""
    return {
        "create_conversation_summary": lambda claim, deadline: summary.summarise(
            claim, complete, deadline
        ),
        "community_request_available": lambda claim, _: account_manager.offer_request(claim),
        "community_response_available": lambda claim, _: account_manager.offer_response(claim),
        "notify_expert_of_impact": lambda claim, _: account_manager.offer_impact(claim),
        "account_manager_review": lambda claim, _: account_manager.review(claim),
        "notify_user_of_priorities": lambda claim, deadline: present(claim, complete, deadline),
        "intro_followup_check": lambda claim, deadline: follow_up(claim, complete, deadline),
        "research_solution": lambda claim, deadline: solution_saga.research(
            claim, complete, deadline
        ),
        "solution_workflow_timeout": lambda claim, deadline: solution_saga.recommend(
            claim, complete, deadline
        ),
        "re_engagement_check": lambda claim, deadline: look_after(claim, complete, deadline),
        "process_community_response": lambda claim, deadline: agent_of_humans.score(
            claim, complete, deadline
        ),
    }


def queue_text(claim: Claim) -> UnitOfWork:
    """Put what a background agent or an operator wants said into the queue; the orchestrator says
    when."""
    wanted = SendRequested.model_validate(claim.payload)
    work = UnitOfWork(claim.source, created_by="concierge")
    data = wanted.message_data
    if wanted.final_message is not None:
        work.say(
            wanted.user_id,
            [wanted.final_message],
            kind=data.kind,
            topic=data.topic,
            items=data.items,
            priority=wanted.priority,
            scheduled_for=wanted.scheduled_for,
        )
        return work
    work.insert(
        "message_queue",
        {
            "user_id": wanted.user_id,
            "agent_id": work.created_by,
            "message_data": data.model_dump(mode="json", exclude_defaults=True)
            | {"kind": data.kind},
            "priority": wanted.priority,
            **({"scheduled_for": wanted.scheduled_for} if wanted.scheduled_for else {}),
        },
    )
    return work


def present(claim: Claim, complete: Complete, deadline: float) -> UnitOfWork:
    """Bring up what is due on a member's list.

    Raises:
        DecisionFailed: the agent could not decide.
    """
    wanted = PrioritiesToShow.model_validate(claim.payload)
    turn = _silent_turn(claim)
    if turn is None or not turn.member.verified:
        return UnitOfWork(claim.source, created_by=concierge.AGENT_TYPE, source_type="task")
    return concierge.present(turn, wanted.priority_ids, complete, deadline)


def follow_up(claim: Claim, complete: Complete, deadline: float) -> UnitOfWork:
    """Ask a member whether they have made an introduction.

    Raises:
        DecisionFailed: the agent could not decide.
    """
    wanted = IntroFollowUp.model_validate(claim.payload)
    turn = _silent_turn(claim)
    if turn is None or not turn.member.verified:
        return UnitOfWork(claim.source, created_by=concierge.AGENT_TYPE, source_type="task")
    return concierge.follow_up(turn, wanted.intro_opportunity_id, complete, deadline)


def look_after(claim: Claim, complete: Complete, deadline: float) -> UnitOfWork:
    """Write first to a member who has been silent, or not.

    Raises:
        DecisionFailed: the agent could not decide.
    """
    payload = SilenceCheck.model_validate(claim.payload)
    turn = _silent_turn(claim)
    if turn is None or not is_served(turn.member):
        return UnitOfWork(claim.source, created_by=concierge.AGENT_TYPE, source_type="task")
    silence = Silence.model_validate(claim.context)
    return re_engagement.check(turn, payload, silence, complete, deadline)


def _silent_turn(claim: Claim) -> Turn | None:
    """What is known of a member who wrote nothing; None when they have left."""
    context = claim.context or {}
    if not context.get("member") or not context.get("conversation"):
        return None
    return _turn(claim, context, agent_for(Member.model_validate(context["member"])))


def _turn(claim: Claim, context: JSON, agent: str) -> Turn:
    instances = [a for a in context["agent_instances"] if a["agent_type"] == agent]
    own: JSON = {"source": claim.source, "agent_instance": instances[0] if instances else None}
    return Turn.model_validate(context | own)


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
    helps = [t for t in context["texts"] if messaging.keyword(t["content"]) == "help"]
    others = [t for t in context["texts"] if t not in helps]
    turn = _turn(claim, context | {"texts": others or helps}, agent)
    if not others:
        work = UnitOfWork(claim.source, created_by=agent)
    elif not is_served(turn.member):
        work = frame.turn_away(turn, agent)
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
