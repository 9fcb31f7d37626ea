"""Reading Twilio's calls: the form's bytes, the signature over them, and what is refused."""

import base64
import hashlib
import hmac
from urllib.parse import quote_from_bytes, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from twilio.request_validator import RequestValidator

from lib.adapters.bad_call import BadCall
from lib.adapters.twilio_forms import ReceivedText, read_text
from lib.core.settings import TwilioWebhookSettings

TOKEN = "auth-token"
SETTINGS = TwilioWebhookSettings(
    twilio_auth_token=SecretStr(TOKEN),
    twilio_webhook_url="https://example.test/twilio_webhook",
)
FORM = {
    "MessageSid": "SM" + "a" * 32,
    "From": "+12125550142",
    "To": "+14155550100",
    "Body": "hello",
    "NumMedia": "0",
}


def sign(form: dict[str, str]) -> str:
    signature: str = RequestValidator(TOKEN).compute_signature(SETTINGS.twilio_webhook_url, form)
    return signature


def read(form: dict[str, str], query: bytes = b"") -> ReceivedText:
    return read_text(SETTINGS, "POST", query, urlencode(form).encode(), sign(form))


@given(st.text(st.characters(codec="utf-8"), max_size=1600))
def test_any_text_arrives_as_it_was_sent_and_signed(text: str) -> None:
    assert read(FORM | {"Body": text}).body == text


def test_bytes_that_are_no_text_are_read_when_they_are_signed_as_sent() -> None:
    form = FORM | {"Body": ""}
    raw = b"lone \xed\xa0\x80 surrogate \x00 and \xff"
    body = urlencode({k: v for k, v in form.items() if k != "Body"}).encode()
    body += b"&Body=" + quote_from_bytes(raw).encode()
    pairs = sorted({**{k.encode(): v.encode() for k, v in form.items()}, b"Body": raw}.items())
    summed = SETTINGS.twilio_webhook_url.encode() + b"".join(k + v for k, v in pairs)
    signature = base64.b64encode(hmac.new(TOKEN.encode(), summed, hashlib.sha1).digest()).decode()
    received = read_text(SETTINGS, "POST", b"", body, signature)
    assert received.body.startswith("lone ")
    with pytest.raises(BadCall):
        read_text(SETTINGS, "POST", b"", body + b"x", signature)


@pytest.mark.parametrize(
    ("signature", "query", "status"),
    [("", b"", 403), ("bm8=", b"", 403), ("ü", b"", 403), (sign(FORM), b"a=b", 403)],
)
def test_a_call_that_is_not_signed_over_this_address_is_refused(
    signature: str, query: bytes, status: int
) -> None:
    with pytest.raises(BadCall) as caught:
        read_text(SETTINGS, "POST", query, urlencode(FORM).encode(), signature)
    assert caught.value.status == status


@pytest.mark.parametrize("name", ["MessageSid", "From", "To", "Body"])
def test_a_missing_field_is_named_in_one_sentence(name: str) -> None:
    with pytest.raises(BadCall) as caught:
        read({k: v for k, v in FORM.items() if k != name})
    assert (caught.value.status, caught.value.sentence) == (400, f"The field {name} is missing.")


@pytest.mark.parametrize(
    ("field", "value"),
    [("MessageSid", "SM1"), ("From", "somebody"), ("NumMedia", "many"), ("NumMedia", "9" * 5000)],
)
def test_a_malformed_field_is_refused_without_repeating_it(field: str, value: str) -> None:
    with pytest.raises(BadCall) as caught:
        read(FORM | {field: value})
    assert caught.value.status == 400
    assert value not in caught.value.sentence


def test_a_text_may_be_empty_and_carry_pictures() -> None:
    media = {
        "NumMedia": "1",
        "MediaUrl0": "https://example.test/1",
        "MediaContentType0": "image/png",
    }
    wordless = {name: value for name, value in FORM.items() if name != "Body"} | media
    for received in (read(FORM | {"Body": ""} | media), read(wordless)):
        assert received.body == ""
        assert received.media == [{"url": "https://example.test/1", "content_type": "image/png"}]


def test_a_form_with_endless_fields_or_bytes_is_refused() -> None:
    for body in (b"&".join(b"a=b" for _ in range(201)), b"Body=" + b"x" * 300_000):
        with pytest.raises(BadCall):
            read_text(SETTINGS, "POST", b"", body, "")
