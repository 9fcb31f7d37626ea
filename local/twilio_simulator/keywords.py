"""The words Twilio answers itself on most numbers, and what it answers."""

from enum import Enum

_STOP = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"})
_START = frozenset({"START", "UNSTOP", "YES"})
_HELP = frozenset({"HELP", "INFO"})


class Keyword(Enum):
    """A kind of opt-out word, with Twilio's own text in reply."""

    STOP = (
        "You have successfully been unsubscribed. You will not receive any more messages from "
        "this number. Reply START to resubscribe."
    )
    START = (
        "You have successfully been re-subscribed to messages from this number. Reply HELP for "
        "help. Reply STOP to unsubscribe. Msg&Data Rates May Apply."
    )
    HELP = "Reply STOP to unsubscribe. Msg&Data Rates May Apply."


def keyword(body: str, opted_out: bool) -> Keyword | None:
    """The keyword this text is, given whether its sender is opted out now.

    Only the whole text counts, trimmed, in any case. A word that changes nothing (STOP again,
    START or YES from a subscriber) is an ordinary text.
    """
    word = body.strip().upper()
    if word in _STOP:
        return None if opted_out else Keyword.STOP
    if word in _START:
        return Keyword.START if opted_out else None
    return Keyword.HELP if word in _HELP else None
