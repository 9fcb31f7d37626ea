"""The bouncer: onboards people who are not verified yet.

It stores what they tell about themselves and asks for what is missing, one step at a time. It
never sets `verified` and never touches another member's row.
"""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from lib.agents import context, silence
from lib.agents.frame import deciding, instance_of, reply, update_member
from lib.agents.loop import Exchange, Prompt
from lib.agents.tools import Tool, Toolbox
from lib.core.ids import derived_id
from lib.core.model import JSON, Complete
from lib.domain import onboarding
from lib.domain.onboarding import NotTakenError, OwnWords, Profile, Step
from lib.engine.registry import OnboardingCompleted, OnboardingStepCompleted
from lib.engine.turn import Turn
from lib.engine.work import UnitOfWork

AGENT_TYPE = "bouncer"


class Desk:
    """The person being onboarded, as far as this turn may change them.

    Several tool uses of one turn add up here; `close` turns the difference into changes.
    """

    def __init__(self, turn: Turn) -> None:
        member = turn.member
        self._turn = turn
        self._own = OwnWords(context.own_texts(turn))
        self._referral = _Referral(member.referred_by, member.name_dropped)
        self._before = self.profile = Profile(
            first_name=member.first_name,
            last_name=member.last_name,
            company=member.company,
            title=member.title,
            email=member.email,
            email_verified=bool(member.email_verified),
            linkedin_url=member.linkedin_url,
            expertise=tuple(member.expertise or ()),
            referrer_done="referrer" in turn.steps_completed or self._referral.known,
        )
        self.completed = turn.onboarding_completed
        # The bouncer has spoken before, and then it asked for the first thing missing.
        spoken = turn.agent_instance is not None and turn.agent_instance.agent_type == AGENT_TYPE
        self.asked: list[str] = [*self._before.missing[:1]] if spoken else []
        if self.completed:
            self.asked += onboarding.EXTRAS

    def card(self) -> JSON:
        """What the model is told of them."""
        return {
            "known": self.known(),
            "missing": self.profile.missing,
            "asked": self.asked,
            "onboarding": self.status,
            "local_time": context.local_time(self._turn),
        }

    @property
    def status(self) -> Literal["open", "waiting_for_approval"]:
        """Where the onboarding stands."""
        return "waiting_for_approval" if self.completed else "open"

    def known(self) -> JSON:
        """What is known, keys with a value only. Whether a referrer was matched is not shown."""
        profile = self.profile
        known = {
            "first_name": profile.first_name,
            "last_name": profile.last_name,
            "company": profile.company,
            "title": profile.title,
            "email": profile.email,
            "email_verified": profile.email_verified if profile.email else None,
            "linkedin_url": profile.linkedin_url,
            "expertise": list(profile.expertise) or None,
            "referrer": "given" if profile.referrer_done else None,
        }
        return {key: value for key, value in known.items() if value is not None}

    def take(self, info: "CollectUserInfo") -> dict[str, str]:
        """Take what is usable of `info`; the result says what was not, and why."""
        own = self._own
        refused: dict[str, str] = {}
        values: dict[str, Any] = {}
        rules = {
            "first_name": onboarding.person_name,
            "last_name": onboarding.person_name,
            "company": onboarding.organisation,
            "title": onboarding.organisation,
            "email": onboarding.email,
            "linkedin_url": onboarding.linkedin_url,
        }
        for name, rule in rules.items():
            if (value := getattr(info, name)) and value != getattr(self.profile, name):
                try:
                    values[name] = rule(value, own)
                except NotTakenError as error:
                    refused[name] = str(error)
        if info.expertise:
            try:
                values["expertise"] = onboarding.expertise(
                    info.expertise, self.profile.expertise, own
                )
            except NotTakenError as error:
                refused["expertise"] = str(error)
        if info.referrer_name:
            try:
                self._take_referrer(info.referrer_name)
                values["referrer_done"] = True
            except NotTakenError as error:
                refused["referrer_name"] = str(error)
        if values.get("email", self.profile.email) != self.profile.email:
            values["email_verified"] = False  # a proof of the old address proves nothing here
        self.profile = replace(self.profile, **values).pass_over_referrer(
            self._before, asked="referrer" in self.asked
        )
        return refused

    def complete(self) -> None:
        """The onboarding is over, if nothing is missing but a referrer that was asked for."""
        if "referrer" in self.asked and self.profile.missing == ["referrer"]:
            self.profile = replace(self.profile, referrer_done=True)
        self.completed = self.completed or not self.profile.missing

    def safe_text(self) -> str:
        """What is said when the model's answer is not fit to be sent: the next question."""
        missing: list[Step] = self.profile.missing
        question = _QUESTIONS[missing[0]] if missing else _NOTHING_MISSING
        if context.only_media(self._turn):
            return f"I cannot open pictures or files here. {question}"
        return f"Hi, thanks for writing. {question}" if self._turn.first_contact else question

    def close(self, work: UnitOfWork) -> JSON:
        """Emit what this turn completed; the result is the member's columns as they are now."""
        if not self.profile.missing:
            self.completed = True  # it must not depend on the model remembering to say so
        member_id = self._turn.member.id
        for step in onboarding.STEPS:
            if self.profile.done(step) and not self._before.done(step):
                work.emit(
                    "user.onboarding_step.completed",
                    OnboardingStepCompleted(step=step, value=self._value(step)),
                    aggregate_id=member_id,
                    audit_only=True,
                    id=derived_id(member_id, f"onboarding_step:{step}"),
                )
        if self.completed and not self._turn.onboarding_completed:
            work.emit(
                "user.onboarding_completed",
                OnboardingCompleted(),
                aggregate_id=member_id,
                audit_only=True,
                id=derived_id(member_id, "onboarding_completed"),
            )
        profile = self.profile
        return {
            "first_name": profile.first_name,
            "last_name": profile.last_name,
            "company": profile.company,
            "title": profile.title,
            "email": profile.email,
            "linkedin_url": profile.linkedin_url,
            "referred_by": self._referral.referred_by,
            "name_dropped": self._referral.name_dropped,
            # null and false, null and empty are the same to us: leave what is there
            **({"email_verified": False} if self._verified_another_address() else {}),
            **({"expertise": list(profile.expertise)} if profile.expertise else {}),
        }

    def _value(self, step: Step) -> str:
        """What an operator reads in the event of a completed step."""
        profile = self.profile
        match step:
            case "referrer":
                return self._referral.value
            case "name":
                return f"{profile.first_name} {profile.last_name}"
            case "company_title":
                return f"{profile.company}, {profile.title}"
            case "email":
                return profile.email or ""

    def _verified_another_address(self) -> bool:
        return self._before.email_verified and not self.profile.email_verified

    def _take_referrer(self, value: str) -> None:
        name = onboarding.referrer_name(value, self._own, asked="referrer" in self.asked)
        if self._before.referrer_done and not self._newly_said(name):
            return  # an old text repeated by the model is no correction
        if name == onboarding.NO_REFERRER:
            self._referral = _Referral(None, None, onboarding.NO_REFERRER)
            return
        member = onboarding.match_referrer(name, self._turn.referrers, self._turn.member.id)
        self._referral = _Referral(member, None if member else name, name)

    def _newly_said(self, name: str) -> bool:
        new = OwnWords(text.content for text in self._turn.texts)
        return new.say_nobody() if name == onboarding.NO_REFERRER else new.contain(name)


