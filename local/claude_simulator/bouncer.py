"""What the bouncer would do next: note what the texts say, finish when it can, then answer.

It follows lib/agents/prompts/bouncer.md by rules. It says nothing that is not in this file or in
the member's own words.
"""

import re
from dataclasses import dataclass

from local.claude_simulator.facts import STEPS, Facts, Reading, read
from local.claude_simulator.prompt import JSON, Turn
from local.claude_simulator.words import GRATITUDE, GREETING

COLLECT = "collect_user_info"
SEND_ADDRESS = "send_verification_email"
COMPLETE = "complete_onboarding"


@dataclass(frozen=True, slots=True)
class Move:
    """One answer: a thought, then either a tool call (name, input) or a text."""

    thought: str
    text: str = ""
    tool: tuple[str, JSON] | None = None


#: What an earlier text of ours asked for, by its words; the last question in it counts.
_ASKED = (
    ("email", re.compile(r"\be-?mail\b", re.IGNORECASE)),
    ("company_title", re.compile(r"\b(?:company|title|where do you work|what do you do)\b", re.I)),
    ("name", re.compile(r"\bname\b", re.IGNORECASE)),
    ("referrer", re.compile(r"\b(?:told you|hear about|referred|sent you)\b", re.IGNORECASE)),
)
_WANTS_ADDRESS = re.compile(
    r"\b(?:again|lost|resend|repeat|which|what)\b.*\baddress\b|\baddress\b.*\b(?:again|lost)\b"
    r"|\bwhere\b.*\b(?:send|write|mail)\b",
    re.IGNORECASE,
)
_ASKED_EXPERTISE = re.compile(r"\bknow best\b", re.IGNORECASE)

_SIDE_ANSWERS = (
    (
        r"\b(?:bot|robot|human|real person|machine|automated|ai|computer|chatgpt)\b",
        "I'm Yachtparty's AI assistant, and people on the team make the decisions.",
    ),
    (
        r"\b(?:how (?:does|do|will|can) (?:this|it|that|you|yachtparty|things)|how .*\bworks?)\b",
        "You tell me a little about yourself, then a person on the team looks at it; members text "
        "this number with what they need and get asked for what they know.",
    ),
    (
        r"\b(?:cost|price|pricing|pay|free|fee|fees|expensive|charge|much|money)\b",
        "I don't know anything about prices.",
    ),
    (
        r"\b(?:how long|when|how soon|take long|approved|approval|get in|accepted|decide)\b",
        "I can't say when or how that is decided; a person on the team looks at it.",
    ),
    (
        r"\b(?:why|what for|need (?:my|that|this|it))\b",
        "It helps the person on the team who looks at your application.",
    ),
    (
        r"\b(?:data|privacy|private|store|share|sell|secure|safe|number)\b",
        "I use what you write here for your application, and I don't know more than that.",
    ),
    (
        r"\b(?:spam|scam|legit|real|fake)\b",
        "This is Yachtparty's number, and you can reply STOP at any time.",
    ),
    (
        r"\b(?:do you need|you need|you want|should i|what now|next)\b",
        "I ask for a few details about you, one at a time.",
    ),
    (
        r"\b(?:is|are|does|do|did|has|know|who) (?!you\b|this\b|that\b|it\b|behind\b).*"
        r"\b(?:member|members|know|join|joined|in it|there|part)\b",
        "I can't say anything about other people.",
    ),
    (
        r"\b(?:what|who|tell me|explain|more)\b",
        "This is Yachtparty, a network of professionals who help each other by text.",
    ),
    (r"\b(?:there|hear me|working)\b", "I'm here."),
)
_CANNOT_OPEN = "I can't open pictures or files here."
_DO_NOT_KNOW = "I don't have an answer to that."
_INTERESTING = {
    "first_name": "their first name",
    "last_name": "their last name",
    "company": "where they work",
    "title": "what they do",
    "email": "an e-mail address",
    "linkedin_url": "a LinkedIn profile",
    "expertise": "what they know",
    "referrer_name": "who told them",
}


