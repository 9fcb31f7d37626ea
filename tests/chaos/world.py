"""A stack that may be broken at any moment: calls and statements that are tried until they work."""

import heapq
import itertools
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from typing import Any

import httpx
import psycopg

from local.clock import MovableClock
from tests.support.stack import StackUnderTest

#: Longer than anything that was killed needs to come back, seconds.
PATIENCE_S = 90.0
_PAUSE_S = 0.2


class GivenUp(Exception):
    """Something did not work for longer than any outage of a run lasts."""


class World:
    """One stack under ill-treatment, as Twilio, Pub/Sub, Cloud Scheduler and operators reach it."""

    def __init__(self, stack: StackUnderTest) -> None:
        self.stack = stack
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=40)
        self.http = httpx.Client(timeout=150, limits=limits, trust_env=False)
        self.clock = MovableClock(stack.directory / "clock")

    def function(self, name: str) -> str:
        """A function's address."""
        return self.stack.description["functions"][name]

    def now(self) -> datetime:
        """The stack's time (UTC), also while its controller is dead."""
        return self.clock.utcnow()

    def post(self, url: str, **request: Any) -> httpx.Response | None:
        """POST once; None when there was no answer."""
        try:
            return self.http.post(url, **request)
        except httpx.TransportError:
            return None

    def advance(self, seconds: float) -> None:
        """Move the clock and run what became due; tried until it is moved."""
        before = self.clock.offset_s()
        for _ in tries("the clock"):
            self.post(self.stack.description["clock"], json={"advance_s": seconds})
            # An answer may be lost, or say that a function was out of reach: the clock has moved.
            if self.clock.offset_s() > before:
                return

    def rows(self, query: str, *arguments: Any) -> list[dict[str, Any]]:
        """Run one statement in a transaction until it works: it must bear to be repeated."""
        return self.transaction((query, arguments))[0]

    def transaction(self, *statements: tuple[str, Sequence[Any]]) -> list[list[dict[str, Any]]]:
        """Run statements in one transaction until it works; the rows of each."""
        for _ in tries("the database"):
            try:
                with self.stack.connect() as connection, connection.transaction():
                    done = [connection.execute(q.encode(), list(a)) for q, a in statements]
                    return [found.fetchall() if found.description else [] for found in done]
            except psycopg.OperationalError:
                continue
        raise GivenUp("the database")


def tries(what: str) -> Iterator[int]:
    """Numbers to count attempts by, with a pause between them.

    Raises:
        GivenUp: after PATIENCE_S.
    """
    deadline = time.monotonic() + PATIENCE_S
    for attempt in itertools.count():
        yield attempt
        if time.monotonic() > deadline:
            raise GivenUp(what)
        time.sleep(_PAUSE_S)


class Later:
    """Does things at their time by several threads, and again until they say that they worked."""

    def __init__(self, threads: int) -> None:
        self._due: list[tuple[float, int, Callable[[], bool]]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._left = 0
        self._done = 0
        self._is_closed = False
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="later")
        self._workers: list[Future[None]] = [self._pool.submit(self._work) for _ in range(threads)]

    def add(self, delay_s: float, action: Callable[[], bool]) -> None:
        """Do `action` after `delay_s` seconds, and every half second again until it is true."""
        with self._changed:
            self._left += 1
            self._push(delay_s, action)

    def wait_until_done(self) -> None:
        """Until all of them worked.

        Raises:
            GivenUp: the last is due, and for PATIENCE_S not one of those left has worked. A busy
                machine may take its time as long as it goes on.
        """
        with self._changed:
            last = max((at for at, _, _ in self._due), default=time.monotonic())
            until = last + PATIENCE_S
            while self._left and not self._failed():
                done = self._done
                self._changed.wait(until - time.monotonic())
                if self._done > done:
                    until = max(until, time.monotonic() + PATIENCE_S)
                elif time.monotonic() >= until:
                    raise GivenUp(f"{self._left} things to do later")
        self._raise_failure()

    def close(self) -> None:
        """Leave what is left, and raise what a thread died of."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        self._pool.shutdown()
        self._raise_failure()

    def _push(self, delay_s: float, action: Callable[[], bool]) -> None:
        heapq.heappush(self._due, (time.monotonic() + delay_s, next(self._numbers), action))
        self._changed.notify()

    def _failed(self) -> bool:
        return any(worker.done() for worker in self._workers)

    def _raise_failure(self) -> None:
        for worker in self._workers:
            if worker.done():
                worker.result()

    def _work(self) -> None:
        while (action := self._next()) is not None:
            try:
                worked = action()
            except BaseException:
                with self._changed:
                    self._changed.notify_all()
                raise
            with self._changed:
                if worked:
                    self._left -= 1
                    self._done += 1
                    self._changed.notify_all()
                else:
                    self._push(0.5, action)

    def _next(self) -> Callable[[], bool] | None:
        with self._changed:
            while not self._is_closed:
                wait_s = self._due[0][0] - time.monotonic() if self._due else None
                if wait_s is not None and wait_s <= 0:
                    return heapq.heappop(self._due)[2]
                self._changed.wait(wait_s)
            return None


class Answers:
    """How many texts each phone has got so far, read from the simulator as they come."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._url = f"{world.stack.description['twilio']['url']}/_sim/messages"
        self._changed = threading.Condition()
        self._seen: dict[str, set[str]] = defaultdict(set)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def of(self, number: str) -> int:
        """Texts that this phone has got."""
        with self._changed:
            return len(self._seen[number])

    def wait_for_more(self, number: str, than: int, timeout_s: float) -> None:
        """Until the phone has got more, or the time is up: an answer may well be late."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._seen[number]) > than, timeout_s)

    def close(self) -> None:
        """Stop reading."""
        self._stopped.set()
        self._thread.join()

    def _follow(self) -> None:
        after = 0
        while not self._stopped.wait(_PAUSE_S):
            try:
                answer = self._world.http.get(self._url, params={"after": after}).json()
            except httpx.TransportError:
                continue
            after = answer["seq"]
            with self._changed:
                for message in answer["messages"]:
                    if message["direction"] == "outbound":
                        self._seen[message["to"]].add(message["sid"])
                self._changed.notify_all()
