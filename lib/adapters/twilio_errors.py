"""Twilio's error codes: whose an error is, and so what becomes of the text. One table.

Codes of the API's refusals (429, 2xxxx) and of delivery receipts (3xxxx), see
https://www.twilio.com/docs/api/errors. Whatever is not listed is ours to mend (credentials,
account, sender): a text refused with it waits.

>>> whose("21610"), whose("30005"), whose("20003"), whose("anything new")
('member', 'recipient', 'ours', 'ours')
"""

from typing import Literal

#: *member*: they said STOP. *recipient*: this number takes no texts from us. *text*: these words
#: cannot be sent. *passing*: it may go better another time. *ours*: we have to mend something.
Whose = Literal["member", "recipient", "text", "passing", "ours"]

_ERRORS: dict[str, Whose] = {
    "21610": "member",  # the recipient has unsubscribed
    "21211": "recipient",  # no valid number
    "21214": "recipient",  # cannot be reached
    "21217": "recipient",  # no number
    "21265": "recipient",  # a short code
    "21408": "recipient",  # in a region that we may not text
    "21604": "recipient",  # missing
    "21612": "recipient",  # not reachable from our sender
    "21614": "recipient",  # no mobile number
    "21635": "recipient",  # a landline
    "21602": "text",  # empty
    "21617": "text",  # too long
    "21619": "text",  # neither words nor a picture
    "429": "passing",  # too many requests
    "20429": "passing",  # too many requests
    "30003": "passing",  # the phone is off or out of reach
    "30004": "recipient",  # blocks us, or all texts of this kind
    "30005": "recipient",  # unknown number, or one no longer in use
    "30006": "recipient",  # a landline, or a carrier that cannot be reached
    "30008": "passing",  # unknown to the carrier, too
    "30036": "passing",  # waited for longer than it was valid
}
_FINAL: frozenset[Whose] = frozenset({"member", "recipient", "text"})


def whose(code: str) -> Whose:
    """Whose an error of this code is."""
    return _ERRORS.get(code, "ours")


def is_final(code: str) -> bool:
    """Whether a text refused with this code will never be taken."""
    return whose(code) in _FINAL