def next_move(turn: Turn) -> Move:
    """The next step of this turn, given the tools it has used so far."""
    known: Facts = dict(turn.card.get("known") or {})
    asked_for = _asked_for(turn)
    reading = read(turn.words, known, asked_for)
    collected = turn.calls.get(COLLECT)
    if reading.facts and collected is None and COLLECT in turn.tools:
        told = ", ".join(_INTERESTING[name] for name in reading.facts)
        return Move(f"They told me {told}. I note that first.", tool=(COLLECT, reading.facts))
    result = {key: value for key, value in (collected or {}).items() if key != "error"}
    known |= result.get("known") or {}
    missing = [str(step) for step in result.get("missing", turn.card.get("missing")) or []]
    to_ask = _to_ask(turn, reading, missing, asked_for)
    waiting = turn.card.get("onboarding") == "waiting_for_approval"
    done = turn.calls.get(COMPLETE)
    unproved = "email_verification" in missing
    handed_over = not unproved or "referrer" in missing
    if to_ask is None and not waiting and done is None and COMPLETE in turn.tools and handed_over:
        return Move("Nothing is missing any more, so it can be handed over.", tool=(COMPLETE, {}))
    if done is not None and done.get("missing") and "error" not in done:
        to_ask = next((step for step in done["missing"] if step in STEPS), to_ask)
    if unproved and to_ask is None and not waiting:
        return _prove(turn, reading, known, result)
    spoken = _Speech(turn, reading, known, result.get("not_taken") or {})
    if to_ask is not None and not waiting:
        return Move("I answer and ask for one thing.", spoken.asking(to_ask))
    if waiting:
        return Move("They are waiting for the team; I ask for nothing.", spoken.waiting())
    return Move("Everything is in. I say what happens next.", spoken.finished())


def _prove(turn: Turn, reading: Reading, known: Facts, result: JSON) -> Move:
    """Only a mail from their address is left: they are given where to write to, or reminded."""
    first = "email_verification" not in (turn.card.get("asked") or [])
    again = any(_WANTS_ADDRESS.search(words) for words in turn.words)
    gives = first or again or "email" in reading.facts
    if gives and SEND_ADDRESS not in turn.calls and SEND_ADDRESS in turn.tools:
        return Move("They need the address to write to.", tool=(SEND_ADDRESS, {}))
    spoken = _Speech(turn, reading, known, result.get("not_taken") or {})
    return Move("The mail is what is left.", spoken.proving(gives=gives, again=again))


def _asked_for(turn: Turn) -> str | None:
    """What the last question was about: from our own words, else from the card."""
    if turn.last_said is None:
        return None
    if _ASKED_EXPERTISE.search(turn.last_said):
        return "expertise"
    questions = re.findall(r"[^.?!\n]*\?", turn.last_said)
    for question in reversed(questions):
        for step, pattern in _ASKED:
            if pattern.search(question):
                return step
    asked = [step for step in turn.card.get("asked") or [] if step in STEPS]
    return asked[-1] if asked else None


def _to_ask(turn: Turn, reading: Reading, missing: list[str], asked_for: str | None) -> str | None:
    """The step to ask for; None when nothing is left to ask.

    Who told them is asked once: another answer, or none, passes it over, a side question does not.
    """
    steps = [step for step in missing if step in STEPS]
    refused = reading.refused and asked_for == "referrer"
    asked = "referrer" in (turn.card.get("asked") or []) or asked_for == "referrer"
    if asked and (reading.facts or refused or asked_for in STEPS[1:]):
        steps = [step for step in steps if step != "referrer"]
    if not reading.facts and not refused and asked_for in steps:
        return asked_for
    return steps[0] if steps else None


