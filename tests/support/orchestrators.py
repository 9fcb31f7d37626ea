"""Several message_orchestrators at once, each a process of its own beside a running stack's."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, time, timedelta
from functools import partial
from zoneinfo import ZoneInfo

import httpx

from local.clock import MovableClock
from tests.support.sim_process import ROOT, free_port
from tests.support.stack import StackUnderTest, running_stack, wait_for
from tests.support.texting import control_twilio

NEW_YORK = "America/New_York"

#: One call works for 50 s at most.
_CALL_TIMEOUT_S = 120.0
#: To start or end four of them on a busy machine; one that ends instead is noticed at once.
_START_S = 150.0


@contextlib.contextmanager
def noon_stack() -> Iterator[StackUnderTest]:
    """A stack at 12:20 in New York, in which nothing happens by the clock, without receipts."""
    with running_stack() as stack:
        pause_schedules(stack)
        control_twilio(stack, callbacks={"drop": 1.0})
        now = stack_now(stack)
        noon = datetime.combine(now.date() + timedelta(days=1), time(12, 20), ZoneInfo(NEW_YORK))
        stack.advance((noon - now).total_seconds())
        yield stack


def pause_schedules(stack: StackUnderTest) -> None:
    """Let nothing happen by the clock."""
    for url in stack.description["schedules"].values():
        httpx.post(f"{url}/pause").raise_for_status()


def stack_now(stack: StackUnderTest) -> datetime:
    """The stack's time (UTC)."""
    return MovableClock(stack.directory / "clock").utcnow()


@contextlib.contextmanager
def orchestrators(stack: StackUnderTest, count: int) -> Iterator[list[str]]:
    """The addresses of `count` processes, run by functions-framework as deployed ones are."""
    known = stack.description
    env = {
        **os.environ,
        "SUPABASE_URL": known["supabase"]["url"],
        "SUPABASE_SERVICE_ROLE_KEY": known["supabase"]["key"],
        "TWILIO_ACCOUNT_SID": known["twilio"]["account_sid"],
        "TWILIO_AUTH_TOKEN": known["twilio"]["auth_token"],
        "TWILIO_NUMBER": known["twilio"]["number"],
        "TWILIO_API_URL": known["twilio"]["url"],
        "TWILIO_SEGMENTS_PER_SECOND": "1000",
        "TWILIO_WEBHOOK_URL": known["functions"]["twilio_webhook"],
        "TWILIO_STATUS_URL": known["functions"]["twilio_status"],
        "ANTHROPIC_API_KEY": "simulated",
        "ANTHROPIC_BASE_URL": known["claude"]["url"],
        "LOCAL_CLOCK_FILE": str(stack.directory / "clock"),
    }
    processes = []
    urls = []
    try:
        for nth in range(count):
            port = free_port()
            urls.append(f"http://127.0.0.1:{port}/message_orchestrator")
            runtime = stack.directory / f"orchestrator-{nth}"
            runtime.mkdir(exist_ok=True)
            with (stack.directory / "logs" / f"orchestrator-{nth}.log").open("wb") as log:
                processes.append(
                    subprocess.Popen(
                        [
                            *(sys.executable, "-m", "functions_framework"),
                            *("--target", "message_orchestrator", "--source", "main.py"),
                            *("--host", "127.0.0.1", "--port", str(port)),
                        ],
                        cwd=ROOT,
                        env=env | {"XDG_RUNTIME_DIR": str(runtime)},
                        stdout=log,
                        stderr=log,
                    )
                )
        for url, process in zip(urls, processes, strict=True):
            wait_for(partial(_answers, url, process), "orchestrator", _START_S)
        yield urls
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(_START_S)


def run_together(urls: Sequence[str]) -> int:
    """Call them all at the same moment until none finds more; how many texts they claimed."""
    total = 0
    with ThreadPoolExecutor(len(urls)) as pool:
        while claimed := sum(pool.map(_run, urls)):
            total += claimed
    return total


def _run(url: str) -> int:
    answer = httpx.post(url, json={}, timeout=_CALL_TIMEOUT_S).raise_for_status()
    claimed: int = answer.json()["claimed"]
    return claimed


def _answers(url: str, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, f"the orchestrator ended with status {process.returncode}"
    try:
        return httpx.get(httpx.URL(url).join("/robots.txt")).status_code > 0
    except httpx.TransportError:
        return False
