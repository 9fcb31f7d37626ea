"""The schedules of the local stack: due by the clock, and one at a time where they must be."""

import asyncio
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from local.clock import MovableClock
from local.schedules import Outcome, Schedule, Scheduler


class SlowFunction:
    """Takes 0.2 s per call; counts calls and how many ran at once.

    With `waits_s` a call takes so long at most, and ends when another has come.
    """

    def __init__(self) -> None:
        self.waits_s = 0.0
        self.bodies: list[bytes] = []
        self.schedule_times: list[str] = []
        self.running = 0
        self.most_at_once = 0
        function = self
        counting = threading.Lock()
        overlapped = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                with counting:
                    function.running += 1
                    function.most_at_once = max(function.most_at_once, function.running)
                    length = int(self.headers.get("Content-Length", 0))
                    function.bodies.append(self.rfile.read(length))
                    function.schedule_times.append(self.headers["X-CloudScheduler-ScheduleTime"])
                    if function.running > 1:
                        overlapped.set()
                if function.waits_s:
                    overlapped.wait(function.waits_s)
                else:
                    time.sleep(0.2)
                with counting:
                    function.running -= 1
                self.send_response(207)
                self.end_headers()
                self.wfile.write(b'{"sent": 1}')

            def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
                """Print nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def function() -> Iterator[SlowFunction]:
    function = SlowFunction()
    yield function
    function.close()


def schedule(function: SlowFunction, *, overlaps: bool) -> dict[str, Schedule]:
    return {"job": Schedule("job", function.url, timedelta(days=1), overlaps)}


async def _run_three_at_once(function: SlowFunction, clock: MovableClock, overlaps: bool) -> None:
    scheduler = Scheduler(schedule(function, overlaps=overlaps), clock)
    try:
        await asyncio.gather(*(scheduler.run_now("job") for _ in range(3)))
    finally:
        await scheduler.close()


def test_runs_of_a_schedule_that_must_not_overlap_wait_for_each_other(
    function: SlowFunction, tmp_path: Path
) -> None:
    asyncio.run(_run_three_at_once(function, MovableClock(tmp_path / "clock"), overlaps=False))

    assert len(function.bodies) == 3
    assert function.most_at_once == 1


def test_runs_of_a_schedule_that_may_overlap_do(function: SlowFunction, tmp_path: Path) -> None:
    function.waits_s = 20
    asyncio.run(_run_three_at_once(function, MovableClock(tmp_path / "clock"), overlaps=True))

    assert function.most_at_once > 1


def test_a_function_out_of_reach_costs_no_other_schedule_its_call(
    function: SlowFunction, tmp_path: Path
) -> None:
    schedules = {
        "gone": Schedule("gone", "nowhere://nobody/", timedelta(days=1), overlaps=False),
        **schedule(function, overlaps=False),
    }

    async def advance() -> None:
        scheduler = Scheduler(schedules, MovableClock(tmp_path / "clock"))
        try:
            with pytest.raises(httpx.UnsupportedProtocol):
                await scheduler.advance(864_000)
        finally:
            await scheduler.close()

    asyncio.run(advance())

    assert len(function.bodies) == 1


def test_moving_the_clock_runs_what_became_due_once(function: SlowFunction, tmp_path: Path) -> None:
    clock = MovableClock(tmp_path / "clock")
    # At noon: a day that ends between the two moves would be a period more.
    now = clock.utcnow()
    noon = now.replace(hour=12, minute=0, second=0, microsecond=0) + timedelta(days=1)
    clock.advance((noon - now).total_seconds())
    before = clock.offset_s()

    async def advance() -> list[dict[str, Outcome]]:
        scheduler = Scheduler(schedule(function, overlaps=False), clock)
        try:
            # Ten periods are one run, as when a machine wakes up; then nothing is due.
            return [await scheduler.advance(864_000), await scheduler.advance(0.001)]
        finally:
            await scheduler.close()

    first, second = asyncio.run(advance())

    assert first == {"job": Outcome(207, {"sent": 1})}
    assert second == {}
    assert function.bodies == [b'{"passes":1}']
    assert len(set(function.schedule_times)) == 1
    assert clock.offset_s() - before == pytest.approx(864_000.001)
