"""What background jobs are answered: a score by simple signs, a summary of first words, a verdict.

A score says nothing about an answer's worth; it is the same for the same answer, and longer answers
that speak from experience get more.
"""

import html
import re
from typing import Any

from local.claude_simulator import judgement
from local.claude_simulator.prompt import text_of

JSON = dict[str, Any]

_EXPERIENCE = re.compile(r"\b(?:we|i|our|us|used|tried|switched|saved|built|ran|worked)\b", re.I)
_MAX_WORDS = 150
_WORDS_OF_A_TEXT = 12


def answer(request: JSON) -> str | None:
    """The answer to a background job's request; None when it is none."""
    system = text_of(request.get("system") or "")
    content = text_of(request["messages"][-1]["content"])
    if system.startswith("You rate answers for Yachtparty"):
        return str(_score(" ".join(_tagged("answer", content))))
    if system.startswith("You summarise conversations for Yachtparty"):
        return _summary(content)
    if system.startswith("You decide for Yachtparty"):
        return judgement.answer(content)
    return None


def _score(said: str) -> int:
    words = said.split()
    return min(10, len(words) // 4 + 2 * len(set(_EXPERIENCE.findall(said.casefold()))))


def _summary(content: str) -> str:
    before = " ".join(_tagged("summary", content)).split()
    texts = [" ".join(said.split()[:_WORDS_OF_A_TEXT]) for said in _tagged("member", content)]
    new = f"The member wrote: {'; '.join(text for text in texts if text)}.".split()
    return " ".join((before + new)[-_MAX_WORDS:])


def _tagged(tag: str, content: str) -> list[str]:
    return [html.unescape(found) for found in re.findall(f"<{tag}>(.*?)</{tag}>", content, re.S)]
