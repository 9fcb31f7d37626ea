"""What the concierge would do: ask others, take answers and outcomes, bring things up.

Simple signs decide: a question that begins with "who knows", "does anyone" and the like is one for
other members; a longer text after an item was brought up is about that item.
"""

import re
from typing import Any

from local.claude_simulator.bouncer import Move
from local.claude_simulator.prompt import JSON, Turn
from local.claude_simulator.words import CHATTER, GRATITUDE, GREETING

MAX_QUOTE = 80
#: What is better not repeated: amounts, addresses, anything that looks like data or markup.
_NOT_QUOTED = re.compile(
    r"[\d$€£{}\[\]<>@\"`*_#\\|]|https?:|www\.|\.\w{2}|\bpassword\b|\bbudget\b", re.I
)
_BOT = re.compile(r"\b(?:bot|robot|human|real person|machine|automated|ai|chatgpt)\b", re.I)
_FOR_OTHERS = re.compile(
    r"\b(?:who (?:here )?knows|does any(?:one|body)|has any(?:one|body)|can any(?:one|body)"
    r"|ask (?:the )?(?:community|others|members|around)|any(?:one|body) (?:with|who)"
    r"|recommend|what do others)\b",
    re.I,
)
_NO = re.compile(
    r"\b(?:no idea|not me|can't help|cannot help|not interested|pass on (?:this|that)|no thanks"
    r"|nothing on that|don't know)\b",
    re.I,
)
_CANCEL = re.compile(r"\b(?:cancel|never ?mind|forget) (?:my|the|that|about)?\b", re.I)
_OUTCOME = re.compile(
    r"\b(?:helped|helpful|useful|worked|saved|went with|we used|solved|didn't help|no use)\b", re.I
)
_NOT_NOW = re.compile(r"\b(?:not now|too busy|no time|maybe later|next month)\b", re.I)
_EXPERT = re.compile(
    r"\bi (?:know|do|am good at|know a lot about) (?P<v>[a-z][a-z ,&-]{2,60})", re.I
)
_STOP_WORDS = re.compile(
    r"\b(?:who|knows|does|anyone|anybody|has|can|here|about|with|have|the|a|an|and|or|for|"
    r"to|of|in|on|is|are|do|we|our|my|i|need|know|good|recommend|ask|community|others|"
    r"members|around|experience|any|what|how|which|you|please|it|that|this|from|use|"
    r"used|using|should|would)\b"
)


def next_move(turn: Turn) -> Move:
    """The next tool, or an answer that shows the text was read and promises nothing."""
    if "bring_up" in turn.card:
        return Move(
            "An item is to be brought up.", _brought_up(_items(turn)[turn.card["bring_up"][0] - 1])
        )
    if "silent" in turn.card:
        return Move("I see no reason to write.", "(silence)")
    if not turn.calls and turn.tools and turn.words and (tool := _tool(turn)) is not None:
        return Move("They want something I can do.", "", tool)
    return Move("I answer.", _after_tools(turn) or _text(turn))


def _tool(turn: Turn) -> tuple[str, JSON] | None:
    said = " ".join(" ".join(turn.words).split())
    shown = [item for item in _items(turn) if item.get("brought_up")]
    questions = [i for i in shown if "open" in i and not i.get("answered_by_them")]
    answers = [i for i in shown if "answer" in i]
    if _NOT_NOW.search(said):
        return "not_now", {}
    if _CANCEL.search(said) and turn.card.get("requests"):
        return "cancel_request", {"request": 1}
    if questions and _NO.search(said):
        return "decline_item", {"item": questions[0]["item"]}
    if _FOR_OTHERS.search(said):
        return "ask_community", _question(said)
    if answers and _OUTCOME.search(said):
        return "report_outcome", {"item": answers[0]["item"]}
    if len(questions) == 1 and len(said.split()) >= 6 and not said.endswith("?"):
        return "record_answer", {"item": questions[0]["item"], "summary": said[:600]}
    if (expert := _EXPERT.search(said)) and not said.endswith("?"):
        areas = re.split(r",| and |&", expert["v"])
        return "set_expertise", {"areas": [a.strip() for a in areas if a.strip()]}
    return None


def _question(said: str) -> JSON:
    asked = re.sub(r"^(?:hi|hey|hello|please|can you|could you)[, ]+", "", said, flags=re.I)
    words = re.findall(r"[\w-]+", _STOP_WORDS.sub("", asked.casefold()))
    tags = list(dict.fromkeys(w for w in words if len(w) > 1))[:5] or ["advice"]
    return {
        "question": asked[:500].ljust(10, "."),
        "about": " ".join(tags[:4])[:100].ljust(3, "."),
        "expertise": tags,
    }


def _after_tools(turn: Turn) -> str | None:
    """The answer when a tool was used."""
    done = {
        "ask_community": "I'll ask members who may know. I can't say whether somebody answers.",
        "record_answer": "Thanks, I've noted your answer.",
        "report_outcome": "Thanks, I'll pass that on.",
        "decline_item": "OK, I'll leave that one.",
        "cancel_request": "OK, that question is closed.",
        "set_expertise": "Thanks, noted.",
        "not_now": "OK, I'll leave you in peace for a while.",
    }
    for name, result in turn.calls.items():
        if "error" in result:
            return "I couldn't do that. Could you say it another way?"
        if name == "record_answer" and "closed" in str(result.get("the_question_is")):
            return "Thanks, I've noted it. The question is closed already."
        if name in done:
            return done[name]
    return None


def _items(turn: Turn) -> list[JSON]:
    items: list[Any] = turn.card.get("items") or []
    return [item for item in items if isinstance(item, dict)]


def _brought_up(item: JSON) -> str:
    if "answer" in item:
        asked = "" if item.get("brought_up") else " Did that help?"
        return f"There is an answer to your question: {_line(item['answer'])}{asked}"
    if "outcome" in item:
        return _line(item["outcome"])
    return f"A member asks: {_line(item.get('question', ''))} Is that something you know about?"


def _line(words: str) -> str:
    line = " ".join(words.split())[:300]
    return line if line.endswith((".", "?", '"')) else f"{line}."


def _text(turn: Turn) -> str:
    picture = "I can't open pictures or files here." if turn.media else ""
    if not turn.words:
        return f"{picture} Could you write it out?".strip()
    said = " ".join(turn.words[-1].split())
    words = set(re.findall(r"\w+", said.casefold()))
    if said.casefold().strip(" .!?") in CHATTER or len(words) <= 1:
        if words & GRATITUDE:
            answer = "You're welcome."
        elif words & GREETING:
            answer = "Hi, what do you need?"
        else:
            answer = "OK."
    elif _BOT.search(said) and said.rstrip().endswith("?"):
        answer = "I'm Yachtparty's AI assistant."
    elif said.endswith("?"):
        answer = "I don't have an answer to that, and I can't look things up from here yet."
    elif (quote := _quote(said)) is not None:
        answer = f'I read "{quote}", but I can\'t act on it from here yet.'
    else:
        answer = "I read what you wrote, but I can't act on it from here yet."
    return f"{picture} {answer}".strip()


def _quote(said: str) -> str | None:
    """The beginning of their words, up to a whole word; None when they are better not repeated."""
    first = re.split(r"(?<=[.!?;])\s", said)[0].rstrip(" .!?;,")
    if len(first) > MAX_QUOTE:
        first = first[:MAX_QUOTE].rsplit(" ", 1)[0].rstrip(" ,;")
    if not first or "!" in first or _NOT_QUOTED.search(first) or not first.isprintable():
        return None
    return first
