"""The claim documents of everything but a turn: what deciding about it needs, in one piece.

Built by sql/functions/event_context.sql and task_context.sql; tests hold them against each other.
"""

from typing import Any
from uuid import UUID

from pydantic import Field

from lib.engine.turn import (
    AgentInstance,
    Conversation,
    Document,
    Item,
    Member,
    Message,
    Opportunity,
    PendingTask,
    Time,
    Words,
)


class EmailProof(Document):
    """user.email_verified: the part of a turn's document that going on with onboarding needs.

    Whoever has opted out has no active conversation.
    """

    now: Time
    member: Member
    conversation: Conversation | None = None
    steps_completed: list[str] = Field(default_factory=list)
    onboarding_completed: bool = False


class Silence(Document):
    """re_engagement_check, beside a turn's document: how often a member was written to in 90 days
    without an answer in 72 hours, and when last."""

    unanswered: int = 0
    last_written_at: Time | None = None


class Approval(Document):
    """user.verified: the part of a turn's document that a hand-over needs.

    `agent_instances` are the active ones; `has_been_member`: they were one before this approval.
    Whoever has opted out has no active conversation.
    """

    now: Time
    member: Member
    conversation: Conversation | None = None
    agent_instances: list[AgentInstance] = Field(default_factory=list)
    re_engagement: PendingTask | None = None
    has_been_member: bool = False


class Answer(Document):
    """An answer to a request; `scored` also when its scoring is over for good."""

    id: UUID
    user_id: UUID
    scored: bool


class ClosingRequest(Document):
    """A community request that is past its time or answered by everybody asked.

    `priorities` are the experts' items about it that are not over; `attached`: others that are open
    wait for its answers.
    """

    id: UUID
    status: str
    requesting_user_id: UUID | None = None
    request_summary: str | None = Field(default=None, repr=False)
    responses_count: int | None = 0
    expired: bool
    attached: bool = False
    answers: list[Answer] = Field(default_factory=list)
    priorities: list[UUID] = Field(default_factory=list)


class Closure(Document):
    """community.closure_due. `opportunities` are introductions that lapse; `more` says that not
    everything is in it."""

    now: Time
    requests: list[ClosingRequest]
    opportunities: list[Opportunity] = Field(default_factory=list)
    more: bool = False


class Response(Document):
    """The `community_responses` row that is scored."""

    id: UUID
    user_id: UUID
    verbatim_answer: str = Field(repr=False)
    response_text: str = Field(repr=False)
    usefulness_score: int | None = None
    status: str | None = None
    created_at: Time | None = None


class Request(Document):
    """The `community_requests` row that a response answers."""

    id: UUID
    question: str = Field(repr=False)
    requester_context: str | None = Field(default=None, repr=False)
    desired_outcome: str | None = None
    status: str | None = None
    closed_loop_at: Time | None = None


class Requester(Document):
    """Who waits for the answers to a request, by a request of their own that is attached to it."""

    request_id: UUID
    user_id: UUID


class Routing(Document):
    """community.request_needed: whom it is for, and the open request that asks the same."""

    now: Time
    requester: UUID | None = None
    experts: list[UUID] = Field(default_factory=list)
    attached_to: UUID | None = None


class IntroStep(Document):
    """intro.opportunity_accepted, _declined and _completed: what the event names."""

    now: Time
    opportunity: Opportunity | None = None


class ShelfMember(Document):
    """The member whose list of priorities is decided about."""

    id: UUID
    phone_number: str = Field(repr=False)
    timezone: str | None = None
    expertise: Words | None = None
    response_pattern: Any = None
    verified: bool | None = False
    poc_agent_type: str | None = None


class ShelfRequest(Request):
    """The request that a task names."""

    requesting_user_id: UUID | None = None
    expertise_needed: Words | None = None
    expires_at: Time | None = None
    request_summary: str | None = Field(default=None, repr=False)


class ShelfResponse(Response):
    """The answer that a task names."""

    request_id: UUID
    impact_description: str | None = Field(default=None, repr=False)


class Shelf(Document):
    """A member's list of priorities (sql/functions/shelf_context.sql). `hours` counts the inbound
    texts of 90 days by hour of the member's day; `unlisted_opportunities` are open introductions
    that they could make and that were never on their list."""

    now: Time
    member: ShelfMember | None = None
    items: list[Item] = Field(default_factory=list)
    last_inbound_at: Time | None = None
    request: ShelfRequest | None = None
    response: ShelfResponse | None = None
    opportunity: Opportunity | None = None
    unlisted_opportunities: list[UUID] = Field(default_factory=list)
    answers_given: int = 0
    useful_answers: int = 0
    hours: dict[int, int] | None = None


class Workflow(Document):
    """A `solution_workflows` row."""

    id: UUID
    user_id: UUID
    request_description: str = Field(repr=False)
    category: str | None = None
    current_step: str | None = None
    status: str | None = None
    next_action: str | None = None
    last_decision_at: Time | None = None
    perplexity_results: Any = Field(default=None, repr=False)
    matched_innovators: Any = None


class Offer(Document):
    """An innovator who offers something for a need. `hidden`: names that nobody may read in it."""

    id: UUID
    solution_description: str | None = Field(default=None, repr=False)
    categories: list[str] | None = None
    hidden: list[str] = Field(default_factory=list, repr=False)


class SolutionAnswer(Document):
    """A useful answer of a member to the question that a workflow asked."""

    id: UUID
    response_text: str = Field(repr=False)
    usefulness_score: int | None = None


class Solution(Document):
    """What the solution saga decides from (sql/functions/solution_context.sql)."""

    now: Time
    member: Member | None = None
    workflow: Workflow | None = None
    innovators: list[Offer] = Field(default_factory=list)
    answers: list[SolutionAnswer] = Field(default_factory=list)


class Scoring(Document):
    """process_community_response. `requesters` wait for the answer."""

    now: Time
    response: Response | None = None
    request: Request | None = None
    requesters: list[Requester] = Field(default_factory=list)


class SummaryMessage(Message):
    """A text that is summarised."""

    id: UUID


class Summary(Document):
    """create_conversation_summary: the texts since the last summary, oldest first."""

    now: Time
    conversation: Conversation | None = None
    messages: list[SummaryMessage] = Field(default_factory=list)
