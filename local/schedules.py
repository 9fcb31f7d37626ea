"""Cloud Scheduler's stand-in: calls functions at their periods, by the local clock.

`JOBS` says which; the deployment's jobs are the same.
"""

import asyncio
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from local.clock import MovableClock
from local.state import write_private_json

_log = logging.getLogger(__name__)

_TICK_S = 0.5
#: The longest of the functions' own (terraform/system.yaml), which is what Cloud Scheduler waits.
CALL_TIMEOUT_S = 1740.0
_FIRST_FAILURE = 300
# How long a call waits for a function that is being started again.
_RESTART_S = 10.0


@dataclass(frozen=True, slots=True)
class Job:
    """What is called how often. Unless it `overlaps`, a tick during a run is skipped."""

    function: str
    period: timedelta
    overlaps: bool = False
    body: Mapping[str, object] | None = None


JOBS = {
    "event_sweeper": Job("event_sweeper", timedelta(minutes=1), overlaps=True),
    "message_orchestrator": Job("message_orchestrator", timedelta(minutes=1)),
    "task_processor": Job("task_processor", timedelta(minutes=2)),
    "community_closure": Job(
        "event_processor", timedelta(hours=1), body={"event_type": "community.closure_due"}
    ),
}


@dataclass(frozen=True, slots=True)
class Schedule:
    """A job and where its function is."""

    name: str
    url: str
    period: timedelta
    overlaps: bool
    body: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a function answered: its status and its JSON, or text where it is not JSON."""

    status: int
    answer: Any


@dataclass(slots=True)
class Run:
    """When a schedule was called last, and what came of it."""

    at: datetime
    outcome: str


class Scheduler:
    """Runs schedules at whole periods of the local clock, and at once on demand.

    `paused` keeps the names of paused schedules over a restart.
    """

    def __init__(
        self, schedules: Mapping[str, Schedule], clock: MovableClock, paused: Path | None = None
    ) -> None:
        self._schedules = schedules
        self._clock = clock
        self._paused_file = paused
        self._paused = set(_read_names(paused)) & set(schedules)
        if self._paused:
            _log.warning("still paused: %s", ", ".join(sorted(self._paused)))
        self._last: dict[str, Run] = {}
        self._due = {name: self._next_due(schedule) for name, schedule in schedules.items()}
        self._running = {name: asyncio.Lock() for name in schedules}
        self._http = httpx.AsyncClient(timeout=CALL_TIMEOUT_S)
        self._calls: set[asyncio.Task[None]] = set()

    async def run_forever(self) -> None:
        """Call what is due, until cancelled."""
        while True:
            for schedule in self._take_due():
                call = asyncio.create_task(self._run_regularly(schedule))
                self._calls.add(call)
                call.add_done_callback(self._calls.discard)
            await asyncio.sleep(_TICK_S)

    def listed(self) -> list[dict[str, Any]]:
        """Every schedule as JSON, by name. Times are UTC."""
        return [
            {
                "name": name,
                "period_s": int(schedule.period.total_seconds()),
                "paused": name in self._paused,
                "last_run": last.at.isoformat() if (last := self._last.get(name)) else None,
                "last_outcome": last.outcome if last else None,
            }
            for name, schedule in sorted(self._schedules.items())
        ]

    def pause(self, name: str, *, paused: bool) -> None:
        """Stop calling a schedule by the clock, or go on with it; `run_now` calls it all the same.

        Raises:
            KeyError: there is no such schedule.
        """
        if name not in self._schedules:
            raise KeyError(name)
        (self._paused.add if paused else self._paused.discard)(name)
        if self._paused_file is not None:
            write_private_json(self._paused_file, {"paused": sorted(self._paused)})

    async def run_now(self, name: str) -> Outcome:
        """One short run, answered with what the function answered.

        Raises:
            KeyError: there is no such schedule.
            httpx.HTTPError: the function cannot be reached.
        """
        schedule = self._schedules[name]
        if schedule.overlaps:
            return await self._call(schedule, schedule.body or {"passes": 1})
        async with self._running[name]:
            return await self._call(schedule, schedule.body or {"passes": 1})

    async def advance(self, seconds: float) -> dict[str, Outcome]:
        """Move the clock, then run once each schedule that became due by it, in their order.

        Raises:
            ValueError: the clock does not move that way.
            httpx.HTTPError: a function cannot be reached; the others were called all the same.
        """
        # Nothing is awaited between the move and the taking: no tick can take them first.
        self._clock.advance(seconds)
        due = self._take_due()
        ran: dict[str, Outcome] = {}
        failure: httpx.HTTPError | None = None
        for schedule in due:
            try:
                ran[schedule.name] = await self.run_now(schedule.name)
            except httpx.HTTPError as error:
                # Its tick is lost, as Cloud Scheduler's would be; the others' are not.
                failure = failure or error
        if failure:
            raise failure
        return ran

    async def close(self) -> None:
        """Give up the calls under way."""
        for call in self._calls:
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)
        await self._http.aclose()

    def _take_due(self) -> list[Schedule]:
        now = self._clock.utcnow()
        due = [s for name, s in self._schedules.items() if self._due[name] <= now]
        for schedule in due:
            self._due[schedule.name] = self._next_due(schedule)
        return [schedule for schedule in due if schedule.name not in self._paused]

    def _next_due(self, schedule: Schedule) -> datetime:
        now, period = self._clock.now(), schedule.period.total_seconds()
        return datetime.fromtimestamp((now // period + 1) * period, self._clock.utcnow().tzinfo)

    async def _run_regularly(self, schedule: Schedule) -> None:
        lock = self._running[schedule.name]
        if not schedule.overlaps and lock.locked():
            return
        try:
            if schedule.overlaps:
                outcome = await self._call(schedule, schedule.body)
            else:
                async with lock:
                    outcome = await self._call(schedule, schedule.body)
        except httpx.HTTPError as error:
            _log.warning("%s: %s", schedule.name, type(error).__name__)
            return
        if outcome.status >= _FIRST_FAILURE:
            _log.warning("%s: status %s", schedule.name, outcome.status)

    async def _call(self, schedule: Schedule, body: Mapping[str, object] | None) -> Outcome:
        run = self._last[schedule.name] = Run(self._clock.utcnow(), "running")
        try:
            outcome = await self._post(schedule, body)
        except httpx.HTTPError as error:
            run.outcome = type(error).__name__
            raise
        run.outcome = "ok" if outcome.status < _FIRST_FAILURE else f"status {outcome.status}"
        return outcome

    async def _post(self, schedule: Schedule, body: Mapping[str, object] | None) -> Outcome:
        headers = {
            "X-CloudScheduler": "true",
            "X-CloudScheduler-ScheduleTime": self._clock.utcnow().isoformat(),
        }
        deadline = asyncio.get_running_loop().time() + _RESTART_S
        while True:
            try:
                response = await self._http.post(schedule.url, json=body, headers=headers)
                break
            except httpx.ConnectError:
                # Nothing was delivered: the function is being started again.
                if asyncio.get_running_loop().time() > deadline:
                    raise
                await asyncio.sleep(0.1)
        try:
            answer = response.json()
        except ValueError:
            answer = response.text
        return Outcome(response.status_code, answer)


def _read_names(file: Path | None) -> list[str]:
    try:
        names: list[str] = json.loads(file.read_text(encoding="utf-8"))["paused"] if file else []
    except FileNotFoundError:
        return []
    return names
