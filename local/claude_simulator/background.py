"""What background jobs are answered: a score by simple signs, a summary of first words, a verdict.

A score says nothing about an answer's worth; it is the same for the same answer, and longer answers
that speak from experience get more.
"""

import html
import json
import re
from typing import Any

from local.claude_simulator import judgement
from local.claude_simulator.prompt import text_of
from local.claude_simulator.words import subjects

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
    if system.startswith("You look into what members"):
        return _research(content)
    if system.startswith("You write recommendations for members"):
        return _recommendation(content)
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


def _research(content: str) -> str:
    """A question made of the need's own words; every offer that shares one of them fits."""
    need = " ".join(" ".join(_tagged("need", content)).split())
    tags = subjects(need)
    offers = [(offer, re.match(r"\d+", offer)) for offer in _tagged("offer", content)]
    return json.dumps(
        {
            "findings": ["What decides is usually how much work it saves after the first month."],
            "question": f"What has worked for you for this: {need}?"[:500],
            "about": " ".join(tags[:4]),
            "expertise": tags,
            "fitting_offers": [
                int(number[0])
                for offer, number in offers
                if number and any(tag in offer.casefold() for tag in tags)
            ],
        }
    )


def _recommendation(content: str) -> str:
    """The first answer, else the first finding, as it is."""
    answers, findings = _tagged("answer", content), _tagged("finding", content)
    if answers:
        first = re.split(r"(?<=[.?])\s", " ".join(answers[0].split()))[0].rstrip(".")
        said = f"A member with experience says: {first[:300]}."
    else:
        said = f"From general knowledge only: {(findings or ['nothing to go by.'])[0]}"
    return json.dumps({"recommendation": said})


def _tagged(tag: str, content: str) -> list[str]:
    return [html.unescape(found) for found in re.findall(f"<{tag}>(.*?)</{tag}>", content, re.S)]
