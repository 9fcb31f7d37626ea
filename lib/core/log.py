"""Structured logs: one JSON object a line, as Cloud Logging reads them.

Never message text, phone numbers, e-mail addresses or keys: fields are ids, counts, durations and
fixed words. Exceptions are logged as their type and place, because their words may quote a value;
other packages' lines lose their words for the same reason. A member is a hash (`user`). What a
request and a step are about (lib/core/trace.py) is on every line within them.

Names that Cloud Logging takes out of a line: `severity`, `message`, `time`,
`logging.googleapis.com/trace`, `…/spanId`, `…/trace_sampled`; Error Reporting reads `stack_trace`.
"""

import hashlib
import json
import logging
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from datetime import UTC, datetime
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

from lib.core.settings import runtime

P = ParamSpec("P")
R = TypeVar("R")

_OURS = "yachtparty"
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
#: Frames of a stack that are logged at most, the innermost.
_FRAMES = 12

_bound: ContextVar[dict[str, Any] | None] = ContextVar("log_fields", default=None)


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON: what is bound, and the record's own fields over it."""

    def format(self, record: logging.LogRecord) -> str:
        ours = record.name.partition(".")[0] == _OURS
        line: dict[str, Any] = {
            "severity": record.levelname,
            "message": record.getMessage() if ours else "another package's line, words withheld",
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "logger": record.name,
            **(_bound.get() or {}),
        }
        if ours:
            extra = {k: v for k, v in record.__dict__.items() if k not in _STANDARD}
            line |= {k: v for k, v in extra.items() if v is not None}
        else:
            line["place"] = _place(record.pathname, record.lineno, record.funcName)
        if record.exc_info and record.exc_info[1]:
            line["error"] = describe(record.exc_info[1])
            line["stack_trace"] = _stack_trace(record.exc_info[1])
        return json.dumps(line, default=plain)


@contextmanager
def bound(**fields: Any) -> Iterator[None]:
    """Put `fields` on every line logged within, in threads too by `carried`; None is left out."""
    given = {name: value for name, value in fields.items() if value is not None}
    token = _bound.set({**(_bound.get() or {}), **given})
    try:
        yield
    finally:
        _bound.reset(token)


def carried(function: Callable[P, R]) -> Callable[P, R]:
    """`function` for other threads: its lines and spans belong to the step it is called from.

    A thread of a pool begins with an empty context, and one context cannot be entered twice at
    the same time: each call runs in a copy of the one there is now.
    """
    here = copy_context()

    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        return here.copy().run(function, *args, **kwargs)

    return run


def user_hash(user_id: UUID | str | None) -> str | None:
    """A member in a log: the same member is the same 12 digits.

    The ids are random, so that a plain hash cannot be turned back by trying; who has the database
    finds a member with `left(encode(sha256(id::text::bytea), 'hex'), 12)`.

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


def plain(value: object) -> str:
    """What JSON has no form for: an id or a time as text; of anything else only what it is."""
    return str(value) if isinstance(value, UUID | datetime) else type(value).__name__


def setup() -> None:
    """Send every line of this process to stdout as JSON; called once by each entry point's module.

    Every line, not only ours: what Flask logs of an exception nobody handled holds its words.
    """
    root = logging.getLogger()
    if not any(isinstance(handler.formatter, JsonFormatter) for handler in root.handlers):
        handler = logging.StreamHandler(sys.stdout)
        handler.setFormatter(JsonFormatter())
        # functions-framework puts one here that writes words, where LOG_EXECUTION_ID is set.
        root.handlers = [handler]
    logging.getLogger(_OURS).setLevel(runtime().log_level)
    # Both would write words to stderr, which Cloud Logging keeps as well: a warning of pydantic's
    # quotes the value, and a thread's last words are those of its exception.
    logging.captureWarnings(capture=True)
    threading.excepthook = _log_thread


def _log_thread(args: threading.ExceptHookArgs) -> None:
    get("threads").error("a thread ended", exc_info=args.exc_value)


def get(name: str) -> logging.Logger:
    """The logger of one part, below `yachtparty`."""
    return logging.getLogger(f"{_OURS}.{name}")


def _stack_trace(error: BaseException) -> str:
    """Where it was raised, in Python's own form, which Error Reporting groups by; no words, and no
    lines of source, since these may quote a value, too."""
    frames = [
        f"  {_place(frame.filename, frame.lineno, frame.name)}"
        for frame in traceback.extract_tb(error.__traceback__, -_FRAMES)
    ]
    return "\n".join(["Traceback (most recent call last):", *frames, describe(error)])


def _place(path: str, line: int | None, function: str | None) -> str:
    return f'File "{"/".join(path.split("/")[-3:])}", line {line}, in {function}'
