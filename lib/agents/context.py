"""A turn as the model reads it: the conversation so far, then the member's card and new texts.

Texts are data. Everything that came from outside is escaped, so that nobody can write a card.
"""

import json
from collections.abc import Iterator
from datetime import timedelta
from html import escape
from typing import Any

from lib.core.model import JSON
from lib.domain.zones import zone_of
from lib.engine.turn import InboundText, Message, Turn

#: Texts of a member that are less far apart are one thought.
ONE_THOUGHT = timedelta(seconds=60)
#: Twilio's final statuses of a text that never arrived.
NOT_DELIVERED = frozenset({"failed", "undelivered"})


def messages(turn: Turn, card: JSON) -> list[JSON]:
    """The `messages` of a request: alternating, beginning and ending with a user's turn."""
    sides: list[tuple[str, str]] = []
    if turn.conversation.conversation_summary:
        sides.append(
            ("user", f"<summary>{_text(turn.conversation.conversation_summary)}</summary>")
        )
    elif turn.history and turn.history[0].role == "assistant":
        sides.append(("user", "(Earlier texts are not shown.)"))
    sides += [(message.role, _earlier(message)) for message in turn.history]
    sides.append(("user", f"{_card(card)}\n{_new_texts(turn.texts)}"))
    joined: list[JSON] = []
    for role, content in sides:
        if joined and joined[-1]["role"] == role:
            joined[-1]["content"] += f"\n{content}"
        else:
            joined.append({"role": role, "content": content})
    return joined


def summary(turn: Turn) -> str:
    """What is summarised of the conversation."""
    return turn.conversation.conversation_summary or ""


def given(turn: Turn, card: JSON) -> str:
    """Everything the model was shown of this member, as it was before escaping."""
    return "\n".join(
        [
            summary(turn),
            *(message.content for message in turn.history),
            *(text.content for text in turn.texts),
            words_of(card),
        ]
    )


def words_of(data: Any) -> str:
    """Everything that data of a card says, without its keys and signs."""
    return "\n".join(_leaves(data))


def _leaves(data: Any) -> Iterator[str]:
    if isinstance(data, dict):
        data = list(data.values())
    if isinstance(data, list):
        for value in data:
            yield from _leaves(value)
    elif data is not None and not isinstance(data, bool):
        yield str(data)


def own_texts(turn: Turn) -> list[str]:
    """What the member wrote, of what is known of it, oldest first."""
    earlier = [message.content for message in turn.history if message.role == "user"]
    return earlier + [text.content for text in turn.texts]


def one_thought(turn: Turn) -> list[str]:
    """The new texts, with those before them that came less than a minute apart (behaviour.md,
    "Voice and safety"), whatever was answered in between."""
    thought = [text.content for text in turn.texts]
    began = min((text.created_at for text in turn.texts), default=turn.now)
    for message in reversed(turn.history):
        if message.role == "user":
            if began - message.created_at >= ONE_THOUGHT:
                break
            thought.insert(0, message.content)
            began = message.created_at
    return thought


def only_media(turn: Turn) -> bool:
    """Whether the new texts are pictures or files without a word."""
    return bool(turn.texts) and all(text.media and not text.content.strip() for text in turn.texts)


def local_time(turn: Turn) -> str:
    """The member's time to the minute, as 2000-12-31T23:59."""
    zone = zone_of(turn.member.timezone, turn.member.phone_number)
    return turn.now.astimezone(zone).strftime("%Y-%m-%dT%H:%M")


def _card(card: JSON) -> str:
    # < can occur in values only: as an escape it stays JSON and cannot end the element.
    data = json.dumps(card, ensure_ascii=False).replace("<", "\\u003c")
    return f"<member>\n{data}\n</member>"


def _new_texts(texts: list[InboundText]) -> str:
    lines = [
        f'<text media="{len(text.media)}">{_text(text.content)}</text>'
        if text.media
        else f"<text>{_text(text.content)}</text>"
        for text in texts
    ]
    return "\n".join(["<texts>", *lines, "</texts>"])


def _earlier(message: Message) -> str:
    content = _text(message.content) or "(a picture or file without words)"
    lost = message.role == "assistant" and message.status in NOT_DELIVERED
    return f"(not delivered) {content}" if lost else content


def _text(content: str) -> str:
    """Escaped, and without lone surrogates, which no request can carry."""
    clean = content.encode("utf-8", "ignore").decode("utf-8").replace("\x00", "")
    return escape(clean, quote=False).strip()
