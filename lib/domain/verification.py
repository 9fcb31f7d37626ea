"""Proving a work e-mail: the address to write to, and what a mail that arrives there proves.

The address carries a token: whose it is, until when, and a MAC over both and the e-mail it was made
for (behaviour.md, "E-mail verification"). So nothing is stored, a token of one member or e-mail is
worth nothing for another, and one for an earlier e-mail is worth nothing at all. That it is used
once is kept by sql/functions/record_email_verified.sql, and so is its end, by the database's clock.

>>> addresses = Addresses(SecretStr("a secret of the test"), "in.example.test")
>>> made = addresses.make(UUID(int=1), "ida@fjord.test", datetime(2026, 11, 23, tzinfo=UTC))
>>> addresses.read(made.upper(), "Ida@fjord.test").user_id.int
1
>>> addresses.read(made, "eve@fjord.test") is None
True
"""

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from pydantic import SecretStr

from lib.core.ids import derived_id

LIFETIME = timedelta(hours=72)
_PREFIX = "verify+"
#: Bytes: the member's id, the end in seconds since 1970, the MAC (120 bits). Together 56 characters
#: of base32, and 63 with the prefix: a local part may have 64 (RFC 5321), and its case may be lost.
_ID, _END, _MAC = 16, 4, 15
_PURPOSE = b"yachtparty e-mail verification 1\0"


@dataclass(frozen=True, slots=True)
class Token:
    """What a genuine token says. `token_id` names it without giving it away."""

    user_id: UUID
    expires_at: datetime
    token_id: UUID
    email: str = field(repr=False)


class Addresses:
    """Makes and reads the addresses of one deployment: mail for `domain`, MACs with `secret`."""

    def __init__(self, secret: SecretStr, domain: str) -> None:
        self._secret = secret.get_secret_value().encode()
        self._domain = domain.casefold()

    def make(self, user_id: UUID, email: str, now: datetime) -> str:
        """The address that a member has to write to from `email`, for 72 hours from `now`."""
        end = int((now + LIFETIME).timestamp())
        body = user_id.bytes + end.to_bytes(_END, "big")
        token = base64.b32encode(body + self._mac(body, email)).decode().lower()
        return f"{_PREFIX}{token}@{self._domain}"

    def read(self, recipient: str, sender: str) -> Token | None:
        """What a mail from `sender` to `recipient` says; None if the token is not theirs or not
        ours. Whether it is still good is the database's to say."""
        local, _, domain = recipient.casefold().rpartition("@")
        if domain != self._domain or not local.startswith(_PREFIX):
            return None
        try:
            raw = base64.b32decode(local.removeprefix(_PREFIX).upper().encode("ascii"))
        except (binascii.Error, UnicodeEncodeError):
            return None
        body, mac = raw[: _ID + _END], raw[_ID + _END :]
        if not hmac.compare_digest(mac, self._mac(body, sender)):
            return None
        user_id = UUID(bytes=body[:_ID])
        return Token(
            user_id=user_id,
            expires_at=datetime.fromtimestamp(int.from_bytes(body[_ID:], "big"), UTC),
            token_id=derived_id(user_id, f"email_token:{raw.hex()}"),
            email=sender.casefold(),
        )

    def _mac(self, body: bytes, email: str) -> bytes:
        said = _PURPOSE + body + email.casefold().encode("utf-8", "surrogatepass")
        return hmac.new(self._secret, said, hashlib.sha256).digest()[:_MAC]
