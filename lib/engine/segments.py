"""Texts as they are billed and sent: plain characters, segments, splitting (behaviour.md,
message_queue).

What is queued here is what Twilio is given, what `messages.content` keeps and what a listing is
compared with, so a text is made plain when it is queued and never after.

>>> print(plain("\\u201cWait\\u201d \\u2013 it\\u2019s all\\u2026"))
"Wait" - it's all...
>>> count("a" * 160), count("a" * 161), count("\\u4f60" * 70), count("\\u20ac" * 81)
(1, 2, 1, 2)
"""

import re
import unicodedata
from collections.abc import Iterator

import smsutil  # type: ignore[import-untyped]

#: The longest text that is queued, in characters: what an agent may say and the notice of a first
#: contact, four segments of plain letters. Twilio takes 1,600; long ones arrive late, in pieces.
MAX_CHARS = 600

#: Typographic punctuation, which would double a text's segments, and what it means; letters never.
_PLAIN = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u02bc\u00b4", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb", '"'),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
        **dict.fromkeys("\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009", " "),
        **dict.fromkeys("\u200a\u202f\u205f\u3000\t", " "),
        **dict.fromkeys("\u200b\ufeff\u00ad\u2060", None),
        # What turns the direction of reading, or is never seen at all, can hide words.
        **dict.fromkeys(map(chr, (*range(0x202A, 0x202F), *range(0x2061, 0x206A))), None),
        **dict.fromkeys(map(chr, range(0xE0000, 0xE0080)), None),
        "\u2026": "...",
        "\u2022": "-",
        "\u2028": "\n",
        "\u2029": "\n",
    }
)
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_SENTENCE_END = re.compile(r"(?<=[.?!\u3002\uff1f])[\"')]*\s+")
_SPACE = re.compile(r"\s+")
_JOINER = "\u200d"
_FLAG_LETTERS = re.compile("[\U0001f1e6-\U0001f1ff]+$")


def plain(text: str) -> str:
    """The text with plain punctuation and without control characters."""
    return _CONTROL.sub("", text.translate(_PLAIN)).strip()


def count(text: str) -> int:
    """How many segments a text takes: 160 GSM-7 septets or 70 UTF-16 units, joined 153 or 67."""
    return max(1, len(smsutil.split(text).parts))


def split(text: str) -> list[str]:
    """The parts of a text, each at most MAX_CHARS long: cut after sentences, else after words.

    >>> [len(part) for part in split("One is long. " * 60)]
    [597, 181]
    """
    parts = [""]
    for piece in _pieces(text):
        if parts[-1] and len(parts[-1]) + len(piece.rstrip()) > MAX_CHARS:
            parts.append("")
        parts[-1] += piece if parts[-1] else piece.lstrip()
    return [part.strip() for part in parts if part.strip()]


def _pieces(text: str) -> Iterator[str]:
    """The text in pieces that are not to be cut further, with the space that follows them."""
    for sentence in _after(_SENTENCE_END, text):
        if len(sentence.rstrip()) <= MAX_CHARS:
            yield sentence
            continue
        for word in _after(_SPACE, sentence):
            while len(word.rstrip()) > MAX_CHARS:
                cut = _between_letters(word)
                yield word[:cut]
                word = word[cut:]
            yield word


def _after(boundary: re.Pattern[str], text: str) -> Iterator[str]:
    start = 0
    for match in boundary.finditer(text):
        yield text[start : match.end()]
        start = match.end()
    yield text[start:]


def _between_letters(word: str) -> int:
    """Where to cut a word that is too long: not inside a letter or emoji made of several."""
    for cut in range(MAX_CHARS, 0, -1):
        if not (_joins(word[cut]) or word[cut - 1] == _JOINER or _in_flag(word, cut)):
            return cut
    return MAX_CHARS  # one that is itself too long


def _in_flag(word: str, cut: int) -> bool:
    """Whether it lies inside a flag, which is two letters of a kind."""
    before = _FLAG_LETTERS.search(word, 0, cut)
    return (
        before is not None
        and len(before[0]) % 2 == 1
        and _FLAG_LETTERS.match(word[cut]) is not None
    )


def _joins(letter: str) -> bool:
    """Whether it belongs to the letter before: an accent, selector, joiner or skin tone."""
    return (
        unicodedata.combining(letter) > 0
        or unicodedata.category(letter) in ("Mn", "Me", "Mc")
        or letter == _JOINER
        or "\U0001f3fb" <= letter <= "\U0001f3ff"
    )
