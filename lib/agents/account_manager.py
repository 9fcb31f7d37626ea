"""The account manager: speaks to nobody. It keeps each member's list of priorities: what they are
to hear of, in which order, and when (behaviour.md, "Priority scores").

Everything here is decided under the lease of the member whose list it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from lib.agents.introductions import undecided
from lib.core.ids import derived_id
from lib.domain import intros, priorities
from lib.domain.zones import zone_of
from lib.engine.documents import Shelf, ShelfMember
from lib.engine.registry import (
    ImpactNotice,
    IntroOpportunity,
    PrioritiesToShow,
    PriorityUpdate,
    RequestAvailable,
    ResearchComplete,
    ResponseAvailable,
    Review,
)
from lib.engine.step import Claim, Malformed
from lib.engine.turn import Item, Opportunity
from lib.engine.work import UnitOfWork

AGENT_TYPE = "account_manager"

REVIEW_EVERY = timedelta(hours=6)
#: behaviour.md, "Tasks": a review follows the last one while the member was active so lately.
REVIEWED_WHILE_ACTIVE = timedelta(days=30)

ItemType = Literal[
    "community_request",
    "community_response",
    "expert_impact_notification",
    "intro_opportunity",
    "solution_update",
]


@dataclass(frozen=True)
class _New:
    """An item that is to be put on the list."""

    item_type: ItemType
    item_id: UUID
    value_score: float
    expires_at: datetime | None = None


def offer_request(claim: Claim) -> UnitOfWork:
    """Another member's question that this one may know about."""
    wanted = RequestAvailable.model_validate(claim.payload)
    shelf, work = _open(claim)
    request = shelf.request
    if request is None or request.id != wanted.request_id:
        raise Malformed("the task names no request")
    if request.status == "closed":
        return work
    member = _member(shelf)
    score = priorities.request_score(
        matching=priorities.matching_tags(member.expertise, request.expertise_needed),
        answered_before=shelf.answers_given > 0,
        useful=shelf.useful_answers,
    )
    _put(work, shelf, _New("community_request", request.id, score, request.expires_at))
    return work


def offer_response(claim: Claim) -> UnitOfWork:
    """An answer to the member's question."""
    ResponseAvailable.model_validate(claim.payload)
    shelf, work = _open(claim)
    if shelf.response is None:
        raise Malformed("the task names no answer")
    _put(work, shelf, _New("community_response", shelf.response.id, priorities.RESPONSE_SCORE))
    return work


def offer_impact(claim: Claim) -> UnitOfWork:
    """What came of the member's answer; once, whether it was reported or not."""
    notice = ImpactNotice.model_validate(claim.payload)
    shelf, work = _open(claim)
    response = shelf.response
    if response is None:
        raise Malformed("the task names no answer")
    told_later = not notice.reported and response.impact_description is not None
    if response.status == "closed_loop" or told_later:
        return work
    work.update(
        "community_responses",
        response.id,
        {
            "status": "closed_loop",
            "closed_loop_at": shelf.now,
            "closed_loop_message": priorities.impact_text(response.impact_description),
        },
        expect={"status": response.status, "impact_description": response.impact_description},
    )
    _put(
        work,
        shelf,
        _New("expert_impact_notification", response.id, priorities.IMPACT_SCORE),
    )
    return work


def offer_intro(claim: Claim) -> UnitOfWork:
    """An introduction that the member could make, or that somebody would make for them."""
    wanted = IntroOpportunity.model_validate(claim.payload)
    shelf, work = _open(claim)
    one = shelf.opportunity
    if one is None or one.id != wanted.intro_opportunity_id:
        raise Malformed("the event names no introduction")
    member = _member(shelf)
    if member.verified and _decides(member.id, one):
        # To the innovator it is new, however long the connector took.
        since = one.created_at if one.connector_user_id == member.id else None
        score = intros.score(bounty=one.bounty, age=shelf.now - (since or shelf.now))
        _put(work, shelf, _New("intro_opportunity", one.id, score, one.expires_at))
    return work


def offer_solution(claim: Claim) -> UnitOfWork:
    """What was found for something that the member wanted looked into."""
    found = ResearchComplete.model_validate(claim.payload)
    shelf, work = _open(claim)
    _put(work, shelf, _New("solution_update", found.workflow_id, priorities.SOLUTION_SCORE))
    return work


