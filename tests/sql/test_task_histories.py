"""Any history of claims, commits, failures, crashes and texts, against a model in plain Python.

The model knows behaviour.md, "Tasks", and nothing of SQL. After each step the claim must be the one
that the model expects, every task as the model has it, and no member under two live leases. What
remains at the end is worked off: nothing is lost, nothing waits for ever.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.support.claims import add_task, claim, commit
from tests.support.rpc import NOON, Rpc

RANKS = {"high": 1, "low": 3}
LEASE = timedelta(minutes=10)
TURN = timedelta(seconds=90)
PHONES = ("+12125550101", "+12125550102", "+12125550103")


@dataclass
class Task:
    """One row of agent_tasks as the model has it; `until` of the live or last lease."""

    id: str
    member: int | None
    rank: int
    due: datetime
    most: int
    status: str = "pending"
    attempts: int = 0
    token: UUID | None = None
    until: datetime | None = None
    failures: int = 0
    failing_since: datetime | None = None


@dataclass
class Step:
    """One thing that happens: `what`, with a number that each kind of step reads in its own way."""

    what: str
    number: int


STEPS = st.lists(
    st.builds(
        Step,
        what=st.sampled_from(
            ["claim"] * 4
            + ["add", "commit", "commit", "own", "own", "dependency", "permanent", "again"]
            + ["wait", "wait", "text", "answer", "reread"]
        ),
        number=st.integers(0, 1000),
    ),
    min_size=8,
    max_size=40,
)
WAITS_S = (1, 5, 30, 89, 90, 66, 132, 264, 599, 600, 3600, 86400)


@dataclass
class History:
    """The database beside the model."""

    rpc: Rpc
    members: list[UUID] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    #: Every task and token ever handed out, so that some steps come too late.
    held: list[tuple[Task, UUID]] = field(default_factory=list)
    #: The turn that each member's text is claimed in.
    turns: dict[int, dict[str, Any]] = field(default_factory=dict)
    turn_until: dict[int, datetime] = field(default_factory=dict)

    def add(self, number: int) -> None:
        """A task of a member or of nobody, due now, later or long ago."""
        member = (*range(len(PHONES)), *range(len(PHONES)), None)[number % 7]
        priority = ("medium", None, "medium", "high", "low")[number % 5]
        due = self.rpc.now + timedelta(seconds=(-3600, -60, 0, 45)[number // 35 % 4])
        most = (3, 3, 1, 2)[number // 140 % 4]
        task = add_task(
            self.rpc, None if member is None else self.members[member],
            priority=priority, scheduled_for=due, max_retries=most,
        )  # fmt: skip
        self.tasks.append(Task(str(task), member, RANKS.get(priority or "", 2), due, most))

    def claim(self, number: int) -> None:
        """A batch of one to four."""
        self.claim_up_to((1, 1, 2, 4)[number % 4])

    def claim_up_to(self, limit: int) -> None:
        """A batch as the model expects it."""
        token, wanted = uuid4(), self.expected(limit)
        answer = self.rpc.call("claim_tasks", token=token, limit=limit)
        assert [task["id"] for task in answer["tasks"]] == [task.id for task in wanted]
        assert answer["more"] is (len(wanted) == limit)
        for task in wanted:
            task.status, task.token, task.until = "processing", token, self.rpc.now + LEASE
            task.attempts += 1
            self.held.append((task, token))

    def expected(self, limit: int) -> list[Task]:
        """What the model would claim."""
        for task in self.tasks:
            if task.status == "processing" and task.until and task.until <= self.rpc.now:
                task.status = "failed" if task.attempts >= task.most else "pending"
        due = [t for t in self.tasks if t.status == "pending" and t.due <= self.rpc.now]
        wanted: list[Task] = []
        for task in sorted(due, key=lambda t: (t.rank, t.due, t.id)):
            taken = {t.member for t in wanted if t.member is not None}
            if len(wanted) < limit and task.member not in taken and not self.busy(task.member):
                wanted.append(task)
        return wanted

    def busy(self, member: int | None) -> bool:
        """Is a lease of the member live?"""
        if member is None:
            return False
        if self.turn_until.get(member, self.rpc.now) > self.rpc.now:
            return True
        return any(
            t.member == member and t.status == "processing" and t.until and t.until > self.rpc.now
            for t in self.tasks
        )

    def lost(self, until: datetime | None, member: int | None) -> bool:
        """Has a lease run out and somebody else taken the member?"""
        return until is not None and until <= self.rpc.now and self.busy(member)

    def again(self, number: int) -> None:
        """An earlier claim repeated: what is left of it, and no further attempt."""
        if not self.held:
            return
        _, token = self.held[number % len(self.held)]
        left = [t for t in self.tasks if t.status == "processing" and t.token == token]
        if left:
            answer = self.rpc.call("claim_tasks", token=token, limit=4)
            assert {task["id"] for task in answer["tasks"]} == {task.id for task in left}

    def commit(self, number: int) -> None:
        """What was held once is committed: applied, applied before, or stale."""
        if not self.held:
            return
        task, token = self.held[number % len(self.held)]
        answer = self.rpc.call("commit_work", work={"task": task.id, "changes": []}, token=token)
        held = task.status == "processing" and not self.lost(task.until, task.member)
        if task.token == token and (held or task.status == "completed"):
            assert answer["outcome"] == "applied"
            task.status = "completed"
        else:
            assert answer == {"outcome": "stale"}

    def fail(self, number: int, kind: str) -> None:
        """What was held once has failed: to be tried again after its wait, given up, or stale."""
        if not self.held:
            return
        task, token = self.held[number % len(self.held)]
        answer = self.rpc.call("fail_task", task_id=task.id, token=token, error="e", kind=kind)
        if task.status != "processing" or task.token != token:
            assert answer["outcome"] == "stale"
            return
        if kind == "dependency":
            task.attempts -= 1
            task.failures += 1
            task.failing_since = task.failing_since or self.rpc.now
            again = self.rpc.now - task.failing_since < timedelta(hours=24)
            wait = min(5 * 2 ** (task.failures - 1), 300)
            least = most = timedelta(seconds=wait)
        else:
            again = kind == "own" and task.attempts < task.most
            least, most = (timedelta(minutes=f * 2 ** (task.attempts - 1)) for f in (0.9, 1.1))
        if again:
            assert answer["outcome"] == "rescheduled"
            task.status, task.due = "pending", datetime.fromisoformat(answer["retry_at"])
            assert least <= task.due - self.rpc.now <= most
        else:
            assert answer["outcome"] == "failed"
            task.status = "failed"

    def text(self, number: int) -> None:
        """A text of a member comes and is claimed, unless somebody works for them."""
        member = number % len(PHONES)
        busy = self.busy(member)
        claimed = claim(self.rpc, self.rpc.text(PHONES[member])["event_id"], lease_s=90)
        # The text came a moment later, and the lease may have ended in it.
        assert claimed["outcome"] == ("busy" if busy and self.busy(member) else "claimed")
        if claimed["outcome"] == "claimed":
            self.turns[member], self.turn_until[member] = claimed, self.rpc.now + TURN

    def answer(self, number: int) -> None:
        """A member's turn ends."""
        member = number % len(PHONES)
        if member in self.turns:
            claimed, until = self.turns.pop(member), self.turn_until.pop(member)
            outcome = "stale" if self.lost(until, member) else "applied"
            assert commit(self.rpc, claimed, final=True)["outcome"] == outcome

    def reread(self, number: int) -> None:
        """A holder decides again, under a lease that begins anew; never beside another's."""
        if not self.held:
            return
        task, token = self.held[number % len(self.held)]
        answer = self.rpc.call("reread_task", task_id=task.id, token=token)
        held = task.status == "processing" and not self.lost(task.until, task.member)
        if task.token == token and held:
            assert answer["outcome"] == "claimed"
            task.until = self.rpc.now + LEASE
        else:
            assert answer == {"outcome": "stale"}

    def wait(self, number: int) -> None:
        """Time passes, to the moment at which something ends or past it."""
        self.rpc.pass_time(seconds=WAITS_S[number % len(WAITS_S)])

    def check(self) -> None:
        """The database agrees with the model, and nobody has two live leases."""
        rows = self.rpc.rows(
            "select id, status, retry_count, scheduled_for, result_json from agent_tasks"
        )
        found = {str(row["id"]): row for row in rows}
        assert len(found) == len(self.tasks)
        for task in self.tasks:
            row = found[task.id]
            assert (row["status"], row["retry_count"]) == (task.status, task.attempts)
            assert row["scheduled_for"] == task.due
            assert ("claim" in (row["result_json"] or {})) is (task.status == "processing")
        leases = self.rpc.rows(
            "select l.member, count(*) as live from ("
            " select distinct e.aggregate_id as member, e.metadata #>> '{lease,token}' as token"
            " from events as e where e.processed is not true"
            " and (e.metadata #>> '{lease,until}')::timestamptz > %s"
            " union all select t.user_id, t.id::text from agent_tasks as t"
            " where t.status = 'processing' and t.user_id is not null"
            " and (t.result_json #>> '{claim,until}')::timestamptz > %s"
            ") as l group by l.member having count(*) > 1",
            self.rpc.now,
            self.rpc.now,
        )
        assert leases == []

    def finish(self) -> None:
        """Crash with all that is held, and let one worker do the rest."""
        while any(task.status in ("pending", "processing") for task in self.tasks):
            self.rpc.pass_time(days=1)
            before = len(self.held)
            self.claim_up_to(100)
            for number in range(before, len(self.held)):
                self.commit(number)
        self.check()
        ended = self.rpc.rows(
            "select 1 as one from agent_tasks where status not in ('completed', 'failed')"
            " or (status = 'completed' and completed_at is null)"
            " or (status = 'failed' and error_log is null)"
        )
        assert ended == []


@settings(
    max_examples=60,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=STEPS, tasks=st.lists(st.integers(0, 1000), min_size=4, max_size=9))
def test_any_history_is_the_one_that_the_model_expects(
    shared_database: str, steps: list[Step], tasks: list[int]
) -> None:
    rpc = Rpc(shared_database, now=NOON)
    with rpc.connection.transaction(force_rollback=True):
        history = History(rpc)
        history.members = [rpc.member(phone) for phone in PHONES]
        for number in tasks:
            history.add(number)
        ways: dict[str, Callable[[int], None]] = {
            "add": history.add,
            "claim": history.claim,
            "again": history.again,
            "commit": history.commit,
            "text": history.text,
            "answer": history.answer,
            "reread": history.reread,
            "wait": history.wait,
        }
        for step in steps:
            if step.what in ways:
                ways[step.what](step.number)
            else:
                history.fail(step.number, step.what)
            history.check()
        history.finish()
    rpc.close()
