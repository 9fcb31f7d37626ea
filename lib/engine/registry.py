"""The event and task types this system knows: typed payloads, who produces them, who handles them.

A type is registered by the work that builds both ends (behaviour.md, "Events" and "Tasks");
anything else that is found in the tables is a dead letter. lib/agents/handlers.py names the handler
of each.
"""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict

DesiredOutcome = Literal["backchannel", "introduction", "quick_thoughts", "ongoing_advice"]
Reason = Literal["onboarding", "silence", "not now"]
Urgency = Literal["low", "medium", "high"]


class Payload(BaseModel):
    """The payload of one type. Unknown keys are refused: they are a typing mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class MediaRef(Payload):
    """A picture or file that came with a text."""

    url: str
    content_type: str = ""


class MessageReceived(Payload):
    """user.message.received"""

    message_id: UUID
    conversation_id: UUID
    media: list[MediaRef] = []


class OptChanged(Payload):
    """user.opted_out and user.opted_in: the keyword, or Twilio's error code, that did it."""

    keyword: str


class DeliveryUpdated(Payload):
    """message.delivery_updated"""

    sid: str
    status: str
    error_code: str | None = None


class OnboardingStepCompleted(Payload):
    """user.onboarding_step.completed"""

    step: str
    value: str


class OnboardingCompleted(Payload):
    """user.onboarding_completed: has no payload."""


class SolutionNeeded(Payload):
    """user.inquiry.solution_needed: what a member wants looked into."""

    request_description: str
    category: str | None = None
    urgency: Urgency = "medium"
    conversation_id: UUID


class ResearchComplete(Payload):
    """solution.research_complete"""

    workflow_id: UUID


class WorkflowStep(Payload):
    """research_solution and solution_workflow_timeout"""

    workflow_id: UUID


class RequestNeeded(Payload):
    """community.request_needed: what an agent wants to know from members who know."""

    question: str
    category: str | None = None
    expertise_needed: list[str]
    requester_context: str | None = None
    desired_outcome: DesiredOutcome | None = None
    urgency: Urgency = "medium"
    request_summary: str
    requesting_agent_type: str
    context_id: UUID | None = None
    context_type: str | None = None


class RequestRouted(Payload):
    """community.request_routed"""

    request_id: UUID
    expert_user_ids: list[UUID]


class RequestAttached(Payload):
    """community.request_attached"""

    request_id: UUID
    attached_to: UUID


class ResponseReceived(Payload):
    """community.response_received"""

    response_id: UUID
    request_id: UUID


class OutcomeReported(Payload):
    """community.outcome_reported: `impact` in the requester's own words."""

    response_id: UUID
    impact: str


class PriorityUpdate(Payload):
    """priority.update"""

    priority_id: UUID
    value_score: float


class EmailVerified(Payload):
    """user.email_verified: a mail proved that `email` is the member's; a token does so once."""

    email: str
    token_id: UUID


class Verified(Payload):
    """user.verified: which operator took the member on, and who is to serve them."""

    approved_by: str
    poc_agent_type: Literal["concierge", "innovator"]


class ClosureDue(Payload):
    """community.closure_due: the time the schedule was due (UTC), which makes the event unique."""

    scheduled_at: AwareDatetime


class RequestClosed(Payload):
    """community.request_closed"""

    request_id: UUID
    reason: Literal["expired", "answered"]


class IntroOpportunity(Payload):
    """intro.opportunity_created (the event's member is to decide about it: the connector, and after
    their yes the innovator), _accepted, _declined (by the member, or it lapsed), _completed.
    """

    intro_opportunity_id: UUID


class IntroFollowUp(Payload):
    """intro_followup_check"""

    intro_opportunity_id: UUID


class MessageData(Payload):
    """What `message_queue.message_data` says of a text when it is queued."""

    kind: Literal["proactive", "system"]
    topic: str | None = None
    items: list[UUID] = []


class SendRequested(Payload):
    """message.send.requested: a background agent, or an operator, wants something said.

    Without `final_message` the member's agent will find the words before it is sent.
    """

    user_id: UUID
    message_data: MessageData
    final_message: str | None = None
    priority: Literal["high", "medium", "low"] = "medium"
    scheduled_for: AwareDatetime | None = None


class SummaryWanted(Payload):
    """create_conversation_summary"""

    conversation_id: UUID


class RequestAvailable(Payload):
    """community_request_available"""

    request_id: UUID


class ResponseAvailable(Payload):
    """community_response_available: `request_id` is the requester's own, maybe attached, one."""

    response_id: UUID
    request_id: UUID


class ImpactNotice(Payload):
    """notify_expert_of_impact; `reported` is false for the one that comes without an outcome."""

    response_id: UUID
    reported: bool


class PrioritiesToShow(Payload):
    """notify_user_of_priorities"""

    priority_ids: list[UUID]


class Review(Payload):
    """account_manager_review: has no payload."""


class SilenceCheck(Payload):
    """re_engagement_check: which try it would be, counted from 1, and what it is made for."""

    attempt: int
    reason: Reason


