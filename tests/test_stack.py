"""The stack on one machine: one at a time, what dies comes back, nothing is left behind."""

import os
import signal
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest

from local.schedules import JOBS
from tests.support.stack import (
    START_TIMEOUT_S,
    STOP_TIMEOUT_S,
    StackUnderTest,
    running_stack,
    wait_for,
)


def test_a_second_run_says_that_one_is_running_and_leaves_it_alone(stack: StackUnderTest) -> None:
    before = stack.file.read_text(encoding="utf-8")

    second = stack.command()

    assert second.returncode == 0
    assert second.stdout.startswith("The stack is already running")
    assert stack.file.read_text(encoding="utf-8") == before
    assert stack.process.poll() is None


def test_reset_refuses_while_the_stack_runs(stack: StackUnderTest) -> None:
    refused = stack.command("reset")

    assert refused.returncode == 1
    assert "already running" in refused.stdout
    with stack.connect() as session:
        session.execute("select 1")


def test_stack_json_tells_where_everything_is(stack: StackUnderTest) -> None:
    description = stack.description

    assert set(description["pids"]) == set(description["functions"])
    # Other tests have killed some of them: those of now.
    assert all(psutil.pid_exists(pid) for pid in stack.pids().values())
    assert set(description["schedules"]) == set(JOBS)
    assert description["claude"]["simulated"] is True
    assert description["phones"] is None  # headless


def test_secrets_are_readable_by_their_owner_only(stack: StackUnderTest) -> None:
    for name in ("secrets.json", "stack.json", "addresses.json"):
        assert (stack.directory / name).stat().st_mode & 0o077 == 0, name


def test_a_killed_function_is_started_again_at_its_address(stack: StackUnderTest) -> None:
    name = "twilio_status"
    killed = stack.pids()[name]

    os.kill(killed, signal.SIGKILL)

    wait_for(lambda: stack.pids()[name] != killed, "new process")
    wait_for(lambda: _answers(stack.description["functions"][name]), "answer")
    assert stack.pids()[name] != killed


def test_a_function_killed_with_its_master_alone_leaves_no_worker(stack: StackUnderTest) -> None:
    name = "twilio_status"
    wait_for(lambda: _answers(stack.description["functions"][name]), "answer")
    master = psutil.Process(stack.pids()[name])
    workers = wait_for(master.children, "worker")

    master.kill()

    wait_for(lambda: not any(_is_alive(worker) for worker in workers), "end of the workers")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGQUIT, signal.SIGINT])
def test_a_database_killed_or_shut_down_comes_back_and_the_api_finds_it(
    stack: StackUnderTest, number: signal.Signals
) -> None:
    with stack.connect() as session:
        before = session.execute("select pg_postmaster_start_time() as at").fetchall()
    postmaster = stack.directory / "pgdata" / "postmaster.pid"
    os.kill(int(postmaster.read_text(encoding="utf-8").split("\n", 1)[0]), number)

    def is_back() -> bool:
        try:
            with stack.connect() as session:
                now = session.execute("select pg_postmaster_start_time() as at").fetchall()
        except psycopg.OperationalError:
            return False
        return now != before

    wait_for(is_back, "database", START_TIMEOUT_S)
    supabase = stack.description["supabase"]
    url = f"{supabase['url']}/rest/v1/users?select=id&limit=1"

    def serves() -> bool:
        # The API may have gone down with its connections; then it is started again, too.
        try:
            return httpx.get(url, headers={"apikey": supabase["key"]}).is_success
        except httpx.TransportError:
            return False

    wait_for(serves, "API", START_TIMEOUT_S)


def test_the_clock_moves_for_everyone_and_runs_what_became_due(stack: StackUnderTest) -> None:
    before = httpx.get(stack.description["clock"]).json()["offset_s"]

    moved = stack.advance(61)

    assert moved["offset_s"] == pytest.approx(before + 61)
    assert {"event_sweeper", "message_orchestrator"} <= set(moved["ran"]) <= set(JOBS)
    assert {outcome["status"] for outcome in moved["ran"].values()} == {200}
    written = (stack.directory / "clock").read_text(encoding="utf-8")
    assert float(written) == pytest.approx(before + 61)


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"advance_s": -1}', '{"advance_s": "60"}'])
def test_the_clock_answers_nonsense_with_a_sentence(stack: StackUnderTest, body: str) -> None:
    response = httpx.post(stack.description["clock"], content=body)

    assert response.status_code == 400
    assert response.json()["error"].endswith(".")


def test_a_schedule_runs_on_demand_and_answers_as_its_function(stack: StackUnderTest) -> None:
    assert isinstance(stack.run_schedule("message_orchestrator"), dict)


def test_stack_json_vanishes_when_the_stack_ends_and_data_stays() -> None:
    with running_stack() as own:
        everything = psutil.Process(own.process.pid).children(recursive=True)
        with own.connect() as session:
            session.execute("create table kept (id int)")

        assert own.command("stop").returncode == 0

        assert not own.file.exists()
        assert own.process.wait(STOP_TIMEOUT_S) == 0
        assert not [child for child in everything if _is_alive(child)]
        assert (own.directory / "pgdata" / "PG_VERSION").exists()
        assert not (own.directory / "pgdata" / "postmaster.pid").exists()


def test_a_stack_killed_outright_leaves_no_process_behind() -> None:
    with running_stack() as own:
        everything = psutil.Process(own.process.pid).children(recursive=True)
        assert len(everything) > 10

        own.process.kill()

        wait_for(lambda: not [c for c in everything if _is_alive(c)], "end of all children", 30)
        assert own.command("reset").returncode == 0
        assert not Path(own.directory).exists()


def _answers(url: str) -> bool:
    """Whether the function's server answers, without running the function."""
    try:
        httpx.get(httpx.URL(url).copy_with(path="/robots.txt"))
    except httpx.HTTPError:
        return False
    return True


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
