"""`make eval`: the conversation suite with the real model, several trials of each task.

Needs ANTHROPIC_API_KEY (and obeys ANTHROPIC_BASE_URL); --simulated asks the local simulator.
Ends with 0 whatever was passed, with 2 where nothing could be asked, with 3 at the spend cap.
"""

import argparse
import re
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from queue import SimpleQueue

from lib.adapters.claude import ClaudeModel, connect
from lib.core.settings import SettingsError
from tests.conversations.purse import Purse
from tests.conversations.report import report
from tests.conversations.run import Result, a_place, run
from tests.conversations.task import Task
from tests.conversations.tasks import ALL
from tests.conversations.world import Place
from tests.support.database import Servers
from tests.support.sim_process import Simulator


def evaluate(tasks: Sequence[Task], trials: int, purse: Purse, threads: int) -> list[Result]:
    """Run every task `trials` times, several at once; without those that the purse cut short."""
    servers = Servers()
    wanted = [task for _ in range(trials) for task in tasks]
    free: SimpleQueue[Place] = SimpleQueue()
    done: list[Result] = []

    def one(task: Task) -> None:
        if purse.is_closed:
            return
        place = free.get()
        try:
            result = run(task, place, purse.ask)
        finally:
            free.put(place)
        if not purse.is_closed:
            done.append(result)
            mark = "passed" if result.passed else "FAILED"
            at = f"{len(done):4}/{len(wanted)}"
            print(f"{at} {mark} {result.seconds:5.1f} s  {task.name}", flush=True)

    try:
        with ThreadPoolExecutor(threads) as pool, _places(servers, threads, free):
            for future in [pool.submit(one, task) for task in wanted]:
                future.result()
    finally:
        servers.stop()
    return done


@contextmanager
def _places(servers: Servers, count: int, free: SimpleQueue[Place]) -> Iterator[None]:
    if count == 0:
        yield
        return
    with a_place(servers) as place, _places(servers, count - 1, free):
        free.put(place)
        yield


@contextmanager
def _model(simulated: bool) -> Iterator[ClaudeModel]:
    """Raises SettingsError when the key is missing."""
    if not simulated:
        yield connect()
        return
    with Simulator("local.claude_simulator", {}) as simulator:
        yield ClaudeModel("a-key-of-the-simulator", simulator.url)


def main() -> int:
    """Run what the arguments ask for; the exit status."""
    parser = argparse.ArgumentParser(prog="make eval", description="The conversation suite.")
    parser.add_argument("--simulated", action="store_true", help="ask the local simulator")
    parser.add_argument("--trials", type=int, default=4, help="of each task (K)")
    parser.add_argument("--cap", type=float, default=5.0, help="US dollars to spend at most")
    parser.add_argument("--tasks", default="", help="a pattern of the names of tasks")
    parser.add_argument("--threads", type=int, default=8, help="conversations at once")
    parser.add_argument("--transcripts", action="store_true", help="print a failed one of each")
    chosen = parser.parse_args()
    tasks = [task for task in ALL if re.search(chosen.tasks, task.name, re.IGNORECASE)]
    if not tasks or chosen.trials < 1 or chosen.threads < 1 or chosen.cap <= 0:
        print("There is nothing to do: no task, no trial, or no money.", file=sys.stderr)
        return 2
    started = time.monotonic()
    try:
        with _model(chosen.simulated) as model:
            purse = Purse(chosen.cap, model.complete)
            results = evaluate(tasks, chosen.trials, purse, chosen.threads)
    except SettingsError as error:
        print(f"{error} To try it without a key: make eval SIMULATED=1", file=sys.stderr)
        return 2
    if purse.refused is not None:
        print(f"Claude does not take the requests: {purse.refused}.", file=sys.stderr)
        return 2
    if chosen.simulated:
        print("\nThis was the local simulator, which plays the agents by rules; it is not Claude.")
    print("", *report(results, chosen.transcripts), sep="\n")
    print(f"{time.monotonic() - started:.0f} s, {purse.spent_usd:.4f} US dollars")
    if purse.is_closed:
        print(f"The cap of {chosen.cap:g} US dollars was reached.", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
