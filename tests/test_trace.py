"""Spans: sent where OpenTelemetry's variables say, of the right shape, and never in the way."""

import json
from pathlib import Path

import pytest

from tests.support.sim_process import free_port
from tests.support.traced import Collector, Mode, Refusing, Span, running_function
from tests.test_import_graph import ENVIRONMENT, run
from tests.test_logs import SECRETS, SPAN_ID, TRACE_ID, TRACEPARENT, WORDS

INTERNAL, SERVER, CLIENT = 1, 2, 3


def named(spans: list[Span], name: str) -> Span:
    """The only span of that name."""
    (span,) = [span for span in spans if span.name == name]
    return span


def test_a_request_its_steps_and_its_calls_are_spans_under_one_another(tmp_path: Path) -> None:
    with Collector() as collector:
        variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "K_SERVICE": "webhook"}
        with running_function("works", tmp_path / "log", **variables) as function:
            assert function.call(traceparent=TRACEPARENT).text == "done"
            spans, lines = collector.spans(9), function.lines()
    assert {span.trace_id for span in spans} == {TRACE_ID}
    assert {span.service for span in spans} == {"webhook"}
    works, work = named(spans, "works"), named(spans, "work")
    assert (works.kind, works.parent_id) == (SERVER, SPAN_ID)
    assert (work.kind, work.parent_id) == (INTERNAL, works.span_id)
    claim = named(spans, "database claim")
    assert (claim.kind, claim.parent_id) == (CLIENT, work.span_id)
    tasks = {span.span_id: span for span in spans if span.name == "task"}
    assert len(tasks) == 3
    assert {task.parent_id for task in tasks.values()} == {work.span_id}
    sends = [span for span in spans if span.name == "twilio send"]
    assert {send.parent_id for send in sends} == set(tasks)
    assert len(spans) == 9
    assert work.attributes["outcome"] == "done"
    assert work.attributes["counts.applied"] == 2
    assert work.attributes["round_trips"] == 4
    assert not any(span.is_error for span in spans)

    # Each line belongs to the span of its step.
    assert {line["logging.googleapis.com/trace"] for line in lines} == {TRACE_ID}
    for line in lines:
        span_id = line["logging.googleapis.com/spanId"]
        if line["message"] == "work":
            assert span_id == work.span_id
        else:
            assert tasks[span_id].attributes["task_id"] == line["task_id"]


def test_without_a_caller_a_request_begins_a_trace(tmp_path: Path) -> None:
    with Collector() as collector:
        variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
        with running_function("works", tmp_path / "log", **variables) as function:
            function.call()
            function.call()
            first, second = [span for span in collector.spans(18) if span.name == "works"]
            traces = {line["logging.googleapis.com/trace"] for line in function.lines()}
    assert (first.parent_id, second.parent_id) == ("", "")
    assert traces == {first.trace_id, second.trace_id}
    assert len(traces) == 2


@pytest.mark.parametrize("sampler", ["", "always_on"])
def test_what_the_caller_does_not_sample_is_not_sent_unless_the_sampler_says_so(
    tmp_path: Path, sampler: str
) -> None:
    with Collector() as collector:
        variables = {
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{collector.url}/v1/traces",
            **({"OTEL_TRACES_SAMPLER": sampler} if sampler else {}),
        }
        with running_function("works", tmp_path / "log", **variables) as function:
            function.call(traceparent=f"00-{TRACE_ID}-{SPAN_ID}-00")
            wanted = 9 if sampler else 0
            assert len(collector.spans(wanted)) == wanted
            sampled = {line["logging.googleapis.com/trace_sampled"] for line in function.lines()}
    assert sampled == {bool(sampler)}


