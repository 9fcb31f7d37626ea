"""Log lines: JSON that Cloud Logging reads, tied to a trace, about steps and never about words."""

import io
import json
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import pytest

from lib.core import log, trace
from tests.support.stack import StackUnderTest, wait_for
from tests.support.texting import Phone

SECRET = "my number is +1 212 555 0188, ida@fjord.no"
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """What is logged within the test, as read back."""
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT", raising=False)
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(log.JsonFormatter())
    logger = logging.getLogger("yachtparty")
    logger.addHandler(handler)
    before = logger.level
    logger.setLevel("DEBUG")
    read: list[dict[str, Any]] = []
    monkeypatch.setattr(
        handler,
        "emit",
        lambda record: read.append(json.loads(handler.format(record))),
    )
    yield read
    logger.setLevel(before)
    logger.removeHandler(handler)


def test_a_step_is_one_line_with_its_duration_and_round_trips(lines: list[dict[str, Any]]) -> None:
    with trace.step(log.get("x"), "event", event_id="e", user=None) as step:
        trace.count_round_trip()
        trace.count_round_trip()
        trace.say(decide_ms=3)
        step.say(outcome="applied")
    (line,) = lines
    assert line.pop("duration_ms") >= 0
    assert line == {
        "severity": "INFO",
        "message": "event",
        "logger": "yachtparty.x",
        "event_id": "e",
        "round_trips": 2,
        "decide_ms": 3,
        "outcome": "applied",
    }


def test_what_is_logged_within_a_step_says_what_it_is_about_also_in_threads(
    lines: list[dict[str, Any]],
) -> None:
    def work() -> None:
        trace.count_round_trip()
        log.get("y").info("inside")

    with trace.step(log.get("x"), "task", task_id="t"), ThreadPoolExecutor(2) as pool:
        for _ in range(2):
            pool.submit(copy_context().run, work).result()
    log.get("y").info("outside")
    assert [line.get("task_id") for line in lines] == ["t", "t", "t", None]
    assert lines[2]["round_trips"] == 2


def test_steps_side_by_side_do_not_mix(lines: list[dict[str, Any]]) -> None:
    def one(name: str) -> None:
        with trace.step(log.get("x"), "task", task_id=name):
            for _ in range(int(name)):
                trace.count_round_trip()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, map(str, range(40))))
    assert {line["task_id"]: line["round_trips"] for line in lines} == {
        str(n): n for n in range(40)
    }


def test_a_step_that_fails_leaves_its_line_too(lines: list[dict[str, Any]]) -> None:
    with (
        pytest.raises(ValueError, match="number"),
        trace.step(log.get("x"), "event", event_id="e"),
    ):
        raise ValueError(SECRET)
    assert lines[0]["event_id"] == "e"
    assert "555" not in json.dumps(lines)


@pytest.mark.parametrize(
    ("headers", "span"),
    [
        ({"traceparent": f"00-{TRACE}-{SPAN}-01"}, True),
        ({"Traceparent": f"00-{TRACE}-{SPAN}-01"}, True),
        ({"X-Cloud-Trace-Context": f"{TRACE}/{int(SPAN, 16)};o=1"}, True),
        ({"X-Cloud-Trace-Context": TRACE.upper()}, True),
        ({"traceparent": "rubbish", "X-Cloud-Trace-Context": f"{TRACE}/x"}, False),
        ({"traceparent": f"00-{'0' * 32}-{SPAN}-01"}, False),
        ({"X-Cloud-Trace-Context": f"{'0' * 32}/1"}, False),
        ({}, False),
    ],
)
def test_a_request_s_lines_belong_to_its_caller_s_trace_or_to_one_of_their_own(
    lines: list[dict[str, Any]], headers: dict[str, str], span: bool
) -> None:
    with trace.request("webhook", headers):
        log.get("x").info("one")
        log.get("x").info("two")
    traces = {line["logging.googleapis.com/trace"] for line in lines}
    assert len(traces) == 1
    assert (traces == {TRACE}) is span
    assert all(len(line["logging.googleapis.com/spanId"]) == 16 for line in lines)


def test_with_a_project_the_trace_is_named_as_cloud_logging_wants_it(
    lines: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "party")
    with trace.request("webhook", {"traceparent": f"00-{TRACE}-{SPAN}-00"}):
        log.get("x").info("one")
    assert lines[0]["logging.googleapis.com/trace"] == f"projects/party/traces/{TRACE}"
    assert lines[0]["logging.googleapis.com/trace_sampled"] is False


def test_an_exception_is_its_type_and_place_and_its_cause_never_its_words(
    lines: list[dict[str, Any]],
) -> None:
    try:
        try:
            raise KeyError(SECRET)
        except KeyError as cause:
            raise RuntimeError(SECRET) from cause
    except RuntimeError:
        log.get("x").exception("failed")
    assert lines[0]["error"] == "RuntimeError < KeyError"
    assert lines[0]["severity"] == "ERROR"
    assert "test_logs.py" in lines[0]["stack"][-1]
    assert "555" not in json.dumps(lines)


def test_a_member_is_a_hash_and_nobody_is_none() -> None:
    user_id = "6f1d5c1e-6f0a-5d0b-9a51-6a2f8f0c7b11"
    hashed = log.user_hash(user_id)
    assert hashed is not None
    assert len(hashed) == 12
    assert hashed not in user_id
    assert log.user_hash(None) is None


def test_every_step_of_a_text_is_logged_under_one_member_with_its_round_trips(
    stack: StackUnderTest,
) -> None:
    phone = Phone(stack)
    phone.converse("hello there")
    phone.wait_until_idle()
    user = log.user_hash(str(phone.user()["id"]))

    def steps(function: str, message: str) -> list[dict[str, Any]]:
        read = [json.loads(line) for line in stack.log_of(function).splitlines() if line[:1] == "{"]
        return [line for line in read if line["message"] == message and line.get("user") == user]

    (text,) = steps("twilio_webhook", "text")
    assert (text["outcome"], text["round_trips"]) == ("recorded", 1)
    (event,) = wait_for(lambda: steps("event_processor", "event"), "line of the event")
    assert event["outcome"] == "applied"
    assert event["event_id"] == text["event_id"]
    assert event["round_trips"] == 4
    assert event["duration_ms"] >= event["decide_ms"] >= 0
