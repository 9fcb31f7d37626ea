"""Proper names, figures and dates that an agent was not given (behaviour.md, "Voice and safety").

No list knows all names, so a name is told by its capital where grammar asks for none. At the start
of a sentence that says nothing; there only a word that acts like a person is taken for one. Where
nouns have capitals too (German), only two in a row are. Without capitals, a name is what is called
one; in a script that knows none, what bears a title; and a script the member does not write in is
nobody's.

>>> unknown("Jane Doe at Acme can help by Friday. Tom knows.", given="who knows Acme?")
['Doe', 'Friday', 'Tom']
>>> unknown("That will take 30 days.", given="")
['30 days']
>>> unknown("Yes, I'll ask. What's the HR question about?", given="")
[]
>>> unknown("Danke. Wie lautet Ihre E-Mail-Adresse?", given="")
[]
>>> unknown("Fifty members use a tool called notion since friday.", given="who knows 3 tools?")
['notion', 'Fifty', 'friday']
"""

import re
import unicodedata


def _words(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


_TOKEN = re.compile(r"[^\W_]+(?:['\u2019&.-][^\W_]+)*")
_PART = re.compile(r"[^\W_]+")
#: Where a new sentence begins, and where one may only go on behind a sign.
_NEW_SENTENCE = re.compile(r"(?:^|[.?!\n\u2026])\W*$")
_BEHIND_SIGN = re.compile(r"(?:[:;(\u201c\u201e\u00ab-]\s*|\")[\"(]?$")
_STANDS_ALONE = re.compile(r"\s-\s|[\"\u201d\u00bb)]*(?:$|[.,;:?!)\"\u201d\u00bb\n])")
#: "Maria, a CFO, answered": what somebody is.
_APPOSITION = re.compile(
    r", (?:(?:an?|the|our|his|her) [^,.?!\n]{1,40}, \w|(?:who|whose) [^.?\n]*\.)"
)
_STARTS_SENTENCE = re.compile(r"(?:^|[.?!:;\u2026\n]|[\"(\u201c\u201e\u00ab-])\W*$")
_FIGURE = re.compile(
    r"[$\u20ac\u00a3\u00a5\u20b9]\s?\d[\d.,]*"
    r"|\d[\d.,]*\s?(?:%|(?i:k|m|bn|percent|dollars?|euros?|pounds?|usd|eur|gbp|members|experts"
    r"|hours?|days?|weeks?|months?|years?|of them|answers?|repl(?:y|ies)|responses?)\b)"
    r"|(?i:(?<!take )\b\d minutes?\b)"
    r"|\d[\d.,:/]*\d"
)
#: The time on a member's card is no figure for anything else.
_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d")
#: Numbers in words; small ones only where they count what may be invented.
_SMALL = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9}
_LARGE = {
    "ten": 10,
    "eleven": 11,
    "twelve": 12,
    "thirteen": 13,
    "fourteen": 14,
    "fifteen": 15,
    "sixteen": 16,
    "seventeen": 17,
    "eighteen": 18,
    "nineteen": 19,
    "twenty": 20,
    "thirty": 30,
    "forty": 40,
    "fifty": 50,
    "sixty": 60,
    "seventy": 70,
    "eighty": 80,
    "ninety": 90,
}
_NUMBERS = {word: str(number) for word, number in (_SMALL | _LARGE).items()}
_IN_WORDS = re.compile(
    rf"\b(?:{'|'.join(_LARGE)})(?:-\w+)?\b"
    rf"|\b(?:{'|'.join(_SMALL)})(?= (?:other |of our )?(?:members|experts|people|companies|vendors"
    r"|dollars|euros|pounds|percent|credits)\b)",
    re.IGNORECASE,
)
_MANY = re.compile(r"\b(?:dozen|hundred|thousand|million|billion)s?\b", re.IGNORECASE)
_DAY = re.compile(
    r"\b(?:(?:mon|tues|wednes|thurs|fri|satur|sun)day|january|february|april|june|july|august"
    r"|september|october|november|december|(?:by|in|on|until|since) (?:march|may))s?\b"
)
#: What is called a name is one, with or without a capital.
_CALLED = re.compile(
    r"\b(?:named|called|(?:name|company|tool|product|firm|startup) is) [\"']?"
    r"(?!(?:an?|the|it|that|this|him|her|you|me|us|them|back|off|on|out|in|for|to|up|what|your|my|its"
    r"|not|so|one|here|there|then|fine|right|good|ok|only|needed|missing|required|safe|and|or|also|now|later|again|today|already|by|as|with|at|after)\b)"
    r"([^\W\d_][\w'-]+)"
)
_TITLED = re.compile(
    r"([\u3040-\u30ff\u3400-\u9fff]{1,6}?)(?<![\u7686\u5ba2])(?:\u5148\u751f|\u5973\u58eb|\u5c0f\u59d0|\u3055\u3093|\u6c0f|\u69d8)"
    r"|([\uac00-\ud7a3]{2,4}) ?(?:\uc528|\ub2d8)"
)
#: Letters of Greek that are everybody's.
_UNITS = frozenset("\u03bc\u03c0\u03a9")
_SCRIPTS = {
    "CJK": "EAST", "HIRAGANA": "EAST", "KATAKANA": "EAST", "HANGUL": "EAST", "CYRILLIC": "CYRILLIC",
    "GREEK": "GREEK", "ARABIC": "ARABIC", "HEBREW": "HEBREW", "DEVANAGARI": "DEVANAGARI",
    "THAI": "THAI", "ARMENIAN": "ARMENIAN", "GEORGIAN": "GEORGIAN", "BENGALI": "BENGALI",
    "TAMIL": "TAMIL", "ETHIOPIC": "ETHIOPIC", "CHEROKEE": "CHEROKEE",
}  # fmt: skip
_GERMAN = re.compile(
    r"\b(?:der|die|das|den|dem|und|ist|sind|nicht|ich|wir|ihre?n?|ihnen|sie|du|dir|deine?n?|ein|eine"
    r"|einen|f\u00fcr|mit|auf|zu|von|wie|wer|danke|bitte|noch|auch|habe|haben|kann|gerne?)\b"
)
#: What a person or company at the start of a sentence does next.
_ACTS = _words(
    "is was can could would will might has had knows knew works worked runs ran said says "
    "told mentioned recommends recommended uses used offers asked wants helped suggests "
    "suggested charges charged answered replied thinks thought believes tried advises advised "
    "likes liked prefers built sells sold hired founded leads led switched moved"
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
#: Other words that stand alone, or begin what somebody is told; in the singular.
_ORDINARY = _words(
    "however maybe perhaps otherwise meanwhile instead still well great good fine right hi hello "
    "hey sorry also first second third next last finally often sometimes always never again anyway "
    "apologie besides therefore thus hence further furthermore moreover nevertheless nonetheless "
    "alternative overall soon later afterward indeed thank understood done glad happy welcome "
    "please noted got claro bueno vale gern danke merci si oui ja nein stop start help skip reply "
    "three four five six seven eight nine ten half "
    "data advice research bank service freight cost price context money busine staff management "
    "answer question team vendor client firm group tool friend brand startup agent parent "
    "shop company product app market budget customer supplier broker carrier sale legal finance "
    "cloud mail phone text call name title role step part point option choice idea thing way "
    "plan goal need problem issue topic word detail example reason result evidence feedback word "
    "practice expert adviser advisor lawyer accountant consultant founder investor board boss "
    "colleague peer person man woman everyone team-mate law code design test report study survey "
    "growth health trade trust risk value support "
    "speed scale size demand supply stock tax audit law hire talent"
)
#: Endings of words for things.
_THING = re.compile(
    r"(?:ing|tion|sion|ment|ness|ity|ance|ence|ship|ism|logy|ware|ure|ers|ors|ies)$"
)
#: Capitals that name nobody: titles, trades, days and times, the word for us.
_COMMON = _words(
    "i ai api app b2b b2c bi ceo cfo cmo coo cpo cto cv diy eta faq hq hr id ip it kpi "
    "llc ltd mvp no ok okay pdf pm am pr qa r&d roi saas sdk seo sla sms ui url ux vc vip "
    "ios android windows mac linux gdpr soc iso hipaa eu us usa uk english german french "
    "spanish italian portuguese dutch chinese japanese "
    "vp crm erp cms yachtparty mr mrs ms dr inc st co"
)


def unknown(text: str, *, given: str) -> list[str]:
    """Names, figures and dates of `text` that do not occur in `given`, each kind in its order."""
    shown = set(_PART.findall(given.casefold()))
    stamps = " ".join(_STAMP.findall(given))
    given_figures = set(_numbers(_STAMP.sub(" ", given)))
    in_digits = given_figures | {_NUMBERS[word] for word in shown & _NUMBERS.keys()}
    if shown & {"a", "an", "one"}:
        in_digits.add("1")
    figures = [
        f
        for f in _FIGURE.findall(text)
        if not (in_digits.issuperset(_numbers(f)) or (":" in f and f in stamps))
    ]
    german = len(set(_GERMAN.findall(text.casefold()))) >= 2
    tokens = list(_TOKEN.finditer(text))
    names = []
    for position, match in enumerate(tokens):
        word = re.sub(r"['\u2019](?:s|ll|d|m|re|ve)?$", "", match.group())
        if (
            len(word) < 2
            or not _is_capitalised(word)
            or word.casefold() in _COMMON
            or _is_shown(word, shown)
        ):
            continue
        following = tokens[position + 1].group() if position + 1 < len(tokens) else ""
        if _STARTS_SENTENCE.search(text[: match.start()]):
            named = (
                _inner_capital(word)
                or _acts(word, following)
                or _owns(match.group())
                or _is_presented(word, text[: match.start()], text[match.end() :])
            )
        elif german:
            before = tokens[position - 1].group()
            named = any(map(_inner_capital, word.split("-"))) or (
                _is_capitalised(before)
                and not _GERMAN.fullmatch(before.casefold())
                and text[tokens[position - 1].end() : match.start()].isspace()
                and not _STARTS_SENTENCE.search(text[: tokens[position - 1].start()])
            )
        else:
            named = True
        if named:
            names.append(word)
    names += [found[1] for found in _CALLED.finditer(text) if not _is_shown(found[1], shown)]
    names += [m[0] for m in _TITLED.finditer(text) if not _is_addressed(m, given)]
    return list(dict.fromkeys(names + figures + _in_words(text, shown, given_figures)))


def foreign(text: str, *, given: str) -> list[str]:
    """Words of `text` in scripts that nobody used in `given`, or in two scripts at once."""
    scripts = _scripts(given)
    return [
        word
        for word in re.findall(r"[^\W\d_]+", text)
        if (used := _scripts(word)) - scripts or (used and _has_latin(word) and "EAST" not in used)
    ]


def _scripts(text: str) -> set[str]:
    """The scripts of a text's letters, Latin ones left out; those of East Asia count as one."""
    letters = {c for c in text if not c.isascii()} - _UNITS
    kinds = {unicodedata.name(letter, "").split(" ")[0] for letter in letters}
    return {_SCRIPTS[kind] for kind in kinds if kind in _SCRIPTS}


def _has_latin(word: str) -> bool:
    return any(unicodedata.name(letter, "").startswith("LATIN") for letter in word)


def _is_shown(word: str, shown: set[str]) -> bool:
    return shown.issuperset(_PART.findall(word.casefold()))


def _is_addressed(found: re.Match[str], given: str) -> bool:
    """Whether a name with a title was given, with it or without. Where it begins cannot be told."""
    name = found[1] or found[2]
    return (len(name) > 1 and name[-2:] in given) or f"{name[-1]}{found[0][len(name) :]}" in given


def _in_words(text: str, shown: set[str], figures: set[str]) -> list[str]:
    """Numbers written out and days of the calendar that were not given, as words or in digits."""
    numbers = [
        found[0]
        for found in _IN_WORDS.finditer(text)
        if not any(
            part in shown or _NUMBERS.get(part) in figures
            for part in found[0].casefold().split("-")
        )
    ]
    largest = max((int(figure) for figure in figures), default=0)
    many = [
        found[0]
        for found in _MANY.finditer(text)
        if not {found[0].casefold(), found[0].casefold().rstrip("s")} & shown and largest < 100
    ]
    days = [d[0] for d in _DAY.finditer(text) if not _is_shown(d[0].split()[-1], shown)]
    return numbers + many + days


def _is_capitalised(word: str) -> bool:
    return any(letter.isupper() for letter in word)


def _inner_capital(word: str) -> bool:
    """As in LinkedIn or IBM."""
    return any(letter.isupper() for letter in word[1:])


def _acts(word: str, following: str) -> bool:
    """Whether a word that starts a sentence is followed by what a person or company does."""
    return not _is_ordinary(word) and following.casefold() in _ACTS


def _is_presented(word: str, before: str, after: str) -> bool:
    """Whether a word stands alone behind a sign or in quotes, or is said to be somebody."""
    if _is_ordinary(word) or word.casefold().endswith(("ly", "ed")):
        return False
    alone = _STANDS_ALONE.match(after) and _BEHIND_SIGN.search(before)
    if _NEW_SENTENCE.search(before):
        return bool(_APPOSITION.match(after) or (alone and before.endswith('"')))
    return bool(alone)


def _is_ordinary(word: str) -> bool:
    """Whether a word is a pronoun, a thing, or one that many sentences begin with."""
    plain = word.casefold()
    return (
        plain in _NOBODY
        or plain in _ORDINARY
        or plain.removesuffix("s") in _ORDINARY
        or _THING.search(plain) is not None
    )


def _owns(word: str) -> bool:
    """Whether a word that starts a sentence is somebody's ("Maria's team"), not "what is"."""
    owner, mark, _ = word.replace("\u2019", "'").casefold().partition("'s")
    return bool(mark) and owner not in _NOBODY and owner != "let" and not _THING.search(owner)


def _numbers(text: str) -> list[str]:
    return re.findall(r"\d+", text)
