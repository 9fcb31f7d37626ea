"""What an agent's text may look like (behaviour.md, voice and safety): checked here, after the
prompt has asked for it, because a model's word is not a guarantee.

>>> tidy("Great to meet you!!")
'Great to meet you.'
>>> [p.code for p in problems(["See https://example.org"], given="")]
['unknown_address']
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lib.domain import claims, names
from lib.engine import segments

MAX_TEXTS = 3
MAX_CHARS = 480
MAX_SENTENCES = 3

#: Exclamation marks (plain, full-width) with what surrounds them, and the Spanish opening one.
_EXCLAMATION = re.compile(r"\?*[!\uff01][!?.\uff01\u2026]*|\u00a1")
_SENTENCE_END = re.compile(
    r"(?<!\b[A-Za-z])(?<!\b(?:Mr|Ms|Dr|St|vs|Co))(?<!\b(?:Mrs|Inc|Ltd))"  # not an abbreviation's
    r"[.?]+[\"')]*\s+(?=\S)"
)
_UUID = re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", re.IGNORECASE)
_OPAQUE_ID = re.compile(r"\b(?:toolu|msg|req)_\w+|\b(?:SM|MM|AC)[0-9a-f]{32}\b|\b[0-9a-f]{16,}\b")
_NAMED_ID = re.compile(
    r"\b(?:id|ref|uuid|ticket|case)\s?(?:[:#=]|no\.?|is)\s?\w*\d|#\d", re.IGNORECASE
)
_JSON = re.compile(
    r"\{\s*[\"'}\w]|[\"']\s*:\s*[\"'\[{\d]|^\s*[\[{]|[\]}]\s*$|\\u[0-9a-f]{4}|\\[nt\"]"
    r"|\b(?:null|true|false)\s*[,}\]]",
    re.MULTILINE,
)
_MARKUP = re.compile(
    r"\*\*|__\w|~~|```|`[^`]+`|^#{1,6}\s|^\s*\||(?<!\w)([*_])[^*_\n]+\1(?!\w)|^\s*(?:[-*•]|\d+[.)])\s|</?[a-z][^>]*>|\]\(|&(?:lt|gt|amp);",
    re.IGNORECASE | re.MULTILINE,
)
_MACHINERY = re.compile(
    r"\bjson\b|\b(?:system|developer) (?:prompt|message|instructions?)"
    r"|\bmy (?:prompt|instructions|tools|rules|guidelines|programming|training|context window)\b"
    r"|\b(?:tool|function)[_ ](?:calls?|uses?|results?)\b|\b[a-z]+(?:_[a-z]+)+\b|\blanguage model\b"
    r"|\banthropic\b|\bclaude\b|\bgpt\b|\b(?:the|your) member card\b|\bnot delivered\)"
    r"|\bnot from the member\b|\b(?:human|assistant|system|user):\s",
    re.IGNORECASE,
)
#: So many words of what an agent was told, one after another, are its instructions repeated.
LEAKED_WORDS = 10
#: What is between brackets as a whole is said aside, to nobody.
_ASIDE = re.compile(r"[(\[*<].*[)\]*>][.]?", re.DOTALL)
_EMOJI = re.compile("[\u2600-\u27bf\u2b50\u2b55\U0001f000-\U0001faff]")
#: What an agent that may keep silent answers to do so.
SILENCE = "(silence)"
_ADDRESS = re.compile(
    r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)+"
    r"|https?://[^\s<>\"')]+"
    r"|\b(?:www|ftp|mailto|tel|sms|hxxps?)[.:][^\s<>\"')]+"
    r"|\b(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+(?:com|net|org|io|ai|co|dev|app|me|us|uk|de|eu|info|biz|ly|gg|xyz)\b(?:/[^\s<>\"')]*)?"
    # Of other endings, those in small letters: behind a full stop a sentence has a capital.
    r"|\b(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+(?-i:[a-z]{2,24})\b(?:/[^\s<>\"')]*)?"
    r"|\b[\w-]+ (?:dot|\(dot\)|\[dot\]) (?:com|net|org|io|ai|co|dev|app)\b"
    r"|\b[\w.-]+ (?:\(at\)|\[at\]|at) [\w-]+ (?:dot|\(dot\)|\[dot\]) \w+",
    re.IGNORECASE,
)
_CLAIMS = {
    "promise": "Promise no introduction, result or time.",
    "deed": "Do not say that you did or will do what you cannot do.",
    "budget": "Do not mention or ask about budgets.",
    "member": "Do not say whether somebody is a member.",
    "praise": "Write soberly, without praise.",
}
_CANNOT = re.compile(
    r"\b(?:can't|cannot|can not|unable|not able|couldn't|could not)\b", re.IGNORECASE
)

_PICTURE = r"(?:picture|photo|image|file|attachment|screenshot|document|pdf)"
_SEES = re.compile(
    rf"\bi (?:can |have |'ve )?(?:see|saw|seen|looked at|opened|read) (?:the|your) {_PICTURE}\b"
    rf"|\b{_PICTURE} (?:shows?|looks?|says?)\b"
    rf"|\b(?:nice|lovely|great|beautiful|good) (?:{_PICTURE}|shot)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Problem:
    """One rule an answer breaks: `code` for logs, `advice` for the model that rewrites it."""

    code: str
    advice: str


def tidy(text: str) -> str:
    """The same text with what can be mended mended: plain characters (lib/engine/segments.py), and
    full stops for exclamation marks."""
    text = segments.plain(text)
    text = _EXCLAMATION.sub(lambda m: "?" if "?" in m[0] else "" if m[0] == "\u00a1" else ".", text)
    return re.sub(r"[ \t]+", " ", text).strip()


def split(answer: str) -> list[str]:
    """The texts of an answer, tidied: a blank line separates the texts of a sequence."""
    return [text for part in re.split(r"\n\s*\n", answer) if (text := tidy(part))]


def is_silence(texts: Sequence[str]) -> bool:
    """Whether an answer is the agent's choice to say nothing.

    >>> is_silence(["(Silence)."]), is_silence(["Silence is fine."])
    (True, False)
    """
    return [re.sub(r"\W", "", text).casefold() for text in texts] == ["silence"]


def problems(
    texts: Sequence[str],
    *,
    given: str,
    relayed: str = "",
    instructions: str = "",
    secret_words: Iterable[str] = (),
    media: bool = False,
    only_media: bool = False,
) -> list[Problem]:
    """Every rule that these texts of one turn break, none for a sendable answer.

    `given` is everything the model was shown: addresses, names and figures must occur in it, names
    also in `instructions`, what the model was told of its task. `relayed` is the part of it that
    other members said, which may be passed on as it is. `secret_words` are names of tools and the
    like that must not appear. `media`: the member sent pictures or files, which the answer must not
    claim to have seen; `only_media`: and no words, so that it must say that they cannot be opened.
    """
    if not texts:
        return [Problem("empty", "Write the text to the member.")]
    # What is longer is refused for that alone.
    whole = _legible("\n".join(text[: 2 * MAX_CHARS] for text in texts[: MAX_TEXTS + 1]))
    given, relayed, instructions = map(_legible, (given, relayed, instructions))
    shown = given.casefold()
    invented = names.unknown(whole, given=f"{given}\n{instructions}")
    claimed = claims.found(whole, said=given, relayed=relayed)
    found = [
        (
            "too_many_texts",
            len(texts) > MAX_TEXTS,
            f"Write at most {MAX_TEXTS} texts, better one.",
        ),
        (
            "too_long",
            any(len(t) > MAX_CHARS for t in texts),
            f"Keep every text under {MAX_CHARS} characters.",
        ),
        (
            "too_many_sentences",
            any(len(_SENTENCE_END.findall(t)) >= MAX_SENTENCES for t in texts),
            f"Write at most {MAX_SENTENCES} sentences per text.",
        ),
        ("leaked_data", bool(_JSON.search(whole)), "Write plain words, no data."),
        (
            "leaked_id",
            bool(_UUID.search(whole) or _OPAQUE_ID.search(whole))
            or any(i.casefold() not in shown for i in _NAMED_ID.findall(whole)),
            "Leave out identifiers.",
        ),
        (
            "leaked_machinery",
            any(w.casefold() in whole.casefold() for w in secret_words)
            or any(m.casefold() not in shown for m in _MACHINERY.findall(whole))
            or _repeats(whole, instructions),
            "Do not mention how you work inside.",
        ),
        ("markup", bool(_MARKUP.search(whole)), "Write plain text without formatting."),
        (
            "unknown_address",
            any(a.rstrip(".,;:").casefold() not in shown for a in _ADDRESS.findall(whole)),
            "Leave out addresses and links that you were not given.",
        ),
        (
            "unknown_name",
            bool(invented),
            "Leave out what you were not given: " + ", ".join(invented[:5]) + ".",
        ),
        (
            "foreign_letters",
            bool(names.foreign(whole, given=given)),
            "Write in the member's language and letters.",
        ),
        (
            "aside",
            any(_ASIDE.fullmatch(text) for text in texts),
            "Write to the member, not between brackets.",
        ),
        (
            "emoji",
            bool(_EMOJI.search(whole)) and not _EMOJI.search(given),
            "Leave out emoji, they use none.",
        ),
        *((code, code in claimed, advice) for code, advice in _CLAIMS.items()),
        (
            "claims_to_see",
            ((media and bool(_SEES.search(whole))) or only_media) and not _CANNOT.search(whole),
            "Say honestly that you cannot open pictures or files.",
        ),
    ]
    return [Problem(code, advice) for code, broken, advice in found if broken]


def _legible(text: str) -> str:
    """A text as it is read: look-alike forms of letters plain, invisible characters gone."""
    plain = unicodedata.normalize("NFKC", text)
    return "".join(c for c in plain if unicodedata.category(c) != "Cf")


def _repeats(text: str, instructions: str) -> bool:
    """Whether a text repeats what the agent was told, but for what it may tell of Yachtparty."""
    told = _runs(re.sub(r"(?ms)^# What you may say.*?(?=^# |\Z)", "", instructions))
    return not told.isdisjoint(_runs(text))


def _runs(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.casefold())
    return {tuple(words[i : i + LEAKED_WORDS]) for i in range(len(words) - LEAKED_WORDS + 1)}
