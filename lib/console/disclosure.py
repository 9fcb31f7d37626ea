"""What of a row may be seen by whoever looks at a dead letter: never anybody's words or numbers.

A dead letter may be malformed in any way, so what is shown is what is known to be harmless.
"""

import re
from typing import Any

from lib.core.model import JSON

WITHHELD = "(withheld)"

_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_ID_OR_TIME = re.compile(
    rf"{_UUID}"
    r"|\d{4}-\d\d-\d\d[T ]\d\d:[\d:.]+(Z|[+-]\d\d:?\d\d)?",
    re.ASCII,
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")
_KEY = re.compile(
    rf"[a-z]{{1,40}}(?:[._][a-z]{{1,40}}){{0,5}}(?::{_UUID})?|[0-9A-Z]{{5}}|[1-5][0-9]{2}"
)
#: Keys whose values are words of ours: states, types, priorities.
_FIXED_WORDS = frozenset(
    {"kind", "event_type", "task_type", "aggregate_type", "agent_type", "context_type"}
    | {"created_by", "status", "priority", "urgency", "step", "reason", "error_code", "by"}
)
_FIXED_WORD = re.compile(r"[a-z]+([._][a-z]+)*|\d{5}")
_LONGEST_WORD = 40
#: Columns that hold what others sent; an `error` in there is not one of ours.
_FOREIGN = frozenset({"payload", "context_json"})
_ERRORS = frozenset({"error", "error_log"})
#: Smaller numbers are counts and scores; a phone number has more digits.
_LARGEST_NUMBER = 1_000_000
_IN_ERRORS = re.compile(r"\S+@\S+|\+?\d[\d\s().-]{5,}\d|\"[^\"]*\"|'[^']*'|=\([^)]*\)")
_LONGEST_ERROR = 200


def disclosed(row: JSON) -> JSON:
    """A row of events or agent_tasks without what people wrote and how to reach them."""
    return {
        column: _value(value, column, is_ours=column not in _FOREIGN)
        for column, value in row.items()
    }


def disclosed_error(error: str) -> str:
    """An error's words without what they quote.

    >>> disclosed_error('duplicate key: (phone_number)=(+12125550123) already exists')
    'duplicate key: (phone_number)(withheld) already exists'
    """
    return _IN_ERRORS.sub(WITHHELD, error)[:_LONGEST_ERROR]


def disclosed_key(key: str | None) -> str | None:
    """A word of ours: a rule, an error's code, a topic, with the id of what it is about.

    >>> disclosed_key("intro:00000000-0000-0000-0000-000000000001")
    'intro:00000000-0000-0000-0000-000000000001'
    >>> disclosed_key("about +1 212 555 0123")
    '(withheld)'
    """
    return WITHHELD if key and not _KEY.fullmatch(key) else key


def _value(value: Any, key: str, *, is_ours: bool) -> Any:
    match value:
        case None | bool():
            return value
        case int() | float() if abs(value) < _LARGEST_NUMBER:
            return value
        case dict():
            return {
                name if _NAME.fullmatch(name) else f"{WITHHELD} {place}": _value(
                    inner, name, is_ours=is_ours
                )
                for place, (name, inner) in enumerate(value.items(), 1)
            }
        case list():
            return [_value(inner, key, is_ours=is_ours) for inner in value]
        case str() if _ID_OR_TIME.fullmatch(value):
            return value
        case str() if is_ours and key in _ERRORS:
            return disclosed_error(value)
        case str() if key in _FIXED_WORDS and len(value) <= _LONGEST_WORD:
            return value if _FIXED_WORD.fullmatch(value) else WITHHELD
        case _:
            return WITHHELD
