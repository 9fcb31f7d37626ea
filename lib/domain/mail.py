"""Who wrote a mail, and to whom, as far as it is proven.

Proven means: the domain of the one address in From vouches for it with a good DKIM signature, and
that signature covers From and To. If To were not covered, any mail of a person could be sent once
more to an address of ours, and would prove that they meant to write there.
"""

import re
from dataclasses import dataclass, field
from email.headerregistry import AddressHeader
from email.message import EmailMessage
from email.parser import HeaderParser
from email.policy import default
from email.utils import getaddresses

_MAX_RECIPIENTS = 50
#: Of From and To; the time that Python's parser takes grows with the square.
_MAX_CHARS = 2000
#: Plain addresses only: nothing quoted, no comments, no other scripts.
_PLAIN = re.compile(r"[a-z0-9._%+'-]+@[a-z0-9.-]+")


@dataclass(frozen=True, slots=True)
class ProvenMail:
    """The one sender, in lower case, and the addresses in To."""

    sender: str = field(repr=False)
    recipients: tuple[str, ...] = field(repr=False)


def proven(headers: str, signed_by: frozenset[str]) -> ProvenMail | None:
    """Sender and recipients of a mail with these headers; None where they are not proven.

    `signed_by` are the domains whose DKIM signature was found good, in lower case.

    >>> signature = "DKIM-Signature: v=1; d=fjord.test; h=from:to"
    >>> lines = [signature, "From: Ida <ida@fjord.test>", "To: us@in.test"]
    >>> proven("\\n".join(lines), frozenset({"fjord.test"})).sender
    'ida@fjord.test'
    >>> proven("\\n".join(lines), frozenset({"elsewhere.test"})) is None
    True
    """
    try:
        return _proven(headers, signed_by)
    # Headers are a stranger's, and Python's parser of them raises errors of many kinds.
    except Exception:  # noqa: BLE001
        return None


def _proven(headers: str, signed_by: frozenset[str]) -> ProvenMail | None:
    mail = HeaderParser(policy=default).parsestr(headers)
    senders = _addresses(mail, "From")
    if len(senders) != 1 or not _PLAIN.fullmatch(senders[0]):
        return None
    domain = senders[0].rpartition("@")[2]
    if domain not in signed_by or not _covers_both(mail, domain):
        return None
    return ProvenMail(senders[0], tuple(_addresses(mail, "To")[:_MAX_RECIPIENTS]))


def _addresses(mail: EmailMessage, name: str) -> list[str]:
    """The addresses of a header that must be there once, in lower case; none where two parsers
    read it differently."""
    found = _as_they_came(mail, name)
    if len(found) != 1 or len(found[0]) > _MAX_CHARS:
        return []
    header: AddressHeader = mail[name]
    addresses = [address.addr_spec for address in header.addresses]
    plainly = [address for _, address in getaddresses([" ".join(found[0].split())])]
    return [address.lower() for address in addresses] if addresses == plainly else []


def _covers_both(mail: EmailMessage, domain: str) -> bool:
    """Whether each signature that claims to be this domain's, and there is one, signs From and To.

    Which of several was found good is not told.
    """
    signatures = [_tags(value) for value in _as_they_came(mail, "DKIM-Signature")]
    ours = [tags for tags in signatures if tags.get("d", "").lower() == domain]
    return bool(ours) and all(
        {"from", "to"} <= {name.strip().lower() for name in tags.get("h", "").split(":")}
        for tags in ours
    )


def _as_they_came(mail: EmailMessage, name: str) -> list[str]:
    return [str(value) for key, value in mail.raw_items() if key.lower() == name.lower()]


def _tags(signature: str) -> dict[str, str]:
    """The tags of a DKIM-Signature header (RFC 6376, 3.2)."""
    pairs = (tag.partition("=") for tag in signature.split(";"))
    return {name.strip(): value.strip() for name, _, value in pairs}
