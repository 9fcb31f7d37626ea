"""Steps: what a function does for one call, event or task is one span and one line of the log.

Trace ids come from the caller (`traceparent`, else `X-Cloud-Trace-Context`), so that Cloud Logging
shows a step's lines under its request. Spans are made and sent by OpenTelemetry, and only where its
own variables name an exporter (OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT);
otherwise nothing of it is imported. Attributes are the log's fields: never text or addresses.
"""

import logging
import os
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from lib.core import log

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Tracer

_EXPORTERS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
#: Seconds that sending the spans of one request may take, unless OTEL_EXPORTER_OTLP_TIMEOUT is set.
EXPORT_TIMEOUT_S = 2.0

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_CLOUD_TRACE = re.compile(r"([0-9a-f]{32})(?:/(\d+))?(?:;o=(\d))?", re.IGNORECASE)


@dataclass
class Step:
    """What is to be said of a step when it ends; `round_trips` counts the database's."""

    fields: dict[str, Any] = field(default_factory=dict)
    round_trips: int = 0

    def say(self, **fields: Any) -> None:
        """Add to the line that ends the step."""
        self.fields |= fields


_current: ContextVar[Step | None] = ContextVar("step", default=None)


@contextmanager
def request(name: str, headers: Mapping[str, str]) -> Iterator[None]:
    """One call of a function: everything logged within belongs to the caller's trace.

    CPU stops after the response, so the spans leave before it does; that may fail, and takes
    EXPORT_TIMEOUT_S at most.
    """
    trace_id, parent_id, sampled = _caller({key.lower(): headers[key] for key in headers})
    tracing = _tracing()
    project = os.environ.get("GOOGLE_CLOUD_PROJECT")
    names: dict[str, Any] = {
        "logging.googleapis.com/trace": f"projects/{project}/traces/{trace_id}"
        if project
        else trace_id,
        "logging.googleapis.com/trace_sampled": sampled or tracing is not None,
    }
    try:
        with _span_of(name, trace_id, parent_id) as span_id:
            names["logging.googleapis.com/spanId"] = span_id
            with log.bound(**names):
                yield
    finally:
        if tracing is not None:
            tracing[1].force_flush()


@contextmanager
def step(logger: logging.Logger, name: str, **fields: Any) -> Iterator[Step]:
    """One step: a span, and one line when it ends, with its duration and database round trips.

    `fields` are on every line logged within.
    """
    given = {key: value for key, value in fields.items() if value is not None}
    started = time.perf_counter()
    current = Step()
    token = _current.set(current)
    try:
        with log.bound(**given), span(name, **given) as attributes:
            try:
                yield current
            finally:
                current.say(
                    duration_ms=round((time.perf_counter() - started) * 1000),
                    round_trips=current.round_trips,
                )
                attributes.update(current.fields)
                logger.info(name, extra=current.fields)
    finally:
        _current.reset(token)


def say(**fields: Any) -> None:
    """Add to the line that ends the step we are in."""
    if current := _current.get():
        current.say(**fields)


def reset() -> None:
    """Read OpenTelemetry's variables anew; for tests."""
    if tracing := _tracing():
        tracing[1].shutdown()
    _tracing.cache_clear()


def count_round_trip() -> None:
    """Count a call of the database for the step it is made in."""
    if current := _current.get():
        current.round_trips += 1


@contextmanager
def span(name: str, **attributes: Any) -> Iterator[dict[str, Any]]:
    """A part of a step: its attributes, to be added to. Costs nothing without an exporter."""
    added: dict[str, Any] = dict(attributes)
    tracing = _tracing()
    if tracing is None:
        yield added
        return
    from opentelemetry.trace import Status, StatusCode

    # What an exception says may quote a value; its type is told below.
    with tracing[0].start_as_current_span(
        name, record_exception=False, set_status_on_exception=False
    ) as current:
        try:
            yield added
        except BaseException as error:
            current.set_status(Status(StatusCode.ERROR, log.describe(error)))
            raise
        finally:
            for key, value in added.items():
                if value is not None:
                    current.set_attribute(
                        key, value if isinstance(value, bool | int | float) else str(value)
                    )


def _caller(headers: Mapping[str, str]) -> tuple[str, str | None, bool]:
    """The caller's trace id, span id and whether it is sampled; a new trace without one.

    Names of headers are lower case here.
    """
    found = _TRACEPARENT.fullmatch(headers.get("traceparent", "").strip())
    if found and int(found[1], 16) and int(found[2], 16):
        return found[1], found[2], bool(int(found[3], 16) & 1)
    found = _CLOUD_TRACE.fullmatch(headers.get("x-cloud-trace-context", "").strip())
    if found and int(found[1], 16):
        parent = int(found[2] or 0)
        known = f"{parent:016x}" if 0 < parent < 1 << 64 else None
        return found[1].lower(), known, found[3] == "1"
    return secrets.token_hex(16), None, False


@contextmanager
def _span_of(name: str, trace_id: str, parent_id: str | None) -> Iterator[str]:
    """The span of a request under its caller's; its id."""
    tracing = _tracing()
    if tracing is None:
        yield secrets.token_hex(8)
        return
    from opentelemetry.trace import (
        NonRecordingSpan,
        SpanContext,
        SpanKind,
        TraceFlags,
        set_span_in_context,
    )

    caller = SpanContext(
        trace_id=int(trace_id, 16),
        # A trace of our own has no span above its first; an id is needed all the same.
        span_id=int(parent_id or secrets.token_hex(8), 16),
        is_remote=True,
        trace_flags=TraceFlags(TraceFlags.SAMPLED),
    )
    with tracing[0].start_as_current_span(
        name,
        context=set_span_in_context(NonRecordingSpan(caller)),
        kind=SpanKind.SERVER,
        record_exception=False,
        set_status_on_exception=False,
    ) as current:
        yield f"{current.get_span_context().span_id:016x}"


@cache
def _tracing() -> "tuple[Tracer, TracerProvider] | None":
    """OpenTelemetry, once; None unless an exporter is configured."""
    disabled = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    if disabled or not any(os.environ.get(name) for name in _EXPORTERS):
        return None
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    timeout_s = None if os.environ.get("OTEL_EXPORTER_OTLP_TIMEOUT") else EXPORT_TIMEOUT_S
    service = os.environ.get("K_SERVICE") or os.environ.get("FUNCTION_TARGET") or "yachtparty"
    named = {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": service}
    provider = TracerProvider(resource=Resource.create(named))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(timeout=timeout_s)))
    return provider.get_tracer("yachtparty"), provider
