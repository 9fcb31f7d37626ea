"""Structured logs: one JSON object a line, as Cloud Logging reads them.

Never message text, phone numbers, e-mail addresses or keys: fields are ids, counts, durations and
fixed words. Exceptions are logged as their type and place, because their words may quote a value.
A member is a hash (`user`). What a step is about (lib/core/trace.py) is on every line within it.
"""

import hashlib
import json
import logging
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from uuid import UUID

from lib.core.settings import runtime

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
_bound: ContextVar[dict[str, Any] | None] = ContextVar("log_fields", default=None)


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON: `severity`, `message`, what is bound, the record's fields."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "severity": record.levelname,
            "message": record.getMessage(),
            "logger": record.name,
            **(_bound.get() or {}),
        }
        line |= {k: v for k, v in record.__dict__.items() if k not in _STANDARD and v is not None}
        if record.exc_info and record.exc_info[0]:
            line["error"] = describe(record.exc_info[1])
            line["stack"] = [
                f"{'/'.join(f.filename.split('/')[-2:])}:{f.lineno} {f.name}"
                for f in traceback.extract_tb(record.exc_info[2])[-12:]
            ]
        return json.dumps(line, default=str)


@contextmanager
def bound(**fields: Any) -> Iterator[None]:
    """Put `fields` on every line logged within, also by threads that a copied context runs."""
    token = _bound.set({**(_bound.get() or {}), **fields})
    try:
        yield
    finally:
        _bound.reset(token)


def user_hash(user_id: UUID | str | None) -> str | None:
    """A member in a log: the same member is the same 12 digits.

    The ids are random, so that a plain hash cannot be turned back by trying; who has the database
    finds a member with `encode(sha256(id::text::bytea), 'hex')`.

    >>> user_hash("00000000-0000-0000-0000-000000000001")
    '7ac1b8d7010b'
    """
    return hashlib.sha256(str(user_id).encode()).hexdigest()[:12] if user_id else None


def describe(error: BaseException | None) -> str:
    """An exception without its words: its type, and its cause's."""
    if error is None:
        return "unknown"
    name = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
    return f"{name} < {describe(error.__cause__)}" if error.__cause__ else name


def setup() -> None:
    """Send our loggers' lines to stdout as JSON; called once by each entry point's module."""
    root = logging.getLogger("yachtparty")
    if not root.handlers:
        handler = logging.StreamHandler(sys.stdout)
        handler.setFormatter(JsonFormatter())
        root.addHandler(handler)
        root.setLevel(runtime().log_level)
        root.propagate = False


def get(name: str) -> logging.Logger:
    """The logger of one part, below `yachtparty`."""
    return logging.getLogger(f"yachtparty.{name}")
