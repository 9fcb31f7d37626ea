"""Onboarding: which steps there are, which value of a detail is taken, whose referral it is.

Pure rules (behaviour.md, agents: bouncer). A detail is stored only if its words occur in the
member's own texts: what a model infers, translates or makes up is not the member's word.

>>> OwnWords(["i'm cto at acme"]).contain("CTO")
True
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, get_args
from uuid import UUID

from lib.engine.turn import Referrer

Step = Literal["referrer", "name", "company_title", "email", "email_verification"]
#: In the order in which they are asked for.
STEPS: tuple[Step, ...] = get_args(Step)
#: Asked for once together with the last step, never insisted on.
EXTRAS = ("expertise", "linkedin_url")

MAX_NAME_CHARS = 80
MAX_COMPANY_CHARS = 120
MAX_EMAIL_CHARS = 254
MAX_EXPERTISE = 10
MAX_EXPERTISE_CHARS = 60
#: The value of a completed referrer step when there is no referrer, and when it was passed over.
NO_REFERRER = "none"
UNANSWERED = "unanswered"

_WORD = re.compile(r"\w+")
_EMAIL = re.compile(
    r"(?<![\w.+-])[a-z0-9](?:[a-z0-9._%+'-]*[a-z0-9_+-])?@(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,63}\b",
    re.IGNORECASE,
)
_LINKEDIN = re.compile(
    r"(?:https?://)?(?:[a-z]{2,3}\.)?linkedin\.com/in/([\w%.~-]*[\w%~])", re.IGNORECASE
)
#: Anything meant as an e-mail address (also a wrong one) or a URL.
_ADDRESS = re.compile(r"\S+@\S+|https?://\S+|www\.\S+|\S*linkedin\.com/\S*", re.IGNORECASE)
_NOBODY = r"(?:nobody|no one|no-one|noone|none)\b"
_SAYS_NOBODY = re.compile(rf"\b(?:{_NOBODY}|myself\b|on my own\b)")
#: What a model passes for "nobody": such a word, perhaps with more after it, or a bare refusal.
_NOBODY_VALUE = re.compile(rf"{_NOBODY}.*|no|nope|n/a|na|myself|on my own")


class NotTakenError(ValueError):
    """A value that is not stored; its message is one sentence for the model."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What is known of someone in onboarding: columns of `users`, and whether the referrer
    question is over (answered, "nobody", or passed over)."""

    first_name: str | None = None
    last_name: str | None = None
    company: str | None = None
    title: str | None = None
    email: str | None = field(default=None, repr=False)
    email_verified: bool = False
    linkedin_url: str | None = None
    expertise: tuple[str, ...] = ()
    referrer_done: bool = False

    def done(self, step: Step) -> bool:
        """Whether a step needs nothing more."""
        match step:
            case "referrer":
                return self.referrer_done
            case "name":
                return bool(self.first_name and self.last_name)
            case "company_title":
                return bool(self.company and self.title)
            case "email":
                return bool(self.email)
            case "email_verification":
                return bool(self.email and self.email_verified)

    @property
    def missing(self) -> list[Step]:
        """The steps still open, in the order in which they are asked for."""
        return [step for step in STEPS if not self.done(step)]

    def pass_over_referrer(self, before: "Profile", *, asked: bool) -> "Profile":
        """The referrer question is over once it was asked and something else was answered instead.

        A side question answers nothing, so it never moves the step.
        """
        others = [s for s in STEPS if s != "referrer"]
        moved = any(self.done(s) and not before.done(s) for s in others)
        return replace(self, referrer_done=self.referrer_done or (asked and moved))


class OwnWords:
    """The member's own texts, to hold a value against. Addresses and URLs are no words: that
    someone's domain is a company's name does not mean they said they work there."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._text = _fold("\n".join(texts))
        self._words = set(_WORD.findall(_ADDRESS.sub(" ", self._text)))

    def contain(self, value: str) -> bool:
        """Whether every word of `value` was written by the member, in any case."""
        words = _WORD.findall(_fold(value))
        # Scripts without spaces have no word boundaries to look for.
        return bool(words) and all(
            w in self._words or (not w.isascii() and w in self._text) for w in words
        )

    def emails(self) -> set[str]:
        """The e-mail addresses written, case-folded."""
        return set(_EMAIL.findall(self._text))

    def linkedin(self) -> set[str]:
        """The LinkedIn profiles written, as URLs in normal form."""
        return {_profile_url(slug) for slug in _LINKEDIN.findall(self._text)}

    def say_nobody(self) -> bool:
        """Whether a text says that nobody sent them."""
        return bool(_SAYS_NOBODY.search(self._text))


