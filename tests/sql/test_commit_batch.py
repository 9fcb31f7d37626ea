"""Several units of work in one call: each as if it were committed alone (commit_batch)."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from lib.engine.work import UnitOfWork
from tests.support.claims import add_task, claim_tasks, turn
from tests.support.rpc import Rpc
from tests.support.sessions import Sessions

ADA, BOB, EVE = "+12125550142", "+12125550143", "+12125550144"

#: What a batch could change, but for the ids that the database makes itself.
STATE = (
    "select * from agent_tasks order by id",
    "select * from events order by id",
    "select * from users order by id",
    "select * from message_queue order by id",
    "select * from agent_actions_log order by id",
)


def unit(source: dict[str, Any], token: UUID | str, **more: Any) -> dict[str, Any]:
    return {"work": source | more, "token": str(token)}


def task_unit(task: UUID, token: UUID, work: UnitOfWork | None = None) -> dict[str, Any]:
    return unit({"task": str(task)}, token, changes=work.changes if work else [], calls=[])


def commit_batch(rpc: Rpc, *units: dict[str, Any]) -> list[dict[str, Any]]:
    answer = rpc.call("commit_batch", units=list(units))
    assert answer["outcome"] == "committed"
    results: list[dict[str, Any]] = answer["results"]
    return results


def claimed(rpc: Rpc, *owners: UUID | None) -> tuple[list[UUID], UUID]:
    """A task of each of these members, or of nobody, all claimed under one token."""
    token = uuid4()
    tasks = [add_task(rpc, owner) for owner in owners]
    assert set(claim_tasks(rpc, token, limit=100)) == {str(task) for task in tasks}
    return tasks, token


def status(rpc: Rpc, task: UUID) -> str:
    found: str = rpc.rows("select status from agent_tasks where id = %s", task)[0]["status"]
    return found


@pytest.fixture
def units(rpc: Rpc) -> list[dict[str, Any]]:
    """One of every kind: what ends a task only, what changes rows, and what is refused."""
    ada, bob, eve = rpc.member(ADA), rpc.member(BOB), rpc.member(EVE)
    rpc.queue(ada)
    owners = [ada, bob, eve, *[None] * 6]
    (of_ada, of_bob, of_eve, of_nobody, taken, logged, both, wrong, told), token = claimed(
        rpc, *owners
    )
    (cancelled,), its_token = claimed(rpc, None)
    rpc.rows("update agent_tasks set status = 'failed' where id = %s returning id", cancelled)
    rpc.text(ADA)
    changing = UnitOfWork(of_bob, created_by="test", source_type="task")
    changing.emit("test", aggregate_id=bob)
    changing.say(bob, ["hello"], kind="proactive")
    refused = UnitOfWork(of_eve, created_by="test", source_type="task")
    refused.update("users", eve, {"title": "x"}, expect={"title": "another"})
    texts = turn(rpc, "+12125550145")
    calls = [{"id": str(uuid4()), "agent_type": "test", "action_type": "test"}]
    return [
        task_unit(of_ada, token),
        task_unit(of_bob, token, changing),
        task_unit(of_nobody, token),
        task_unit(of_eve, token, refused),
        task_unit(taken, uuid4()),
        task_unit(cancelled, its_token),
        task_unit(uuid4(), token),
        unit({"events": texts["events"]}, texts["token"]),
        unit({"task": str(logged)}, token, calls=calls),
        unit({"task": str(both), "events": texts["events"]}, token),
        unit({"task": str(wrong)}, token, changes=[{"op": "update", "table": "nowhere"}]),
        unit({"task": str(told)}, token, members=[str(ada)]),
        task_unit(of_ada, token),
    ]


def test_a_batch_does_and_answers_what_its_units_would_one_by_one(
    rpc: Rpc, units: list[dict[str, Any]]
) -> None:
    outcomes: list[Any] = []
    for together in (False, True):
        with rpc.connection.transaction(force_rollback=True):
            if together:
                results = commit_batch(rpc, *units)
            else:
                results = [rpc.call("commit_work", **each) for each in units]
            # The last is a repetition: in a batch it shares the answer of the one that it repeats.
            assert results[-1] | {"more": None} == results[0] | {"more": None}
            outcomes.append((results[:-1], [rpc.rows(query) for query in STATE]))
    assert [result["outcome"] for result in outcomes[0][0]] == [
        "applied", "applied", "applied", "conflict", "stale", "stale", "stale", "applied",
        "applied", "invalid", "invalid", "applied",
    ]  # fmt: skip
    assert outcomes[1] == outcomes[0]


def test_a_unit_that_ends_a_task_tells_of_the_text_that_waits_and_the_text_that_is_due(
    rpc: Rpc,
) -> None:
    ada, bob = rpc.member(ADA), rpc.member(BOB)
    rpc.queue(bob)
    tasks, token = claimed(rpc, ada, bob)
    waiting = rpc.text(ADA)["event_id"]
    first, second = commit_batch(rpc, *(task_unit(task, token) for task in tasks))
    nothing: dict[str, Any] = {"outcome": "applied", "emitted": [], "texts_due": [], "more": None}
    assert first == nothing | {"more": waiting}
    assert second == nothing | {"texts_due": [str(bob)]}


def test_a_repeated_batch_is_answered_with_its_first_results_and_applied_once(rpc: Rpc) -> None:
    ada = rpc.member(ADA, credit_balance=0)
    tasks, token = claimed(rpc, ada, None)
    work = UnitOfWork(tasks[0], created_by="test", source_type="task")
    work.append("users", ada, expertise=["a"])
    batch = [task_unit(tasks[0], token, work), task_unit(tasks[1], token)]
    first = commit_batch(rpc, *batch)
    rpc.pass_time(minutes=1)
    assert commit_batch(rpc, *batch) == first
    assert rpc.rows("select expertise from users")[0]["expertise"] == ["a"]
    ended = rpc.rows("select distinct completed_at as at from agent_tasks")
    assert [row["at"] for row in ended] != [rpc.now]
    assert commit_batch(rpc, task_unit(tasks[1], uuid4())) == [{"outcome": "stale"}]


def test_a_unit_that_is_none_spoils_no_other_of_its_batch(rpc: Rpc) -> None:
    (task,), token = claimed(rpc, None)
    for broken in (
        {"work": {"task": "x"}, "token": str(token)},
        {"work": {"task": str(task)}, "token": "x"},
        {"work": {"events": ["x"]}, "token": str(token)},
        {"work": {"task": str(uuid4()), "changes": "x", "members": {}}, "token": str(token)},
        {"work": {"task": str(uuid4()), "members": ["x"]}, "token": str(token)},
        {"work": None},
        "x",
    ):
        with rpc.connection.transaction(force_rollback=True):
            refused, applied = commit_batch(rpc, broken, task_unit(task, token))  # type: ignore[arg-type]
            assert refused["outcome"] in ("invalid", "stale")
            assert applied["outcome"] == "applied"


@pytest.mark.parametrize("first", [True, False])
def test_of_two_who_end_the_same_task_in_one_batch_its_holder_does(rpc: Rpc, first: bool) -> None:
    (task,), token = claimed(rpc, None)
    batch = [task_unit(task, token), task_unit(task, uuid4())]
    results = commit_batch(rpc, *(batch if first else reversed(batch)))
    outcomes = ["applied", "stale"]
    assert [r["outcome"] for r in results] == (outcomes if first else outcomes[::-1])


def test_a_late_end_beside_anothers_live_lease_is_stale_also_in_a_batch(rpc: Rpc) -> None:
    ada = rpc.member(ADA)
    (task, free), token = claimed(rpc, ada, None)
    rpc.pass_time(minutes=10)
    with rpc.connection.transaction(force_rollback=True):
        # As long as nobody else took the member, the holder may be late.
        assert commit_batch(rpc, task_unit(task, token))[0]["outcome"] == "applied"
    assert turn(rpc, ADA)["outcome"] == "claimed"
    results = commit_batch(rpc, task_unit(task, token), task_unit(free, token))
    assert [result["outcome"] for result in results] == ["stale", "applied"]


def test_an_empty_batch_is_committed_and_one_over_a_hundred_is_refused_whole(rpc: Rpc) -> None:
    assert commit_batch(rpc) == []
    tasks, token = claimed(rpc, *[None] * 100)
    batch = [task_unit(task, token) for task in tasks]
    refused = rpc.call("commit_batch", units=[*batch, task_unit(uuid4(), token)])
    assert refused["outcome"] == "invalid"
    assert {status(rpc, task) for task in tasks} == {"processing"}
    assert {result["outcome"] for result in commit_batch(rpc, *batch)} == {"applied"}
    assert rpc.call("commit_batch", units={"work": {}})["outcome"] == "invalid"


def test_a_batch_touches_at_most_a_hundred_members_together(rpc: Rpc) -> None:
    tasks, token = claimed(rpc, rpc.member(ADA), rpc.member(BOB))
    for others, outcome in ((49, "committed"), (50, "invalid")):
        batch = [
            unit({"task": str(task)}, token, members=[str(uuid4()) for _ in range(others)])
            for task in tasks
        ]
        with rpc.connection.transaction(force_rollback=True):
            assert rpc.call("commit_batch", units=batch)["outcome"] == outcome


def test_a_batch_and_a_unit_about_the_same_members_are_both_applied(sessions: Sessions) -> None:
    first, second, holder = sessions.open(), sessions.open(), sessions.open()
    low, middle, high = sorted(first.member(f"+1212555020{nth}") for nth in range(3))
    tasks, token = claimed(first, *[None] * 4)

    def retitle(task: UUID, *users: UUID) -> dict[str, Any]:
        work = UnitOfWork(task, created_by="test", source_type="task")
        for user in users:
            work.update("users", user, {"title": "x"}, expect={})
        return task_unit(task, token, work)

    alone = retitle(tasks[3], low, middle, high)
    together = [retitle(task, user) for task, user in zip(tasks, (high, middle, low), strict=False)]
    with holder.connection.transaction():
        # The middle one is held until each has taken what it takes before.
        holder.rows("select lock_member(%s)", middle)
        batch = sessions.waits(first, lambda: commit_batch(first, *together))
        unit = sessions.waits(second, lambda: second.call("commit_work", **alone))
    outcomes = [result["outcome"] for result in (*batch.result(), unit.result())]
    assert outcomes == ["applied"] * 4


def test_a_batch_waits_for_whoever_works_for_its_members_and_then_reads_the_clock_and_tells(
    sessions: Sessions,
) -> None:
    worker, holder = sessions.open(), sessions.open()
    ada = worker.member(ADA)
    (task, free), token = claimed(worker, ada, None)
    batch = [task_unit(free, token), task_unit(task, token)]
    with holder.connection.transaction():
        holder.rows("select lock_member(%s)", ada)
        waiting = sessions.waits(worker, lambda: worker.call("commit_batch", units=batch, now=None))
        # What the holder records is what the batch then tells of.
        event = holder.text(ADA)["event_id"]
        (moment,) = holder.rows("select clock_timestamp() as now")
    assert [result["more"] for result in waiting.result()["results"]] == [None, event]
    ended = worker.rows("select completed_at as at from agent_tasks")
    assert [row["at"] > moment["now"] for row in ended] == [True, True]


def test_a_batch_that_cannot_have_a_member_in_two_seconds_is_retry_and_applies_nothing(
    sessions: Sessions,
) -> None:
    worker, holder = sessions.open(), sessions.open()
    ada = worker.member(ADA)
    tasks, token = claimed(worker, None, ada)
    with holder.connection.transaction():
        holder.rows("select lock_member(%s)", ada)
        answer = worker.call("commit_batch", units=[task_unit(task, token) for task in tasks])
    assert answer == {"outcome": "retry"}
    assert {status(worker, task) for task in tasks} == {"processing"}