class AnswerToScore(Payload):
    """process_community_response"""

    response_id: UUID
    request_id: UUID


@dataclass(frozen=True)
class EventType:
    """One event type. `producers` are the files that emit it.

    `audit_only` types are recorded to be read, not handled; `scheduled` ones may be asked for by
    Cloud Scheduler (functions/event_processor.py).
    """

    payload: type[Payload]
    producers: tuple[str, ...]
    audit_only: bool = False
    scheduled: bool = False


@dataclass(frozen=True)
class TaskType:
    """One task type. `producers` are the files that schedule it."""

    payload: type[Payload]
    producers: tuple[str, ...]


_SQL = "sql/functions"

EVENT_TYPES: dict[str, EventType] = {
    "user.message.received": EventType(MessageReceived, (f"{_SQL}/record_inbound.sql",)),
    "user.opted_out": EventType(OptChanged, (f"{_SQL}/opt_out.sql",), audit_only=True),
    "user.opted_in": EventType(OptChanged, (f"{_SQL}/record_inbound.sql",), audit_only=True),
    "message.delivery_updated": EventType(
        DeliveryUpdated, (f"{_SQL}/record_delivery.sql",), audit_only=True
    ),
    "user.onboarding_step.completed": EventType(
        OnboardingStepCompleted, ("lib/agents/bouncer.py",), audit_only=True
    ),
    "user.onboarding_completed": EventType(
        OnboardingCompleted, ("lib/agents/bouncer.py",), audit_only=True
    ),
    "user.email_verified": EventType(EmailVerified, (f"{_SQL}/record_email_verified.sql",)),
    "user.verified": EventType(Verified, (f"{_SQL}/approve_member.sql",)),
    "community.closure_due": EventType(
        ClosureDue,
        ("functions/event_processor.py", "lib/agents/agent_of_humans.py"),
        scheduled=True,
    ),
    "user.inquiry.solution_needed": EventType(SolutionNeeded, ("lib/agents/concierge_desk.py",)),
    "solution.research_complete": EventType(ResearchComplete, ("lib/agents/solution_saga.py",)),
    "community.request_needed": EventType(
        RequestNeeded, ("lib/agents/concierge_desk.py", "lib/agents/solution_saga.py")
    ),
    "community.request_routed": EventType(
        RequestRouted, ("lib/agents/agent_of_humans.py",), audit_only=True
    ),
    "community.request_attached": EventType(
        RequestAttached, ("lib/agents/agent_of_humans.py",), audit_only=True
    ),
    "community.response_received": EventType(ResponseReceived, ("lib/agents/concierge_desk.py",)),
    "community.outcome_reported": EventType(OutcomeReported, ("lib/agents/concierge_desk.py",)),
    "priority.update": EventType(
        PriorityUpdate, ("lib/agents/account_manager.py", "lib/agents/intros.py")
    ),
    "community.request_closed": EventType(
        RequestClosed, ("lib/agents/agent_of_humans.py",), audit_only=True
    ),
    "intro.opportunity_created": EventType(
        IntroOpportunity, ("lib/agents/account_manager.py", "lib/agents/intros.py")
    ),
    "intro.opportunity_accepted": EventType(IntroOpportunity, ("lib/agents/introductions.py",)),
    "intro.opportunity_declined": EventType(
        IntroOpportunity, ("lib/agents/introductions.py", "lib/agents/intros.py")
    ),
    "intro.opportunity_completed": EventType(IntroOpportunity, ("lib/agents/introductions.py",)),
    "message.send.requested": EventType(
        SendRequested,
        ("lib/agents/agent_of_humans.py", "lib/agents/intros.py", f"{_SQL}/request_text.sql"),
    ),
}

TASK_TYPES: dict[str, TaskType] = {
    "create_conversation_summary": TaskType(SummaryWanted, ("lib/agents/summary.py",)),
    "process_community_response": TaskType(AnswerToScore, ("lib/agents/agent_of_humans.py",)),
    "community_request_available": TaskType(RequestAvailable, ("lib/agents/agent_of_humans.py",)),
    "community_response_available": TaskType(ResponseAvailable, ("lib/agents/agent_of_humans.py",)),
    "notify_expert_of_impact": TaskType(ImpactNotice, ("lib/agents/agent_of_humans.py",)),
    "notify_user_of_priorities": TaskType(PrioritiesToShow, ("lib/agents/account_manager.py",)),
    "intro_followup_check": TaskType(IntroFollowUp, ("lib/agents/intros.py",)),
    "account_manager_review": TaskType(
        Review, ("lib/agents/account_manager.py", f"{_SQL}/restore_reviews.sql")
    ),
    "research_solution": TaskType(WorkflowStep, ("lib/agents/solution_saga.py",)),
    "solution_workflow_timeout": TaskType(WorkflowStep, ("lib/agents/solution_saga.py",)),
    "re_engagement_check": TaskType(SilenceCheck, ("lib/agents/silence.py",)),
}
