"""A stack for tests: the real one, headless, in a directory of its own beside a developer's."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import httpx
import psycopg
from psycopg.rows import DictRow, dict_row

from local.description import Description
from local.state import PROJECT_ROOT

T = TypeVar("T")

START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 30.0

NEW_YORK = ZoneInfo("America/New_York")

# A developer's own variables must not turn a test's stack to real services.
_REAL_SERVICES = (
    "SUPABASE_",
    "TWILIO_",
    "ANTHROPIC_",
    "EMAIL_",
    "SENDGRID_",
    "DATABASE_URL",
    "PUBSUB_",
    "OTEL_",
)


@dataclass(frozen=True, slots=True)
class StackUnderTest:
    """One running stack. `description` is stack.json as it was when the stack became ready."""

    directory: Path
    description: Description
    process: "subprocess.Popen[str]"

    @property
    def file(self) -> Path:
        """stack.json."""
        return self.directory / "stack.json"

    def pids(self) -> dict[str, int]:
        """The functions' process ids now."""
        now: Description = json.loads(self.file.read_text(encoding="utf-8"))
        return now["pids"]

    def connect(self) -> psycopg.Connection[DictRow]:
        """A new autocommitting session as the database's owner; rows are dictionaries."""
        assert self.description["database_url"] is not None
        return psycopg.connect(
            self.description["database_url"], autocommit=True, row_factory=dict_row
        )

    def advance(self, seconds: float) -> dict[str, Any]:
        """Move the clock and run what became due; the controller's answer."""
        return _answer(
            httpx.post(self.description["clock"], json={"advance_s": seconds}, timeout=60)
        )

    def now(self) -> datetime:
        """The time by the stack's clock (UTC)."""
        offset_s = httpx.get(self.description["clock"]).raise_for_status().json()["offset_s"]
        return datetime.now(UTC) + timedelta(seconds=offset_s)

    def advance_to(self, hour: int) -> None:
        """Move the clock to the next such hour in New York, where the tests' phones are.

        What depends on quiet hours says so by this: tests run at any time of the day.
        """
        local = self.now().astimezone(NEW_YORK)
        then = local.replace(hour=hour, minute=0, second=5, microsecond=0)
        # The last move may have ended a moment before its hour: then the next one is a day away.
        if then <= local + timedelta(minutes=1):
            then += timedelta(days=1)
        self.advance((then.astimezone(UTC) - local.astimezone(UTC)).total_seconds())

    @contextlib.contextmanager
    def paused(self, *names: str) -> Iterator[None]:
        """Keep the clock from running these schedules; `run_schedule` still does.

        For what a regular tick between two lines of a test would change. A move of the clock does
        not run them either.
        """
        urls = [self.description["schedules"][name] for name in names]
        for url in urls:
            httpx.post(f"{url}/pause").raise_for_status()
        try:
            yield
        finally:
            for url in urls:
                httpx.post(f"{url}/resume").raise_for_status()

    def run_schedule(self, name: str) -> dict[str, Any]:
        """Run a schedule now; its function's answer."""
        return _answer(httpx.post(self.description["schedules"][name], timeout=60))

    def log_of(self, name: str) -> str:
        """What a process has printed so far."""
        return (self.directory / "logs" / f"{name}.log").read_text(encoding="utf-8")

    def command(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run `python -m local.stack …` for the same directory, to its end."""
        return subprocess.run(
            [sys.executable, "-m", "local.stack", *arguments],
            cwd=PROJECT_ROOT,
            env=_environment(self.directory, {}),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@contextlib.contextmanager
def running_stack(env: Mapping[str, str] | None = None) -> Iterator[StackUnderTest]:
    """Start a stack, wait until it is ready, and end it surely, its data included."""
    # Short: the paths of Unix sockets are limited.
    directory = Path(tempfile.mkdtemp(prefix="yp-"))
    output = directory / "output"
    try:
        with output.open("w", encoding="utf-8") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "local.stack"],
                cwd=PROJECT_ROOT,
                env=_environment(directory, env or {}),
                stdout=file,
                stderr=subprocess.STDOUT,
                text=True,
            )
        try:
            description = _wait_until_ready(process, directory / "stack.json", output)
            yield StackUnderTest(directory, description, process)
        finally:
            _end(process)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def wait_for(read: Callable[[], T | None], what: str, timeout_s: float = 30.0) -> T:
    """Call `read` until it returns something true; AssertionError names what never came.

    Patient: a test that fails may take long, one that passes on a busy machine must not fail.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        if found := read():
            return found
        assert time.monotonic() < deadline, f"no {what} within {timeout_s:g} s"
        time.sleep(0.05)


def _environment(directory: Path, env: Mapping[str, str]) -> dict[str, str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(_REAL_SERVICES)}
    return {**inherited, "HEADLESS": "1", "YACHTPARTY_STATE_DIR": str(directory), **env}


def _wait_until_ready(process: "subprocess.Popen[str]", file: Path, output: Path) -> Description:
    def read() -> Description | None:
        assert process.poll() is None, f"the stack ended:\n{output.read_text(encoding='utf-8')}"
        with contextlib.suppress(FileNotFoundError):
            description: Description = json.loads(file.read_text(encoding="utf-8"))
            return description
        return None

    return wait_for(read, "ready stack", START_TIMEOUT_S)


def _end(process: "subprocess.Popen[str]") -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()  # its guardian ends the children
        process.wait()


def _answer(response: httpx.Response) -> dict[str, Any]:
    assert response.is_success, f"{response.status_code}: {response.text}"
    answer: dict[str, Any] = response.json()
    return answer