def deliver(claim: Claim) -> UnitOfWork:
    """Decide when a member hears of an item that is new, or worth more than before."""
    update = PriorityUpdate.model_validate(claim.payload)
    shelf, work = _open(claim)
    item = next((i for i in shelf.items if i.id == update.priority_id), None)
    if item is None or item.status != "active":
        return work
    member = _member(shelf)
    due = priorities.deliver_at(
        update.value_score,
        shelf.now,
        zone_of(member.timezone, member.phone_number),
        shelf.last_inbound_at,
        _best_hour(member),
    )
    if due is not None:
        waiting = [i for i in shelf.items if i.status == "active" and i != item]
        waiting = [i for i in waiting if (i.value_score or 0) >= priorities.MORNING_FROM]
        work.schedule(
            "notify_user_of_priorities",
            PrioritiesToShow(
                priority_ids=[i.id for i in [item, *(waiting if due > shelf.now else [])]]
            ),
            agent_type=member.poc_agent_type or "concierge",
            user_id=member.id,
            scheduled_for=due,
            priority="high" if due == shelf.now else "medium",
            # One text a morning, however many items wait for it: the best of them is brought up.
            id=None if due == shelf.now else derived_id(member.id, f"bring_up:{due.isoformat()}"),
        )
    return work


def review(claim: Claim) -> UnitOfWork:
    """Look the list through: what was answered, what is over, what nobody has been shown."""
    Review.model_validate(claim.payload)
    shelf, work = _open(claim)
    member = _member(shelf)
    if not member.verified:
        return work  # suspended: the next approval begins the chain again
    kept: list[Item] = []
    for item in shelf.items:
        status = _status(member.id, item, shelf.now)
        if status != item.status:
            work.update(
                "user_priorities", item.id, {"status": status}, expect={"status": item.status}
            )
        if status == "active":
            again = item.status == "presented"
            kept.append(_revalued(work, member.id, item, shelf.now, again=again))
        elif status == "presented":
            kept.append(item)
    _rank(work, kept)
    for unlisted in shelf.unlisted_opportunities:
        # Also those for which there was no room until now.
        work.emit(
            "intro.opportunity_created",
            IntroOpportunity(intro_opportunity_id=unlisted),
            aggregate_id=member.id,
        )
    hour = priorities.best_hour(shelf.hours)
    pattern = member.response_pattern if isinstance(member.response_pattern, dict) else {}
    if hour is not None and hour != pattern.get("best_hour"):
        work.update(
            "users",
            member.id,
            {"response_pattern": pattern | {"best_hour": hour}},
            expect={"response_pattern": member.response_pattern},
        )
    # Also while something on the list of a silent member waits, or nobody would see that they were
    # not shown it, or did not answer.
    recent = [shelf.last_inbound_at, *(item.created_at for item in kept)]
    if any(at is not None and at > shelf.now - REVIEWED_WHILE_ACTIVE for at in recent):
        schedule_review(work, member.id, shelf.now)
    return work


def schedule_review(work: UnitOfWork, user_id: UUID, now: datetime) -> None:
    """Have a member's list looked through in their next slot; once for each slot."""
    task_id, at = next_review(user_id, now)
    work.schedule(
        "account_manager_review",
        Review(),
        agent_type=AGENT_TYPE,
        user_id=user_id,
        scheduled_for=at,
        priority="low",
        id=task_id,
    )


def next_review(user_id: UUID, now: datetime) -> tuple[UUID, datetime]:
    """The id and the time of the review in a member's next slot of six hours.

    The slots of different members begin at different times, so that they do not come at once.
    """
    every = int(REVIEW_EVERY.total_seconds())
    phase = user_id.int % every
    slot = (int(now.timestamp()) - phase) // every + 1
    at = datetime.fromtimestamp(slot * every + phase, now.tzinfo)
    return derived_id(user_id, f"review:{slot}"), at


def _open(claim: Claim) -> tuple[Shelf, UnitOfWork]:
    shelf = Shelf.model_validate(claim.context)
    kind: Literal["event", "task"] = "task" if claim.task_id else "event"
    return shelf, UnitOfWork(claim.source, created_by=AGENT_TYPE, source_type=kind)


def _member(shelf: Shelf) -> ShelfMember:
    if shelf.member is None:
        raise Malformed("there is no such member")
    return shelf.member


