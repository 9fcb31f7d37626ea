"""Words that say who a member is (behaviour.md, "Community requests").

Who asks and who answers stays unknown to the other, so what is passed on between them holds no name
of theirs, no part of their company's name, and nothing that they can be looked up or reached by.

>>> me = {"first_name": "Will", "last_name": "Berg", "company": "Acme Logistics GmbH"}
>>> reveals("What will help with customs?", **me), reveals("I run logistics at acme.", **me)
(False, True)
>>> reveals("Thanks, Will", **me), reveals("Ask me on linkedin.com/in/wb", **me)
(True, True)
"""

import re
import unicodedata

MIN_WORD_CHARS = 3
#: A profile's own part of its address that is shorter may be a word.
_MIN_SLUG_CHARS = 5

_WORD = re.compile(r"\w+")
#: An e-mail address, or a number as long as a phone's.
_REACHED_AT = re.compile(r"[\w.+-]+@[\w-]+\.\w|\+?\(?\d(?:[\s().-]{0,2}\d){8,}")
_URL = re.compile(
    r"https?:|\bwww\.|\blinkedin\.\w|\blnkd\.in|\b(?:[a-z0-9-]+\.)+[a-z]{2,}/[\w@~-]", re.IGNORECASE
)


def _words(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


_FORMS = _words("and the inc llc ltd plc gmbh ag as ab sa corp corporation company co limited")
#: Parts of companies' names that name none: forms, and what thousands of companies do.
_GENERAL = _FORMS | _words(
    "for group holding holdings agency analytics app apps associates bank banking brands business"
    " capital care cloud"
    " commerce consulting consultants customer data design development digital energy"
    " engineering enterprise enterprises equity finance financial first food foods foundation"
    " fund global health healthcare hotels industries industry innovation insurance international"
    " investment investments labs law legal logistics management market marketing markets media"
    " medical mobile music national network networks new one online partners payments people"
    " pharma platform power products properties research retail risk sales school security service"
    " services shipping software solution solutions studio studios supply support systems team tech"
    " technologies technology trade trading training transport travel university ventures work com"
    " net org www mail"
)
#: Hosts of everybody's mail.
_HOSTS = _words(
    "gmail googlemail outlook hotmail live msn yahoo ymail icloud me mac aol proton protonmail pm"
    " fastmail hey zoho gmx web mail yandex qq 163 126 naver comcast verizon t-online orange free"
    " wanadoo libero"
)
#: Names that are words, too. In small letters, and where a sentence begins, they name nobody.
_ORDINARY = _words(
    "art bank banks baker bell best bill bird bishop black bond booth bridge brook brooks brown"
    " burns bush carpenter case cash chance chase chip christian church clay cliff cook cooper"
    " cost cross daily dale day dean den der drew faith falls farmer ferry field fields fisher"
    " flowers ford foster fox frank free gene gold good grace grant gray green guy hall hand hardy"
    " harmony hart haven heath hill holder hope house hunter iris ivy jack jade job joy king knight"
    " lake lance land lane law little long love low major man mark marks marsh mason max may miles"
    " mill miller mills moon moore more morning much new nick noble noon norm north norman olive"
    " page park parks pat penny pepper pierce price power powers pride ray read reader reed rich"
    " river rivers rob rock root rose royal ruby rule sage sales savage say self sharp shepherd"
    " short singer sky skip small smart snow south spring star steel sterling stone strange street"
    " strong sue summer summers swift taylor temple trace true van victor von wade walker wall ward"
    " waters way weaver weeks wells west white wild will wills wise wolf wood woods worth yes young"
    " april june august july monday sunday ace angel autumn bean bear berry blue bow boss buck bud"
    " dawn duke earl ernest fern french english german ginger hazel holly honey jewel lily melody"
    " mercy pearl prince rusty sandy sunny trinity violet winter you she her him his the and for"
    " but not all any can had has how our out who why yet"
)
_CALENDAR = _words("april may june july august monday sunday")


def reveals(
    words: str,
    *,
    first_name: str | None = None,
    last_name: str | None = None,
    company: str | None = None,
    email: str | None = None,
    linkedin_url: str | None = None,
) -> bool:
    """Whether `words` say who the member of these columns is, or where anybody can be reached.

    The full name counts, and each part of it; a part that is an ordinary word ("Will") counts with
    a capital inside of a sentence, and where somebody signs or is presented by it. Of a company any
    word counts but for what many are called; of an e-mail address the domain, unless many have it.
    """
    if _REACHED_AT.search(words) or _URL.search(words):
        return True
    folded = _fold(words)
    if _named(words, folded, first_name, last_name) or _employed(words, folded, company or ""):
        return True
    local, _, domain = _fold(email or "").rpartition("@")
    if domain and domain.split(".")[0] not in _HOSTS:
        labels = domain.split(".")[:-1]
        if _has(folded, domain) or any(_telling(x) and _has(folded, x) for x in labels):
            return True
    slug = _fold(linkedin_url or "").rstrip("/").rpartition("/")[2]
    handles = [h for h in (local, slug) if len(h) >= _MIN_SLUG_CHARS and not h.isalpha()]
    return any(_has(folded, handle) for handle in handles)


def _named(words: str, folded: str, first: str | None, last: str | None) -> bool:
    if first and last and _has(folded, f"{_fold(first)} {_fold(last)}"):
        return True
    parts = [(p, _fold(p)) for name in (first, last) for p in _WORD.findall(name or "")]
    for part, plain in parts:
        if not plain.isascii() and plain in folded:
            return True
        if len(plain) >= MIN_WORD_CHARS and plain not in _ORDINARY and _has(folded, plain):
            return True
        if _is_signed(words, part):
            return True
        if len(plain) > 1 and plain not in _CALENDAR and _is_inside(words, part):
            return True
    return False


def _is_inside(words: str, name: str) -> bool:
    """Whether a name stands with its capital where no sentence begins."""
    return re.search(rf"[\w,;] [(\"']?{re.escape(name.capitalize())}\b", words) is not None


def _is_signed(words: str, name: str) -> bool:
    """Whether somebody signs with a name, or is presented by it."""
    part = re.escape(name)
    return bool(
        re.search(
            rf"(?:[,;\n-]\s*|\b(?:thanks|thank you|cheers|regards|best)\W+){part}\W*$"
            rf"|(?:^|[.?!\n]\s*|\bhi, )(?:{part} (?:here|from|at)\b)"
            rf"|\b(?:i'm|i am|name is|name's|this is|call me|called) {part}\b",
            words.replace("\u2019", "'"),
            re.IGNORECASE,
        )
    )


def _employed(words: str, folded: str, company: str) -> bool:
    parts = _WORD.findall(_fold(company))
    if any(_has(folded, p) or (not p.isascii() and p in folded) for p in filter(_telling, parts)):
        return True
    # In one word, as in an address; and where no word of it tells anything, as a whole.
    named = [part for part in parts if part not in _FORMS]
    if len(named) == 1 and _is_inside(words, named[0]):
        return True
    forms = [sign.join(form) for form in (parts, named) if len(form) > 1 for sign in ("", " ")]
    return any(_has(folded, form) for form in forms)


def _telling(part: str) -> bool:
    return len(part) >= MIN_WORD_CHARS and part not in _GENERAL


def _has(folded: str, part: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(part)}(?!\w)", folded) is not None


def _fold(text: str) -> str:
    """In small letters, without accents."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    return "".join(c for c in plain if not unicodedata.combining(c))
