"""The claim document of a turn: all that deciding about a member's texts needs, in one piece.

Built by sql/functions/claim_event.sql; a test holds the two against each other.
"""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _within_reach(value: object) -> object:
    """PostgreSQL has times that Python has not: from "-infinity" and years before Christ to
    "infinity" and years of more than four digits. They stay long ago, or far ahead."""
    if isinstance(value, str):
        if value == "-infinity" or value.endswith("BC"):
            return "1000-01-01T00:00:00Z"
        if value == "infinity" or value.partition("-")[0][4:].isdigit():
            return "9000-01-01T00:00:00Z"
    return value


#: A time as a row has it.
Time = Annotated[datetime, BeforeValidator(_within_reach)]
#: What stands in an array of words; an array may hold nulls, too.
Words = Annotated[
    list[str],
    BeforeValidator(lambda v: [w for w in v if w is not None] if isinstance(v, list) else v),
]


class Document(BaseModel):
    """A part of a claim document; unknown keys are ignored so that SQL can be deployed first."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Member(Document):
    """The member's `users` row (the columns agents may see), as stored: null stays None, because
    an update expects to find what was read."""

    id: UUID
    phone_number: str = Field(repr=False)
    email: str | None = Field(default=None, repr=False)
    first_name: str | None = None
    last_name: str | None = None
    company: str | None = None
    title: str | None = None
    linkedin_url: str | None = None
    verified: bool | None = False
    email_verified: bool | None = False
    innovator: bool | None = False
    expertise: Words | None = None
    poc_agent_id: str | None = None
    poc_agent_type: str | None = None
    timezone: str | None = None
    quiet_hours_start: str | None = None
    quiet_hours_end: str | None = None
    referred_by: UUID | None = None
    name_dropped: str | None = None
    status_level: str | None = None


class Conversation(Document):
    """The active conversation and what is summarised of it."""

    id: UUID
    conversation_summary: str | None = None
    messages_since_summary: int = 0
    last_summary_message_id: UUID | None = None


class Message(Document):
    """One earlier text. `status` is Twilio's (outbound only)."""

    role: Literal["user", "assistant"]
    content: str = Field(repr=False)
    status: str | None = None
    created_at: Time


class Media(Document):
    """A picture or file that came with a text; its content is never fetched."""

    url: str = Field(repr=False)
    content_type: str = ""


class InboundText(Document):
    """One new text of this turn, oldest first."""

    event_id: UUID
    message_id: UUID
    content: str = Field(repr=False)
    media: list[Media] = []
    created_at: Time


class AgentInstance(Document):
    """The member's active `agent_instances` row for the agent of this turn."""

    id: UUID
    agent_type: str
    prompt_version: str | None = None
    status: str | None = None
    config_json: Any = None


class Referrer(Document):
    """A verified member whose exact full name occurs in the new texts. For code only: never shown
    to the model or confirmed to the texter."""

    id: UUID
    full_name: str


class AskedRequest(Document):
    """The `community_requests` row that an item is about."""

    id: UUID
    question: str = Field(repr=False)
    requester_context: str | None = Field(default=None, repr=False)
    desired_outcome: str | None = None
    request_summary: str | None = Field(default=None, repr=False)
    status: str | None = None
    responses_count: int | None = 0
    requesting_user_id: UUID | None = None


class OwnAnswer(Document):
    """The member's own answer to a request, not scored yet."""

    id: UUID
    verbatim_answer: str = Field(repr=False)
    created_at: Time


class GivenResponse(Document):
    """The `community_responses` row that an item is about."""

    id: UUID
    user_id: UUID
    response_text: str = Field(repr=False)
    impact_description: str | None = Field(default=None, repr=False)
    status: str | None = None
    usefulness_score: int | None = None


class IntroItem(Document):
    """An item on somebody's list that is about an introduction."""

    id: UUID
    user_id: UUID
    status: str | None = None
    value_score: float | None = None
    shown: int = 0


class CompetingOpportunity(Document):
    """What would lead to the same prospect."""

    id: UUID
    status: str
    expires_at: Time | None = None
    priorities: list[IntroItem] = []


