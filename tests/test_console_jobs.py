"""Operators list, pause, resume and run jobs: the same commands here and on Google Cloud.

Cloud Scheduler is simulated (tests/support/cloud_scheduler.py); the client library is the real one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from lib.adapters.scheduler import GoogleJobs, Jobs, SchedulerError, StackJobs
from lib.console.__main__ import main
from local.schedules import JOBS
from tests.support.cloud_scheduler import PROJECT, REGION, CloudScheduler
from tests.support.stack import StackUnderTest
from tests.support.texting import kill

NAMES = sorted(JOBS)


class Board(Protocol):
    """A scheduler under test."""

    jobs: Jobs

    def was_called(self, name: str) -> bool:
        """Whether a job has run."""


class LocalBoard:
    """The running stack's schedules."""

    def __init__(self, stack: StackUnderTest) -> None:
        self.jobs: Jobs = StackJobs(stack.description["clock"].removesuffix("clock") + "schedules")

    def was_called(self, name: str) -> bool:
        (job,) = [job for job in self.jobs.list() if job.name == name]
        return job.last_run is not None


@dataclass
class GoogleBoard:
    """The simulated Cloud Scheduler's jobs."""

    scheduler: CloudScheduler

    def __post_init__(self) -> None:
        self.jobs: Jobs = GoogleJobs(PROJECT, REGION, self.scheduler.client())

    def was_called(self, name: str) -> bool:
        return name in self.scheduler.runs


@pytest.fixture
def google() -> Iterator[GoogleBoard]:
    scheduler = CloudScheduler()
    yield GoogleBoard(scheduler)
    scheduler.close()


@pytest.fixture(params=["local stack", "Cloud Scheduler (simulated)"])
def board(request: pytest.FixtureRequest) -> Board:
    if request.param == "local stack":
        return LocalBoard(request.getfixturevalue("stack"))
    google: GoogleBoard = request.getfixturevalue("google")
    return google


def paused(board: Board) -> set[str]:
    return {job.name for job in board.jobs.list() if job.state == "paused"}


def test_all_jobs_are_listed_by_name(board: Board) -> None:
    assert [job.name for job in board.jobs.list()] == NAMES


def test_a_job_is_paused_and_resumed_and_twice_is_no_error(board: Board) -> None:
    try:
        for _ in range(2):
            board.jobs.pause("message_orchestrator")
            assert paused(board) == {"message_orchestrator"}
    finally:
        for _ in range(2):
            board.jobs.resume("message_orchestrator")
    assert {job.state for job in board.jobs.list()} == {"on"}


def test_a_job_runs_on_demand_also_while_it_is_paused(board: Board) -> None:
    board.jobs.pause("task_processor")
    try:
        board.jobs.run("task_processor")
        assert board.was_called("task_processor")
        assert "task_processor" in paused(board)
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


def test_a_paused_schedule_stays_paused_when_the_controller_is_started_again(
    stack: StackUnderTest,
) -> None:
    board = LocalBoard(stack)
    board.jobs.pause("task_processor")
    try:
        kill(stack, "controller")
        assert paused(board) == {"task_processor"}
        assert "still paused: task_processor" in stack.log_of("controller")
    finally:
        board.jobs.resume("task_processor")


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
def test_what_google_refuses_is_one_sentence_at_once(google: GoogleBoard, status: int) -> None:
    google.scheduler.refuse = status
    for ask in (google.jobs.list, lambda: google.jobs.pause("task_processor")):
        with pytest.raises(SchedulerError, match=r"^[A-Z].*\.$"):
            ask()


def test_a_google_that_cannot_be_reached_is_one_sentence() -> None:
    scheduler = CloudScheduler()
    jobs = GoogleBoard(scheduler).jobs
    scheduler.close()
    for ask in (jobs.list, lambda: jobs.resume("task_processor")):
        with pytest.raises(SchedulerError, match=r"^Cloud Scheduler cannot be reached: \w+\.$"):
            ask()


def test_a_region_that_does_not_exist_is_named(google: GoogleBoard) -> None:
    with pytest.raises(SchedulerError, match="There is no project party, region nowhere"):
        GoogleJobs(PROJECT, "nowhere", google.scheduler.client()).list()


def test_a_job_that_google_disabled_is_neither_on_nor_paused(google: GoogleBoard) -> None:
    google.scheduler.states |= {"event_sweeper": "DISABLED", "task_processor": "UPDATE_FAILED"}
    states = {job.name: job.state for job in google.jobs.list()}
    assert states["event_sweeper"] == "disabled"
    assert states["task_processor"] == "update failed"
    with pytest.raises(SchedulerError, match="Cloud Scheduler refused"):
        google.jobs.pause("event_sweeper")


def test_a_failed_run_shows_its_code(google: GoogleBoard) -> None:
    google.jobs.run("task_processor")
    (job,) = [job for job in google.jobs.list() if job.name == "task_processor"]
    assert job.last_outcome == "code 13"


@pytest.fixture
def in_stack(stack: StackUnderTest, monkeypatch: pytest.MonkeyPatch) -> StackUnderTest:
    monkeypatch.setenv("YACHTPARTY_STATE_DIR", str(stack.directory))
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT", raising=False)
    return stack


@pytest.mark.usefixtures("in_stack")
def test_the_command_pauses_lists_and_resumes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["jobs", "pause", "--all"]) == 0
    capsys.readouterr()
    # A variable of some other work must not send a command for this machine elsewhere.
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "elsewhere")
    assert main(["jobs", "list", "--local"]) == 0
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT")
    where, headings, *jobs = capsys.readouterr().out.splitlines()
    assert where == "The local stack:"
    assert headings.split()[0] == "job"
    assert ["paused" in line.split() for line in jobs] == [True] * len(NAMES)
    assert main(["jobs", "resume", *NAMES]) == 0
    assert main(["jobs", "run", "event_sweeper"]) == 0
    assert "event_sweeper was called." in capsys.readouterr().out


@pytest.mark.usefixtures("in_stack")
def test_a_wrong_command_changes_nothing(
    stack: StackUnderTest, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["jobs", "pause"]) == 2
    assert main(["jobs", "pause", "--all", "event_sweeper"]) == 2
    assert main(["jobs", "pause", "payroll"]) == 1
    assert capsys.readouterr().err.splitlines()[-1] == "There is no job 'payroll'."
    with pytest.raises(SystemExit) as ended:
        main(["jobs", "run", "event_sweeper/pause"])
    assert ended.value.code == 2
    assert paused(LocalBoard(stack)) == set()


def test_nothing_to_talk_to_is_said_with_the_variables_that_would_change_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name in ("GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_REGION", "SUPABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("YACHTPARTY_STATE_DIR", str(tmp_path))
    assert main(["jobs", "list"]) == 2
    assert main(["dead-letters", "list"]) == 2
    said = capsys.readouterr().err
    assert "GOOGLE_CLOUD_PROJECT" in said
    assert "SUPABASE_URL" in said
    assert main(["jobs", "list", "--project", "party"]) == 2
    assert "GOOGLE_CLOUD_REGION is missing" in capsys.readouterr().err
