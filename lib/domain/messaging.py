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

#: What the event of an opt-out in other words says instead of the words.
PLAIN_WORDS = "PLAIN WORDS"

#: Whole texts that ask for nothing else than to be left alone, in plain words, without punctuation.
#: Anything said beyond it makes a text the agent's: "stop texting me about CRM" is no opt-out.
_POLITE = r"(?:(?:hi|hey|hello|ok|okay|sorry|no|thanks|thank you|please|pls|just|kindly) )*"
_WISH = r"(?:i (?:want|would like|d like|wish) to )?"
_TEXTS = r"(?:texts?|texting|messages?|mailing|sms|list|service|stuff|spam)"
_OF_YOURS = rf"(?: (?:of|from|off) (?:this|these|your|the|all|yachtparty)(?: {_TEXTS}){{0,2}})?"
_ANY = rf"(?: (?:any|these|the|your|more|all|a))*(?: {_TEXTS})?"
_LEFT_ALONE = (
    rf"{_WISH}opt(?:ing)?(?: me)? ?out{_OF_YOURS}",
    rf"{_WISH}unsubscribe(?: me)?{_OF_YOURS}",
    rf"(?:stop|quit|cease) (?:text|messag|contact|bother|spamm|send)ing(?: me)?{_ANY}",
    rf"(?:do not|don ?t|never) (?:text|message|contact|sms|write|send)(?: to)?(?: me)?{_ANY}",
    rf"(?:remove|delete|take) (?:me|my (?:phone )?number){_OF_YOURS}",
    rf"(?:i (?:want|need) )?no (?:more|further) {_TEXTS}",
    rf"i (?:do not|don ?t) want (?:to (?:get|receive|have) )?(?:any |these |your |more )*{_TEXTS}",
    r"(?:leave|let) me (?:alone|be)",
    r"lose my number",
)
_AGAIN = (
    r"(?: (?:again|anymore|any more|ever|now|immediately|please|pls|thanks|thank you|from you))*"
)
_OPT_OUT = re.compile(
    rf"{_POLITE}(?:(?:can|could|would|will) you )?{_POLITE}(?:{'|'.join(_LEFT_ALONE)}){_AGAIN}"
)
_OPT_OUT_CHARS = 100

STOP_CONFIRMATION = (
    "You are unsubscribed from Yachtparty and will get no more texts. Reply START to come back."
)
START_CONFIRMATION = "You are subscribed to Yachtparty again. Reply STOP to unsubscribe."
#: Said once when a text has waited for two minutes for a service that fails.
OUTAGE_TEXT = "Your text has arrived, but answering is not possible right now. I'll be back on it."
#: Said once a day when a number has had its turns, or the daily spend cap is reached.
REST_TEXT = "That is all I can do today. Text me again tomorrow and I'll pick it up from there."
#: Turns of one number in its local day (behaviour.md, "Turns").
MAX_TURNS_A_DAY = 30
#: What we send first in a day and in an hour where nothing else is agreed (behaviour.md, "Budget");
#: the defaults of the columns too (sql/schema/030_message_orchestration.sql).
USUAL_PER_DAY, USUAL_PER_HOUR = 5, 2
#: The most that a member may ask for.
MOST_PER_DAY, MOST_PER_HOUR = 10, 4
HELP_TEXT = (
    "Yachtparty: we help members find solutions and people by text. Just write what you need. "
    "Msg & data rates may apply. Reply STOP to unsubscribe."
)


def keyword(text: str) -> Keyword | None:
    """What a whole text, trimmed and in any case, asks for as a keyword; None for an ordinary text.

    *yes* is one only for a member who has opted out; that is decided where it is known.
    """
    return _KEYWORDS.get(text.strip().upper())


def asks_to_be_left_alone(text: str) -> bool:
    """Whether a whole text says in plain words what STOP says (behaviour.md, "Opt-out").

    >>> asks_to_be_left_alone("Please stop texting me!")
    True
    >>> asks_to_be_left_alone("please stop texting me about CRM vendors")
    False
    """
    if len(text) > _OPT_OUT_CHARS:
        return False
    words = re.sub(r"[^\w\s]+", " ", text.casefold().replace("'", " ").replace("\u2019", " "))
    return _OPT_OUT.fullmatch(" ".join(words.split())) is not None


def inbound_text(
    sid: str, phone: str, body: str, media: list[JSON], *, twilio_answers: bool
) -> InboundText:
    """A text as it is recorded: cleaned, its keyword recognised, and who is to answer that.

    `twilio_answers`: Twilio itself answers STOP, START and HELP, so we do not.
    """
    body = clean(body)
    asked = keyword(body) if not media else None
    word = body.strip().upper() if asked else None
    if asked is None and not media and asks_to_be_left_alone(body):
        # Twilio knows nothing of these words, so it neither stops nor answers.
        asked, word, twilio_answers = "stop", PLAIN_WORDS, False
    confirmations = {
        "stop": STOP_CONFIRMATION,
        "start": START_CONFIRMATION,
        "yes": START_CONFIRMATION,
        "help": HELP_TEXT,
    }
    return InboundText(
        sid=sid,
        phone=phone,
        body=body,
        media=[{k: clean(str(v)) for k, v in m.items()} for m in media],
        keyword=asked,
        word=word,
        answer=not (asked == "help" and twilio_answers),
        confirmation=confirmations.get(asked or ""),
        twilio_confirms=twilio_answers,
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