def _put(work: UnitOfWork, shelf: Shelf, new: _New) -> None:
    """Put an item on the list, once; what is then below the tenth place goes."""
    member = _member(shelf)
    priority_id = derived_id(member.id, f"{new.item_type}:{new.item_id}")
    if any(item.id == priority_id for item in shelf.items):
        return
    on_list = [item for item in shelf.items if item.status in ("active", "presented")]
    rank = 1 + sum((item.value_score or 0) >= new.value_score for item in on_list)
    if rank > priorities.KEPT:
        return
    work.insert(
        "user_priorities",
        {
            "user_id": member.id,
            "item_type": new.item_type,
            "item_id": new.item_id,
            "value_score": new.value_score,
            "priority_rank": rank,
            "status": "active",
            "expires_at": new.expires_at,
        },
        id=priority_id,
    )
    _rank(work, on_list, place=rank)
    # Also where no turn has begun the chain of reviews, or it broke.
    schedule_review(work, member.id, shelf.now)
    work.emit(
        "priority.update",
        PriorityUpdate(priority_id=priority_id, value_score=new.value_score),
        aggregate_id=member.id,
    )


def _rank(work: UnitOfWork, items: Sequence[Item], place: int | None = None) -> None:
    """Renumber the list, leaving out `place`; an item below the tenth expires."""
    kept, rest = priorities.ranked(items)
    if place is not None and len(kept) == priorities.KEPT:
        kept, rest = kept[:-1], [kept[-1], *rest]
    for nth, item in enumerate(kept, start=1):
        rank = nth + 1 if place is not None and nth >= place else nth
        if item.priority_rank != rank:
            work.update("user_priorities", item.id, {"priority_rank": rank}, expect={})
    for item in rest:
        work.update(
            "user_priorities", item.id, {"status": "expired"}, expect={"status": item.status}
        )


def _decides(member_id: UUID, one: Opportunity) -> bool:
    """Whether an introduction waits for this member's word."""
    match undecided(one):
        case "connector":
            return one.connector_user_id == member_id
        case "innovator":
            return one.innovator_user_id == member_id
        case None:
            return False


def _status(member_id: UUID, item: Item, now: datetime) -> str | None:
    """What an item's status is now."""
    if item.status not in ("active", "presented"):
        return item.status
    over = item.expires_at is not None and item.expires_at <= now
    closed = item.item_type == "community_request" and (
        item.request is None or item.request.status == "closed"
    )
    if item.item_type == "intro_opportunity":
        closed = item.opportunity is None or not _decides(member_id, item.opportunity)
    if over or closed:
        return "expired"
    waited = item.shown_at is not None and item.shown_at + priorities.ANSWER_WITHIN <= now
    if item.status == "active" or not waited:
        return item.status
    if item.answered:
        # To what asks for something only that is one.
        asks = item.item_type in ("community_request", "intro_opportunity")
        return "presented" if asks else "actioned"
    # What came of an answer asks for nothing.
    told = item.item_type == "expert_impact_notification"
    return "expired" if told or item.shown >= priorities.SHOWINGS else "active"


def _revalued(work: UnitOfWork, member_id: UUID, item: Item, now: datetime, *, again: bool) -> Item:
    """The item with its score of now; delivered if it is worth more or is to be shown again, or
    if others have had their morning so far."""
    score = item.value_score or 0
    overlooked = (
        item.item_type == "community_request"
        and item.shown == 0
        and item.created_at is not None
        and item.created_at <= now - priorities.OVERLOOKED_AFTER
    )
    worth = score
    if overlooked and score < priorities.MORNING_FROM:
        worth = priorities.MORNING_FROM
    if item.opportunity is not None:
        mine = item.opportunity.connector_user_id == member_id
        since = item.opportunity.created_at if mine else item.created_at
        worth = intros.score(bounty=item.opportunity.bounty, age=now - (since or now))
    if worth != score:
        work.update("user_priorities", item.id, {"value_score": worth}, expect={})
    waits = item.shown == 0 and worth >= priorities.MORNING_FROM
    if again or waits:
        work.emit(
            "priority.update",
            PriorityUpdate(priority_id=item.id, value_score=worth),
            aggregate_id=member_id,
        )
    return item.model_copy(update={"value_score": worth})


def _best_hour(member: ShelfMember) -> int | None:
    pattern = member.response_pattern
    hour = pattern.get("best_hour") if isinstance(pattern, dict) else None
    return hour if isinstance(hour, int) and 0 <= hour <= 23 else None
