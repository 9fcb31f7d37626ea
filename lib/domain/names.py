"""Proper names and figures that an agent was not given (behaviour.md, "Voice and safety").

No list knows all names, so a name is told by its capital where grammar asks for none. At the start
of a sentence that says nothing; there only a word that acts like a person is taken for one. Where
nouns have capitals too (German), only two in a row are.

>>> unknown("Jane Doe at Acme can help by Friday. Tom knows.", given="who knows Acme?")
['Doe', 'Friday', 'Tom']
>>> unknown("That will take 30 days.", given="")
['30']
>>> unknown("Yes, I'll ask. What's the HR question about?", given="")
[]
>>> unknown("Danke. Wie lautet Ihre E-Mail-Adresse?", given="")
[]
"""

import re


def _words(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


_TOKEN = re.compile(r"[^\W_]+(?:['\u2019&.-][^\W_]+)*")
_PART = re.compile(r"[^\W_]+")
_STARTS_SENTENCE = re.compile(r"(?:^|[.?!:;\u2026\n]|[\"(\u201c\u201e\u00ab-])\W*$")
_FIGURE = re.compile(r"[$\u20ac\u00a3]\s?\d[\d.,]*|\d[\d.,]*\s?%|\d[\d.,:/]*\d")
_GERMAN = re.compile(
    r"\b(?:der|die|das|den|dem|und|ist|sind|nicht|ich|wir|ihre?n?|ihnen|sie|du|dir|deine?n?|ein|eine"
    r"|einen|f\u00fcr|mit|auf|zu|von|wie|wer|danke|bitte|noch|auch|habe|haben|kann|gerne?)\b"
)
#: What a person or company at the start of a sentence does next.
_ACTS = _words(
    "is was can could would will might has had knows knew works worked runs ran said says "
    "told mentioned recommends recommended uses used offers asked wants"
)
#: Starts of a sentence that do the same and are nobody.
_NOBODY = _words(
    "it that this what who whoever which there here he she they we you i one someone "
    "somebody anyone anybody everyone everybody nobody none nothing something anything "
    "everything where when how why all both each either neither some most many few "
    "several others another more less much yours ours mine his hers theirs now today "
    "tomorrow yesterday then so if yes no sure okay thanks back up down in out off over "
    "away far near people work help time"
)
#: Endings of words for things.
_THING = re.compile(
    r"(?:ing|tion|sion|ment|ness|ity|ance|ence|ship|ism|logy|ware|ure|ers|ors|ies)$"
)
#: Capitals that name nobody: titles, trades, days and times, the word for us.
_COMMON = _words(
    "i ai api app b2b b2c bi ceo cfo cmo coo cpo cto cv diy eta faq hq hr id ip it kpi "
    "llc ltd mvp no ok okay pdf pm am pr qa r&d roi saas sdk seo sla sms ui url ux vc vip "
    "vp crm erp cms yachtparty mr mrs ms dr inc st co"
)


def unknown(text: str, *, given: str) -> list[str]:
    """Names and figures of `text` that do not occur in `given`, in their order."""
    shown = set(_PART.findall(given.casefold()))
    given_figures = set(_numbers(given))
    figures = [f for f in _FIGURE.findall(text) if not given_figures.issuperset(_numbers(f))]
    german = len(set(_GERMAN.findall(text.casefold()))) >= 2
    tokens = list(_TOKEN.finditer(text))
    names = []
    for position, match in enumerate(tokens):
        word = re.sub(r"['\u2019](?:s|ll|d|m|re|ve)?$", "", match.group())
        if (
            len(word) < 2
            or not _is_capitalised(word)
            or word.casefold() in _COMMON
            or shown.issuperset(_PART.findall(word.casefold()))
        ):
            continue
        following = tokens[position + 1].group() if position + 1 < len(tokens) else ""
        if _STARTS_SENTENCE.search(text[: match.start()]):
            named = _inner_capital(word) or _acts(word, following)
        elif german:
            before = tokens[position - 1].group()
            named = any(map(_inner_capital, word.split("-"))) or (
                _is_capitalised(before)
                and text[tokens[position - 1].end() : match.start()].isspace()
                and not _STARTS_SENTENCE.search(text[: tokens[position - 1].start()])
            )
        else:
            named = True
        if named:
            names.append(word)
    return names + figures


def _is_capitalised(word: str) -> bool:
    return any(letter.isupper() for letter in word)


def _inner_capital(word: str) -> bool:
    """As in LinkedIn or IBM."""
    return any(letter.isupper() for letter in word[1:])


def _acts(word: str, following: str) -> bool:
    """Whether a word that starts a sentence is followed by what a person or company does."""
    if word.casefold() in _NOBODY or _THING.search(word.casefold()):
        return False
    return following.casefold() in _ACTS


def _numbers(text: str) -> list[str]:
    return re.findall(r"\d+", text)
