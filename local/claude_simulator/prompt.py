"""A request of our agents, read back: who is to answer, what is known, what is new.

The last turn is `<member>{card}</member><texts><text media="1">…</text></texts>`, with everything
that a person wrote escaped; the tool loop follows it. Anything else is no request of theirs.
"""

import html
import json
import re
from dataclasses import dataclass, field
from typing import Any

JSON = dict[str, Any]

_AGENT = re.compile(r"You are the (bouncer|concierge) of Yachtparty\b")
_TURN = re.compile(r"<member>\s*(\{.*\})\s*</member>\s*<texts>(.*)</texts>(.*)", re.DOTALL)
_TEXT = re.compile(r'<text(?: media="(\d+)")?>(.*?)</text>', re.DOTALL)


@dataclass(frozen=True, slots=True)
class NewText:
    """One new text of the member, and how many pictures or files came with it."""

    body: str
    media: int


@dataclass(slots=True)
class Turn:
    """What an agent was asked. `calls` are the tools used so far in this turn: name → result."""

    agent: str
    card: JSON
    texts: list[NewText]
    last_said: str | None
    tools: frozenset[str]
    calls: dict[str, JSON] = field(default_factory=dict)

    @property
    def words(self) -> list[str]:
        """The new texts that have words."""
        return [text.body for text in self.texts if text.body.strip()]

    @property
    def media(self) -> int:
        """Pictures and files in the new texts."""
        return sum(text.media for text in self.texts)


def text_of(content: Any) -> str:
    """The words of a message's content, a string or a list of blocks."""
    if isinstance(content, str):
        return content
    return "\n".join(block.get("text", "") for block in content if block.get("type") == "text")


def read_turn(request: JSON) -> Turn | None:
    """The turn in a request; None when it is not one of our agents'."""
    agent = _AGENT.match(text_of(request.get("system") or ""))
    messages: list[JSON] = request["messages"]
    for index in range(len(messages) - 1, -1, -1):
        content = text_of(messages[index]["content"])
        # What stands before the card is an earlier text; it cannot hold one, being escaped.
        found = _TURN.search(content[max(content.rfind("<member>"), 0) :])
        if messages[index]["role"] == "user" and found is not None:
            break
    else:
        return None
    try:
        card = json.loads(found[1])
    except json.JSONDecodeError:
        return None
    if agent is None or not isinstance(card, dict):
        return None
    # Words of ours after the texts: an answer was refused and only its wording is asked for again.
    later = [text_of(m["content"]) for m in messages[index + 1 :] if m["role"] == "user"]
    rewrite = bool("".join([found[3], *later]).strip())
    choice = (request.get("tool_choice") or {}).get("type")
    return Turn(
        agent=agent[1],
        card=card,
        texts=[
            NewText(html.unescape(body), int(media or 0)) for media, body in _TEXT.findall(found[2])
        ],
        last_said=_last_said(messages[:index]),
        tools=frozenset(
            ()
            if rewrite or choice == "none"
            else [tool["name"] for tool in request.get("tools") or []]
        ),
        calls=_calls(messages[index + 1 :]),
    )


def _last_said(history: list[JSON]) -> str | None:
    """The agent's latest words that reached the member; None before the first."""
    for message in reversed(history):
        if message["role"] == "assistant":
            lines = text_of(message["content"]).split("\n")
            arrived = [line for line in lines if not line.startswith("(not delivered)")]
            if "".join(arrived).strip():
                return html.unescape("\n".join(arrived))
    return None


def _calls(loop: list[JSON]) -> dict[str, JSON]:
    names: dict[str, str] = {}
    calls: dict[str, JSON] = {}
    for message in loop:
        if isinstance(message["content"], str):
            continue
        for block in message["content"]:
            if block.get("type") == "tool_use":
                names[block["id"]] = block["name"]
            elif block.get("type") == "tool_result":
                calls[names.get(block["tool_use_id"], "")] = _result(block)
    return calls


def _result(block: JSON) -> JSON:
    """A tool's result; {"error": …} for what failed or is no object."""
    words = text_of(block.get("content") or "")
    try:
        result = json.loads(words)
    except json.JSONDecodeError:
        result = None
    if block.get("is_error") or not isinstance(result, dict):
        return {"error": words}
    return result
