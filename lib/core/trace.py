"""Steps: what a function does for one text, event, task or tick is one span and one line.

A *request* is one call of a function: all within belongs to the caller's trace (`traceparent`, else
`X-Cloud-Trace-Context`), so that Cloud Logging shows our lines under the call. A *step* within it
ends with one line: what it was about, how it ended, its duration, its database round trips. Parts
of a step have spans and no lines.

Spans are made and sent by OpenTelemetry (lib/core/spans.py), and only where its own variables name
an exporter; otherwise nothing of it is imported. Their attributes are the fields of the lines: ids,
counts, outcomes; never text, numbers or addresses.
"""

import logging
import os
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache, wraps
from typing import TYPE_CHECKING, Any, NamedTuple

from lib.core import log
from lib.core.settings import runtime

if TYPE_CHECKING:
    from flask import Request, Response

    from lib.core.spans import Kind, Publisher

_log = log.get("trace")
_counting = threading.Lock()
_making = threading.Lock()

#: https://www.w3.org/TR/trace-context/, version 00; a later version may add fields at its end.
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")
#: Google's own header from before: TRACE_ID/SPAN_ID;o=OPTIONS, the span's id in decimal.
_CLOUD_TRACE = re.compile(r"([0-9a-fA-F]{32})(?:/([0-9]{1,20}))?(?:;o=([0-9]))?")


class Caller(NamedTuple):
    """The trace that a call belongs to: ids in hexadecimal digits, of 16 and of 8 bytes."""

    trace_id: str
    span_id: str | None = None
    sampled: bool = False


@dataclass
class Step:
    """What is to be said of a step when it ends; `round_trips` counts the database's."""

    around: "Step | None" = None
    fields: dict[str, Any] = field(default_factory=dict)
    round_trips: int = 0
    severity: int = logging.INFO
    error: BaseException | None = None

    def say(self, **fields: Any) -> None:
        """Add to the line that ends the step; None is left out."""
        self.fields |= {name: value for name, value in fields.items() if value is not None}

    def warn(self, **fields: Any) -> None:
        """Let the step end with a warning."""
        self.severity = max(self.severity, logging.WARNING)
        self.say(**fields)

    def fail(self, error: BaseException | None = None, **fields: Any) -> None:
        """Let the step end as an error, described without its words."""
        self.severity, self.error = logging.ERROR, error
        self.say(**fields)


_current: ContextVar[Step | None] = ContextVar("step", default=None)


def function(
    entry_point: "Callable[[Request], Response]",
) -> "Callable[[Request], Response]":
    """An entry point whose calls are requests of its name.

    What it does not handle is a line of the request, and answered 500.
    """
    if _is_configured():
        import lib.core.spans  # noqa: F401 - its modules at the start, not in the first request

    @wraps(entry_point)
    def traced(call: "Request") -> "Response":
        with request(entry_point.__name__, dict(call.headers)):
            try:
                return entry_point(call)
            except Exception:  # noqa: BLE001 - the framework would log it outside of the request
                _log.exception("not handled", extra={"function": entry_point.__name__})
                from flask import Response

                return Response("The function failed.", 500, mimetype="text/plain")

    return traced


@contextmanager
def request(name: str, headers: Mapping[str, str]) -> Iterator[None]:
    """One call of a function: everything logged within belongs to the caller's trace.

    CPU stops after the response, so the spans are sent before it; lib/core/spans.py says how long
    that may take.
    """
    caller = _caller(headers) or Caller(secrets.token_hex(16))
    try:
        with _span(name, "server", {}, caller) as (_, at), log.bound(**(at or _names(caller))):
            yield
    finally:
        if publisher := _publisher():
            publisher.flush()


