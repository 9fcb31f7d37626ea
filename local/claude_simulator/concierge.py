"""What the concierge would say: it has no tools yet, so it says plainly what it cannot do."""

import re

from local.claude_simulator.bouncer import Move
from local.claude_simulator.prompt import Turn
from local.claude_simulator.words import CHATTER, GRATITUDE, GREETING

MAX_QUOTE = 80
#: What is better not repeated: amounts, addresses, anything that looks like data or markup.
_NOT_QUOTED = re.compile(
    r"[\d$€£{}\[\]<>@\"`*_#\\|]|https?:|www\.|\.\w{2}|\bpassword\b|\bbudget\b", re.I
)
_BOT = re.compile(r"\b(?:bot|robot|human|real person|machine|automated|ai|chatgpt)\b", re.I)


def next_move(turn: Turn) -> Move:
    """An answer that shows the text was read and promises nothing."""
    return Move("I can talk but do nothing else yet; I say so.", _text(turn))


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
