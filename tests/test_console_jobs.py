"""Operators list, pause, resume and run jobs: the same commands here and on Google Cloud.

Cloud Scheduler is simulated: a server that speaks its REST interface to the real client library.
"""

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Protocol

import httpx
import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud.scheduler_v1 import CloudSchedulerClient
from google.cloud.scheduler_v1.services.cloud_scheduler.transports import (
    CloudSchedulerRestTransport,
)

from lib.adapters.scheduler import GoogleJobs, Jobs, SchedulerError, StackJobs
from lib.console.__main__ import main
from tests.support.stack import StackUnderTest
from tests.support.texting import kill

NAMES = ["community_closure", "event_sweeper", "message_orchestrator", "task_processor"]
PARENT = "/v1/projects/party/locations/us-east1/jobs"


class Board(Protocol):
    """A scheduler under test."""

    jobs: Jobs

    def runs_of(self, name: str) -> int:
        """How often a job was called on demand."""


@dataclass
class SimulatedScheduler:
    """Cloud Scheduler's REST interface, as far as the console uses it."""

    states: dict[str, str] = field(default_factory=lambda: dict.fromkeys(NAMES, "ENABLED"))
    runs: list[str] = field(default_factory=list)
    refuse: int | None = None

    def __post_init__(self) -> None:
        board = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                jobs = [board.job(name) for name in reversed(NAMES)]
                self.answer({"jobs": jobs} if self.path.startswith(PARENT) else None)

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                found = re.match(rf"{PARENT}/(\w+):(pause|resume|run)\b", self.path)
                if found is None or found[1] not in board.states:
                    return self.answer(None)
                if found[2] == "run":
                    board.runs.append(found[1])
                else:
                    board.states[found[1]] = "PAUSED" if found[2] == "pause" else "ENABLED"
                return self.answer(board.job(found[1]))

            def answer(self, body: object | None) -> None:
                status = board.refuse or (200 if body is not None else 404)
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                error = {"error": {"code": status, "message": "no"}}
                self.wfile.write(json.dumps(body if status == 200 else error).encode())

            def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
                """Print nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        transport = CloudSchedulerRestTransport(
            credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]
            host=f"127.0.0.1:{self._server.server_port}",
            url_scheme="http",
        )
        self.jobs: Jobs = GoogleJobs("party", "us-east1", CloudSchedulerClient(transport=transport))

    def job(self, name: str) -> dict[str, object]:
        """A job as Google describes it; one that was called has failed."""
        called = (
            {"lastAttemptTime": "2026-11-22T10:00:00Z", "status": {"code": 13}}
            if name in self.runs
            else {}
        )
        return {
            "name": PARENT.removeprefix("/v1/") + f"/{name}",
            "schedule": "*/2 * * * *",
            "state": self.states[name],
            **called,
        }

    def runs_of(self, name: str) -> int:
        return self.runs.count(name)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class LocalBoard:
    """The running stack's schedules."""

    def __init__(self, stack: StackUnderTest) -> None:
        self.jobs: Jobs = StackJobs(stack.description["clock"].removesuffix("clock") + "schedules")

    def runs_of(self, name: str) -> int:
        (job,) = [job for job in self.jobs.list() if job.name == name]
        return int(job.last_run is not None)


@pytest.fixture(params=["local stack", "Cloud Scheduler (simulated)"])
def board(request: pytest.FixtureRequest) -> Iterator[Board]:
    if request.param == "local stack":
        yield LocalBoard(request.getfixturevalue("stack"))
    else:
        scheduler = SimulatedScheduler()
        yield scheduler
        scheduler.close()


def paused(board: Board) -> set[str]:
    return {job.name for job in board.jobs.list() if job.paused}


def test_all_jobs_are_listed_by_name(board: Board) -> None:
    assert [job.name for job in board.jobs.list()] == NAMES


