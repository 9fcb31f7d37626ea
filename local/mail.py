"""The mail provider's stand-in: takes a mail and calls email_webhook as SendGrid does.

POST /email {"from", "to", "subject", "text"} delivers it as if the domain of `from` had signed it,
and answers {"simulated": true, "status": what email_webhook answered}. No mail is sent anywhere.
"""

import base64
import json
import time
from email.message import EmailMessage
from email.policy import default
from email.utils import parseaddr
from typing import cast

import httpx
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_private_key
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

_FIELDS = ("from", "to", "subject", "text")
_TIMEOUT_S = 30.0


def signed_headers(key: str, body: bytes) -> dict[str, str]:
    """SendGrid's signature over a body; `key` is the private key (DER, base64)."""
    private = cast("ec.EllipticCurvePrivateKey", load_der_private_key(base64.b64decode(key), None))
    now = str(int(time.time()))
    signature = private.sign(now.encode() + body, ec.ECDSA(SHA256()))
    return {
        "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(signature).decode(),
        "X-Twilio-Email-Event-Webhook-Timestamp": now,
    }


def form_of(mail: dict[str, str]) -> dict[str, str]:
    """The form for a mail that the domain of `from` signed.

    Raises:
        ValueError: a field that no header can hold.
    """
    sender = parseaddr(mail["from"])[1]
    domain = sender.rpartition("@")[2].lower()
    message = EmailMessage(policy=default.clone(max_line_length=None))
    message["DKIM-Signature"] = (
        f"v=1; a=rsa-sha256; c=relaxed/relaxed; d={domain}; s=simulated;"
        " h=from:to:subject:date; bh=c2ltdWxhdGVk; b=c2ltdWxhdGVk"
    )
    message["From"], message["To"], message["Subject"] = mail["from"], mail["to"], mail["subject"]
    headers = "".join(f"{name}: {value}\n" for name, value in message.items())
    envelope = {"to": [parseaddr(mail["to"])[1]], "from": sender}
    return {
        "headers": headers,
        "dkim": f"{{@{domain} : pass}}",
        "SPF": "pass",
        "sender_ip": "192.0.2.1",
        "envelope": json.dumps(envelope),
        "charsets": json.dumps({"to": "UTF-8", "from": "UTF-8", "subject": "UTF-8"}),
        "attachments": "0",
        **{name: mail[name] for name in _FIELDS},
    }


def encoded(form: dict[str, str]) -> tuple[str, bytes]:
    """A form as SendGrid encodes it: its content type and its bytes."""
    files = {name: (None, value.encode()) for name, value in form.items()}
    request = httpx.Request("POST", "http://sendgrid.test", files=files)
    return request.headers["Content-Type"], request.read()


def route(webhook_url: str, key: str) -> Route:
    """POST /email of the stack; `key` signs the calls."""

    async def deliver(request: Request) -> Response:
        try:
            mail = json.loads(await request.body())
            if not isinstance(mail, dict) or not all(
                isinstance(mail.get(name, ""), str) for name in _FIELDS
            ):
                raise ValueError
            content_type, body = encoded(form_of({name: mail.get(name, "") for name in _FIELDS}))
        except (ValueError, IndexError):
            example = '{"from": "a@b.test", "to": "c@d.test", "subject": "", "text": ""}'
            return JSONResponse({"error": f"Send a mail as {example}."}, 400)
        headers = {"Content-Type": content_type, **signed_headers(key, body)}
        try:
            async with httpx.AsyncClient(timeout=_TIMEOUT_S) as client:
                answer = await client.post(webhook_url, content=body, headers=headers)
        except httpx.HTTPError:
            return JSONResponse({"error": "email_webhook cannot be reached."}, 502)
        if not answer.is_success:
            return JSONResponse({"error": f"email_webhook answered {answer.status_code}."}, 502)
        return JSONResponse({"simulated": True, "status": answer.status_code})

    return Route("/email", deliver, methods=["POST"])