def person_name(value: str, own: OwnWords) -> str:
    """A first or last name: trimmed, at most 80 characters, letters with ' - . and spaces.

    Raises:
        NotTakenError: when it is no name or not the member's word.
    """
    name = _line(value, MAX_NAME_CHARS)
    if not all(unicodedata.category(c)[0] in "LM" or c in " '\u2019-." for c in name):
        raise NotTakenError("that does not look like a name")
    return _own(name, own)


def organisation(value: str, own: OwnWords) -> str:
    """A company or job title: trimmed, at most 120 characters.

    Raises:
        NotTakenError: when it is too long or not the member's word.
    """
    return _own(_line(value, MAX_COMPANY_CHARS), own)


def email(value: str, own: OwnWords) -> str:
    """An e-mail address in lower case.

    Raises:
        NotTakenError: when it is no address, or not one that the member wrote.
    """
    address = _fold(value.strip())
    if len(address) > MAX_EMAIL_CHARS or not _EMAIL.fullmatch(address) or ".." in address:
        raise NotTakenError("that is not a valid e-mail address")
    if address not in own.emails():
        raise NotTakenError("the member did not write this address")
    return address


def linkedin_url(value: str, own: OwnWords) -> str:
    """A LinkedIn profile as https://www.linkedin.com/in/<name>.

    Raises:
        NotTakenError: when it is no profile, or not one that the member wrote.
    """
    found = _LINKEDIN.match(_fold(value.strip()))
    if not found:
        raise NotTakenError("that is not the address of a LinkedIn profile")
    url = _profile_url(found[1])
    if url not in own.linkedin():
        raise NotTakenError("the member did not write this address")
    return url


def expertise(values: Sequence[str], known: Sequence[str], own: OwnWords) -> tuple[str, ...]:
    """The known areas and the new ones, each once, at most ten.

    Raises:
        NotTakenError: when one of them is too long or not the member's word.
    """
    merged = {_fold(area): area for area in known}
    for value in values:
        area = _own(_line(value, MAX_EXPERTISE_CHARS), own)
        merged.setdefault(_fold(area), area)
    return tuple(merged.values())[:MAX_EXPERTISE]


def referrer_name(value: str, own: OwnWords, *, asked: bool) -> str:
    """Who sent them, as written, or `NO_REFERRER`.

    "Nobody" needs the member's word too, or the question that it answers (`asked`).

    Raises:
        NotTakenError: when it is too long or not the member's word.
    """
    name = _line(value, MAX_NAME_CHARS)
    if _NOBODY_VALUE.fullmatch(_fold(name)):
        if not (asked or own.say_nobody()):
            raise NotTakenError("the member did not say that nobody sent them")
        return NO_REFERRER
    return _own(name, own)


def match_referrer(name: str, members: Iterable[Referrer], texter: UUID) -> UUID | None:
    """The one member whose full name this is, in any case; None when nobody's or several's."""
    wanted = " ".join(_fold(name).split())
    ids = {m.id for m in members if " ".join(_fold(m.full_name).split()) == wanted} - {texter}
    return ids.pop() if len(ids) == 1 else None


def _own(value: str, own: OwnWords) -> str:
    if not own.contain(value):
        raise NotTakenError("use the member's own words only")
    return value


def _line(value: str, limit: int) -> str:
    """One line without control characters and markup.

    Raises:
        NotTakenError: when it is empty, too long, or markup.
    """
    line = " ".join(value.split())
    if not line:
        raise NotTakenError("the value is empty")
    if len(line) > limit:
        raise NotTakenError(f"the value is longer than {limit} characters")
    if any(unicodedata.category(c) in ("Cc", "Cs") or c in "<>{}[]" for c in line):
        raise NotTakenError("the value holds characters that do not belong there")
    return line


def _profile_url(slug: str) -> str:
    return f"https://www.linkedin.com/in/{slug}"


def _fold(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
