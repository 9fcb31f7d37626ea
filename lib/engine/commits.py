"""Commits of several threads, together where they come together."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from uuid import UUID

from lib.adapters.supabase import Database
from lib.core import log
from lib.core.model import JSON

_log = log.get("commits")

#: `commit(work, token)` → commit_work's answer; raises DatabaseError.
Commit = Callable[[JSON, UUID], JSON]


def commit_alone(database: Database) -> Commit:
    """Each unit of work in a call of its own, at once: no member waits for another."""

    def commit(work: JSON, token: UUID) -> JSON:
        return database.call("commit_work", work=work, token=token)

    return commit


@dataclass(frozen=True, eq=False)
class _Waiting:
    work: JSON
    token: UUID
    #: None: not answered together with others.
    answer: "Future[JSON | None]" = field(default_factory=Future)


class GroupCommit:
    """Group commit: what is handed in while a call is under way goes with the next, as one call.

    Nobody waits for company, and nobody shares a neighbour's failure: what cannot be committed
    together, or only later, is committed by each thread for itself. Safe to share between threads.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._commit_alone = commit_alone(database)
        self._calling = threading.Lock()
        self._listing = threading.Lock()
        self._waiting: list[_Waiting] = []

    def __call__(self, work: JSON, token: UUID) -> JSON:
        """Commit one unit of work; commit_work's answer.

        Raises:
            DatabaseError: it could not be committed, or was refused as wrong.
        """
        ours = _Waiting(work, token)
        with self._listing:
            self._waiting.append(ours)
        with self._calling:
            # Otherwise an earlier call has taken ours along.
            if not ours.answer.done():
                with self._listing:
                    batch, self._waiting = self._waiting, []
                if batch == [ours]:
                    return self._commit_alone(work, token)
                self._together(batch)
        return ours.answer.result() or self._commit_alone(work, token)

    def _together(self, batch: list[_Waiting]) -> None:
        results: list[JSON | None] = [None] * len(batch)
        units = [{"work": unit.work, "token": unit.token} for unit in batch]
        try:
            answered = self._database.call("commit_batch", units=units).get("results", results)
            results = [
                None if result is None or result["outcome"] == "retry" else result
                for _, result in zip(batch, answered, strict=True)
            ]
        except Exception as error:  # noqa: BLE001 - the caller's unit may be another than the culprit
            # Each will find out alone whether it is to blame.
            _log.info("units are committed one by one", extra={"error": log.describe(error)})
        finally:
            # Whatever was answered: a thread that is not told waits for ever.
            for unit, result in zip(batch, results, strict=True):
                unit.answer.set_result(result)
