"""SendGrid's Inbound Parse calls: proven by signature, parsed, or refused in one sentence.

SendGrid, since it is Twilio's, and since its form names the domain of each DKIM signature that it
checked, which an address can be held against. A call is signed (ECDSA, P-256, SHA-256) over the
header with its time and the body as sent; the key is that of the security policy attached to the
parse setting. How old the time is does not matter: a mail proves something once.
"""

import base64
import binascii
import io
import re
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key
from werkzeug.exceptions import HTTPException
from werkzeug.formparser import FormDataParser
from werkzeug.http import parse_options_header

from lib.adapters.bad_call import BadCall
from lib.core.settings import MailProviderSettings, SettingsError

#: Bytes, of the 32 MiB that Cloud Run lets through. SendGrid takes mails of 30 MB; one that proves
#: an address may carry a logo, not more.
MAX_CALL = 10 * 1024 * 1024
MAX_HEADERS = 128 * 1024
#: What SendGrid names them.
SIGNATURE_HEADER = "X-Twilio-Email-Event-Webhook-Signature"
TIME_HEADER = "X-Twilio-Email-Event-Webhook-Timestamp"

#: One result of `{@fjord.test : pass, @relay.test : fail (body has been altered)}`. The form is no
#: JSON, and a reason may quote what a stranger's key record says: the whole field is read or none.
_RESULT = r"[^\s@{}(),:]*@(?P<domain>[a-z0-9.-]+) : (?P<result>[a-z]+)(?: \((?:[^(){},:@]*)\))?"
_UNNAMED = re.sub(r"\?P<\w+>", "?:", _RESULT)
_RESULTS = re.compile(rf"\{{{_UNNAMED}(?:, {_UNNAMED})*\}}", re.IGNORECASE)
_EACH = re.compile(_RESULT, re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ReceivedMail:
    """What is used of a mail: its headers as they came, and the domains (lower case) of which a
    DKIM signature was found good."""

    headers: str = field(repr=False)
    signed_by: frozenset[str] = field(repr=False)


class MailForms:
    """Reads the calls of one SendGrid account.

    Raises:
        SettingsError: the key is not one.
    """

    def __init__(self, settings: MailProviderSettings) -> None:
        try:
            key = load_der_public_key(base64.b64decode(settings.sendgrid_public_key))
        except (ValueError, binascii.Error):
            key = None
        if not isinstance(key, EllipticCurvePublicKey):
            raise SettingsError("SENDGRID_PUBLIC_KEY is malformed.")
        self._key = key

    def read(
        self, method: str, content_type: str, signature: str, time: str, body: bytes
    ) -> ReceivedMail:
        """The mail of one call; fields that are missing are empty.

        Raises:
            BadCall: 405, 413 or 403; 400 for a body that is no form.
        """
        if method != "POST":
            raise BadCall(405, "This address takes POST only.")
        if len(body) > MAX_CALL:
            raise BadCall(413, "The mail is larger than one that proves an address.")
        if not self._is_signed(signature, time, body):
            raise BadCall(403, "The signature is not the mail provider's.")
        mimetype, options = parse_options_header(content_type)
        parser = FormDataParser(
            max_content_length=MAX_CALL,
            max_form_memory_size=MAX_CALL,
            max_form_parts=200,
            silent=False,
        )
        try:
            _, form, _ = parser.parse(io.BytesIO(body), mimetype, len(body), options)
        except (HTTPException, ValueError):
            raise BadCall(400, "The body is not a form.") from None
        headers = form.get("headers", "")
        return ReceivedMail(
            headers=headers if len(headers) <= MAX_HEADERS else "",
            signed_by=_signed_by(form.get("dkim", "")),
        )

    def _is_signed(self, signature: str, time: str, body: bytes) -> bool:
        try:
            signed = time.encode("ascii") + body
            self._key.verify(base64.b64decode(signature, validate=True), signed, ECDSA(SHA256()))
        except (InvalidSignature, binascii.Error, ValueError):
            return False
        return True


def _signed_by(results: str) -> frozenset[str]:
    if len(results) > 2000 or not _RESULTS.fullmatch(results.strip()):
        return frozenset()
    return frozenset(
        found["domain"].lower()
        for found in _EACH.finditer(results)
        if found["result"].lower() == "pass"
    )
