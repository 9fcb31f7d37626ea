"""Who may call the Twilio webhooks: only Twilio, proven by its signature over URL and parameters.

Apart from the SMS client, since the webhook must not import `twilio.rest`.
"""

import base64
import hashlib
import hmac

from twilio.request_validator import RequestValidator


def signature_is_valid(
    url: str, pairs: list[tuple[bytes, bytes]], signature: str, token: str
) -> bool:
    """Is `signature` (header X-Twilio-Signature) made by someone who knows `token`?

    `url` is the public one, exactly as configured at Twilio, with its query; `pairs` the names and
    values of the form as received. A form that is not UTF-8 (a lone surrogate from a phone)
    cannot pass through the library as text: then the same sum is made over the bytes as sent.
    """
    if not signature:
        return False
    if RequestValidator(token).validate(url, _params(pairs), signature):
        return True
    summed = url.encode() + b"".join(name + value for name, value in sorted(set(pairs)))
    digest = hmac.new(token.encode(), summed, hashlib.sha1).digest()
    return hmac.compare_digest(base64.b64encode(digest), signature.encode("utf-8", "replace"))


def _params(pairs: list[tuple[bytes, bytes]]) -> dict[str, str]:
    return {
        name.decode("utf-8", "replace"): value.decode("utf-8", "replace") for name, value in pairs
    }
