"""Mails to the running stack: through its simulator, or straight to the webhook, also wrong."""

import base64
import json
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from local.mail import encoded, form_of, signed_headers
from tests.support.stack import StackUnderTest
from tests.support.texting import keep_out_of_logs

_KEY = ec.derive_private_key(7, ec.SECP256R1())
#: A pair of nobody's, for what is no stack.
PRIVATE_KEY = base64.b64encode(
    _KEY.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
).decode()
PUBLIC_KEY = base64.b64encode(
    _KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
).decode()


def mail_form(sender: str, recipient: str, **fields: str) -> dict[str, str]:
    """The form for a proven mail, with other fields in place of its own."""
    mail = {"from": sender, "to": recipient, "subject": "Hello", "text": "Here I am."}
    return form_of(mail) | fields


def send_mail(stack: StackUnderTest, sender: str, recipient: str) -> None:
    """Send a mail as somebody whose domain signs it."""
    keep_out_of_logs(stack, sender, recipient, recipient.partition("@")[0])
    mail = {"from": sender, "to": recipient, "subject": "Hello", "text": "Here I am."}
    answer = httpx.post(stack.description["email"], json=mail, timeout=30).raise_for_status()
    assert answer.json() == {"simulated": True, "status": 204}


def post_mail(stack: StackUnderTest, form: dict[str, str], **headers: str) -> httpx.Response:
    """POST a form to the webhook as the provider does, signed, with other headers in place of its
    own; an empty one is left out."""
    keep_out_of_logs(stack, form["from"], form["to"])
    content_type, body = encoded(form)
    return post_body(stack, body, **{"Content-Type": content_type} | headers)


def post_body(stack: StackUnderTest, body: bytes, **headers: str) -> httpx.Response:
    """POST any body to the webhook, signed."""
    keys: dict[str, Any] = json.loads((stack.directory / "secrets.json").read_text("utf-8"))
    named = signed_headers(keys["mail_private_key"], body) | headers
    return httpx.post(
        stack.description["functions"]["email_webhook"],
        content=body,
        headers={name: value for name, value in named.items() if value},
        timeout=30,
    )
