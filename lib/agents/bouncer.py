"""The bouncer: onboards people who are not verified yet.

It stores what they tell about themselves and asks for what is missing, one step at a time. That
their e-mail is theirs they show by a mail from it, to an address that is put into a text by code.
The bouncer never sets `verified` and never touches another member's row.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from lib.agents import context, silence
from lib.agents.frame import deciding, instance_of, reply, update_member
from lib.agents.loop import Exchange, Prompt
from lib.agents.routing import agent_for, is_served
from lib.agents.tools import Tool, Toolbox, ToolError
from lib.core.ids import derived_id
from lib.core.model import JSON, Complete
from lib.domain import onboarding, voice
from lib.domain.onboarding import NotTakenError, OwnWords, Profile, Step
from lib.domain.verification import Addresses
from lib.engine.documents import EmailProof
from lib.engine.registry import EmailVerified, OnboardingCompleted, OnboardingStepCompleted
from lib.engine.step import Claim
from lib.engine.turn import Member, Turn
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
        self._before = self.profile = _profile(member, turn.steps_completed)
        self._asks_for_address = False
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
        if "referrer" in self.asked and {*self.profile.missing} <= {
            "referrer",
            "email_verification",
        }:
            self.profile = replace(self.profile, referrer_done=True)
        self.completed = self.completed or not self.profile.missing

    def ask_for_address(self) -> None:
        """The address to write to is given with this turn's answer.

        Raises:
            ToolError: there is nothing to be proved.
        """
        if not self.profile.email:
            raise ToolError("Their e-mail address is not known yet.")
        if self.profile.email_verified:
            raise ToolError("Their e-mail address is confirmed already.")
        self._asks_for_address = True

    @property
    def gives_address(self) -> bool:
        """Whether this turn gives the address to write to: asked for, or the next step is reached,
        or the e-mail is another. It must not depend on the model remembering to."""
        if not self.profile.email or self.profile.email_verified:
            return False
        is_next = self.profile.missing[:1] == ["email_verification"]
        is_new = self._before.email != self.profile.email or self._before.missing[:1] != [
            "email_verification"
        ]
        return self._asks_for_address or (is_next and is_new)

    def safe_text(self) -> str:
        """What is said when the model's answer is not fit to be sent: the next question."""
        missing: list[Step] = self.profile.missing
        if self.gives_address:
            question = _QUESTIONS["email_verification"]
        elif self.completed or not missing:
            question = _NOTHING_MISSING
        elif missing[0] == "email_verification":
            question = _NOT_ARRIVED
        else:
            question = _QUESTIONS[missing[0]]
        if context.only_media(self._turn):
            return f"I cannot open pictures or files here. {question}"
        return f"Hi, thanks for writing. {question}" if self._turn.first_contact else question

    def close(self, work: UnitOfWork) -> JSON:
        """Emit what this turn completed; the result is the member's columns as they are now."""
        if not self.profile.missing:
            self.completed = True  # it must not depend on the model remembering to say so
        profile = self.profile
        done = [s for s in onboarding.STEPS if profile.done(s) and not self._before.done(s)]
        _tell_steps(work, self._turn.member.id, done, self._value)
        if self.completed and not self._turn.onboarding_completed:
            _tell_completion(work, self._turn.member.id)
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
            case "email" | "email_verification":
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


_QUESTIONS: dict[Step, str] = {
    "referrer": "Who told you about Yachtparty?",
    "name": "What is your first and last name?",
    "company_title": "Where do you work, and what do you do there?",
    "email": "What is your work e-mail address?",
    "email_verification": "One thing is left: showing that the e-mail address is yours.",
}
_NOTHING_MISSING = "Thanks, everything we need is in. A person on the team looks at it next."
_NOT_ARRIVED = "Your e-mail has not arrived yet. Should I give you the address again?"
#: The address stands alone at the end, so that a phone makes a link of it and nothing sticks to it.
_ADDRESS = (
    "Please write from {email} to this address within 72 hours; any words will do:\n{address}"
)
_CONFIRMED = "Thanks, your e-mail address is confirmed."
_EXTRAS = {"expertise": "what you know best", "linkedin_url": "your LinkedIn"}


def _profile(member: Member, steps_completed: list[str]) -> Profile:
    return Profile(
        first_name=member.first_name,
        last_name=member.last_name,
        company=member.company,
        title=member.title,
        email=member.email,
        email_verified=bool(member.email_verified),
        linkedin_url=member.linkedin_url,
        expertise=tuple(member.expertise or ()),
        referrer_done="referrer" in steps_completed
        or member.referred_by is not None
        or member.name_dropped is not None,
    )


