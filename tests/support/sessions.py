"""Several sessions on one database, whose order the test decides.

A session in an open transaction keeps what it locked. Another is started on a thread of its own
and is seen to wait, or not to, before the first commits: the same order every time, no luck needed.

    with first.connection.transaction():
        first.call(...)
        waiting = sessions.waits(second, lambda: second.call(...))
    assert waiting.result() == ...
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import psycopg

from tests.support.rpc import Rpc

MOST = 8
PAUSE_S = 0.002

T = TypeVar("T")


class Sessions:
    """Sessions as the service role on one database, and a view of who waits for whom."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._opened: list[Rpc] = []
        self._pool = ThreadPoolExecutor(MOST)
        self._watcher = psycopg.connect(url, autocommit=True)

    def open(self) -> Rpc:
        """One more session."""
        self._opened.append(Rpc(self.url))
        return self._opened[-1]

    def idle(self, number: int) -> Rpc:
        """The session of this number, opened when first asked for."""
        while len(self._opened) <= number:
            self.open()
        return self._opened[number]

    def waits(self, session: Rpc, job: Callable[[], T]) -> Future[T]:
        """`job`, started; returns when `session` waits for a lock, fails if it never does."""
        started = self._pool.submit(job)
        while not self._is_waiting(session):
            assert not started.done(), f"it did not wait: {started.result()}"
            time.sleep(PAUSE_S)
        return started

    def at_once(self, session: Rpc, job: Callable[[], T]) -> T:
        """What `job` gives; fails as soon as `session` waits for a lock."""
        started = self._pool.submit(job)
        while not started.done():
            assert not self._is_waiting(session), "it waits for somebody"
            time.sleep(PAUSE_S)
        return started.result()

    def written(self, session: Rpc) -> set[str]:
        """The tables whose rows `session` has changed in its open transaction, or is about to."""
        found = self._watcher.execute(
            "select c.relname from pg_locks as l inner join pg_class as c on c.oid = l.relation"
            " where l.pid = %s and l.mode = 'RowExclusiveLock' and c.relkind = 'r'",
            (session.connection.info.backend_pid,),
        ).fetchall()
        return {name for (name,) in found}

    def run_as_owner(self, statement: str) -> None:
        """A statement that the service role may not run."""
        self._watcher.execute(statement.encode())

    def close(self) -> None:
        """End them all, once what was started has ended."""
        self._pool.shutdown()
        for session in self._opened:
            session.close()
        self._watcher.close()

    def _is_waiting(self, session: Rpc) -> bool:
        blockers = self._watcher.execute(
            "select cardinality(pg_blocking_pids(%s))", (session.connection.info.backend_pid,)
        ).fetchone()
        return blockers is not None and blockers[0] > 0
