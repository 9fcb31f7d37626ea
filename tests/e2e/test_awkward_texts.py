"""Texts that are unusual and still texts: pictures, emoji, length, bytes that are no characters."""

import pytest

from tests.support.stack import StackUnderTest
from tests.support.texting import Phone, scripted


def recorded(phone: Phone) -> str:
    (row,) = phone.texts_recorded()
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
        "شكرا e\u0301 \u202e reversed \u200b\ufeff \u0007",
        "",
    ],
    ids=["1600-characters", "white-space", "markup", "direction", "empty"],
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


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        (b"one \xed\xa0\x80 two", "one \ufffd two"),
        (b"\xed\xa0\xbd\xed\xb2\xa9 pair", "💩 pair"),
        (b"\xed\xb2\xa9\xed\xa0\xbd swapped", "\ufffd swapped"),
        (b"over \xed\xa0\xbd", "over \ufffd"),
        (b"raw \x00 and \xff bytes", "raw  and \ufffd bytes"),
    ],
    ids=["lone", "pair", "swapped", "last", "no-utf-8"],
)
def test_bytes_that_are_no_characters_do_no_harm(
    stack: StackUnderTest, raw: bytes, kept: str
) -> None:
    phone = Phone(stack)
    assert phone.post_bytes(Body=raw).status_code == 200
    assert recorded(phone) == kept
    phone.wait_for_texts(1)
    phone.converse("and once more")


def test_a_text_with_words_and_pictures_keeps_both(stack: StackUnderTest) -> None:
    phone = Phone(stack)
    media = {f"MediaUrl{n}": f"https://example.test/{n}\x00" for n in range(3)}
    types = {f"MediaContentType{n}": "image/png" for n in range(2)}
    phone.text("I'm Pia Lund, see my card", NumMedia="3", **media, **types)
    phone.wait_for_texts(1)
    (event,) = phone.inbound_events()
    assert event["payload"]["media"] == [
        {"url": "https://example.test/0", "content_type": "image/png"},
        {"url": "https://example.test/1", "content_type": "image/png"},
        {"url": "https://example.test/2", "content_type": ""},
    ]
    assert recorded(phone) == "I'm Pia Lund, see my card"
    assert phone.user()["last_name"] == "Lund"


def test_a_picture_whose_form_has_no_body_at_all_is_answered(stack: StackUnderTest) -> None:
    phone = Phone(stack)
    form = phone.form("", NumMedia="1", MediaUrl0="https://example.test/1")
    del form["Body"]
    assert phone.post(form).status_code == 200
    assert "open" in phone.wait_for_texts(1)[0]


def test_a_keyword_under_a_picture_is_no_keyword(stack: StackUnderTest) -> None:
    phone = Phone(stack)
    phone.text("stop", NumMedia="1", MediaUrl0="https://example.test/1")
    phone.wait_for_texts(1)


def test_every_answer_that_twilio_takes_is_the_one_that_is_stored(stack: StackUnderTest) -> None:
    phone = Phone(stack)
    scripted(stack, "Schön, “Zoë” — 🎣 what is your name?")
    phone.text("hi 🎣, it is Zoë, how schön")
    (text,) = phone.wait_for_texts(1)
    phone.wait_until_idle()
    (stored,) = phone.texts_recorded("outbound")
    assert stored["content"] == text
    assert text.startswith('Schön, "Zoë" - 🎣 what is your name?')
