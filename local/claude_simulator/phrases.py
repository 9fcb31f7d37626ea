"""Where names, companies and titles begin and end in a text.

A `Text` is read destructively: what has been understood is blanked, so that no word counts twice.
Values are always slices of what the member wrote, never anything else.
"""

import re
from dataclasses import dataclass, field

from local.claude_simulator.words import NOT_NAME, PARTICLE, RELATION, STOP, TITLE, TITLE_PART

#: Stands for words already understood; it separates clauses.
USED = "\x1f"
_PLAIN = str.maketrans("\u2018\u2019\u02bc\u201c\u201d\u2013\u2014\u00a0\t", "'''\"\"--  ")
_TOKEN = re.compile(r"[^\W\d_]\.(?=\s|$)|[^\W_][\w&+]*(?:['.-][^\W_][\w&]*)*")
_SPACE = re.compile(r" +")
_CLAUSE = re.compile(
    rf"(?:(?!,\s+(?:inc|llc|ltd|gmbh|corp|co|plc)\b)[^{USED}\n,;:!?()|/]"
    rf"|,(?=\s+(?:inc|llc|ltd|gmbh|corp|co|plc)\b))+",
    re.IGNORECASE,
)
_FULL_STOP = re.compile(
    r"(?<!\b(?:inc|ltd|mrs))(?<!\bcorp)(?<!\bprof)(?<!\b(?:co|mr|ms|dr|st|jr|sr))(?<!\b\w)\.(?=\s|$)"
    r"|(?:(?<=\b(?:inc|ltd))|(?<=\bcorp)|(?<=\bco))\.(?=\s+(?-i:[A-Z]))",
    re.IGNORECASE,
)
_ABBREVIATED = re.compile(r"\b(?:inc|ltd|corp|co|jr|sr|[^\W\d_])$", re.IGNORECASE)
#: What is not part of a value when it stands around it: space of every kind, and punctuation.
TRIM = (
    "".join(filter(str.isspace, map(chr, range(0x3001))))
    + ".,;:!?\"'()-\u2018\u2019\u201c\u201d\u2013\u2014"
    + USED
)


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a text: [start, end)."""

    start: int
    end: int


@dataclass(slots=True)
class Text:
    """One text of a member; `free` is what has not been understood yet, with plain quotes."""

    raw: str
    free: str = field(init=False)

    def __post_init__(self) -> None:
        # Letter for letter, so that positions in `free` are positions in `raw`.
        plain = _FULL_STOP.sub(";", self.raw.translate(_PLAIN))
        self.free = plain.replace("\x00", " ").replace(" - ", " ; ")

    def use(self, span: Span) -> str:
        """Blank these words; what the member wrote there, without the punctuation around it."""
        self.free = self.free[: span.start] + USED * (span.end - span.start) + self.free[span.end :]
        value = self.raw[span.start : span.end].strip(TRIM)
        # The full stop of "Acme Inc." and "Jane D." is part of it.
        end = self.raw.find(value, span.start) + len(value)
        dotted = self.raw[end : end + 1] == "." and _ABBREVIATED.search(value) is not None
        return value + "." if value and dotted else value

    def clauses(self) -> list[Span]:
        """The pieces between punctuation and used words, without surrounding space."""
        found = []
        for match in _CLAUSE.finditer(self.free):
            piece = match.group()
            start = match.start() + len(piece) - len(piece.lstrip(" .-\"'"))
            end = match.end() - len(piece) + len(piece.rstrip(" .-\"'"))
            if end > start:
                found.append(Span(start, end))
        return found

    def word(self, span: Span) -> str:
        """One word, lower case."""
        return self.free[span.start : span.end].casefold()

    def words(self, span: Span) -> list[str]:
        """The words of a piece, lower case."""
        return [token.casefold() for token in _TOKEN.findall(self.free[span.start : span.end])]

    def person_at(self, start: int) -> list[Span]:
        """The words of a name that begins here: at most four, none of them any other word."""
        found: list[Span] = []
        while len(found) < 4 and (match := _TOKEN.match(self.free, start)):
            if not self._goes_on_as_name(match.group(), found):
                break
            found.append(Span(match.start(), match.end()))
            space = _SPACE.match(self.free, match.end())
            if space is None:
                break
            start = space.end()
        while found and self.word(found[-1]) in PARTICLE:
            found.pop()
        return found

    def person_before(self, end: int) -> list[Span]:
        """The words of a name that ends here."""
        begin = max(self.free.rfind(letter, 0, end) for letter in f"{USED}\n,;:!?()|/") + 1
        tokens = [
            Span(begin + match.start(), begin + match.end())
            for match in _TOKEN.finditer(self.free[begin:end])
        ]
        found: list[Span] = []
        for span in reversed(tokens[-4:]):
            if self.word(span) in STOP | {"friend", "colleague", "boss"}:
                break
            found.insert(0, span)
        return found

    def _goes_on_as_name(self, token: str, found: list[Span]) -> bool:
        word = token.casefold()
        if word in NOT_NAME or any(letter.isdigit() for letter in token):
            return False
        if not found or word in PARTICLE or self.word(found[-1]) in PARTICLE:
            return True
        # "I'm Jane Doe at …" goes on while capitalised; "i'm jane doe …" ends after two.
        return token[0].isupper() or len(found) == 1


_COMPANY_END = re.compile(
    r"\s+(?:(?:but|in|since|where|now|who|which|for|based|as|because|so|thanks|then|btw|by|here"
    r"|currently|until|doing|working|my|i|i'm|you|email|e-mail|if|while|right now|these days"
    r"|and(?!\s+(?-i:[A-Z])(?!'|\s)|\s+(?:co|company|sons|partners)\b)"
    r"|and\s+(?:i|i'm|my|you|we)\b)(?=\s|$).*|-\s.*)",
    re.IGNORECASE | re.DOTALL,
)
_ARTICLE = re.compile(r"(?:(?:a|an|the|my|our|company|called|named)\s+)*", re.IGNORECASE)
MAX_COMPANY_WORDS = 6
#: "From my old firm": not where they work.
_BEFORE = frozenset({"old", "former", "previous", "last", "ex"})
MAX_TITLE_WORDS = 7


def company(text: Text, start: int, end: int) -> Span | None:
    """The company these words begin with, if they name one."""
    found = _ARTICLE.match(text.free, start, end)
    # "the" may belong to a company's name, "a" never does; both are the member's words.
    begin = found.end() if found and not text.free.startswith(("The ", "the "), start) else start
    piece = _COMPANY_END.sub("", text.free[begin:end]).rstrip()
    words = text.words(Span(begin, begin + len(piece)))
    if not words or len(words) > MAX_COMPANY_WORDS or words[0] in (STOP | _BEFORE) - {"the"}:
        return None
    return Span(begin, begin + len(piece))


def is_title(words: list[str]) -> bool:
    """Whether these words are a job title: one that says so, and not a whole sentence."""
    return (
        0 < len(words) <= MAX_TITLE_WORDS
        and any(word in TITLE for word in words)
        and bool({words[0], words[-1]} & TITLE_PART)
        and not any(word in STOP - {"of", "and", "to", "for", "in", "&"} for word in words)
    )


def title_run(text: Text, start: int) -> Span | None:
    """A title that begins here and goes on for as long as only title words follow."""
    end, seen = start, list[str]()
    position = start
    while match := _TOKEN.match(text.free, position):
        word = match.group().casefold()
        if word not in TITLE_PART:
            break
        seen.append(word)
        if word not in {"of", "and", "&"}:
            end = match.end()
        space = _SPACE.match(text.free, match.end())
        if space is None:
            break
        position = space.end()
    return Span(start, end) if any(word in TITLE for word in seen) else None


def somebody_at(text: Text, start: int) -> Span | None:
    """A person, or what led here: "Sam Lee", "my friend Sam Lee", "a podcast", "LinkedIn"."""
    begin = _skip_relation(text, start)
    person = text.person_at(begin)
    if person:
        return Span(person[0].start, person[-1].end)
    match = re.compile(r"(?:a|an|the|my|our)\s+[\w'-]+(?:\s+[\w'-]+){0,3}", re.I).match(
        text.free, start
    )
    if match is None:
        return None
    words = match.group().split(" ")
    keep = [words[0]]
    for word in words[1:]:
        if word.casefold() in STOP:
            break
        keep.append(word)
    return Span(start, start + len(" ".join(keep))) if len(keep) > 1 else None


def _skip_relation(text: Text, start: int) -> int:
    match = re.compile(r"(?:a|an|the|my|our)\s+(?:[\w-]+\s+)?([\w-]+)[,:]?\s+", re.I).match(
        text.free, start
    )
    if match is None or match[1].casefold() not in RELATION:
        return start
    return match.end() if text.person_at(match.end()) else start


def somebody_before(text: Text, end: int) -> Span | None:
    aside = re.compile(
        r"\b(?:my|an?|our)\s+(?:[\w-]+\s+)?([\w-]+)(?:\s+of\s+(?:mine|ours))?,\s*([^,;]+),\s*$",
        re.I,
    ).search(text.free[:end])
    if aside is not None and aside[1].casefold() in RELATION:
        end = aside.end(2)  # "my boss, Sam Lee, told me"
    person = text.person_before(end)
    while person and text.word(person[0]) in RELATION | {"old", "good", "best"}:
        if len(person) == 1:
            break
        person = person[1:]
    if person and text.word(person[-1]) not in NOT_NAME | {"someone", "somebody"}:
        return Span(person[0].start, person[-1].end)
    unnamed = re.compile(
        r"\b(?:(?:a|my|an|one of my|the)\s+(?:[\w-]+\s+)?[\w-]+|someone|somebody)\s*$", re.I
    ).search(text.free[:end])
    if unnamed is None:
        return None
    relation = unnamed.group().split()[-1].casefold()
    if relation not in RELATION | {"someone", "somebody", "friends", "colleagues"}:
        return None
    return Span(unnamed.start(), len(text.free[: unnamed.end()].rstrip()))
