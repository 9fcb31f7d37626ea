"""The concierge's tools: what each is for is said in its docstring, which the model reads; what it
does is the desk's (lib/agents/concierge_desk.py)."""

from datetime import time
from typing import Annotated, ClassVar

from pydantic import Field

from lib.agents.concierge_desk import Desk
from lib.agents.tools import Tool, Toolbox
from lib.core.model import JSON
from lib.domain import messaging
from lib.engine.registry import DesiredOutcome, RequestNeeded, Urgency

Place = Annotated[int, Field(ge=1, description="Its number in the card.")]


class AskCommunity(Tool[Desk]):
    """Ask other members who may know. Only when the member wants to know something that others
    could answer from experience, and it is clear what; otherwise ask them one question first.
    Nothing in it may say who asks."""

    tool_name: ClassVar[str] = "ask_community"

    question: str = Field(
        min_length=10, max_length=500, description="As it will be put to the others."
    )
    about: str = Field(min_length=3, max_length=100, description="Three to five words.")
    category: str | None = Field(default=None, max_length=60)
    expertise: list[Annotated[str, Field(min_length=2, max_length=60)]] = Field(
        min_length=1, max_length=5, description="What somebody must know well to answer."
    )
    situation: str | None = Field(
        default=None, max_length=500, description="Why they ask, without saying who they are."
    )
    outcome: DesiredOutcome = "quick_thoughts"
    urgency: Urgency = "medium"

    def effect(self, desk: Desk) -> JSON:
        """Ask."""
        return desk.ask(
            RequestNeeded(
                question=self.question,
                category=self.category,
                expertise_needed=self.expertise,
                requester_context=self.situation,
                desired_outcome=self.outcome,
                urgency=self.urgency,
                request_summary=self.about,
                requesting_agent_type="concierge",
            )
        )


class ResearchSolution(Tool[Desk]):
    """Have a need of theirs looked into: what fits, what members offer, what those with experience
    say. Only when they want a solution found rather than one question answered, and it is clear
    what they need it for; otherwise ask them one question first."""

    tool_name: ClassVar[str] = "research_solution"

    need: str = Field(
        min_length=10, max_length=500, description="What they need and why, in their words."
    )
    category: str | None = Field(default=None, max_length=60, description="A word or two.")
    urgency: Urgency = "medium"

    def effect(self, desk: Desk) -> JSON:
        """Begin."""
        return desk.look_into(self.need, self.category, self.urgency)


class RecordAnswer(Tool[Desk]):
    """Record the member's answer to another member's question. Use it when the new texts answer
    exactly one of the items that are questions; if it is not clear which, ask. Their own words are
    kept beside the summary."""

    tool_name: ClassVar[str] = "record_answer"

    item: Place
    summary: str = Field(
        min_length=3, max_length=600, description="The answer in a few sentences, nothing added."
    )

    def effect(self, desk: Desk) -> JSON:
        """Record it."""
        return desk.record_answer(self.item, self.summary)


class ReportOutcome(Tool[Desk]):
    """The member says what came of an answer they got, or whether it helped."""

    tool_name: ClassVar[str] = "report_outcome"

    item: Place

    def effect(self, desk: Desk) -> JSON:
        """Pass it on."""
        return desk.report_outcome(self.item)


class AcceptIntro(Tool[Desk]):
    """The member clearly says yes to one item that is an introduction, to make it or to be
    introduced. If it is not clear to which, ask."""

    tool_name: ClassVar[str] = "accept_intro"

    item: Place

    def effect(self, desk: Desk) -> JSON:
        """Note it."""
        return desk.accept(self.item)


class ReportIntro(Tool[Desk]):
    """The member says that one of their `intros` was made, or that it will not be made."""

    tool_name: ClassVar[str] = "report_intro"

    intro: Place
    happened: bool = Field(description="Whether it was made. If it still may be, use no tool.")

    def effect(self, desk: Desk) -> JSON:
        """Note it."""
        return desk.introductions.report(self.intro, happened=self.happened)


