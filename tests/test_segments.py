"""Texts as they are billed and sent: nothing of them is lost, and no part is too long."""

import unicodedata
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.engine import segments
from lib.engine.work import UnitOfWork
from local.twilio_simulator import segments as another

WORDS = st.text(max_size=40) | st.sampled_from(
    [
        "\u200d" * 700,
        "x" + "\U0001f1e9\U0001f1ea" * 400,
        "Done.",
        "Really?",
        "e\u0301",
        "\U0001f469\u200d\U0001f52c",
        "\u20ac{}",
        "x" * 700,
        "\n",
        " ",
    ]
)
TEXTS = st.lists(WORDS, max_size=60).map(" ".join).map(segments.plain)


@given(TEXTS)
def test_segments_are_counted_as_the_carriers_do(text: str) -> None:
    # Twilio's simulator counts on its own.
    assert segments.count(text) == another.segments(text)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 1), ("a" * 160, 1), ("a" * 161, 2), ("a" * 306, 2), ("a" * 307, 3),
        ("\u20ac" * 80, 1), ("\u20ac" * 81, 2), ("a" * 152 + "\u20ac" * 5, 2),
        ("\u4f60" * 70, 1), ("\u4f60" * 71, 2), ("\U0001f600" * 35, 1), ("\U0001f600" * 36, 2),
    ],
)  # fmt: skip
def test_known_counts(text: str, count: int) -> None:
    assert segments.count(text) == count


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("\u201cIt\u2019s 5\u20136 \u2014 or so\u2026\u201d", '"It\'s 5-6 - or so..."'),
        ("na\u00efve caf\u00e9, \u00a1hola!", "na\u00efve caf\u00e9, \u00a1hola!"),
        ("\u4f60\u597d \U0001f469\u200d\U0001f52c", "\u4f60\u597d \U0001f469\u200d\U0001f52c"),
        ("hard\u00a0space\u200b and\x00 control\r\n", "hard space and control"),
        ("one\n\ntwo", "one\n\ntwo"),
    ],
)
def test_punctuation_becomes_plain_and_letters_stay(written: str, sent: str) -> None:
    assert segments.plain(written) == sent


@given(st.text())
def test_no_letter_or_emoji_is_ever_changed(text: str) -> None:
    def letters(of: str) -> list[str]:
        return [c for c in of if unicodedata.category(c)[0] in "LMN" or c > "\U00010000"]

    kept = [c for c in letters(text) if c != "\u02bc"]  # an apostrophe that Unicode calls a letter
    assert letters(segments.plain(text)) == kept


@given(TEXTS)
def test_the_parts_of_a_text_are_all_of_it_in_order_and_none_is_too_long(text: str) -> None:
    parts = segments.split(text)
    assert "".join("".join(parts).split()) == "".join(text.split())
    assert all(0 < len(part) <= segments.MAX_CHARS and part == part.strip() for part in parts)
    assert all(unicodedata.combining(part[0]) == 0 for part in parts[1:])
    if len(text) <= segments.MAX_CHARS:
        assert parts == ([text] if text else [])


def test_a_text_is_cut_after_a_sentence_else_after_a_word_else_between_letters() -> None:
    first, *rest = segments.split("This is a sentence of some length. " * 40)
    assert first.endswith("length.")
    assert all(part.startswith("This") for part in rest)
    assert segments.split("word " * 200)[0].endswith("word")
    family = "\U0001f469\u200d\U0001f469\u200d\U0001f467"
    parts = segments.split("x" * (segments.MAX_CHARS - 2) + family + "y" * 50)
    assert parts[1].startswith(family)
    flag = "\U0001f1e9\U0001f1ea"
    assert [part.count(flag) for part in segments.split("x" + flag * 400)] == [299, 101]


@pytest.mark.parametrize("letter", ["\u200d", "\u0301", "\U0001f469\u200d"])
def test_what_claims_to_be_one_letter_without_end_is_cut_all_the_same(letter: str) -> None:
    text = letter * 2_000
    parts = segments.split(text)
    assert "".join(parts) == text
    assert all(len(part) <= segments.MAX_CHARS for part in parts)


def test_a_long_text_is_queued_as_one_sequence_of_plain_parts() -> None:
    work = UnitOfWork(uuid4(), created_by="test")
    own = uuid4()
    ids = work.say(uuid4(), ["It\u2019s a sentence. " * 60, "The end."], kind="proactive", id=own)
    rows = [change["row"] for change in work.changes]
    assert [row["sequence_position"] for row in rows] == [1, 2, 3]
    assert {row["sequence_total"] for row in rows} == {3}
    assert len({row["sequence_id"] for row in rows}) == 1
    assert rows[0]["final_message"].startswith("It's a sentence.")
    assert rows[2]["final_message"] == "The end."
    assert ids[0] == own
    assert len(set(ids)) == 3
