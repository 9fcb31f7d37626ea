"""Spans: sent by OpenTelemetry where an exporter is configured, and nothing of it loaded elsewhere.

The receiver is a small server that reads OTLP as any collector does.
"""

import gzip
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from lib.core import log, trace
from tests.support.stack import running_stack, wait_for
from tests.support.texting import Phone
from tests.test_import_graph import ENVIRONMENT, run

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SECRET = "my number is +1 212 555 0188, ida@fjord.no"


class Collector:
    """Keeps the spans it is sent; may hang instead."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.services: set[str] = set()
        self.hang = threading.Event()
        self.let_go = threading.Event()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if collector.hang.is_set():
                    collector.let_go.wait(30)
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                for of_resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                    collector.services |= {
                        a.value.string_value
                        for a in of_resource.resource.attributes
                        if a.key == "service.name"
                    }
                    for scope in of_resource.scope_spans:
                        collector.spans += scope.spans
                self.send_response(200)
                self.end_headers()

            def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
                """Print nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.let_go.set()
        self._server.shutdown()
        self._server.server_close()

    def named(self, name: str) -> list[Span]:
        """The spans of one name."""
        return [span for span in self.spans if span.name == name]


def attributes(span: Span) -> dict[str, str]:
    return {
        a.key: a.value.string_value or str(a.value.int_value or a.value.bool_value)
        for a in span.attributes
    }


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    made = Collector()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", made.url)
    monkeypatch.delenv("OTEL_SERVICE_NAME", raising=False)
    monkeypatch.setenv("K_SERVICE", "event-processor")
    trace.reset()
    yield made
    trace.reset()
    made.close()


def test_spans_hang_together_under_the_caller_s_and_leave_with_the_request(
    collector: Collector,
) -> None:
    with (
        trace.request("event_processor", {"traceparent": f"00-{TRACE}-{SPAN}-01"}),
        trace.step(log.get("x"), "event", event_id="e") as step,
        ThreadPoolExecutor(1) as pool,
    ):
        with trace.span("claude", model="m") as found:
            found["tokens"] = 7
        pool.submit(copy_context().run, inside_thread).result()
        step.say(outcome="applied")
    request, event = collector.named("event_processor")[0], collector.named("event")[0]
    assert request.trace_id.hex() == TRACE
    assert request.parent_span_id.hex() == SPAN
    assert event.parent_span_id == request.span_id
    assert collector.named("claude")[0].parent_span_id == event.span_id
    assert collector.named("twilio send")[0].parent_span_id == event.span_id
    assert attributes(event)["outcome"] == "applied"
    assert attributes(collector.named("claude")[0]) == {"model": "m", "tokens": "7"}
    assert collector.services == {"event-processor"}


def inside_thread() -> None:
    with trace.span("twilio send"):
        pass


def test_a_failed_span_says_the_error_s_type_and_none_of_its_words(collector: Collector) -> None:
    with pytest.raises(ValueError, match="number"), trace.request("webhook", {}):
        fail()
    (span,) = collector.named("database record_inbound")
    assert span.status.code == Status.STATUS_CODE_ERROR
    assert span.status.message == "ValueError"
    assert all("555" not in str(span) and not span.events for span in collector.spans)


def fail() -> None:
    with trace.span("database record_inbound"):
        raise ValueError(SECRET)


def test_a_collector_that_hangs_or_is_gone_costs_two_seconds_and_breaks_nothing(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector.hang.set()
    started = time.monotonic()
    with trace.request("webhook", {}):
        pass
    # Not a figure of speed: without a limit it would wait for the server's 30 s.
    assert time.monotonic() - started < 15
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    trace.reset()
    with trace.request("webhook", {}):
        pass


@pytest.mark.parametrize("function", ["twilio_webhook", "event_processor"])
def test_nothing_is_made_or_sent_without_an_exporter(function: str) -> None:
    code = (
        f"import sys, main; main.{function}\n"
        "from lib.core import log, trace\n"
        "with trace.request('x', {}), trace.step(log.get('x'), 'event'), trace.span('y'): pass\n"
        "print([m for m in sys.modules if m.startswith('opentelemetry.exporter')"
        " or m.startswith('opentelemetry.sdk.trace')])"
    )
    done = run(code, ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_switched_off_sdk_sends_nothing(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    trace.reset()
    with trace.request("webhook", {}):
        pass
    assert collector.spans == []


def test_a_text_leaves_spans_of_every_step_and_no_words() -> None:
    collector = Collector()
    try:
        with running_stack({"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}) as stack:
            phone = Phone(stack)
            phone.converse("I am Ida Fjord, ida@fjord.test")
            phone.wait_until_idle()
            wait_for(lambda: collector.named("event"), "span of the event", 20)
            wait_for(lambda: collector.named("receipt"), "span of a receipt", 20)
    finally:
        collector.close()
    for name in ("text", "event", "decide", "claude", "twilio send", "database commit_work"):
        assert collector.named(name), name
    said = str(collector.spans)
    for private in (phone.number, phone.number[1:], "Fjord", "ida@"):
        assert private not in said
