"""Tasks: batches of due ones are claimed, decided by several threads, and committed together
where they come together.

Claims are disjoint, so any number of runs may overlap. A member's task is decided under that
member's lease; what else of the member waits by then is an event, and goes on in the same thread.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from dataclasses import dataclass, field
from uuid import UUID, uuid4

from lib.adapters.supabase import Database, DatabaseError
from lib.core import log, trace
from lib.core.model import JSON
from lib.engine.commits import GroupCommit
from lib.engine.outbox import Outbox
from lib.engine.registry import TASK_TYPES
from lib.engine.step import Claim, Decide, Stepper, check_payload
from lib.engine.work import UnitOfWork

_log = log.get("tasks")

#: behaviour.md, "Tasks": lease 10 min, deadline 8 min.
LEASE_S = 600
DECIDE_S = 480.0
#: Tasks decided at the same time by one run: they wait for the model, not for the processor.
THREADS = 16
#: A new batch is claimed when so many threads are free, and every `TICK_S` for however many are.
BATCH_LEAST = 8
#: behaviour.md, "Tasks": what is due is looked for every 2 minutes.
TICK_S = 120.0


@dataclass
class Ran:
    """Counts of one run. `more` says that tasks may still be due: its time was up."""

    claimed: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    more: bool = False


class TaskProcessor:
    """Runs due tasks through their handlers. Safe to share between threads."""

    def __init__(
        self,
        database: Database,
        handlers: Mapping[str, Decide],
        outbox: Outbox,
        publish: Callable[[list[str]], None],
        follow: Callable[[UUID], object],
    ) -> None:
        """`follow` goes on with an event that waited for the member's lease."""
        self._database = database
        self._handlers = handlers
        self._steps = Stepper(database, outbox, publish, GroupCommit(database))
        self._follow = follow

    def run(self, claim_for_s: float) -> Ran:
        """Claim and process until nothing is due, claiming for `claim_for_s` seconds at most.

        A claim gives one task of a member; when that is done the next is claimed. A task that takes
        long keeps a run from ending, and Cloud Scheduler begins the next one only after that:
        meanwhile this one claims what has come due every `TICK_S`.

        Raises:
            DatabaseError: the database failed; what was claimed and not recorded is claimed again
                once its lease has run out.
        """
        until = time.monotonic() + claim_for_s
        tick = time.monotonic()
        ran = Ran(more=True)
        running: set[Future[str]] = set()
        failure: DatabaseError | None = None
        with ThreadPoolExecutor(THREADS, thread_name_prefix="task") as pool:
            while True:
                free = THREADS - len(running)
                now = time.monotonic()
                claims = now < until and failure is None and free > 0
                is_time = bool(running) and now >= tick
                if claims and (is_time or (ran.more and free >= BATCH_LEAST)):
                    tick = now + TICK_S
                    for claim in self._claim(free, ran):
                        running.add(pool.submit(copy_context().run, self._one, claim))
                    continue
                if not running:
                    break
                until_then = max(tick - now, 0) if claims else None
                finished, running = wait(running, until_then, FIRST_COMPLETED)
                ran.more = ran.more or bool(finished)
                for future in finished:
                    try:
                        ran.outcomes[future.result()] += 1
                    except DatabaseError as error:
                        ran.outcomes["unrecorded"] += 1
                        failure = error
        if failure:
            raise failure
        return ran

    def _claim(self, limit: int, ran: Ran) -> list[Claim]:
        token = uuid4()
        answer = self._database.call("claim_tasks", token=token, limit=limit, lease_s=LEASE_S)
        ran.claimed += len(answer["tasks"])
        ran.more = answer["more"]
        return [_claim(task, token) for task in answer["tasks"]]

    def _one(self, claim: Claim) -> str:
        fields = {"task_id": str(claim.task_id), "task_type": claim.type}
        with trace.step(_log, "task", user=log.user_hash(claim.user_id), **fields) as step:
            done = self._steps.run(claim, self._decide, DECIDE_S, self._reread)
            step.say(outcome=done.outcome)
        if done.more:
            self._follow(done.more)
        return done.outcome

    def _decide(self, claim: Claim, deadline: float) -> UnitOfWork:
        registered = TASK_TYPES.get(claim.type)
        check_payload(claim, registered.payload if registered else None)
        return self._handlers[claim.type](claim, deadline)

    def _reread(self, before: Claim) -> Claim | str:
        """The same claim with fresh context and a lease that begins anew."""
        answer = self._database.call(
            "reread_task", task_id=before.task_id, token=before.token, lease_s=LEASE_S
        )
        if answer["outcome"] != "claimed":
            outcome: str = answer["outcome"]
            return outcome
        return _claim(answer["task"], before.token)


def _claim(task: JSON, token: UUID) -> Claim:
    return Claim(
        token=token,
        type=task["task_type"],
        payload=task["context_json"],
        context=task["context"],
        task_id=UUID(task["id"]),
        user_id=task["user_id"],
    )