@dataclass(slots=True)
class _Speech:
    """Puts an answer together: at most three short sentences."""

    turn: Turn
    reading: Reading
    known: Facts
    not_taken: JSON

    def asking(self, step: str) -> str:
        """What there is to say, then the question."""
        return self._join(self._opening(), self._side(), self._question(step))

    def proving(self, *, gives: bool, again: bool) -> str:
        """What there is to say; the address itself follows by itself."""
        if again:
            return self._join(self._picture(), "Here is the address again.")
        left = "One thing is left: showing that the e-mail address is yours."
        if not gives:
            left = "Your e-mail has not arrived yet; I can give you the address again."
        return self._join(self._opening() if gives else self._picture(), self._side(), left)

    def finished(self) -> str:
        """Thanks, and what happens now. Expertise and LinkedIn are mentioned this once."""
        thanks = "Thanks, that is all I need, and a person on the team will look at it."
        more = "If you like, tell me what you know best and your LinkedIn."
        if self.known.get("expertise") and self.known.get("linkedin_url"):
            more = ""
        return self._join(self._picture(), self._side(), thanks, more)

    def waiting(self) -> str:
        """Nothing is asked for any more."""
        look = "A person on the team will look at your application; I can't say when."
        if self.reading.facts:
            noted = "changed" if self._changed() else "added"
            return self._join(self._picture(), self._side(), f"Thanks, I {noted} that.")
        if self.reading.questions:
            return self._join(self._picture(), self._side(), "Your application is with the team.")
        thanked = any(set(re.findall(r"\w+", body.casefold())) & GRATITUDE for body in self._words)
        return self._join(self._picture(), "You're welcome." if thanked else "", look)

    def _opening(self) -> str:
        facts = self.reading.facts
        if self.not_taken:
            return self._picture() or "I could not note all of that."
        if picture := self._picture():
            return f"Thanks, but {picture[0]}{picture[1:]}" if facts else picture
        if self._changed():
            return "Thanks, I changed that."
        if "first_name" in facts:
            return f"Thanks, {facts['first_name']}."
        if "referrer_name" in facts:
            return "Thanks."
        if facts:
            return "Got it."
        greeted = any(set(re.findall(r"\w+", body.casefold())) & GREETING for body in self._words)
        if self.turn.last_said is None:
            return "Hi, I take applications for Yachtparty by text."
        if self.reading.refused:
            passed_over = _asked_for(self.turn) == "referrer"
            return "That's fine." if passed_over else "I can't go on without it."
        return "Hi." if greeted and not self.reading.questions else ""

    def _side(self) -> str:
        """One sentence in answer to what they asked."""
        if not self.reading.questions:
            return ""
        question = self.reading.questions[-1].casefold()
        for pattern, answer in _SIDE_ANSWERS:
            if re.search(pattern, question):
                return answer
        return _DO_NOT_KNOW

    def _question(self, step: str) -> str:
        half = {name: bool(self.known.get(name)) for name in _HALVES}
        if step == "name" and half["first_name"] != half["last_name"]:
            return f"What is your {'last' if half['first_name'] else 'first'} name?"
        if step == "company_title" and half["company"] != half["title"]:
            return "What is your title there?" if half["company"] else "Which company is that at?"
        return _QUESTIONS[step]

    def _picture(self) -> str:
        return _CANNOT_OPEN if self.turn.media else ""

    def _changed(self) -> bool:
        """Whether something known before is different now."""
        before = self.turn.card.get("known") or {}
        return any(before.get(name) for name in self.reading.facts if name != "expertise")

    @property
    def _words(self) -> list[str]:
        return self.turn.words

    @staticmethod
    def _join(*parts: str) -> str:
        return " ".join([part for part in parts if part][:3])


_HALVES = ("first_name", "last_name", "company", "title")
_QUESTIONS = {
    "referrer": "Who told you about Yachtparty, or how did you hear about it?",
    "name": "What is your first and last name?",
    "company_title": "Which company are you with, and what is your title?",
    "email": "What is your work e-mail address?",
}
