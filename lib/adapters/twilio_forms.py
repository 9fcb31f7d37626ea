"""Twilio's webhook calls: proven by signature, parsed, or refused in one sentence."""

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from lib.adapters.bad_call import BadCall
from lib.adapters.twilio_signature import signature_is_valid
from lib.core.model import JSON
from lib.core.settings import TwilioStatusSettings, TwilioTokenSettings, TwilioWebhookSettings

#: Bytes; a text of 1,600 characters with ten pictures stays far below.
MAX_FORM = 256 * 1024
MAX_MEDIA = 10

_SID = re.compile(r"^(SM|MM)[0-9a-fA-F]{32}$")
_PHONE = re.compile(r"^\+?[0-9]{3,15}$")
_STATUS = re.compile(r"^[a-z_]{2,20}$")
_CODE = re.compile(r"^[0-9]{1,6}$")
_UUID = re.compile(r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")


@dataclass(frozen=True)
class ReceivedText:
    """The fields of an inbound text that we use, as Twilio sent them."""

    sid: str
    sender: str = field(repr=False)
    body: str = field(repr=False)
    media: list[JSON] = field(repr=False)


@dataclass(frozen=True)
class Receipt:
    """The fields of a status callback that we use."""

    sid: str
    status: str
    error_code: str | None
    message_id: str | None


def read_text(
    settings: TwilioWebhookSettings, method: str, query: bytes, body: bytes, signature: str
) -> ReceivedText:
    """Read the webhook call for an inbound text.

    Raises:
        BadCall: 405, 413, 403 or 400, changing nothing.
    """
    form = _form(settings, settings.twilio_webhook_url, method, query, body, signature)
    sid = _sid(form)
    sender = _field(form, "From")
    if not _PHONE.match(sender):
        raise BadCall(400, "From is not a phone number.")
    _field(form, "To")
    count = form.get("NumMedia", "0") or "0"
    if not (count.isascii() and count.isdecimal() and len(count) <= 4):
        raise BadCall(400, "NumMedia is not a number.")
    # Pictures may come without a word; without pictures there is a body, if an empty one.
    if "Body" not in form and int(count) == 0:
        raise BadCall(400, "The field Body is missing.")
    media = [
        {
            "url": form[f"MediaUrl{n}"],
            "content_type": form.get(f"MediaContentType{n}", ""),
        }
        for n in range(min(int(count), MAX_MEDIA))
        if form.get(f"MediaUrl{n}")
    ]
    return ReceivedText(sid=sid, sender=sender, body=form.get("Body", ""), media=media)


def read_receipt(
    settings: TwilioStatusSettings, method: str, query: bytes, body: bytes, signature: str
) -> Receipt:
    """Read a status callback. Its query carries our message id as `m`, inside the signature.

    Raises:
        BadCall: 405, 413, 403 or 400, changing nothing.
    """
    form = _form(settings, settings.twilio_status_url, method, query, body, signature)
    status = _field(form, "MessageStatus").lower()
    if not _STATUS.match(status):
        raise BadCall(400, "MessageStatus is not a status.")
    code = form.get("ErrorCode", "")
    message_id = dict(parse_qsl(query.decode("ascii", "replace"))).get("m", "")
    return Receipt(
        sid=_sid(form),
        status=status,
        error_code=code if _CODE.match(code) and code != "0" else None,
        message_id=message_id if _UUID.match(message_id) else None,
    )


def _form(
    settings: TwilioTokenSettings, url: str, method: str, query: bytes, body: bytes, signature: str
) -> dict[str, str]:
    if method != "POST":
        raise BadCall(405, "This address takes POST only.")
    if len(body) > MAX_FORM:
        raise BadCall(413, "The form is larger than a text can be.")
    full = url + (f"?{query.decode('ascii', 'replace')}" if query else "")
    token = settings.twilio_auth_token.get_secret_value()
    try:
        # Latin-1 there and back: parse_qsl takes text, and the signature is over bytes.
        pairs = [
            (name.encode("latin-1"), value.encode("latin-1"))
            for name, value in parse_qsl(
                body.decode("latin-1"),
                keep_blank_values=True,
                max_num_fields=200,
                encoding="latin-1",
            )
        ]
    except ValueError:
        raise BadCall(400, "The form has too many fields.") from None
    if not signature_is_valid(full, pairs, signature, token):
        raise BadCall(403, "The signature is not Twilio's.")
    return {k.decode("utf-8", "replace"): _decode(v) for k, v in pairs}


def _decode(value: bytes) -> str:
    """Bytes as text; surrogates that a phone sent are kept for the cleaning to judge."""
    try:
        return value.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return value.decode("utf-8", "replace")


def _field(form: dict[str, str], name: str) -> str:
    value = form.get(name, "").strip()
    if not value:
        raise BadCall(400, f"The field {name} is missing.")
    return value


def _sid(form: dict[str, str]) -> str:
    sid = _field(form, "MessageSid")
    if not _SID.match(sid):
        raise BadCall(400, "MessageSid is not a message SID.")
    return sid
