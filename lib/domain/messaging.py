"""Rules about texts that need no model: cleaning, keywords, fixed answers."""

import re
import unicodedata
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
_BEFORE = (
    r"(?:(?:hi|hey|hello|yo|ok|okay|sorry|no|thanks|thank you|but|please|pls|plz|just|kindly"
    r"|seriously|i said|you (?:need|have) to|you must|i (?:want|need|told|asked) you to) )*"
)
_WISH = r"(?:i |i m |i (?:want|would like|d like|wish|need) to )?"
_TEXTS = r"(?:texts?|texting|messages?|messaging|mailings?|sms|spam)"
_OF_YOURS = (
    r"(?: (?:of|from|off) (?:this|these|your|the|all|yachtparty)"
    rf"(?: (?:{_TEXTS}|list|service)){{0,2}})?"
)
_ANY = r"(?: (?:any|these|this|the|your|more|all))*"
_ME = r"(?:me|us|this number|my (?:phone )?number)"
_NEVER = r"(?:do not|don ?t|never)"
_LEFT_ALONE = (
    # What the keywords say, in company. Only these two mean nothing else then: please cancel what?
    r"stop(?: stop)*(?: all)?(?: yachtparty)?",
    rf"{_WISH}unsub(?:s?cr?ibed?)?(?: me)?{_OF_YOURS}",
    rf"{_WISH}opt(?:ing)?(?: me)? ?out{_OF_YOURS}",
    rf"(?:stop|quit|cease) (?:te?xt|messag|contact|bother|spamm)ing(?: {_ME})?(?:{_ANY} {_TEXTS})?",
    rf"(?:stop|quit|cease) sending(?: {_ME})?{_ANY} (?:{_TEXTS}|stuff)",
    rf"(?:stop|end|cease){_ANY} {_TEXTS}",
    rf"{_NEVER} (?:te?xt|message|contact|sms) {_ME}",
    rf"{_NEVER} (?:send|write)(?: to)? {_ME}{_ANY} (?:{_TEXTS}|anything(?: else)?)",
    rf"(?:remove|delete) {_ME}{_OF_YOURS}",
    rf"(?:take|get) {_ME} off(?: of)?(?: (?:this|your|the|all)(?: (?:{_TEXTS}|list)){{1,2}})?",
    rf"(?:i (?:want|need) )?no (?:more|further) {_TEXTS}",
    rf"i (?:do not|don ?t|no longer) (?:want|wish) (?:to (?:get|receive|have) )?"
    rf"(?:any |these |your |more |the )*{_TEXTS}",
    r"(?:cancel|end|stop) (?:my |the |this )?subscription",
    r"(?:i )?(?:revoke|withdraw) (?:my )?(?:consent|permission)"
    r"(?: to (?:be )?(?:text|contact|messag)(?:e?d|ing)?(?: me)?)?",
    r"(?:leave|let) me (?:alone|be)",
    r"go away",
    r"(?:fuck|piss) off",
    r"lose my number",
)
_AFTER = (
    r"(?: (?:again|anymore|any more|ever|please|pls|plz|thanks|thank you|from you))*"
    r"(?: or (?:else|i (?:ll|will|m|am) .*))?"
)
#: "Don't text me now" is about now.
_AT_ONCE = r"(?: (?:now|immediately|already|right now))?"
_OPT_OUT = re.compile(
    rf"{_BEFORE}(?:(?:can|could|would|will) you )?{_BEFORE}"
    rf"(?:(?!{_NEVER} )(?:{'|'.join(_LEFT_ALONE)}){_AT_ONCE}|(?:{'|'.join(_LEFT_ALONE)})){_AFTER}"
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
#: What somebody is told, once, when an operator does not take them on.
REJECTION_TEXT = (
    "Thanks for your interest in Yachtparty. The team has looked at what you told us and can't take"
    " you on at the moment."
)
#: What they, and suspended members, are told once a day when they write; by `users.status_level`.
UNSERVED_TEXTS = {
    "rejected": "The team's answer hasn't changed: we can't take you on at the moment.",
    "suspended": "Your membership is paused, so I can't help with anything here at the moment.",
}
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
    plain = unicodedata.normalize("NFKC", text).casefold()
    words = " ".join(
        re.sub(r"[^\w\s]+", " ", plain.replace("'", " ").replace("\u2019", " ")).split()
    )
    # "Stop!", "(end)": a keyword's punctuation says nothing else.
    return _KEYWORDS.get(words.upper()) == "stop" or _OPT_OUT.fullmatch(words) is not None


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
