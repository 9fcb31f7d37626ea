"""What is broken: processes killed, the database restarted, Claude and Twilio failing."""

import json
import os
import signal
import threading
import time
from collections import Counter
from dataclasses import dataclass
from itertools import cycle
from random import Random
from typing import Any

import httpx
import psutil

from tests.chaos.world import World
from tests.support.texting import control_claude, control_twilio

#: What is killed how often, relative to each other. The functions' masters take their workers
#: along; a worker alone is started again by its master.
_TARGETS = {
    "event_processor": 5,
    "worker of event_processor": 3,
    "task_processor": 3,
    "worker of task_processor": 2,
    "twilio_webhook": 3,
    "worker of twilio_webhook": 2,
    "twilio_status": 2,
    "worker of twilio_status": 1,
    "event_sweeper": 2,
    "worker of event_sweeper": 1,
    "message_orchestrator": 2,
    "worker of message_orchestrator": 1,
    "relay": 2,
    "controller": 1,
    "supabase": 2,
    "postgres": 4,
}
#: How PostgreSQL is restarted: its first process killed, shut down fast or at once, or a session's
#: process killed, after which it restarts itself.
_RESTARTS = {
    "kill -9": signal.SIGKILL,
    "fast": signal.SIGINT,
    "immediate": signal.SIGQUIT,
    "kill -9 of a session": None,
}


#: Seconds in which things are killed, however long a busy machine makes the rest of a storm: fewer
#: than the four leases, one of them ended by the jump of the clock, after which a text that was hit
#: each time would be a dead letter.
_KILLING_S = 240.0


@dataclass(frozen=True)
class Weather:
    """How bad it is: probabilities per call, and seconds."""

    claude: dict[str, float]
    claude_hangs_s: float
    twilio: dict[str, float]
    twilio_hangs_s: float
    callbacks: dict[str, float]
    webhook: dict[str, float]
    #: Mean seconds between two kills.
    kill_every_s: float


ROUGH = Weather(
    claude={
        "429": 0.04,
        "500": 0.04,
        "529": 0.02,
        "garbage": 0.03,
        "timeout_before": 0.01,
        "timeout_after": 0.01,
    },
    claude_hangs_s=4.0,
    twilio={
        "429": 0.05,
        "500": 0.04,
        "500_after": 0.04,
        "garbage": 0.03,
        "timeout_before": 0.01,
        "timeout_after": 0.02,
    },
    # Longer than the 10 s that a request to Twilio may take.
    twilio_hangs_s=10.5,
    callbacks={"drop": 0.2, "duplicate": 0.3, "reorder": 0.3},
    webhook={"drop": 0.15, "duplicate": 0.3},
    kill_every_s=1.2,
)


class Storm:
    """Breaks things from its making until `close`. `counts` says how often what was broken."""

    def __init__(self, world: World, weather: Weather, seed: int) -> None:
        self.counts: Counter[str] = Counter()
        self._world, self._weather, self._seed = world, weather, seed
        self._stopped = threading.Event()
        control_claude(
            world.stack,
            reset=True,
            rates=weather.claude,
            seed=seed,
            hang_ms=round(weather.claude_hangs_s * 1000),
        )
        control_twilio(
            world.stack,
            reset=True,
            rates=weather.twilio,
            seed=seed,
            hang_ms=round(weather.twilio_hangs_s * 1000),
            # At first all receipts are lost: then only the listing can tell what Twilio took.
            callbacks={"drop": 1.0},
            webhook={**weather.webhook, "seed": seed},
        )
        self._failure: BaseException | None = None
        self._killer = threading.Thread(target=self._kill_again_and_again, args=(Random(seed),))
        self._killer.start()

    def turn(self) -> None:
        """From here on most receipts come, though not as they should."""
        self._count("receipt", self._state("twilio")["callbacks"]["dealt"])
        control_twilio(self._world.stack, callbacks={**self._weather.callbacks, "seed": self._seed})

    def close(self) -> None:
        """Fair weather from here on."""
        self._stopped.set()
        self._killer.join()
        if self._failure is not None:
            raise self._failure
        self._count("claude", self._state("claude")["suffered"])
        twilio = self._state("twilio")
        self._count("twilio", twilio["suffered"])
        self._count("receipt", twilio["callbacks"]["dealt"])
        self._count("webhook", twilio["webhook"]["dealt"])
        control_claude(self._world.stack, reset=True)
        control_twilio(self._world.stack, reset=True)

    def _state(self, service: str) -> dict[str, Any]:
        description: Any = self._world.stack.description
        state: dict[str, Any] = httpx.get(description[service]["control"]).raise_for_status().json()
        return state

    def _count(self, what: str, found: dict[str, int]) -> None:
        self.counts.update({f"{what}: {kind}": number for kind, number in found.items()})

    def _kill_again_and_again(self, chance: Random) -> None:
        # Each once, so that a short storm has them all; then by their weights.
        first = chance.sample(list(_TARGETS), len(_TARGETS))
        restarts = cycle(chance.sample(list(_RESTARTS), len(_RESTARTS)))
        until = time.monotonic() + _KILLING_S
        try:
            while not self._stopped.wait(chance.expovariate(1 / self._weather.kill_every_s)):
                if time.monotonic() > until:
                    break
                (other,) = chance.choices(list(_TARGETS), list(_TARGETS.values()))
                target = first.pop() if first else other
                if target == "postgres":
                    how = next(restarts)
                    if _restart_database(self._world, _RESTARTS[how], chance):
                        self.counts[f"database: {how}"] += 1
                elif _kill(self._world, target):
                    self.counts[f"kill: {target}"] += 1
        except BaseException as error:  # noqa: BLE001 - raised by close
            self._failure = error


def _process(world: World, name: str) -> psutil.Process | None:
    """One of the stack's processes, if it runs at this moment."""
    children = json.loads((world.stack.directory / "children.json").read_text(encoding="utf-8"))
    if name not in children:
        return None
    pid, began = children[name]
    try:
        process = psutil.Process(int(pid))
        return process if process.create_time() == began else None
    except psutil.NoSuchProcess:
        return None


def _kill(world: World, target: str) -> bool:
    """kill -9; False when there was nothing to kill at this moment."""
    name = target.removeprefix("worker of ")
    process = _process(world, name)
    try:
        if process is not None and target != name:
            process = next(iter(process.children()), None)
        if process is None:
            return False
        process.kill()
    except psutil.NoSuchProcess:
        return False
    return True


def _restart_database(world: World, number: signal.Signals | None, chance: Random) -> bool:
    postmaster = _process(world, "postgres")
    if postmaster is None:
        return False
    try:
        if number is not None:
            os.kill(postmaster.pid, number)
            return True
        sessions = [p for p in postmaster.children() if "[local]" in " ".join(p.cmdline())]
        if sessions:
            chance.choice(sessions).kill()
        return bool(sessions)
    except (psutil.NoSuchProcess, ProcessLookupError):
        return False
