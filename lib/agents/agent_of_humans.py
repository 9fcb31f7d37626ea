"""The agent of humans: speaks to nobody. It brings questions to the members who know, scores their
answers, pays for them, tells what came of them and closes the requests (behaviour.md, "Community").
"""

import re
from datetime import timedelta
from uuid import UUID

from lib.agents import intros
from lib.agents.background import Job, tagged
from lib.core.ids import derived_id
from lib.core.model import Complete
from lib.domain import community
from lib.engine.documents import ClosingRequest, Closure, Routing, Scoring, Shelf
from lib.engine.registry import (
    AnswerToScore,
    ClosureDue,
    ImpactNotice,
    MessageData,
    OutcomeReported,
    RequestAttached,
    RequestAvailable,
    RequestClosed,
    RequestNeeded,
    RequestRouted,
    ResponseAvailable,
    ResponseReceived,
    SendRequested,
)
from lib.engine.step import Claim, Malformed
from lib.engine.work import DecisionFailed, UnitOfWork

AGENT_TYPE = "agent_of_humans"
SCORE = Job("answer_score", AGENT_TYPE)

_NUMBER = re.compile(r"\s*(\d{1,2})\s*(?:/\s*10)?\s*\.?\s*", re.ASCII)


class UnusableScoreError(Exception):
    """The model gave no number from 0 to 10, twice."""


#: What came of an answer is told a day after it is reported, or so long after the scoring.
TELL_AFTER_REPORT = timedelta(hours=24)
TELL_WITHOUT_REPORT = timedelta(hours=72)
OPEN_FOR = timedelta(days=7)


def route(claim: Claim) -> UnitOfWork:
    """Record a request and ask the members who may know; one that is asked already is attached."""
    wanted = RequestNeeded.model_validate(claim.payload)
    routing = Routing.model_validate(claim.context)
    work = UnitOfWork(claim.source, created_by=AGENT_TYPE)
    experts = [] if routing.attached_to else routing.experts
    row = wanted.model_dump(mode="json", exclude={"context_id", "context_type"})
    request_id = work.insert(
        "community_requests",
        row
        | {
            "requesting_user_id": routing.requester,
            "context_id": routing.attached_to or wanted.context_id,
            "context_type": "community_request" if routing.attached_to else wanted.context_type,
            "target_user_ids": experts,
            "status": "open",
            "expires_at": routing.now + OPEN_FOR,
        },
    )
    if routing.attached_to:
        work.emit(
            "community.request_attached",
            RequestAttached(request_id=request_id, attached_to=routing.attached_to),
            aggregate_id=request_id,
            aggregate_type="community_request",
            audit_only=True,
        )
        return work
    for expert in experts:
        work.schedule(
            "community_request_available",
            RequestAvailable(request_id=request_id),
            agent_type="account_manager",
            user_id=expert,
            id=derived_id(request_id, f"ask:{expert}"),
        )
    work.emit(
        "community.request_routed",
        RequestRouted(request_id=request_id, expert_user_ids=experts),
        aggregate_id=request_id,
        aggregate_type="community_request",
        audit_only=True,
    )
    return work


def received(claim: Claim) -> UnitOfWork:
    """Have an answer scored."""
    given = ResponseReceived.model_validate(claim.payload)
    shelf = Shelf.model_validate(claim.context)
    work = UnitOfWork(claim.source, created_by=AGENT_TYPE)
    if shelf.response is None:
        raise Malformed("the event names no answer")
    work.schedule(
        "process_community_response",
        AnswerToScore(response_id=given.response_id, request_id=given.request_id),
        agent_type=AGENT_TYPE,
        user_id=shelf.response.user_id,
        id=given.response_id,
    )
    return work


def outcome(claim: Claim) -> UnitOfWork:
    """Keep what came of an answer, and have its expert told a day later."""
    reported = OutcomeReported.model_validate(claim.payload)
    shelf = Shelf.model_validate(claim.context)
    response = shelf.response
    if response is None:
        raise Malformed("the event names no answer")
    work = UnitOfWork(claim.source, created_by=AGENT_TYPE)
    if response.impact_description is not None or response.status == "closed_loop":
        return work
    work.update(
        "community_responses",
        response.id,
        {"impact_description": reported.impact},
        expect={"impact_description": None, "status": response.status},
    )
    work.schedule(
        "notify_expert_of_impact",
        ImpactNotice(response_id=response.id, reported=True),
        agent_type="account_manager",
        user_id=response.user_id,
        scheduled_for=shelf.now + TELL_AFTER_REPORT,
        id=derived_id(response.id, "impact:reported"),
    )
    return work