def _tell_steps(
    work: UnitOfWork, member_id: UUID, steps: Iterable[Step], value: Callable[[Step], str]
) -> None:
    for step in steps:
        work.emit(
            "user.onboarding_step.completed",
            OnboardingStepCompleted(step=step, value=value(step)),
            aggregate_id=member_id,
            audit_only=True,
            id=derived_id(member_id, f"onboarding_step:{step}"),
        )


def _tell_completion(work: UnitOfWork, member_id: UUID) -> None:
    work.emit(
        "user.onboarding_completed",
        OnboardingCompleted(),
        aggregate_id=member_id,
        audit_only=True,
        id=derived_id(member_id, "onboarding_completed"),
    )


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


class SendVerificationEmail(Tool[Desk]):
    """Give the person the address to which they write from their work e-mail, which shows that it
    is theirs. The address follows your answer as a text of its own; do not write one yourself. Use
    it when `email_verification` becomes the first step missing, and when they want the address
    again."""

    tool_name: ClassVar[str] = "send_verification_email"

    def effect(self, desk: Desk) -> JSON:
        """Let it follow."""
        desk.ask_for_address()
        return {"address": "follows your answer"}


class CompleteOnboarding(Tool[Desk]):
    """Hand the person to the team for approval. Use it once nothing is missing, or when only the
    referrer is, was asked for before, and they do not want to say. If something is missing, the
    result says what and nothing happens."""

    tool_name: ClassVar[str] = "complete_onboarding"

    def effect(self, desk: Desk) -> JSON:
        """Complete it, if it is complete."""
        desk.complete()
        return {"onboarding": desk.status, "missing": desk.profile.missing}


PROMPT = Prompt(AGENT_TYPE, Toolbox(CollectUserInfo, SendVerificationEmail, CompleteOnboarding))


def decide(turn: Turn, complete: Complete, deadline: float, addresses: Addresses) -> UnitOfWork:
    """Store what the new texts tell and answer them.

    `deadline` (seconds of time.monotonic()) is when the model must be done; `addresses` makes the
    one that proves an e-mail.

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
        if desk.gives_address and (email := desk.profile.email):
            address = addresses.make(turn.member.id, email, turn.now)
            texts = _followed(texts, _ADDRESS.format(email=email, address=address))
        reply(work, turn, texts)
        if not desk.completed:
            silence.put_off(work, turn)
    return work


def acknowledge(claim: Claim) -> UnitOfWork:
    """A mail has proved the e-mail: keep that, say so in one text, and go on with the onboarding.

    No model is asked: what is to be said is known. An e-mail that was changed or proved meanwhile
    is left as it is, and nothing is said; nor to somebody who was rejected or suspended. Also for
    members who were approved before they wrote.
    """
    proof = EmailProof.model_validate(claim.context)
    member, email = proof.member, EmailVerified.model_validate(claim.payload).email
    work = UnitOfWork(claim.source, created_by=agent_for(member))
    if (member.email or "").casefold() != email or member.email_verified:
        return work
    read = member.model_dump(include={"email", "email_verified", "verified", "poc_agent_type"})
    work.update("users", member.id, {"email_verified": True}, expect=read)
    if not is_served(member):
        return work
    said = [_CONFIRMED]
    if not member.verified:
        _tell_steps(work, member.id, ["email_verification"], lambda _: email)
        profile = replace(_profile(member, proof.steps_completed), email_verified=True)
        if not proof.onboarding_completed:
            if profile.missing:
                said.append(_QUESTIONS[profile.missing[0]])
            else:
                _tell_completion(work, member.id)
                said += _now_waiting(profile)
    work.say(
        member.id,
        [" ".join(said)],
        kind="reply",
        conversation_id=proof.conversation.id if proof.conversation else None,
        priority="high",
    )
    return work


def _now_waiting(profile: Profile) -> list[str]:
    """What happens next; what else they may tell is mentioned this once."""
    more = [words for name, words in _EXTRAS.items() if not getattr(profile, name)]
    return [
        "That is all we need, and a person on the team looks at it next.",
        *([f"If you like, tell me {' and '.join(more)}."] if more else []),
    ]


def _followed(texts: list[str], last: str) -> list[str]:
    """The texts with one more; where there are as many as there may be, it ends the last one."""
    if len(texts) < voice.MAX_TEXTS:
        return [*texts, last]
    return [*texts[:-1], f"{texts[-1]}\n\n{last}"]
