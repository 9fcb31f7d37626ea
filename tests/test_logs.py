"""What a line of the log holds, and what it never does (lib/core/log.py, lib/core/trace.py)."""

import io
import json
import logging
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.core import log, trace
from tests.support.traced import Refusing, running_function

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
SPAN_ID = "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE_ID}-{SPAN_ID}-01"

#: A text, a number, an address and a key, as an error's words may quote them.
SECRETS = ("Zebulon met Quxley", "+12125550147", "zebulon@frobnitz.example", "sk-ant-a1b2c3")
WORDS = " ".join(SECRETS)


class Lines(io.StringIO):
    """The lines that one logger writes."""

    def parsed(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.getvalue().splitlines()]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """What our loggers write during a test."""
    written = Lines()
    handler = logging.StreamHandler(written)
    handler.setFormatter(log.JsonFormatter())
    ours = logging.getLogger("yachtparty")
    level = ours.level
    ours.addHandler(handler)
    ours.setLevel(logging.INFO)
    yield written
    ours.removeHandler(handler)
    ours.setLevel(level)


def without_secrets(printed: str) -> bool:
    return not [secret for secret in SECRETS if secret in printed]


def test_a_line_is_one_json_object_with_severity_message_time_and_fields(lines: Lines) -> None:
    before = datetime.now(UTC)
    log.get("part").warning("two\nlines", extra={"count": 3, "absent": None})
    (line,) = lines.parsed()
    assert (line["severity"], line["message"], line["count"]) == ("WARNING", "two\nlines", 3)
    assert line["logger"] == "yachtparty.part"
    assert "absent" not in line
    assert abs((datetime.fromisoformat(line["time"]) - before).total_seconds()) < 60


def test_what_is_bound_is_on_every_line_within_and_on_none_after(lines: Lines) -> None:
    logger = log.get("part")
    with log.bound(event_id="e", user=None):
        with log.bound(task_id="t"):
            logger.info("inner")
        logger.info("outer", extra={"event_id": "mine"})
    logger.info("after")
    inner, outer, after = lines.parsed()
    assert (inner["event_id"], inner["task_id"]) == ("e", "t")
    assert "user" not in inner
    assert (outer["event_id"], outer.get("task_id")) == ("mine", None)
    assert "event_id" not in after


def test_an_exception_is_its_types_and_places_and_none_of_its_words(lines: Lines) -> None:
    try:
        try:
            raise KeyError(WORDS)
        except KeyError as cause:
            raise ValueError(WORDS) from cause
    except ValueError:
        log.get("part").exception("it failed")
    (line,) = lines.parsed()
    assert line["severity"] == "ERROR"
    assert line["error"] == "ValueError < KeyError"
    head, frame, last = line["stack_trace"].splitlines()
    assert head == "Traceback (most recent call last):"
    assert re.fullmatch(r'  File ".*tests/test_logs\.py", line \d+, in test_an_exception.*', frame)
    assert last == line["error"]
    assert without_secrets(lines.getvalue())


def test_a_field_of_a_kind_that_json_lacks_is_shown_by_its_type_alone(lines: Lines) -> None:
    event_id = uuid4()
    log.get("part").info("odd", extra={"event_id": event_id, "failure": ValueError(WORDS)})
    (line,) = lines.parsed()
    assert (line["event_id"], line["failure"]) == (str(event_id), "ValueError")
    assert without_secrets(lines.getvalue())


def test_the_words_of_other_packages_are_withheld_and_their_place_is_told() -> None:
    record = logging.getLogger("urllib3").makeRecord(
        "urllib3", logging.WARNING, "/x/urllib3/pool.py", 7, "retry %s", (WORDS,), None, "urlopen"
    )
    record.url = WORDS
    line = log.JsonFormatter().format(record)
    assert without_secrets(line)
    assert json.loads(line)["place"] == 'File "x/urllib3/pool.py", line 7, in urlopen'


def test_a_member_is_the_same_twelve_digits_however_the_id_is_written() -> None:
    user_id = uuid4()
    assert log.user_hash(user_id) == log.user_hash(str(user_id))
    assert re.fullmatch("[0-9a-f]{12}", log.user_hash(user_id) or "")
    assert log.user_hash(uuid4()) != log.user_hash(user_id)
    assert log.user_hash(None) is None


def test_a_step_ends_with_one_line_of_outcome_duration_and_round_trips(lines: Lines) -> None:
    with trace.step(log.get("events"), "event", event_id="e") as step:
        trace.count_round_trip()
        with trace.step(log.get("tasks"), "task", task_id="t"):
            trace.count_round_trip()
            trace.say(outcome="applied")
        step.say(outcome="rescheduled")
    task, event = lines.parsed()
    assert (task["message"], task["outcome"], task["round_trips"]) == ("task", "applied", 1)
    assert (task["event_id"], task["task_id"]) == ("e", "t")
    assert (event["message"], event["outcome"], event["round_trips"]) == ("event", "rescheduled", 2)
    assert isinstance(event["duration_ms"], int)
    assert event["severity"] == "INFO"


