"""Rules about texts that need no model: cleaning, keywords, fixed answers."""

import re
from typing import Literal

from lib.core.model import JSON
from lib.engine.inbound import InboundText

Keyword = Literal["stop", "start", "yes", "help"]

#: The longest text kept, in characters. Twilio's own limit is 1,600.
MAX_TEXT = 10_000

_KEYWORDS: dict[str, Keyword] = {
    **dict.fromkeys(
        ("STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"), "stop"
    ),
    **dict.fromkeys(("START", "UNSTOP"), "start"),
    "YES": "yes",
    **dict.fromkeys(("HELP", "INFO"), "help"),
}

STOP_CONFIRMATION = (
    "You are unsubscribed from Yachtparty and will get no more texts. Reply START to come back."
)
START_CONFIRMATION = "You are subscribed to Yachtparty again. Reply STOP to unsubscribe."
HELP_TEXT = (
    "Yachtparty: we help members find solutions and people by text. Just write what you need. "
    "Msg & data rates may apply. Reply STOP to unsubscribe."
)


def keyword(text: str) -> Keyword | None:
    """What a whole text, trimmed and in any case, asks for as a keyword; None for an ordinary text.

    *yes* is one only for a member who has opted out; that is decided where it is known.
    """
    return _KEYWORDS.get(text.strip().upper())


def inbound_text(
    sid: str, phone: str, body: str, media: list[JSON], *, twilio_answers: bool
) -> InboundText:
    """A text as it is recorded: cleaned, its keyword recognised, and who is to answer that.

    `twilio_answers`: Twilio itself answers STOP, START and HELP, so we do not.
    """
    body = clean(body)
    asked = keyword(body) if not media else None
    confirmations = {
        "stop": STOP_CONFIRMATION,
        "start": START_CONFIRMATION,
        "yes": START_CONFIRMATION,
    }
    return InboundText(
        sid=sid,
        phone=phone,
        body=body,
        media=[{k: clean(str(v)) for k, v in m.items()} for m in media],
        keyword=asked,
        answer=not (asked == "help" and twilio_answers),
        confirmation=None if twilio_answers else confirmations.get(asked or ""),
    )


def clean(text: str) -> str:
    """A text as the database can hold it: no NUL, no lone surrogates, at most MAX_TEXT characters.

    Everything else, emoji and line breaks too, stays as it was.
    """
    text = text.replace("\x00", "")
    text = re.sub("[\ud800-\udfff]+", "\ufffd", _join_surrogates(text))
    return text[:MAX_TEXT]


def _join_surrogates(text: str) -> str:
    """Two surrogates that make one character become it; lone ones stay for `clean` to replace."""
    return re.sub(
        "[\ud800-\udbff][\udc00-\udfff]",
        lambda m: m.group().encode("utf-16", "surrogatepass").decode("utf-16"),
        text,
    )