class Opportunity(Document):
    """An `intro_opportunities` row (sql/functions/intro_document.sql).

    The other member's name is None until both have said yes, at `agreed_at`. For code only:
    `hidden`, the words that would say who the innovator is, and `innovator_email`. `bounty` is in
    credits.
    """

    id: UUID
    connector_user_id: UUID
    innovator_user_id: UUID | None = None
    prospect_name: str
    prospect_title: str | None = None
    prospect_company: str | None = None
    bounty: int = 0
    status: str | None = None
    created_at: Time | None = None
    expires_at: Time | None = None
    agreed_at: Time | None = None
    offer: str | None = None
    categories: list[str] | None = None
    hidden: list[str] = Field(default_factory=list, repr=False)
    innovator_email: str | None = Field(default=None, repr=False)
    innovator_balance: int | None = None
    innovator_name: str | None = None
    innovator_company: str | None = None
    connector_name: str | None = None
    prospect_is_member: bool = False
    priorities: list[IntroItem] = []
    competing: list[CompetingOpportunity] = []

    @property
    def taken(self) -> bool:
        """Whether somebody else has said that they introduce the prospect, or has done so."""
        return any(other.status in ("accepted", "completed") for other in self.competing)


class FoundSolution(Document):
    """The `solution_workflows` row that an item is about."""

    id: UUID
    request_description: str = Field(repr=False)
    recommendation: str | None = Field(default=None, repr=False)


class Item(Document):
    """A `user_priorities` row of the member and what it is about (sql/functions/member_items.sql).

    `shown` counts the texts that brought it up, `shown_at` is the last one's; `answered`: the
    member wrote within 72 hours after it; `has_answered`: the request has their answer, which is
    `own_answer` until it is scored.
    """

    id: UUID
    item_type: str
    item_id: UUID
    value_score: float | None = None
    priority_rank: int | None = None
    status: str | None = None
    created_at: Time | None = None
    expires_at: Time | None = None
    shown: int = 0
    shown_at: Time | None = None
    answered: bool = False
    has_answered: bool = False
    own_answer: OwnAnswer | None = None
    request: AskedRequest | None = None
    response: GivenResponse | None = None
    opportunity: Opportunity | None = None
    solution: FoundSolution | None = None

    @property
    def brought_up(self) -> bool:
        """Whether the member has been told of it."""
        return self.shown > 0 or self.status == "presented"


class OwnRequest(Document):
    """An open `community_requests` row that the member asked; `attached`: others wait for its
    answers, too."""

    id: UUID
    question: str = Field(repr=False)
    request_summary: str | None = Field(default=None, repr=False)
    status: str | None = None
    responses_count: int | None = 0
    attached: bool = False


class Research(Document):
    """A need of the member that is being looked into."""

    id: UUID
    request_description: str = Field(repr=False)


class Budget(Document):
    """A `user_message_budget` row of the member: how often they are written to first."""

    id: UUID
    date: date
    daily_limit: int | None = None
    hourly_limit: int | None = None
    quiet_hours_enabled: bool | None = None


class PendingTask(Document):
    """A pending task of the member."""

    id: UUID
    scheduled_for: Time
    context_json: dict[str, Any] = {}


class Turn(Document):
    """Everything known when a turn is decided. Times are UTC; `now` is the database's clock.

    `texts` are the new ones; `history` the 20 messages before them, oldest first.
    `steps_completed` are the values of `step` of the member's user.onboarding_step.completed
    events; `turns_today` counts the member's earlier turns of their local day that asked the model;
    `items` are on the member's list of priorities, the best first, and `requests` their own open
    questions to other members, `intros` the introductions under way that they make or wait for,
    `researches` what is being looked into for them (all of it only of verified members);
    `budgets` are their latest ones, the newest first; `re_engagement` is the task that
    will look after them if they fall silent; `first_contact` is true while nothing was ever sent
    to this number.
    """

    source: UUID
    now: Time
    member: Member
    conversation: Conversation
    history: list[Message]
    texts: list[InboundText]
    agent_instance: AgentInstance | None = None
    referrers: list[Referrer] = []
    steps_completed: list[str] = []
    onboarding_completed: bool = False
    turns_today: int = 0
    items: list[Item] = []
    requests: list[OwnRequest] = []
    intros: list[Opportunity] = []
    researches: list[Research] = []
    budgets: list[Budget] = []
    re_engagement: PendingTask | None = None
    first_contact: bool = False
