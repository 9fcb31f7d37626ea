"""What is shown of a dead letter is what is known to be harmless, however malformed it is."""

import json
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.console.disclosure import WITHHELD, disclosed, disclosed_error
from lib.console.table import table
from lib.core.model import JSON

WORDS = "call Anna, anna@example.com"
SECRETS = st.sampled_from(["Anna", WORDS, "+1 212 555 0142", 12125550142, 2125550142.5, "anna b"])
KEYS = st.sampled_from(["reason", "error", "status", "by", "kind", "step", "x", "+12125550142", ""])


@given(
    st.dictionaries(
        st.sampled_from(["payload", "context_json"]),
        st.recursive(
            SECRETS,
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
        ),
    )
)
def test_nothing_of_what_others_sent_is_shown_whatever_its_form(row: JSON) -> None:
    shown = json.dumps(disclosed(row))
    for secret in ("Anna", "anna", "555"):
        assert secret not in shown


@pytest.mark.parametrize("value", ["bob", "yes", "anna.smith", "lawyer", "123456"])
def test_a_single_word_is_a_person_s_unless_its_key_says_otherwise(value: str) -> None:
    assert disclosed({"payload": {"value": value}}) == {"payload": {"value": WITHHELD}}


def test_ids_times_counts_and_our_own_words_are_shown() -> None:
    row: dict[str, Any] = {
        "id": str(uuid4()),
        "event_type": "user.message.received",
        "created_at": "2026-11-23T17:00:00+00:00",
        "processed": True,
        "payload": {"n": 3, "score": 7.5, "status": "open", "none": None, "ids": [str(uuid4())]},
        "metadata": {"attempt": 5, "dead": {"error": "lease ran out five times"}},
        "error_log": "unknown type",
    }
    assert disclosed(row) == row


@pytest.mark.parametrize(
    "error",
    [
        "could not text +1 (212) 555-0142",
        "Key (phone_number)=(+12125550142) already exists",
        'invalid input syntax: "anna 5550142"',
        "no account anna@example.com",
    ],
)
def test_an_error_loses_what_it_quotes(error: str) -> None:
    shown = disclosed_error(error)
    assert WITHHELD in shown
    assert "555" not in shown
    assert "anna" not in shown


def test_nothing_in_a_table_moves_the_cursor_or_breaks_a_line() -> None:
    lines = table(["error"], [["first\nsecond\x1b[2J\u2028\u202e"]]).splitlines()
    assert lines == ["error", "first?second?[2J??"]