class Decline(Tool[Desk]):
    """The member does not want to deal with an item: it is not brought up again. An introduction is
    declined."""

    tool_name: ClassVar[str] = "decline_item"

    item: Place

    def effect(self, desk: Desk) -> JSON:
        """Drop it."""
        return desk.decline(self.item)


class Mention(Tool[Desk]):
    """Your answer brings up the item that `may_mention` names."""

    tool_name: ClassVar[str] = "mention_item"

    item: Place

    def effect(self, desk: Desk) -> JSON:
        """Note it."""
        return desk.mention(self.item)


class CancelRequest(Tool[Desk]):
    """The member does not want to know any more what one of their `requests` asks."""

    tool_name: ClassVar[str] = "cancel_request"

    request: Place

    def effect(self, desk: Desk) -> JSON:
        """Cancel it."""
        return desk.cancel(self.request)


class SetExpertise(Tool[Desk]):
    """Add areas that the member says they know well, in their words."""

    tool_name: ClassVar[str] = "set_expertise"

    areas: list[str] = Field(min_length=1, max_length=10)

    def effect(self, desk: Desk) -> JSON:
        """Add them."""
        return desk.preferences.set_expertise(self.areas)


class SetQuietHours(Tool[Desk]):
    """The member says when not to be written to first, in their local time. The same time twice
    means never."""

    tool_name: ClassVar[str] = "set_quiet_hours"

    start: time = Field(description="HH:MM")
    end: time = Field(description="HH:MM")

    def effect(self, desk: Desk) -> JSON:
        """Set them."""
        return desk.preferences.set_quiet_hours(self.start, self.end)


class SetPace(Tool[Desk]):
    """The member says how often at most they want to be written to first. Give only what they
    named; with neither it is as often as usual again. Answers to their texts do not count."""

    tool_name: ClassVar[str] = "set_pace"

    per_day: int | None = Field(default=None, ge=1, le=messaging.MOST_PER_DAY)
    per_hour: int | None = Field(default=None, ge=1, le=messaging.MOST_PER_HOUR)

    def effect(self, desk: Desk) -> JSON:
        """Set it."""
        return desk.preferences.set_pace(self.per_day, self.per_hour)


class SetTimeZone(Tool[Desk]):
    """The member says where they are or live now, and that is clearly one place."""

    tool_name: ClassVar[str] = "set_time_zone"

    place: str = Field(min_length=2, max_length=60, description="The place as they wrote it.")
    time_zone: str = Field(max_length=60, description="Its IANA name, Area/City.")

    def effect(self, desk: Desk) -> JSON:
        """Set it."""
        return desk.preferences.set_time_zone(self.place, self.time_zone)


class SetLinkedIn(Tool[Desk]):
    """The member gives the address of their own LinkedIn profile."""

    tool_name: ClassVar[str] = "set_linkedin"

    url: str = Field(max_length=200, description="As they wrote it.")

    def effect(self, desk: Desk) -> JSON:
        """Keep it."""
        return desk.preferences.set_linkedin(self.url)


class SetGoal(Tool[Desk]):
    """The member says what they are working towards with us, or that their `goal` has changed, is
    reached or given up. It takes the place of the one before."""

    tool_name: ClassVar[str] = "set_goal"

    goal: str | None = Field(
        default=None,
        max_length=200,
        description="In one sentence of their words; left out when there is none any more.",
    )

    def effect(self, desk: Desk) -> JSON:
        """Keep it."""
        return desk.preferences.set_goal(self.goal)


class NotNow(Tool[Desk]):
    """The member says that they have no time for us at present: we do not write first for a month
    when they are silent."""

    tool_name: ClassVar[str] = "not_now"

    def effect(self, desk: Desk) -> JSON:
        """Remember it."""
        desk.not_now = True
        return {"noted": True}


#: In the order in which the model is told of them.
TOOLBOX = Toolbox(
    AskCommunity,
    ResearchSolution,
    RecordAnswer,
    ReportOutcome,
    AcceptIntro,
    ReportIntro,
    Decline,
    Mention,
    CancelRequest,
    SetExpertise,
    SetQuietHours,
    SetPace,
    SetTimeZone,
    SetLinkedIn,
    SetGoal,
    NotNow,
)
