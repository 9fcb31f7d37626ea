"""One text through the whole system, as its lines and spans tell it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from lib.core import log
from tests.support.stack import StackUnderTest, running_stack, wait_for
from tests.support.texting import Phone
from tests.support.traced import Collector, Span

FUNCTIONS = (
    "twilio_webhook",
    "twilio_status",
    "event_processor",
    "event_sweeper",
    "task_processor",
    "message_orchestrator",
)


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with Collector() as running:
        yield running


@pytest.fixture(scope="module")
def traced_stack(collector: Collector) -> Iterator[StackUnderTest]:
    """A stack of its own: the others' processes must not load OpenTelemetry."""
    with running_stack({"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}) as running:
        yield running


def lines_of(stack: StackUnderTest, function: str, message: str) -> list[dict[str, Any]]:
    """A function's lines of one kind; every line that it has printed is JSON."""
    lines = [json.loads(line) for line in stack.log_of(function).splitlines()]
    return [line for line in lines if line["message"] == message]


def path_of(span: Span, spans: list[Span]) -> str:
    """The names from a request down to a span."""
    by_id = {known.span_id: known for known in spans}
    names = [span.name]
    while span.parent_id:
        span = by_id[span.parent_id]
        names.insert(0, span.name)
    return " > ".join(names)


def test_a_text_is_a_line_and_a_trace_of_the_webhook_and_of_the_processor(
    traced_stack: StackUnderTest, collector: Collector
) -> None:
    phone = Phone(traced_stack)
    phone.converse("Zebulon here, of Frobnitz")
    user = log.user_hash(phone.user()["id"])

    def steps_done() -> bool:
        done = [line["outcome"] for line in lines_of(traced_stack, "event_processor", "event")]
        return "applied" in done and bool(lines_of(traced_stack, "twilio_status", "receipt"))

    wait_for(steps_done, "lines of the event and a receipt")
    (text,) = lines_of(traced_stack, "twilio_webhook", "text")
    assert (text["severity"], text["outcome"], text["user"]) == ("INFO", "recorded", user)
    assert text["round_trips"] == 1
    (event,) = [
        line
        for line in lines_of(traced_stack, "event_processor", "event")
        if line["outcome"] == "applied"
    ]
    assert (event["event_id"], event["user"]) == (text["event_id"], user)
    assert event["round_trips"] >= 2
    assert event["duration_ms"] >= event["decide_ms"]

    def paths() -> set[str] | None:
        spans = collector.spans()
        of_event = [s for s in spans if s.trace_id == event["logging.googleapis.com/trace"]]
        if any(s.parent_id and s.parent_id not in {p.span_id for p in of_event} for s in of_event):
            return None  # what is above some of them is still to come
        found = {path_of(s, of_event) for s in of_event}
        return found if expected <= found else None

    event_path = "event_processor > event"
    expected = {
        "event_processor",
        event_path,
        f"{event_path} > database claim_event",
        f"{event_path} > decide",
        f"{event_path} > decide > claude claude-sonnet-5-5",
        f"{event_path} > database commit_work",
        f"{event_path} > database claim_texts",
        f"{event_path} > twilio send",
        f"{event_path} > database record_sends",
    }
    wait_for(paths, "spans of the event")
    of_text = [
        span for span in collector.spans() if span.trace_id == text["logging.googleapis.com/trace"]
    ]
    assert [path_of(span, of_text) for span in sorted(of_text, key=lambda s: s.name)] == [
        "twilio_webhook > text > database record_inbound",
        "twilio_webhook > text",
        "twilio_webhook",
    ]
    sent = b"".join(collector.bodies)
    for secret in (phone.number, phone.number[1:], "Zebulon", "Frobnitz"):
        assert secret.encode() not in sent


def test_texts_sent_together_are_spans_of_the_run_that_sends_them(
    traced_stack: StackUnderTest, collector: Collector
) -> None:
    phones = [Phone(traced_stack), Phone(traced_stack)]
    for phone in phones:
        phone.converse("hi")
        phone.wait_until_idle()
    with (
        traced_stack.paused("message_orchestrator"),  # a tick may come between, and take them
        traced_stack.connect() as connection,
    ):
        # In one transaction, so that one claim takes both.
        connection.execute(
            "insert into message_queue"
            " (user_id, agent_id, message_data, final_message, scheduled_for)"
            " select id, 'system', '{\"kind\": \"system\"}', 'hello', now() from users"
            " where phone_number = any(%s)",
            ([phone.number for phone in phones],),
        )
        traced_stack.run_schedule("message_orchestrator")
        run = lines_of(traced_stack, "message_orchestrator", "send due")[-1]
    assert run["claimed"] >= 2
    of_run = [
        span for span in collector.spans() if span.trace_id == run["logging.googleapis.com/trace"]
    ]
    sends = [path_of(span, of_run) for span in of_run if span.name == "twilio send"]
    assert sends[:2] == ["message_orchestrator > send due > twilio send"] * 2


def test_each_schedule_is_a_line_with_its_counts(traced_stack: StackUnderTest) -> None:
    for schedule, function, message in (
        ("event_sweeper", "event_sweeper", "sweep"),
        ("message_orchestrator", "message_orchestrator", "send due"),
        ("task_processor", "task_processor", "tasks"),
        ("community_closure", "event_processor", "tick"),
    ):
        before = len(lines_of(traced_stack, function, message))
        traced_stack.run_schedule(schedule)
        line = lines_of(traced_stack, function, message)[before]
        assert line["severity"] == "INFO"
        assert line["round_trips"] >= 1
        assert line["outcome"] in {"done", "recorded"}


def test_every_line_of_every_function_is_json_with_a_severity_and_a_time(
    traced_stack: StackUnderTest,
) -> None:
    for function in FUNCTIONS:
        for line in traced_stack.log_of(function).splitlines():
            assert {"severity", "message", "time", "logger"} <= json.loads(line).keys()