def close(claim: Claim) -> UnitOfWork:
    """Close the requests that are due; those with an unscored answer are scored first. End the
    introductions that lapse.

    behaviour.md, "Closure (hourly)" and "Intros". What is attached to a request is due once that is
    closed: at once.
    """
    closure = Closure.model_validate(claim.context)
    due = ClosureDue.model_validate(claim.payload)
    work = UnitOfWork(claim.source, created_by=AGENT_TYPE)
    more = closure.more
    for request in closure.requests:
        reason = community.closing_reason(
            [answer.scored for answer in request.answers], expired=request.expired
        )
        if reason is None:
            _have_scored(work, request)
            continue
        more = more or request.attached
        text = community.closing_text(request.request_summary, len(request.answers))
        # An answer that comes meanwhile changes responses_count, and this is decided again.
        work.update(
            "community_requests",
            request.id,
            {"status": "closed", "closed_loop_at": closure.now, "closed_loop_message": text},
            expect={"status": request.status, "responses_count": request.responses_count},
        )
        for priority_id in request.priorities:
            work.update("user_priorities", priority_id, {"status": "expired"}, expect={})
        work.emit(
            "community.request_closed",
            RequestClosed(request_id=request.id, reason=reason),
            aggregate_id=request.id,
            aggregate_type="community_request",
            audit_only=True,
        )
        if request.requesting_user_id:
            work.emit(
                "message.send.requested",
                SendRequested(
                    user_id=request.requesting_user_id,
                    message_data=MessageData(
                        kind="proactive", topic=f"community_request:{request.id}"
                    ),
                    final_message=text,
                ),
                aggregate_id=request.requesting_user_id,
                id=derived_id(request.id, "closed"),
            )
    intros.lapse(work, closure)
    if more:
        work.emit("community.closure_due", due, aggregate_id=claim.source, aggregate_type="event")
    return work


def _have_scored(work: UnitOfWork, request: ClosingRequest) -> None:
    """Schedule the scoring of what is not scored; a task that exists is left as it is."""
    for answer in request.answers:
        if not answer.scored:
            work.schedule(
                "process_community_response",
                AnswerToScore(response_id=answer.id, request_id=request.id),
                agent_type=AGENT_TYPE,
                user_id=answer.user_id,
                id=answer.id,
            )


def score(claim: Claim, complete: Complete, deadline: float) -> UnitOfWork:
    """Score an answer by the model, and pay for a useful one (behaviour.md, "Community").

    Raises:
        Malformed: there is no such answer.
        DecisionFailed: no score; its cause is a ModelError or UnusableScoreError.
    """
    scoring = Scoring.model_validate(claim.context)
    response, request = scoring.response, scoring.request
    if response is None or request is None:
        raise Malformed("the task names no answer")
    work = UnitOfWork(claim.source, created_by=AGENT_TYPE, source_type="task")
    if response.usefulness_score is not None:
        return work
    content = "\n".join(
        [
            tagged("question", request.question),
            tagged("situation", request.requester_context or ""),
            tagged("answer", response.verbatim_answer),
        ]
    )
    try:
        points = _points(work, complete, deadline, content, response.user_id)
    except Exception as error:
        raise DecisionFailed(work) from error
    amount = 0
    if not community.is_late(response.created_at, request.closed_loop_at):
        amount = community.credits_for(points)
    paid = (
        {"credits_awarded": amount, "credited_at": scoring.now, "status": "rewarded"}
        if amount
        else {}
    )
    work.update(
        "community_responses",
        response.id,
        {"usefulness_score": points, **paid},
        expect={"usefulness_score": None, "status": response.status},
    )
    for requester in scoring.requesters:
        work.schedule(
            "community_response_available",
            ResponseAvailable(response_id=response.id, request_id=requester.request_id),
            agent_type="account_manager",
            user_id=requester.user_id,
            id=derived_id(response.id, f"tell:{requester.user_id}"),
        )
    work.schedule(
        "notify_expert_of_impact",
        ImpactNotice(response_id=response.id, reported=False),
        agent_type="account_manager",
        user_id=response.user_id,
        scheduled_for=scoring.now + TELL_WITHOUT_REPORT,
        id=derived_id(response.id, "impact:unreported"),
    )
    if amount:
        work.pay(
            response.user_id,
            amount,
            event_type="community_response",
            reference_type="community_response",
            reference_id=response.id,
            key=community.payment_key(response.id),
        )
    return work


def _points(
    work: UnitOfWork, complete: Complete, deadline: float, content: str, user_id: UUID
) -> int:
    for _ in range(2):
        said = SCORE.ask(content, work=work, complete=complete, deadline=deadline, user_id=user_id)
        found = _NUMBER.fullmatch(said)
        if found and int(found[1]) in community.SCORES:
            return int(found[1])
    raise UnusableScoreError