def test_a_step_that_is_warned_or_fails_says_so_by_its_severity(lines: Lines) -> None:
    with trace.step(log.get("a"), "refused"):
        trace.warn(outcome="refused")
    with trace.step(log.get("b"), "failed"):
        trace.fail(ValueError(WORDS), outcome="dead")
        trace.warn(kind="own")
    with pytest.raises(ValueError, match="not"), trace.step(log.get("c"), "raised"):
        raise ValueError(f"not {WORDS}")
    refused, failed, raised = lines.parsed()
    assert (refused["severity"], refused["outcome"]) == ("WARNING", "refused")
    assert (failed["severity"], failed["outcome"], failed["kind"]) == ("ERROR", "dead", "own")
    assert (raised["severity"], raised["outcome"]) == ("ERROR", "raised")
    assert failed["error"] == raised["error"] == "ValueError"
    assert without_secrets(lines.getvalue())


def test_steps_side_by_side_do_not_mix(lines: Lines) -> None:
    def one(number: int) -> None:
        with trace.step(log.get("x"), "task", task_id=str(number)):
            for _ in range(number):
                trace.count_round_trip()

    with trace.step(log.get("x"), "tasks"), ThreadPoolExecutor(8) as pool:
        list(pool.map(log.carried(one), range(40)))
    *tasks, run = lines.parsed()
    assert {line["task_id"]: line["round_trips"] for line in tasks} == {
        str(number): number for number in range(40)
    }
    assert run["round_trips"] == sum(range(40))


def test_outside_of_a_step_nothing_is_said_and_nothing_breaks(lines: Lines) -> None:
    trace.say(outcome="x")
    trace.warn(outcome="x")
    trace.fail(ValueError(WORDS))
    trace.count_round_trip()
    assert lines.parsed() == []


@pytest.mark.parametrize(
    ("headers", "trace_id", "span_id", "sampled"),
    [
        ({"traceparent": TRACEPARENT}, TRACE_ID, SPAN_ID, True),
        ({"Traceparent": f"00-{TRACE_ID}-{SPAN_ID}-00"}, TRACE_ID, SPAN_ID, False),
        ({"traceparent": f"01-{TRACE_ID}-{SPAN_ID}-03-later"}, TRACE_ID, SPAN_ID, True),
        ({"X-Cloud-Trace-Context": f"{TRACE_ID}/74;o=1"}, TRACE_ID, "000000000000004a", True),
        ({"X-Cloud-Trace-Context": f"{TRACE_ID.upper()}"}, TRACE_ID, None, False),
        (
            {"traceparent": TRACEPARENT, "X-Cloud-Trace-Context": f"{'1' * 32}/1;o=0"},
            *(TRACE_ID, SPAN_ID, True),
        ),
        (
            {"traceparent": f"00-{'0' * 32}-{SPAN_ID}-01", "X-Cloud-Trace-Context": TRACE_ID},
            *(TRACE_ID, None, False),
        ),
    ],
)
def test_lines_belong_to_the_callers_trace(
    lines: Lines, headers: dict[str, str], trace_id: str, span_id: str | None, sampled: bool
) -> None:
    with trace.request("f", headers):
        log.get("part").info("within")
    (line,) = lines.parsed()
    assert line["logging.googleapis.com/trace"] == trace_id
    assert line.get("logging.googleapis.com/spanId") == span_id
    assert line["logging.googleapis.com/trace_sampled"] is sampled


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"traceparent": "rubbish", "X-Cloud-Trace-Context": f"{TRACE_ID}/x"},
        {"traceparent": f"ff-{TRACE_ID}-{SPAN_ID}-01"},
        {"traceparent": f"00-{TRACE_ID}-{'0' * 16}-01"},
        {"X-Cloud-Trace-Context": f"{'0' * 32}/1"},
        {"X-Cloud-Trace-Context": f"{TRACE_ID}/{1 << 64}"},
    ],
)
def test_without_a_caller_that_can_be_read_lines_belong_to_a_trace_of_their_own(
    lines: Lines, headers: dict[str, str]
) -> None:
    with trace.request("f", headers):
        log.get("part").info("one")
        log.get("part").info("two")
    one, two = lines.parsed()
    assert one["logging.googleapis.com/trace"] == two["logging.googleapis.com/trace"]
    assert re.fullmatch("[0-9a-f]{32}", one["logging.googleapis.com/trace"])
    assert one["logging.googleapis.com/trace"] != TRACE_ID
    assert "logging.googleapis.com/spanId" not in one


