"""What a member's texts say about them: details, questions, refusals.

Rules in a fixed order, the surest first; each blanks the words it understood. A bare answer
("Acme") is read as the answer to the question that was asked last. Every value is a slice of what
the member wrote; the one exception is "none", the agreed word for having no referrer.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from local.claude_simulator import patterns
from local.claude_simulator.phrases import (
    TRIM,
    Span,
    Text,
    company,
    is_title,
    somebody_at,
    somebody_before,
    title_run,
)
from local.claude_simulator.words import CHATTER, PRONOUN, STOP, TITLE, TITLE_OF

Facts = dict[str, Any]
#: The steps in the order in which they are asked for.
STEPS = ("referrer", "name", "company_title", "email")
_FIELDS = {
    "referrer": ("referrer",),
    "name": ("first_name", "last_name"),
    "company_title": ("company", "title"),
    "email": ("email",),
}


@dataclass(slots=True)
class Reading:
    """What was understood. `answered`: at least one text was more than chatter."""

    facts: Facts = field(default_factory=dict)
    questions: list[str] = field(default_factory=list)
    refused: bool = False
    corrected: bool = False


def open_steps(known: Facts) -> list[str]:
    """The steps that need more, given what is known."""
    return [step for step in STEPS if not all(known.get(name) for name in _FIELDS[step])]


def read(texts: list[str], known: Facts, expected: str | None) -> Reading:
    """Everything these texts say, the last word on each thing; `expected` was asked last.

    Values that are known already, letter for letter, are left out.
    """
    reading = Reading()
    before = dict(known)
    for raw in texts:
        now = before | reading.facts
        if reading.facts.get("referrer_name"):
            now["referrer"] = "given"
        if expected in STEPS and expected not in open_steps(now) and expected in open_steps(before):
            expected = next((step for step in open_steps(now) if step != "referrer"), None)
        _Reader(Text(raw), now, expected, reading).read()
    reading.facts = {
        name: value for name, value in reading.facts.items() if before.get(name) != value
    }
    return reading


@dataclass(slots=True)
class _Reader:
    """Reads one text into a reading that may hold more already."""

    text: Text
    known: Facts
    expected: str | None
    reading: Reading
    found: Facts = field(default_factory=dict)

    def read(self) -> None:
        chatter = self._plain() in CHATTER
        self.reading.corrected |= bool(patterns.CORRECTION.search(self.text.free))
        rules: tuple[Callable[[], None], ...] = (
            self._addresses,
            self._questions,
            self._nobody,
            self._referrer,
            self._replacement,
            self._named_fields,
            self._expertise,
            self._introduction,
            self._work,
        )
        for rule in rules:
            rule()
        refused = bool(patterns.REFUSED.search(self.text.free))
        if not chatter and not refused:
            self._bare_answer()
        self.reading.refused |= refused and not self.found
        self.reading.facts |= self.found

    # The surest first

    def _addresses(self) -> None:
        for match in list(patterns.EMAIL.finditer(self.text.free)):
            before = self.text.free[max(0, match.start("v") - 5) : match.start("v")]
            address = self.text.use(Span(match.start("v"), match.end("v")))
            self.text.use(Span(match.start(), match.end()))
            if not before.casefold().endswith("not "):
                self.found["email"] = address
        for match in list(patterns.LINKEDIN.finditer(self.text.free)):
            self.found["linkedin_url"] = self.text.use(Span(match.start("v"), match.end("v")))
            self.text.use(Span(match.start(), match.end()))
        for match in list(patterns.URL.finditer(self.text.free)):
            self.text.use(Span(match.start(), match.end()))

    def _questions(self) -> None:
        for match in list(patterns.QUESTION.finditer(self.text.free)):
            self.reading.questions.append(self.text.use(Span(match.start(), match.end())))
        if self._plain().endswith("?") and not self.reading.questions and self._rest() is None:
            self.reading.questions.append(self.text.raw.strip())

    def _nobody(self) -> None:
        match = patterns.NOBODY.search(self.text.free)
        if match is not None:
            group = "v" if match["v"] else "self"
            self.found["referrer_name"] = self.text.use(Span(match.start(group), match.end(group)))
            self.text.use(Span(match.start(), match.end()))
        elif (match := patterns.NOT_REFERRED.search(self.text.free)) is not None:
            self.text.use(Span(match.start(), match.end()))
            self.found["referrer_name"] = "none"
        elif (
            self.expected == "referrer"
            and (match := patterns.JUST_NO.match(self.text.free)) is not None
        ):
            said = self.text.use(Span(match.start("v"), match.end("v")))
            self.found["referrer_name"] = "none" if said.casefold() in ("nah", "naw") else said

    def _referrer(self) -> None:
        if "referrer_name" in self.found:
            return
        for pattern in (patterns.REFERRED_BY, patterns.HEARD, patterns.REFERRER_IS):
            if (match := pattern.search(self.text.free)) is not None:
                span = somebody_at(self.text, match.end())
                if span is not None:
                    self.found["referrer_name"] = self.text.use(span)
                    self.text.use(Span(match.start(), match.end()))
                    return
        for match in patterns.NAME_SENT.finditer(self.text.free):
            span = somebody_before(self.text, match.start())
            if span is not None:
                self.found["referrer_name"] = self.text.use(span)
                self.text.use(Span(match.start(), match.end()))
                return

    def _replacement(self) -> None:
        """ "Dow, not Doe": the new word takes the place of the old one, wherever that is known."""
        match = patterns.NOT_BUT.search(self.text.free) or patterns.NEW_NOT.search(self.text.free)
        if match is None:
            return
        old = match["old"].strip(" .").casefold()
        lead = patterns.NEW_LEAD.match(match["new"])
        span = Span(match.start("new") + (lead.end() if lead else 0), match.end("new"))
        known = {name: str(value).casefold() for name, value in self.known.items()}
        full = f"{known.get('first_name', '')} {known.get('last_name', '')}"
        if old == full or (old in full.split() and len(self.text.words(span)) > 1):
            self._take_name(self.text.person_at(span.start))
            self.text.use(Span(match.start(), match.end()))
            return
        for name in ("first_name", "last_name", "company", "title"):
            if name in known and old == known[name] and self.text.words(span):
                self.found[name] = self.text.use(span)
                self.text.use(Span(match.start(), match.end()))
                return

    def _named_fields(self) -> None:
        """ "My last name is Dow", "title: CTO"."""
        for match in list(patterns.FIELD_IS.finditer(self.text.free)):
            name = match["field"].casefold()
            start = match.end()
            end = next((c.end for c in self.text.clauses() if c.start <= start < c.end), start)
            if name in ("name", "full name"):
                self._take_name(self.text.person_at(start))
            elif name in ("first name", "last name", "surname", "family name"):
                person = self.text.person_at(start)
                if person:
                    key = "first_name" if name == "first name" else "last_name"
                    self.found[key] = self.text.use(Span(person[0].start, person[-1].end))
            elif name in ("title", "job title", "role", "position", "job"):
                self._title_at_company(Span(start, end), must=False)
            elif (span := company(self.text, start, end)) is not None:
                self.found["company"] = self.text.use(span)
            else:
                continue
            self.text.use(Span(match.start(), match.end()))

    def _expertise(self) -> None:
        match = patterns.EXPERTISE.search(self.text.free)
        if match is not None:
            self._take_expertise(Span(match.start("v"), match.end("v")))
            self.text.use(Span(match.start(), match.end()))

    def _take_expertise(self, span: Span) -> None:
        areas, start = list[str](), span.start
        piece = self.text.free[span.start : span.end]
        for cut in [*patterns.SPLIT.finditer(piece), None]:
            end = span.start + cut.start() if cut else span.end
            area = self.text.raw[start:end].strip(TRIM)
            if area and len(area) <= 60 and len(area.split()) <= 5:
                areas.append(area)
            start = span.start + cut.end() if cut else end
        if areas:
            self.text.use(span)
            self.found["expertise"] = areas

    def _introduction(self) -> None:
        """ "I'm Jane Doe", "my name is …", "actually it's Jane Dow", "Jane Doe here"."""
        for match in list(patterns.INTRO.finditer(self.text.free)):
            how = " ".join(match["how"].casefold().split())
            person = self.text.person_at(match.end())
            if how in patterns.VAGUE:
                if self.reading.corrected or self.expected == "name":
                    self._corrected_at(match.end(), person)
            elif self._is_name(person, how in patterns.EXPLICIT):
                self._take_name(person)
                self.text.use(Span(match.start(), match.end()))
        for match in list(patterns.IS_MY_NAME.finditer(self.text.free)):
            person = self.text.person_before(match.start())
            if person:
                key = (
                    "last_name" if match["which"].casefold() in ("last", "family") else "first_name"
                )
                self.found[key] = self.text.use(Span(person[0].start, person[-1].end))
                self.text.use(Span(match.start(), match.end()))
        here = re.compile(r"(?:^|(?<=[;,\n\x1f]))\s*(?:hi\s+|hey\s+|hello\s+)?", re.I)
        for match in list(here.finditer(self.text.free)):
            person = self.text.person_at(match.end())
            after = person[-1].end if person else 0
            if person and re.match(r" (?:here|speaking)\b", self.text.free[after:], re.I):
                self._take_name(person)
                self.text.use(Span(after, after + 5))

    def _is_name(self, person: list[Span], explicit: bool) -> bool:
        if not person or self.text.word(person[0]).endswith("ing"):
            return False
        capital = self.text.free[person[0].start].isupper()
        return len(person) > 1 or explicit or capital or self.expected == "name"

    def _corrected_at(self, start: int, person: list[Span]) -> None:
        """Give a correction to the field that it looks like a correction of."""
        end = next((c.end for c in self.text.clauses() if c.start <= start < c.end), start)
        if end == start:
            return
        words = set(self.text.words(Span(start, end)))
        if is_title(self.text.words(Span(start, end))) or patterns.AT.search(
            self.text.free[start:end]
        ):
            self._title_at_company(Span(start, end), must=True)
            return
        names = {str(self.known.get(name, "")).casefold() for name in ("first_name", "last_name")}
        if names & words:
            self._take_name(person)
        elif words & set(str(self.known.get("company", "")).casefold().split()) or (
            self.expected == "email" and self.known.get("company")
        ):
            if (span := company(self.text, start, end)) is not None:
                self.found["company"] = self.text.use(span)
        elif len(person) > 1 or self.expected == "name":
            self._take_name(person)

    def _take_name(self, person: list[Span]) -> None:
        """First word: first name; the rest: last name. One word alone is a first name, unless that
        is known and the last one is what is missing."""
        if not person:
            return
        whole = Span(person[0].start, person[-1].end)
        if len(person) == 1:
            half = self.known.get("first_name") and not self.known.get("last_name")
            self.found["last_name" if half else "first_name"] = self.text.use(whole)
        else:
            first, last = person[0], Span(person[1].start, person[-1].end)
            self.found["first_name"] = self.text.use(first)
            self.found["last_name"] = self.text.use(last)
            self.text.use(whole)
        after = re.compile(r"\s+(?:from|at|with|of|@)\s+", re.I).match(self.text.free, whole.end)
        if after is not None and "company" not in self.found:
            end = next((c.end for c in self.text.clauses() if after.end() <= c.end), whole.end)
            if (span := company(self.text, after.end(), end)) is not None:
                self.found["company"] = self.text.use(span)

    # Company and title

    def _work(self) -> None:
        for span in self.text.clauses():
            self._title_at_company(span, must=True)
        for pattern in (patterns.WORK_AT, patterns.RUN):
            match = pattern.search(self.text.free)
            if match is None or "company" in self.found:
                continue
            end = next((c.end for c in self.text.clauses() if match.end() < c.end), match.end())
            named = company(self.text, match.end(), end)
            # One runs Acme, and one runs sales: only the first is a company.
            if named is None or (
                pattern is patterns.RUN and not self.text.free[named.start].isupper()
            ):
                continue
            self.found["company"] = self.text.use(named)
            self._title_after(named.end)
            self.text.use(Span(match.start(), match.end()))
        self._neighbours()

    def _title_at_company(self, span: Span, *, must: bool) -> None:
        """ "CTO at Acme" anywhere in a clause. `must`: the title has to look like one."""
        lead = patterns.TITLE_LEAD.match(self.text.free, span.start, span.end)
        start = lead.end() if lead else span.start
        if self.expected == "name" and "first_name" not in self.found:
            # "jane doe cto at acme", in answer to who they are
            person = self.text.person_at(start)
            after = person[-1].end + 1 if len(person) == 2 else span.end
            if after < span.end and title_run(self.text, after) is not None:
                self._take_name(person)
                start = after
        for at in patterns.AT.finditer(self.text.free, start, span.end):
            title = Span(start, at.start())
            words = self.text.words(title)
            if at.group().strip().casefold() == "of" and not (words and words[-1] in TITLE_OF):
                continue
            named = company(self.text, at.end(), span.end)
            said_so = self.expected == "company_title" and 0 < len(words) <= 4
            plain = said_so and not set(words) & (STOP | {"i"})
            if named is not None and (is_title(words) or plain or (not must and words)):
                self.found["title"] = self.text.use(title)
                self.found["company"] = self.text.use(named)
                self._title_after(named.end)
                return
        words = self.text.words(Span(start, span.end))
        if is_title(words) or (not must and 0 < len(words) <= 7):
            if "title" not in self.found:
                run = title_run(self.text, start)
                if run is not None and run.end < span.end and words[-1] not in TITLE:
                    named = company(self.text, run.end + 1, span.end)
                    if self.text.words(run)[-1] in TITLE_OF and named is not None:
                        self.found["company"] = self.text.use(named)  # "CTO Acme"
                        span = run
                self.found["title"] = self.text.use(Span(start, span.end))
        elif must and "title" not in self.found:
            run = title_run(self.text, start)
            if run is not None and start < run.end < span.end:
                rest = self.text.free[run.end : span.end]
                if re.match(r"\s+(?:and|but|in|since|who|where)\b|\s*[-]", rest, re.I):
                    self.found["title"] = self.text.use(run)

    def _title_after(self, end: int) -> None:
        """ "… at Acme as CTO"."""
        match = patterns.AS_TITLE.match(self.text.free, end)
        run = title_run(self.text, match.end()) if match is not None else None
        if run is not None:
            self.found["title"] = self.text.use(run)

    def _neighbours(self) -> None:
        """ "VP Sales, Acme Corp" and "Jane Doe, CTO": what stands beside a title."""
        title = self.found.get("title")
        if title is None:
            return
        at = self.text.raw.find(title)
        after = [span for span in self.text.clauses() if span.start > at]
        if "company" not in self.found and not self.known.get("company") and after:
            span = after[0]
            words = self.text.words(span)
            capital = self.text.free[span.start].isupper()
            gap = self.text.free[at + len(title) : span.start]
            beside = not gap.strip(patterns.BESIDE)
            asked = self.expected == "company_title"
            if (
                beside
                and words
                and len(words) <= 4
                and (capital or asked)
                and not self._idle(words)
            ):
                named = company(self.text, span.start, span.end)
                if named is not None:
                    self.found["company"] = self.text.use(named)
        asked = self.expected == "company_title"
        if not asked and "first_name" not in self.found and not self.known.get("first_name"):
            before = [span for span in self.text.clauses() if span.end <= at]
            if before and len(self.text.words(before[-1])) in (2, 3):
                person = self.text.person_at(before[-1].start)
                capital = all(self.text.free[word.start].isupper() for word in person)
                whole = bool(person) and person[-1].end == before[-1].end
                if whole and len(person) > 1 and (capital or self.expected == "name"):
                    self._take_name(person)

    # Bare answers

    def _bare_answer(self) -> None:
        span = self._rest()
        if span is None:
            return
        words = self.text.words(span)
        if not words or self._idle(words):
            return
        if self.expected == "name" and not {"first_name", "last_name"} & set(self.found):
            person = self.text.person_at(span.start)
            if person and person[-1].end >= span.end:
                self._take_name(person)
                self._beside_name()
        elif self.expected == "company_title" and len(words) <= 5 and words[0] not in PRONOUN:
            self._bare_work(span)
        elif self.expected == "referrer" and "referrer_name" not in self.found and len(words) <= 6:
            capital = self.text.free[span.start].isupper()
            if not self.reading.questions and (not self.found or capital):
                person = self.text.person_at(span.start)
                if len(person) > 1:  # "Sam Lee at a conference"
                    span = Span(person[0].start, person[-1].end)
                self.found["referrer_name"] = self.text.use(span)
        elif self.expected == "expertise" and "expertise" not in self.found:
            last = self.text.clauses()[-1]
            if (
                len(self.text.words(Span(span.start, last.end))) <= 20
                and not self.reading.questions
            ):
                self._take_expertise(Span(span.start, last.end))

    def _bare_work(self, span: Span) -> None:
        """ "Acme", "cto", "Acme, analytics": the company unless only the title is missing."""
        has_company = bool(self.known.get("company")) or "company" in self.found
        has_title = bool(self.known.get("title")) or "title" in self.found
        if has_company and not has_title:
            self.found["title"] = self.text.use(span)
        elif not has_company and not self.reading.questions:
            named = company(self.text, span.start, span.end)
            if named is None:
                return
            self.found["company"] = self.text.use(named)
            rest = self._rest()
            words = self.text.words(rest) if rest is not None else []
            if rest is not None and not has_title and len(words) <= 4 and not self._idle(words[:1]):
                self.found["title"] = self.text.use(rest)

    def _beside_name(self) -> None:
        """ "Jane Doe - Acme - CTO": what stands between."""
        span = self._rest()
        if span is None or {"title", "company"} & set(self.found) != {"title"}:
            return
        if self.text.free[span.start].isupper() and len(self.text.words(span)) <= 4:
            self.found["company"] = self.text.use(span)

    def _rest(self) -> Span | None:
        """The first piece not understood yet, without words that lead into an answer."""
        for span in self.text.clauses():
            lead = patterns.ANSWER_LEAD.match(self.text.free[span.start : span.end])
            start = span.start + (lead.end() if lead else 0)
            if start < span.end and self.text.free[start : span.end].casefold() not in CHATTER:
                return Span(start, span.end)
        return None

    def _idle(self, words: list[str]) -> bool:
        """Words that are no answer to anything."""
        return " ".join(words) in CHATTER or all(word in STOP for word in words)

    def _plain(self) -> str:
        text = self.text.free.strip(" \n.,;!-\x1f").casefold()
        return text.rstrip("?").strip() + ("?" if text.endswith("?") else "")
