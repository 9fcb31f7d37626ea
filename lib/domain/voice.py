"""What an agent's text may look like (behaviour.md, voice and safety): checked here, after the
prompt has asked for it, because a model's word is not a guarantee.

>>> tidy("Great to meet you!!")
'Great to meet you.'
>>> [p.code for p in problems(["See https://example.org"], given="")]
['unknown_address']
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lib.domain import names
from lib.engine import segments

MAX_TEXTS = 3
MAX_CHARS = 480
MAX_SENTENCES = 3
#: Added to the first text ever sent to a number, by code, so that it is always there.
FIRST_CONTACT_NOTICE = "Yachtparty. Reply STOP to opt out, HELP for help."

#: Exclamation marks (plain, full-width) with what surrounds them, and the Spanish opening one.
_EXCLAMATION = re.compile(r"\?*[!\uff01][!?.\uff01\u2026]*|\u00a1")
_SENTENCE_END = re.compile(
    r"(?<!\b[A-Za-z])(?<!\b(?:Mr|Ms|Dr|St|vs|Co))(?<!\b(?:Mrs|Inc|Ltd))"  # not an abbreviation's
    r"[.?]+[\"')]*\s+(?=\S)"
)
_UUID = re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", re.IGNORECASE)
_OPAQUE_ID = re.compile(r"\b(?:toolu|msg|req)_\w+|\b(?:SM|MM|AC)[0-9a-f]{32}\b|\b[0-9a-f]{16,}\b")
_JSON = re.compile(r"\{\s*[\"'}]|[\"']\s*:\s*[\"'\[{\d]|^\s*[\[{]|\\u[0-9a-f]{4}", re.MULTILINE)
_MARKUP = re.compile(
    r"\*\*|__\w|```|`[^`]+`|^#{1,6}\s|^\s*(?:[-*•]|\d+[.)])\s|</?[a-z][^>]*>|\]\(|&(?:lt|gt|amp);",
    re.IGNORECASE | re.MULTILINE,
)
_MACHINERY = re.compile(
    r"\bjson\b|\bsystem prompt|\bmy (?:prompt|instructions|tools)\b|\btool[_ ](?:call|use|result)",
    re.IGNORECASE,
)
_ADDRESS = re.compile(
    r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)+"
    r"|https?://[^\s<>\"')]+"
    r"|\b(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+(?:com|net|org|io|ai|co|dev|app|me|us|uk|de|eu|info|biz|ly|gg|xyz)\b(?:/[^\s<>\"')]*)?",
    re.IGNORECASE,
)
_CANNOT = re.compile(
    r"\b(?:can't|cannot|can not|unable|not able|couldn't|could not)\b", re.IGNORECASE
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


def problems(
    texts: Sequence[str],
    *,
    given: str,
    instructions: str = "",
    secret_words: Iterable[str] = (),
    only_media: bool = False,
) -> list[Problem]:
    """Every rule that these texts of one turn break, none for a sendable answer.

    `given` is everything the model was shown: addresses, names and figures must occur in it, names
    also in `instructions`, what the model was told of its task. `secret_words` are
    names of tools and the like that must not appear. `only_media`: the member sent pictures or
    files and no words, so the answer must say that they cannot be opened.
    """
    if not texts:
        return [Problem("empty", "Write the text to the member.")]
    whole = "\n".join(texts)
    shown = given.casefold()
    invented = names.unknown(whole, given=f"{given}\n{instructions}")
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
            bool(_UUID.search(whole) or _OPAQUE_ID.search(whole)),
            "Leave out identifiers.",
        ),
        (
            "leaked_machinery",
            any(w.casefold() in whole.casefold() for w in secret_words)
            or any(m.casefold() not in shown for m in _MACHINERY.findall(whole)),
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
            "claims_to_see",
            only_media and not _CANNOT.search(whole),
            "Say honestly that you cannot open pictures or files.",
        ),
    ]
    return [Problem(code, advice) for code, broken, advice in found if broken]


def with_notice(texts: Sequence[str]) -> list[str]:
    """The texts of a first contact: the first one says who writes and how to opt out."""
    first, *rest = texts
    return [f"{first}\n\n{FIRST_CONTACT_NOTICE}", *rest]