@given(
    st.text(alphabet="0123456789abcdefABCDEF-/;o=+ Zß\n", max_size=120),
    st.text(alphabet="0123456789abcdefABCDEF-/;o=+ Zß\n", max_size=120),
)
def test_a_malformed_header_begins_a_trace_of_its_own(traceparent: str, cloud: str) -> None:
    written = Lines()
    handler = logging.StreamHandler(written)
    handler.setFormatter(log.JsonFormatter())
    logger = log.get("headers")
    logger.addHandler(handler)
    try:
        with trace.request("f", {"traceparent": traceparent, "X-Cloud-Trace-Context": cloud}):
            logger.warning("within")
    finally:
        logger.removeHandler(handler)
    (line,) = written.parsed()
    assert re.fullmatch("[0-9a-f]{32}", line["logging.googleapis.com/trace"])
    assert re.fullmatch("[0-9a-f]{16}", line.get("logging.googleapis.com/spanId", "0" * 16))


def test_a_function_logs_a_line_for_each_step_with_the_callers_trace_in_every_thread(
    tmp_path: Path,
) -> None:
    with running_function("works", tmp_path / "log", GOOGLE_CLOUD_PROJECT="a-project") as function:
        assert function.call(traceparent=TRACEPARENT).text == "done"
        lines = function.lines()
    assert {line["logging.googleapis.com/trace"] for line in lines} == {
        f"projects/a-project/traces/{TRACE_ID}"
    }
    assert {line["logging.googleapis.com/spanId"] for line in lines} == {SPAN_ID}
    within = [line for line in lines if line["message"] == "within"]
    assert {(line["task_id"], line["number"]) for line in within} == {
        ("task-0", 0),
        ("task-1", 1),
        ("task-2", 2),
    }
    tasks = [line for line in lines if line["message"] == "task"]
    assert [line["round_trips"] for line in tasks] == [1, 1, 1]
    (work,) = [line for line in lines if line["message"] == "work"]
    assert (work["event_id"], work["outcome"], work["round_trips"]) == ("event-1", "done", 4)
    assert work["user"] == "7ac1b8d7010b"
    assert len(lines) == 7


@pytest.mark.parametrize("executions", ["true", "false"])
def test_an_error_nobody_handles_is_logged_and_answered_without_its_words(
    tmp_path: Path, executions: str
) -> None:
    variables = {"WORDS": WORDS, "LOG_EXECUTION_ID": executions}
    with running_function("raises", tmp_path / "log", **variables) as function:
        answer = function.call(traceparent=TRACEPARENT)
        work, unhandled = function.lines()
    assert (answer.status_code, answer.text) == (500, "The function failed.")
    assert (work["severity"], work["outcome"]) == ("ERROR", "raised")
    assert work["error"] == "ValueError < KeyError"
    assert "in _quote" in work["stack_trace"]
    assert (unhandled["severity"], unhandled["function"]) == ("ERROR", "raises")
    assert unhandled["logging.googleapis.com/trace"] == TRACE_ID
    assert without_secrets((tmp_path / "log").read_text())


@pytest.mark.parametrize("executions", ["true", "false"])
def test_even_what_the_framework_logs_by_itself_has_no_words(
    tmp_path: Path, executions: str
) -> None:
    variables = {"WORDS": WORDS, "LOG_EXECUTION_ID": executions}
    with running_function("bare", tmp_path / "log", **variables) as function:
        assert function.call().status_code == 500
        (line,) = function.lines()
    assert (line["severity"], line["logger"]) == ("ERROR", "bare")
    assert line["error"] == "ValueError < KeyError"
    assert without_secrets((tmp_path / "log").read_text())


def test_warnings_and_the_last_words_of_threads_are_lines_without_words(tmp_path: Path) -> None:
    with running_function("careless", tmp_path / "log", WORDS=WORDS) as function:
        assert function.call().status_code == 200
        warned, ended = function.lines()
    assert (warned["severity"], warned["logger"]) == ("WARNING", "py.warnings")
    assert (ended["severity"], ended["error"]) == ("ERROR", "ValueError < KeyError")
    assert without_secrets((tmp_path / "log").read_text())


@pytest.mark.parametrize("status", [400, 500])
def test_no_adapter_logs_what_it_sent_or_what_it_was_answered(tmp_path: Path, status: int) -> None:
    words = {"message": WORDS, "details": WORDS, "hint": WORDS, "error": {"message": WORDS}}
    with Refusing(status, json.dumps({"code": 22000, **words})) as service:
        variables = service.variables() | {"WORDS": WORDS, "LOG_LEVEL": "DEBUG"}
        with running_function("adapters", tmp_path / "log", **variables) as function:
            assert function.call().status_code == 200
            steps = [line["message"] for line in function.lines() if "round_trips" in line]
        assert len(service.headers) >= 4
    assert steps == ["database refuses", "twilio refuses", "twilio lists nothing", "claude refuses"]
    assert without_secrets((tmp_path / "log").read_text())
