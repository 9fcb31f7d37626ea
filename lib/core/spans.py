"""Spans, sent by OpenTelemetry's SDK to where its own variables say. Imported only if they do.

The provider is our own and not the process's: the clients of Claude and Pub/Sub bring spans of
their own, whose content we could not vouch for.
"""

import logging
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import entry_points
from typing import Any, Literal

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from lib.core import log
from lib.core.trace import Caller

_log = log.get("spans")

Kind = Literal["internal", "client", "server"]
_KINDS = {"internal": SpanKind.INTERNAL, "client": SpanKind.CLIENT, "server": SpanKind.SERVER}

#: Seconds that a request waits at its end for its spans to be sent.
FLUSH_S = 1.0


class Publisher:
    """Makes spans and sends them. Safe to share between threads."""

    def __init__(self) -> None:
        """Raises whatever an exporter raises that cannot be made."""
        # What the SDK logs of a failure quotes addresses; `_Watched` says that there was one.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        # Sent request by request, so that nothing is left to send when the process is ended.
        self._provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
        for exporter in _exporters():
            self._provider.add_span_processor(BatchSpanProcessor(_Watched(exporter)))
        self._tracer = self._provider.get_tracer("yachtparty")
        self._flushing = threading.Lock()
        self._late: threading.Thread | None = None

    @contextmanager
    def span(
        self, name: str, kind: Kind, attributes: Mapping[str, Any], caller: Caller | None
    ) -> Iterator[Caller]:
        """A span under the current one, or under `caller`'s; `attributes` are read at its end."""
        context = None
        if caller:
            # Without a span's id a caller is no parent to OpenTelemetry, which begins a trace.
            context = set_span_in_context(NonRecordingSpan(_span_context(caller)))
        with self._tracer.start_as_current_span(
            name,
            context=context,
            kind=_KINDS[kind],
            # Both would write the exception's words into the span.
            record_exception=False,
            set_status_on_exception=False,
        ) as current:
            error: str | None = None
            try:
                yield _names(current)
            except Exception as raised:
                error = log.describe(raised)
                raise
            finally:
                current.set_attributes(_plain(attributes))
                if error := error or attributes.get("error.type"):
                    current.set_attribute("error.type", error)
                    current.set_status(Status(StatusCode.ERROR))

    def flush(self) -> None:
        """Send what has ended, and wait FLUSH_S seconds at most. Never raises.

        The SDK's own flush heeds no timeout, nor does a receiver that answers a byte a second, so
        a thread waits for them. While one flush takes longer, later requests do not wait at all;
        their spans go with the next that does.
        """
        until = time.monotonic() + FLUSH_S
        if self._late and self._late.is_alive():
            return
        if not self._flushing.acquire(timeout=FLUSH_S):
            return
        sending = threading.Thread(target=self._send, daemon=True)
        try:
            sending.start()
        except RuntimeError:  # no thread is to be had
            self._flushing.release()
            return
        sending.join(max(0.0, until - time.monotonic()))
        if sending.is_alive():
            self._late = sending

    def _send(self) -> None:
        try:
            self._provider.force_flush()
        finally:
            self._flushing.release()


class _Watched(SpanExporter):
    """An exporter whose failures are lines of our log."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        try:
            result = self._exporter.export(spans)
        except Exception:  # noqa: BLE001 - spans are never fatal
            _log.exception("spans not sent", extra={"spans": len(spans)})
            return SpanExportResult.FAILURE
        if result is not SpanExportResult.SUCCESS:
            _log.warning("spans not sent", extra={"spans": len(spans)})
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()


def _exporters() -> list[SpanExporter]:
    """The exporters that OTEL_TRACES_EXPORTER names, by the SDK's entry points; else OTLP.

    Raises:
        LookupError: one is not installed. We ship OTLP over HTTP.
    """
    protocol = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or os.environ.get(
        "OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"
    )
    otlp = "otlp_proto_grpc" if protocol == "grpc" else "otlp_proto_http"
    exporters: list[SpanExporter] = []
    for name in (os.environ.get("OTEL_TRACES_EXPORTER") or "otlp").split(","):
        known = otlp if name.strip() == "otlp" else name.strip()
        found = [*entry_points(group="opentelemetry_traces_exporter", name=known)]
        exporters.append(found[0].load()())
    return exporters


def _resource() -> Resource:
    """Who sends: what the variables say, and without a name Cloud Run's."""
    named = os.environ.get("OTEL_SERVICE_NAME") or "service.name=" in os.environ.get(
        "OTEL_RESOURCE_ATTRIBUTES", ""
    )
    return Resource.create(
        {} if named else {"service.name": os.environ.get("K_SERVICE") or "yachtparty"}
    )


def _names(span: Span) -> Caller:
    context = span.get_span_context()
    return Caller(
        f"{context.trace_id:032x}", f"{context.span_id:016x}", context.trace_flags.sampled
    )


def _span_context(caller: Caller) -> SpanContext:
    return SpanContext(
        trace_id=int(caller.trace_id, 16),
        span_id=int(caller.span_id or "0", 16),
        is_remote=True,
        trace_flags=TraceFlags(TraceFlags.SAMPLED if caller.sampled else TraceFlags.DEFAULT),
    )


def _plain(fields: Mapping[str, Any]) -> dict[str, str | int | float | bool]:
    """Fields of a line as attributes, which are no dictionaries: {"a": {"b": 1}} is "a.b": 1."""
    plain: dict[str, str | int | float | bool] = {}
    for name, value in fields.items():
        match value:
            case None:
                continue
            case Mapping():
                plain |= _plain({f"{name}.{key}": part for key, part in value.items()})
            case str() | bool() | int() | float():
                plain[name] = value
            case _:
                plain[name] = str(log.plain(value))
    return plain
