"""Structured logs: one JSON object a line, as Cloud Logging reads them.

Never message text, phone numbers, e-mail addresses or keys: fields are ids, counts, durations and
fixed words. Exceptions are logged as their type and place, because their words may quote a value.
"""

import json
import logging
import sys
import traceback
from typing import Any

from lib.core.settings import runtime

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON: `severity`, `message` and the record's extra fields."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "severity": record.levelname,
            "message": record.getMessage(),
            "logger": record.name,
        }
        line |= {k: v for k, v in record.__dict__.items() if k not in _STANDARD}
        if record.exc_info and record.exc_info[0]:
            line["error"] = describe(record.exc_info[1])
            line["stack"] = [
                f"{'/'.join(f.filename.split('/')[-2:])}:{f.lineno} {f.name}"
                for f in traceback.extract_tb(record.exc_info[2])[-12:]
            ]
        return json.dumps(line, default=str)


def describe(error: BaseException | None) -> str:
    """An exception without its words: its type, and its cause's."""
    if error is None:
        return "unknown"
    name = f"{type(error).__module__.removeprefix('builtins.')}.{type(error).__qualname__}"
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