def test_a_job_is_paused_and_resumed_and_pausing_twice_is_no_error(board: Board) -> None:
    try:
        for _ in range(2):
            board.jobs.pause("message_orchestrator")
            assert paused(board) == {"message_orchestrator"}
    finally:
        for _ in range(2):
            board.jobs.resume("message_orchestrator")
    assert paused(board) == set()


def test_a_job_runs_on_demand_also_while_it_is_paused(board: Board) -> None:
    board.jobs.pause("task_processor")
    try:
        board.jobs.run("task_processor")
        assert board.runs_of("task_processor") == 1
    finally:
        board.jobs.resume("task_processor")


@pytest.mark.parametrize("action", ["pause", "resume", "run"])
def test_a_job_that_does_not_exist_is_named(board: Board, action: str) -> None:
    with pytest.raises(SchedulerError, match="There is no job 'payroll'"):
        getattr(board.jobs, action)("payroll")


def test_a_paused_schedule_is_not_called_by_the_clock(stack: StackUnderTest) -> None:
    jobs = LocalBoard(stack).jobs
    jobs.pause("message_orchestrator")
    try:
        assert "message_orchestrator" not in stack.advance(61)["ran"]
    finally:
        jobs.resume("message_orchestrator")
    assert "message_orchestrator" in stack.advance(61)["ran"]


@pytest.mark.parametrize("status", [403, 500])
def test_what_google_refuses_is_one_sentence(status: int) -> None:
    scheduler = SimulatedScheduler(refuse=status)
    try:
        with pytest.raises(SchedulerError) as refused:
            scheduler.jobs.pause("task_processor")
        assert str(refused.value).endswith(".")
        assert "task_processor" in str(refused.value)
    finally:
        scheduler.close()


def test_a_failed_run_shows_its_code() -> None:
    scheduler = SimulatedScheduler()
    scheduler.jobs.run("task_processor")
    (job,) = [job for job in scheduler.jobs.list() if job.name == "task_processor"]
    scheduler.close()
    assert job.last_outcome == "code 13"


@pytest.fixture
def in_stack(stack: StackUnderTest, monkeypatch: pytest.MonkeyPatch) -> StackUnderTest:
    monkeypatch.setenv("YACHTPARTY_STATE_DIR", str(stack.directory))
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT", raising=False)
    return stack


@pytest.mark.usefixtures("in_stack")
def test_the_command_pauses_lists_and_resumes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["jobs", "pause", "--all"]) == 0
    assert main(["jobs", "list"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert sum("paused" in line.split() for line in listed[4:]) == 4
    assert main(["jobs", "resume", *NAMES]) == 0
    assert main(["jobs", "run", "event_sweeper"]) == 0
    assert "event_sweeper was called." in capsys.readouterr().out


@pytest.mark.usefixtures("in_stack")
def test_a_wrong_command_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["jobs", "pause"]) == 2
    assert main(["jobs", "pause", "--all", "event_sweeper"]) == 2
    assert main(["jobs", "pause", "payroll"]) == 1
    assert capsys.readouterr().err.splitlines()[-1] == "There is no job 'payroll'."


def test_nothing_to_talk_to_is_said_with_the_variables_that_would_change_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: object
) -> None:
    for name in ("GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_REGION", "SUPABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("YACHTPARTY_STATE_DIR", str(tmp_path))
    assert main(["jobs", "list"]) == 1
    assert main(["dead-letters", "list"]) == 1
    said = capsys.readouterr().err
    assert "GOOGLE_CLOUD_PROJECT" in said
    assert "SUPABASE_URL" in said
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "party")
    assert main(["jobs", "list"]) == 1
    assert "GOOGLE_CLOUD_REGION is missing" in capsys.readouterr().err


def test_a_paused_schedule_stays_paused_when_the_controller_is_started_again(
    stack: StackUnderTest,
) -> None:
    board = LocalBoard(stack)
    board.jobs.pause("task_processor")
    try:
        kill(stack, "controller")
        assert paused(board) == {"task_processor"}
    finally:
        board.jobs.resume("task_processor")
    assert httpx.get(stack.description["clock"]).status_code == 200