@contextmanager
def step(logger: logging.Logger, name: str, **fields: Any) -> Iterator[Step]:
    """One step: a span, and one line when it ends. `fields` are on every line logged within.

    An exception that passes through makes it an error, with the outcome `raised` if none was said.
    """
    started = time.monotonic()
    current = Step(_current.get())
    token = _current.set(current)
    try:
        with _span(name, "internal", fields) as (attributes, at), log.bound(**fields, **at):
            try:
                yield current
            except Exception as error:
                current.fail(error, outcome=current.fields.get("outcome", "raised"))
                raise
            finally:
                current.say(
                    duration_ms=round((time.monotonic() - started) * 1000),
                    round_trips=current.round_trips,
                )
                attributes |= current.fields
                if current.severity >= logging.ERROR:
                    attributes["error.type"] = log.describe(current.error)
                logger.log(current.severity, name, extra=current.fields, exc_info=current.error)
    finally:
        _current.reset(token)


def say(**fields: Any) -> None:
    """Add to the line that ends the step this is called in; without one nothing is said."""
    if current := _current.get():
        current.say(**fields)


def warn(**fields: Any) -> None:
    """Let the step that this is called in end with a warning."""
    if current := _current.get():
        current.warn(**fields)


def fail(error: BaseException | None, **fields: Any) -> None:
    """Let the step that this is called in end as an error."""
    if current := _current.get():
        current.fail(error, **fields)


def count_round_trip() -> None:
    """Count a call of the database for the step it is made in and the ones around it."""
    current = _current.get()
    with _counting:  # the tasks of one run are decided by several threads
        while current:
            current.round_trips += 1
            current = current.around


@contextmanager
def span(name: str, **attributes: Any) -> Iterator[dict[str, Any]]:
    """A part of a step: its attributes, to be added to. Costs nothing without an exporter."""
    with _span(name, "internal", attributes) as (added, _):
        yield added


@contextmanager
def call(name: str, **attributes: Any) -> Iterator[dict[str, Any]]:
    """A span in which another service works for us."""
    with _span(name, "client", attributes) as (added, _):
        yield added


@contextmanager
def _span(
    name: str, kind: "Kind", attributes: Mapping[str, Any], caller: Caller | None = None
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """A span's attributes, and its names for the lines within it."""
    added = dict(attributes)
    publisher = _publisher()
    if publisher is None:
        yield added, {}
        return
    with publisher.span(name, kind, added, caller) as here:
        yield added, _names(here)


def _caller(headers: Mapping[str, str]) -> Caller | None:
    """Who calls, if the headers say it; anything malformed is as if it were not there."""
    headers = {name.lower(): value for name, value in headers.items()}
    found = _TRACEPARENT.fullmatch(headers.get("traceparent", "").strip())
    if found and int(found[1], 16) and int(found[2], 16):
        return Caller(found[1], found[2], bool(int(found[3], 16) & 1))
    found = _CLOUD_TRACE.fullmatch(headers.get("x-cloud-trace-context", "").strip())
    if found and int(found[1], 16) and (span_id := int(found[2] or 0)) < 1 << 64:
        return Caller(found[1].lower(), f"{span_id:016x}" if span_id else None, found[3] == "1")
    return None


def _names(at: Caller) -> dict[str, Any]:
    """The caller in Cloud Logging's words."""
    project = runtime().google_cloud_project
    return {
        "logging.googleapis.com/trace": f"projects/{project}/traces/{at.trace_id}"
        if project
        else at.trace_id,
        "logging.googleapis.com/spanId": at.span_id,
        "logging.googleapis.com/trace_sampled": at.sampled,
    }


def _is_configured() -> bool:
    """Do OpenTelemetry's own variables name an exporter of traces?"""
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    if exporter := os.environ.get("OTEL_TRACES_EXPORTER", "").strip():
        return exporter != "none"
    endpoints = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    return any(os.environ.get(name) for name in endpoints)


def _publisher() -> "Publisher | None":
    """What sends spans: made in the first request, by one of its threads; None if there is none."""
    with _making:
        return _made()


@cache
def _made() -> "Publisher | None":
    """Never fatal: with variables that are wrong there are no spans, and one line that says so."""
    if not _is_configured():
        return None
    from lib.core import spans

    try:
        return spans.Publisher()
    except Exception:  # noqa: BLE001 - spans are never fatal
        _log.exception("no spans: the variables of OpenTelemetry name no exporter that works")
        return None
