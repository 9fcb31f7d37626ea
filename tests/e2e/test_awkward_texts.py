"""Texts that are unusual and still texts: pictures, emoji, length, bytes that are no characters."""

import base64
import hashlib
import hmac
from urllib.parse import quote_from_bytes, urlencode

import pytest

from tests.support.stack import StackUnderTest
from tests.support.texting import Phone, post_form


def recorded(phone: Phone) -> str:
    (row,) = phone.rows(
        "select m.content from messages m join users u on u.id = m.user_id"
        " where u.phone_number = %s and m.direction = 'inbound'",
        phone.number,
    )
    content: str = row["content"]
    return content


def test_a_picture_without_text_is_recorded_with_its_media_and_answered_honestly(
    stack: StackUnderTest,
) -> None:
    phone = Phone(stack)
    media = {
        "NumMedia": "1",
        "MediaUrl0": "https://example.test/1",
        "MediaContentType0": "image/png",
    }
    phone.text("", **media)
    (answer,) = phone.wait_for_texts(1)
    assert "open" in answer
    assert any(word in answer for word in ("can't", "cannot"))
    (event,) = phone.inbound_events()
    assert event["payload"]["media"] == [
        {"url": "https://example.test/1", "content_type": "image/png"}
    ]
    assert recorded(phone) == ""


@pytest.mark.parametrize(
    "text",
    [
        ("🎣👩‍👩‍👧 ñ ß 漢字 \n" * 120)[:1600],
        "  spaces, \t tabs\r\nand lines ",
        "<script>&amp;</script> ' \" \\ %00 {}",
        "",
    ],
    ids=["1600-characters", "white-space", "markup", "empty"],
)
def test_a_text_survives_unchanged_and_is_answered(stack: StackUnderTest, text: str) -> None:
    phone = Phone(stack)
    phone.text(text)
    assert recorded(phone) == text
    phone.wait_for_texts(1)


def test_nul_bytes_are_dropped_and_the_rest_is_kept(stack: StackUnderTest) -> None:
    phone = Phone(stack)
    phone.text("a\x00b\x00")
    assert recorded(phone) == "ab"
    phone.wait_for_texts(1)


def test_lone_surrogates_do_no_harm(stack: StackUnderTest) -> None:
    phone = Phone(stack)
    form = phone.form("")
    raw = b"one \xed\xa0\x80 two \xed\xa0\xbd\xed\xb2\xa9"
    url = stack.description["functions"]["twilio_webhook"]
    pairs = {k.encode(): v.encode() for k, v in form.items()} | {b"Body": raw}
    summed = url.encode() + b"".join(k + v for k, v in sorted(pairs.items()))
    token = stack.description["twilio"]["auth_token"].encode()
    signature = base64.b64encode(hmac.new(token, summed, hashlib.sha1).digest()).decode()
    rest = urlencode({k: v for k, v in form.items() if k != "Body"})
    answer = post_form(url, f"{rest}&Body={quote_from_bytes(raw)}".encode(), signature)
    assert answer.status_code == 200
    assert recorded(phone) == "one \ufffd two 💩"
    phone.wait_for_texts(1)