@dataclass(frozen=True, slots=True)
class _Referral:
    """The referrer as stored: a member, or a name. `value` is what was said this turn."""

    referred_by: UUID | None
    name_dropped: str | None
    value: str = onboarding.UNANSWERED

    @property
    def known(self) -> bool:
        return self.referred_by is not None or self.name_dropped is not None


_QUESTIONS: dict[Step, str] = {
    "referrer": "Who told you about Yachtparty?",
    "name": "What is your first and last name?",
    "company_title": "Where do you work, and what do you do there?",
    "email": "What is your work e-mail address?",
}
_NOTHING_MISSING = "Thanks, everything we need is in. A person on the team looks at it next."


class CollectUserInfo(Tool[Desk]):
    """Store what the person told about themselves. Pass every detail that the new texts contain
    and leave out all others, each exactly as they wrote it: no translation, no completion, no
    guess. Later values replace earlier ones. The result shows what is known and missing now and
    which values were not taken."""

    tool_name: ClassVar[str] = "collect_user_info"

    first_name: str | None = None
    last_name: str | None = None
    company: str | None = Field(default=None, description="Where they work.")
    title: str | None = Field(default=None, description="What they do there.")
    email: str | None = None
    linkedin_url: str | None = Field(default=None, description="Their own profile.")
    expertise: list[str] | None = Field(
        default=None, description="Areas they say they know well, a few words each."
    )
    referrer_name: str | None = Field(
        default=None, description='Who sent them, or "none" if they say that nobody did.'
    )

    def effect(self, desk: Desk) -> JSON:
        """Take it."""
        refused = desk.take(self)
        return {
            "known": desk.known(),
            "missing": desk.profile.missing,
            **({"referrer": "noted"} if self.referrer_name else {}),
            **({"not_taken": refused} if refused else {}),
        }


class CompleteOnboarding(Tool[Desk]):
    """Hand the person to the team for approval. Use it once nothing is missing, or when only the
    referrer is, was asked for before, and they do not want to say. If something is missing, the
    result says what and nothing happens."""

    tool_name: ClassVar[str] = "complete_onboarding"

    def effect(self, desk: Desk) -> JSON:
        """Complete it, if it is complete."""
        desk.complete()
        return {"onboarding": desk.status, "missing": desk.profile.missing}


PROMPT = Prompt(AGENT_TYPE, Toolbox(CollectUserInfo, CompleteOnboarding))


def decide(turn: Turn, complete: Complete, deadline: float) -> UnitOfWork:
    """Store what the new texts tell and answer them.

    `deadline` (seconds of time.monotonic()) is when the model must be done.

    Raises:
        DecisionFailed: no answer; its cause is ModelUnavailable, ModelRejected or an error of ours.
    """
    with deciding(turn, AGENT_TYPE) as work:
        instance_id = instance_of(turn, work, PROMPT)
        desk = Desk(turn)
        exchange = Exchange(PROMPT, turn, work, desk, complete, deadline, instance_id)
        texts = exchange.answer(desk.card(), lambda: [desk.safe_text()])
        columns = desk.close(work)
        update_member(work, turn.member, columns | {"poc_agent_id": str(instance_id)})
        reply(work, turn, texts)
        if not desk.completed:
            silence.put_off(work, turn)
    return work
