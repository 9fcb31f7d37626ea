"""Introductions between the two members' yes and the end: rules, no model (behaviour.md, "Intros").

What the members themselves say is taken by lib/agents/introductions.py; here is what follows from
it. An introduction is shared by two members, so every change expects the state that was read.
"""

from uuid import UUID

from lib.core.ids import derived_id
from lib.domain import intros, priorities
from lib.engine.documents import Closure, IntroStep
from lib.engine.registry import (
    IntroFollowUp,
    IntroOpportunity,
    MessageData,
    PriorityUpdate,
    SendRequested,
)
from lib.engine.step import Claim, Malformed
from lib.engine.turn import Opportunity
from lib.engine.work import UnitOfWork

CREATED_BY = "intros"


def accepted(claim: Claim) -> UnitOfWork:
    """One side said yes: ask the other; or both have: tell them each other's names."""
    step, opportunity, work = _open(claim)
    if opportunity.status != "accepted":
        return work
    if opportunity.agreed_at is None and opportunity.innovator_user_id is not None:
        ask_innovator(work, opportunity)
        return work
    if opportunity.agreed_at is None:
        # Nobody of ours is on the other side.
        work.update(
            "intro_opportunities",
            opportunity.id,
            {"intro_scheduled_at": step.now, "updated_at": step.now},
            expect={"status": "accepted", "intro_scheduled_at": None},
        )
    prospect = _prospect(opportunity)
    innovator = ", ".join(
        name for name in (opportunity.innovator_name, opportunity.innovator_company) if name
    )
    email = opportunity.innovator_email if opportunity.innovator_user_id else None
    _tell(
        work,
        opportunity,
        opportunity.connector_user_id,
        intros.agreed_text(prospect, innovator, email),
        "agreed",
    )
    _tell(
        work,
        opportunity,
        opportunity.innovator_user_id,
        intros.agreed_text_of_innovator(prospect, opportunity.connector_name),
        "agreed",
    )
    work.schedule(
        "intro_followup_check",
        IntroFollowUp(intro_opportunity_id=opportunity.id),
        agent_type="concierge",
        user_id=opportunity.connector_user_id,
        scheduled_for=(opportunity.agreed_at or step.now) + intros.FOLLOW_UP_AFTER,
        id=derived_id(opportunity.id, "follow-up"),
    )
    return work


def declined(claim: Claim) -> UnitOfWork:
    """It will not be made: nobody is asked about it any more, and those may be whose turn it is."""
    step, opportunity, work = _open(claim)
    if opportunity.status != "declined":
        return work
    _expire(work, opportunity)
    prospect = _prospect(opportunity)
    by_innovator = claim.user_id == str(opportunity.innovator_user_id)
    if by_innovator:
        refused = intros.refused_text(prospect)
        _tell(work, opportunity, opportunity.connector_user_id, refused, "refused")
        return work
    if opportunity.agreed_at is not None:
        withdrawn = intros.withdrawn_text(prospect)
        _tell(work, opportunity, opportunity.innovator_user_id, withdrawn, "withdrawn")
    if opportunity.taken:
        return work
    for other in opportunity.competing:
        for item in other.priorities:
            over = other.expires_at is not None and other.expires_at <= step.now
            if item.status != "expired" or item.shown >= priorities.SHOWINGS or over:
                continue
            work.update(
                "user_priorities", item.id, {"status": "active"}, expect={"status": "expired"}
            )
            work.emit(
                "priority.update",
                PriorityUpdate(priority_id=item.id, value_score=item.value_score or 0),
                aggregate_id=item.user_id,
            )
    return work


def completed(claim: Claim) -> UnitOfWork:
    """It has happened: pay the bounty, once, and tell both.

    Raises:
        Malformed: the innovator cannot pay; a dead letter, to be replayed when they can.
    """
    _, opportunity, work = _open(claim)
    if opportunity.status != "completed":
        return work
    bounty, innovator = opportunity.bounty, opportunity.innovator_user_id
    if bounty and innovator and (opportunity.innovator_balance or 0) < bounty:
        raise Malformed("the innovator's credits do not cover the bounty")
    for user_id, amount, key in (
        (opportunity.connector_user_id, bounty, intros.bounty_key(opportunity.id)),
        (innovator, -bounty, intros.debit_key(opportunity.id)),
    ):
        if user_id and amount:
            work.pay(
                user_id,
                amount,
                event_type="intro_bounty",
                reference_type="intro_opportunity",
                reference_id=opportunity.id,
                key=key,
            )
    prospect = _prospect(opportunity)
    made = intros.completed_text(prospect, bounty)
    _tell(work, opportunity, opportunity.connector_user_id, made, "completed")
    made = intros.completed_text_of_innovator(prospect, bounty)
    _tell(work, opportunity, innovator, made, "completed")
    return work


def lapse(work: UnitOfWork, closure: Closure) -> None:
    """End the introductions that will not be made any more (sql: lapsing_opportunities)."""
    for opportunity in closure.opportunities:
        filled = opportunity.prospect_is_member or any(
            other.status == "completed" for other in opportunity.competing
        )
        reason: intros.Lapse = "filled" if filled and opportunity.status == "open" else "expired"
        work.update(
            "intro_opportunities",
            opportunity.id,
            {"status": "declined", "connector_response": reason, "updated_at": closure.now},
            expect={"status": opportunity.status, "intro_scheduled_at": opportunity.agreed_at},
        )
        work.emit(
            "intro.opportunity_declined",
            IntroOpportunity(intro_opportunity_id=opportunity.id),
            aggregate_id=opportunity.connector_user_id,
        )


def ask_innovator(work: UnitOfWork, opportunity: Opportunity) -> None:
    """Have the other side asked whether they want it, too."""
    if opportunity.innovator_user_id is not None:
        work.emit(
            "intro.opportunity_created",
            IntroOpportunity(intro_opportunity_id=opportunity.id),
            aggregate_id=opportunity.innovator_user_id,
            id=derived_id(opportunity.id, "ask the innovator"),
        )


def _open(claim: Claim) -> tuple[IntroStep, Opportunity, UnitOfWork]:
    step = IntroStep.model_validate(claim.context)
    if step.opportunity is None:
        raise Malformed("the event names no introduction")
    return step, step.opportunity, UnitOfWork(claim.source, created_by=CREATED_BY)


def _prospect(opportunity: Opportunity) -> str:
    return opportunity.prospect_name


def _expire(work: UnitOfWork, opportunity: Opportunity) -> None:
    for item in opportunity.priorities:
        if item.status in ("active", "presented"):
            work.update("user_priorities", item.id, {"status": "expired"}, expect={})


def _tell(
    work: UnitOfWork, opportunity: Opportunity, user_id: UUID | None, words: str, what: str
) -> None:
    if user_id is None:
        return
    work.emit(
        "message.send.requested",
        SendRequested(
            user_id=user_id,
            message_data=MessageData(kind="proactive", topic=f"intro:{opportunity.id}"),
            final_message=words,
        ),
        aggregate_id=user_id,
        id=derived_id(opportunity.id, f"{what}:{user_id}"),
    )