def test_a_span_that_fails_says_what_kind_of_error_and_none_of_its_words(tmp_path: Path) -> None:
    with Collector() as collector:
        variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "WORDS": WORDS}
        with running_function("raises", tmp_path / "log", **variables) as function:
            assert function.call().status_code == 500
            spans = collector.spans()
    for name in ("decide", "work"):
        assert named(spans, name).is_error
        assert named(spans, name).attributes["error.type"].startswith("ValueError")
    sent = b"".join(collector.bodies)
    assert not [secret for secret in SECRETS if secret.encode() in sent]


def test_calls_of_other_services_are_spans_without_content_and_tell_nobody_our_trace(
    tmp_path: Path,
) -> None:
    with Collector() as collector, Refusing(400, json.dumps({"message": WORDS})) as service:
        variables = service.variables() | {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "ANTHROPIC_OPEN_TELEMETRY_TRACES_CONTENT_MODE": "content",
            "WORDS": WORDS,
        }
        with running_function("adapters", tmp_path / "log", **variables) as function:
            assert function.call().status_code == 200
            spans = collector.spans()
    calls = {span.name for span in spans if span.kind == CLIENT}
    assert calls == {
        *("database claim_event", "twilio send", "twilio list", "claude claude-sonnet-5-5")
    }
    assert named(spans, "database claim_event").is_error
    assert named(spans, "twilio send").attributes["outcome"] == "nottaken"
    assert len(service.headers) >= 4
    assert not [headers for headers in service.headers if "traceparent" in headers]
    sent = b"".join(collector.bodies)
    assert not [secret for secret in SECRETS if secret.encode() in sent]


@pytest.mark.parametrize("mode", ["hang", "trickle", "unavailable"])
def test_a_receiver_in_trouble_delays_no_answer_for_long_and_breaks_none(
    tmp_path: Path, mode: Mode
) -> None:
    with Collector() as collector:
        collector.mode = mode
        variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
        with running_function("works", tmp_path / "log", **variables) as function:
            for _ in range(4):
                # Each is answered, though the receiver never ends, sooner than OpenTelemetry by
                # itself would give it up.
                assert function.call(within_s=9).text == "done"
            assert collector.bodies
            done = [line for line in function.lines() if line["message"] == "work"]
    assert len(done) == 4


def test_a_receiver_that_is_not_there_costs_a_warning_and_comes_back_unnoticed(
    tmp_path: Path,
) -> None:
    variables = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{free_port()}",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "0.5",
    }
    with running_function("works", tmp_path / "log", **variables) as function:
        assert function.call().text == "done"
        assert function.call().text == "done"
        lines = function.lines()
    lost = [line for line in lines if line["message"] == "spans not sent"]
    assert lost
    assert {line["severity"] for line in lost} == {"WARNING"}
    assert len([line for line in lines if line["message"] == "work"]) == 2


def test_an_exporter_that_is_not_installed_is_one_line_and_no_spans(tmp_path: Path) -> None:
    with running_function("works", tmp_path / "log", OTEL_TRACES_EXPORTER="zipkin") as function:
        assert function.call().text == "done"
        assert function.call().text == "done"
        lines = function.lines()
    (line,) = [line for line in lines if line["message"].startswith("no spans")]
    assert line["severity"] == "ERROR"


def modules_of(function: str, **variables: str) -> set[str]:
    done = run(
        f"import json, sys, main; main.{function}; print(json.dumps(list(sys.modules)))",
        ENVIRONMENT | variables,
    )
    assert done.returncode == 0, done.stderr
    return {m for m in json.loads(done.stdout) if m.partition(".")[0] == "opentelemetry"}


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_TRACES_EXPORTER": "none"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_SDK_DISABLED": "true"},
    ],
)
def test_nothing_of_opentelemetry_is_loaded_by_a_webhook_unless_it_is_to_send(
    variables: dict[str, str],
) -> None:
    assert modules_of("twilio_webhook", **variables) == set()


def test_where_it_is_to_send_it_is_loaded_at_the_start() -> None:
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    assert "opentelemetry.sdk.trace" in modules_of("twilio_webhook", **variables)
