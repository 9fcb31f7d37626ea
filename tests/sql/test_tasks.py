"""Background tasks: claimed in batches, each decided under its member's lease, retried, given up
(behaviour.md, "Tasks"; protocol.md, "Claim and commit").

Who waits for whom is in test_locks.py, any history of all this in test_task_histories.py.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from lib.engine.work import UnitOfWork
from tests.support.claims import add_task, claim, claim_tasks
from tests.support.rpc import Rpc
from tests.support.sessions import Sessions

LEASE = timedelta(minutes=10)
#: Long enough for others to come between a claim and its commit.
DECIDING_S = 0.004
ADA, BOB, EVE = "+12125550101", "+12125550102", "+12125550103"


def batch(rpc: Rpc, **more: Any) -> dict[str, Any]:
    """All that claim_tasks answers."""
    return rpc.call("claim_tasks", **{"token": uuid4()} | more)


def take(rpc: Rpc, task: UUID | str) -> UUID:
    """Claim this task and no other; the token of the claim."""
    token = uuid4()
    assert claim_tasks(rpc, token) == [str(task)]
    return token


def one(rpc: Rpc, user_id: UUID | None = None, **columns: Any) -> tuple[UUID, UUID]:
    """A task that is claimed, and the token of its claim."""
    task = add_task(rpc, user_id, **columns)
    return task, take(rpc, task)


def commit(
    rpc: Rpc, task: UUID | str, token: UUID, unit: UnitOfWork | None = None
) -> dict[str, Any]:
    changes = unit.changes if unit else []
    return rpc.call("commit_work", work={"task": str(task), "changes": changes}, token=token)


def fail(rpc: Rpc, task: UUID | str, token: UUID, kind: str = "own", **more: Any) -> dict[str, Any]:
    return rpc.call("fail_task", task_id=task, token=token, error="boom", kind=kind, **more)


def row(rpc: Rpc, task: UUID) -> dict[str, Any]:
    (found,) = rpc.rows("select * from agent_tasks where id = %s", task)
    return found


def members(rpc: Rpc, count: int) -> list[UUID]:
    found = rpc.rows(
        "insert into users (phone_number) select '+1646' || n from generate_series(1, %s) as n"
        " returning id",
        count,
    )
    return [member["id"] for member in found]


# What a batch holds


def test_high_is_claimed_before_medium_before_low_and_then_the_earlier_one(rpc: Rpc) -> None:
    wanted = [
        add_task(rpc, None, priority=priority, scheduled_for=rpc.now - timedelta(minutes=minutes))
        for priority, minutes in (
            ("high", 2), ("high", 1), ("medium", 9), (None, 8), ("urgent", 7), ("medium", 6),
            ("low", 60), ("low", 0),
        )
    ]  # fmt: skip
    assert claim_tasks(rpc, limit=5) == [str(task) for task in wanted[:5]]
    assert claim_tasks(rpc, limit=5) == [str(task) for task in wanted[5:]]


def test_only_what_is_due_and_pending_is_claimed(rpc: Rpc) -> None:
    later = add_task(rpc, None, scheduled_for=rpc.now + timedelta(seconds=1))
    for status in ("completed", "failed", None):
        add_task(rpc, None, status=status)
    assert claim_tasks(rpc) == []
    rpc.pass_time(seconds=1)
    assert claim_tasks(rpc) == [str(later)]


def test_a_batch_holds_at_most_one_task_of_a_member_and_any_number_of_nobodys(rpc: Rpc) -> None:
    ada, bob = rpc.member(ADA), rpc.member(BOB)
    add_task(rpc, ada, priority="low")
    first = add_task(rpc, ada, priority="high")
    add_task(rpc, ada, priority="medium")
    of_bob = add_task(rpc, bob, priority="low")
    nobodys = [add_task(rpc, None) for _ in range(3)]
    assert sorted(claim_tasks(rpc)) == sorted(map(str, [first, of_bob, *nobodys]))
    assert claim_tasks(rpc) == []


def test_the_next_task_of_a_member_is_claimed_when_the_one_before_has_ended(rpc: Rpc) -> None:
    ada = rpc.member(ADA)
    first, token = one(rpc, ada)
    second = add_task(rpc, ada)
    assert claim_tasks(rpc) == []
    commit(rpc, first, token)
    token = take(rpc, second)
    third = add_task(rpc, ada)
    fail(rpc, second, token)
    assert claim_tasks(rpc) == [str(third)]


@pytest.mark.parametrize("limit", [1, 5, 30])
def test_a_batch_is_filled_past_any_number_of_members_who_are_busy(rpc: Rpc, limit: int) -> None:
    busy = members(rpc, 50)
    rpc.rows(
        "insert into agent_tasks (task_type, agent_type, user_id, scheduled_for, context_json,"
        " status, last_attempted_at, result_json)"
        " select 'test', 'test', u, %s, '{}', 'processing', %s, jsonb_build_object('claim',"
        " jsonb_build_object('token', gen_random_uuid(), 'until', %s::timestamptz))"
        " from unnest(%s::uuid[]) as u returning id",
        rpc.now, rpc.now, rpc.now + LEASE, busy,
    )  # fmt: skip
    for user in busy:
        add_task(rpc, user, scheduled_for=rpc.now - timedelta(hours=1))
    free = [add_task(rpc, user) for user in (rpc.member(ADA), rpc.member(BOB), rpc.member(EVE))]
    taken = claim_tasks(rpc, limit=limit)
    assert len(taken) == min(limit, len(free))
    assert set(taken) <= set(map(str, free))


def test_more_is_true_if_and_only_if_the_batch_was_full(rpc: Rpc) -> None:
    for _ in range(5):
        add_task(rpc, None)
    assert batch(rpc, limit=3)["more"] is True
    assert batch(rpc, limit=3)["more"] is False
    assert batch(rpc, limit=3) | {"token": None, "now": None} == {
        "outcome": "claimed", "token": None, "now": None, "tasks": [], "more": False,
    }  # fmt: skip
    add_task(rpc, None)
    assert batch(rpc, limit=1)["more"] is True
    ada = rpc.member(ADA)
    add_task(rpc, ada)
    add_task(rpc, ada)
    answer = batch(rpc, limit=2)
    assert (len(answer["tasks"]), answer["more"]) == (1, False)


@pytest.mark.parametrize(("limit", "size"), [(None, 10), (0, 1), (-7, 1), (1000, 100)])
def test_a_limit_is_kept_within_one_and_a_hundred(rpc: Rpc, limit: int | None, size: int) -> None:
    for _ in range(101):
        add_task(rpc, None)
    answer = batch(rpc, limit=limit)
    assert (len(answer["tasks"]), answer["more"]) == (size, True)


@pytest.mark.parametrize("of_members", [True, False])
def test_two_workers_at_once_get_disjoint_batches_and_wait_for_nobody(
    sessions: Sessions, of_members: bool
) -> None:
    first, second = sessions.open(), sessions.open()
    users = members(first, 8) if of_members else [None] * 8
    tasks = [str(add_task(first, user)) for user in users]
    second.now = first.now
    with first.connection.transaction():
        of_first = claim_tasks(first, limit=4)
        of_second = sessions.at_once(second, lambda: claim_tasks(second, limit=100))
    assert (len(of_first), len(of_second)) == (4, 4)
    assert sorted(of_first + of_second) == sorted(tasks)
    assert claim_tasks(second) == []


# The same claim again


def test_the_same_token_gets_the_same_claim_and_no_further_attempt_is_counted(rpc: Rpc) -> None:
    for user in (rpc.member(ADA), None, None):
        add_task(rpc, user)
    token = uuid4()
    first = batch(rpc, token=token, limit=2)
    add_task(rpc, None, priority="high")
    again = batch(rpc, token=token, limit=2)
    assert again == first
    assert [task["retry_count"] for task in again["tasks"]] == [1, 1]
    commit(rpc, first["tasks"][0]["id"], token)
    left = batch(rpc, token=token, limit=2)
    assert [task["id"] for task in left["tasks"]] == [first["tasks"][1]["id"]]


def test_a_claim_repeated_while_the_first_still_runs_takes_nothing_of_its_own(
    sessions: Sessions,
) -> None:
    first, second = sessions.open(), sessions.open()
    for _ in range(4):
        add_task(first, None)
    token = uuid4()
    second.now = first.now
    with first.connection.transaction():
        taken = batch(first, token=token, limit=2)
        repeated = sessions.at_once(second, lambda: batch(second, token=token, limit=2))
        assert repeated == {"outcome": "retry"}
    assert batch(second, token=token, limit=2) == taken


# Leases


def test_a_task_carries_its_lease_and_its_attempts_are_counted_at_the_claim(rpc: Rpc) -> None:
    task, token = one(rpc)
    claimed = row(rpc, task)
    assert (claimed["status"], claimed["retry_count"]) == ("processing", 1)
    assert claimed["last_attempted_at"] == rpc.now
    lease = claimed["result_json"]["claim"]
    assert lease["token"] == str(token)
    assert datetime.fromisoformat(lease["until"]) == rpc.now + LEASE


def test_a_lease_that_ran_out_gives_the_task_back_until_its_attempts_are_spent(rpc: Rpc) -> None:
    ada = rpc.member(ADA)
    task = add_task(rpc, ada)
    for attempt in range(1, 4):
        (claimed,) = batch(rpc)["tasks"]
        assert (claimed["id"], claimed["retry_count"]) == (str(task), attempt)
        rpc.pass_time(seconds=599)
        assert claim_tasks(rpc) == []
        rpc.pass_time(seconds=1)
    assert claim_tasks(rpc) == []
    ended = row(rpc, task)
    assert (ended["status"], ended["retry_count"]) == ("failed", 3)
    assert ended["error_log"] == "lease ran out in attempt 3, the last one"
    assert "claim" not in ended["result_json"]
    other = add_task(rpc, ada)
    assert claim_tasks(rpc) == [str(other)]


def test_a_worker_whose_lease_ran_out_is_stale_and_leaves_only_its_logged_calls(rpc: Rpc) -> None:
    ada = rpc.member(ADA)
    task, slow = one(rpc, ada)
    rpc.pass_time(minutes=10)
    quick = take(rpc, task)
    unit = UnitOfWork(task, created_by="test", source_type="task")
    unit.update("users", ada, {"company": "Acme"}, expect={})
    unit.emit("test", aggregate_id=ada)
    assert commit(rpc, task, slow, unit) == {"outcome": "stale"}
    call = {"id": str(uuid4()), "agent_type": "test", "action_type": "test", "user_id": str(ada)}
    answer = fail(rpc, task, slow, calls=[call])
    assert answer["outcome"] == "stale"
    assert row(rpc, task)["result_json"]["claim"]["token"] == str(quick)
    assert rpc.rows("select company from users where company is not null") == []
    assert rpc.rows("select 1 as one from events where event_type = 'test'") == []
    assert [log["id"] for log in rpc.rows("select id from agent_actions_log")] == [UUID(call["id"])]
    assert commit(rpc, task, quick)["outcome"] == "applied"


def test_a_worker_that_comes_late_but_before_anybody_else_is_still_the_holder(rpc: Rpc) -> None:
    task, token = one(rpc)
    rpc.pass_time(minutes=11)
    assert commit(rpc, task, token)["outcome"] == "applied"


def test_a_text_of_the_member_is_busy_during_a_task_and_its_commit_answers_with_it(
    rpc: Rpc,
) -> None:
    ada = rpc.member(ADA)
    task, token = one(rpc, ada)
    text = rpc.text(ADA)["event_id"]
    assert claim(rpc, text) == {"outcome": "busy"}
    assert commit(rpc, task, token)["more"] == text
    assert claim(rpc, text)["outcome"] == "claimed"


def test_a_failure_answers_with_what_waits_of_the_member_too(rpc: Rpc) -> None:
    task, token = one(rpc, rpc.member(ADA))
    assert fail(rpc, task, uuid4())["more"] is None
    text = rpc.text(ADA)["event_id"]
    assert fail(rpc, task, token)["more"] == text
    free, token = one(rpc)
    assert fail(rpc, free, token)["more"] is None


# Commit


def test_a_commit_completes_the_task_and_repeated_is_answered_with_its_first_result(
    rpc: Rpc,
) -> None:
    ada = rpc.member(ADA, credit_balance=0)
    task, token = one(rpc, ada)
    unit = UnitOfWork(task, created_by="test", source_type="task")
    unit.append("users", ada, expertise=["a"])
    event = unit.emit("test", aggregate_id=ada)
    unit.say(ada, ["hello"], kind="proactive")
    first = commit(rpc, task, token, unit)
    assert first == {
        "outcome": "applied", "emitted": [str(event)], "texts_due": [str(ada)], "more": str(event),
    }  # fmt: skip
    assert commit(rpc, task, token, unit) == first | {"more": None}
    assert rpc.rows("select expertise from users")[0]["expertise"] == ["a"]
    done = row(rpc, task)
    assert (done["status"], done["completed_at"]) == ("completed", rpc.now)
    assert "claim" not in done["result_json"]
    assert fail(rpc, task, token)["outcome"] == "stale"
    assert commit(rpc, task, uuid4(), unit) == {"outcome": "stale"}


# Failures


def test_our_own_failures_wait_1_2_4_min_give_or_take_a_tenth_until_attempts_are_spent(
    rpc: Rpc,
) -> None:
    tasks = [add_task(rpc, None, max_retries=5) for _ in range(20)]
    for attempt, wait in enumerate((60, 120, 240, 480), start=1):
        waits = set()
        for claimed in (answer := batch(rpc, limit=100))["tasks"]:
            assert claimed["retry_count"] == attempt
            failed = fail(rpc, claimed["id"], UUID(answer["token"]))
            assert failed["outcome"] == "rescheduled"
            retry_at = datetime.fromisoformat(failed["retry_at"])
            assert row(rpc, UUID(claimed["id"]))["scheduled_for"] == retry_at
            waits.add((retry_at - rpc.now).total_seconds())
        assert wait * 0.9 <= min(waits) < wait < max(waits) <= wait * 1.1
        assert len(waits) > len(tasks) / 2, "they all come back at once"
        rpc.pass_time(seconds=wait * 0.9 - 0.01)
        assert claim_tasks(rpc) == []
        rpc.pass_time(seconds=wait * 0.2 + 0.02)
    for claimed in (answer := batch(rpc, limit=100))["tasks"]:
        assert fail(rpc, claimed["id"], UUID(answer["token"]))["outcome"] == "failed"
    for task in tasks:
        ended = row(rpc, task)
        assert (ended["status"], ended["retry_count"]) == ("failed", 5)
        assert ended["error_log"] == "boom"


def test_a_dependencys_failure_is_no_attempt_and_waits_5_min_at_most_for_a_day(rpc: Rpc) -> None:
    task = add_task(rpc, None)
    for wait in (5, 10, 20, 40, 80, 160, 300, 300):
        failed = fail(rpc, task, take(rpc, task), "dependency")
        assert failed["outcome"] == "rescheduled"
        assert datetime.fromisoformat(failed["retry_at"]) == rpc.now + timedelta(seconds=wait)
        assert row(rpc, task)["retry_count"] == 0
        rpc.pass_time(seconds=wait - 0.001)
        assert claim_tasks(rpc) == []
        rpc.pass_time(seconds=0.001)
    since = datetime.fromisoformat(row(rpc, task)["result_json"]["dependency"]["since"])
    rpc.now = since + timedelta(hours=24, microseconds=-1)
    assert fail(rpc, task, take(rpc, task), "dependency")["outcome"] == "rescheduled"
    rpc.pass_time(minutes=5)
    assert fail(rpc, task, take(rpc, task), "dependency")["outcome"] == "failed"


def test_a_commit_forgets_the_dependency_and_our_own_failure_keeps_it(rpc: Rpc) -> None:
    task, token = one(rpc)
    fail(rpc, task, token, "dependency")
    rpc.pass_time(seconds=5)
    fail(rpc, task, take(rpc, task))
    assert row(rpc, task)["result_json"]["dependency"]["count"] == 1
    rpc.pass_time(minutes=2)
    token = take(rpc, task)
    assert row(rpc, task)["retry_count"] == 2
    commit(rpc, task, token)
    assert set(row(rpc, task)["result_json"]) == {"done"}


@pytest.mark.parametrize("kind", ["permanent", "a word that nobody knows"])
def test_a_permanent_failure_is_the_last_at_once(rpc: Rpc, kind: str) -> None:
    task, token = one(rpc)
    assert fail(rpc, task, token, kind) == {"outcome": "failed", "more": None}
    assert row(rpc, task)["status"] == "failed"
    assert fail(rpc, task, token, kind)["outcome"] == "stale"


# Many at once


def test_a_storm_of_workers_never_works_for_a_member_twice_and_finishes_everything(
    any_database: str,
) -> None:
    setup = Rpc(any_database)
    users = members(setup, 4)
    tasks = [add_task(setup, [*users, None][n % 5], max_retries=9) for n in range(60)]
    ticking, stops = threading.Lock(), setup.now + timedelta(minutes=55)
    held: set[str] = set()
    overlaps: list[str] = []
    ran: list[str] = []

    def worker(number: int) -> None:
        rpc = Rpc(any_database)
        empty = 0
        while empty < 3:
            with ticking:
                # One clock: what failed comes back, and it stops before a lease can run out.
                if setup.now < stops:
                    setup.pass_time(seconds=70)
                rpc.now = setup.now
            answer = batch(rpc, limit=3, lease_s=3600)
            empty = 0 if answer["tasks"] else empty + 1
            for nth, task in enumerate(answer["tasks"]):
                member = task["user_id"] or task["id"]
                overlaps.extend({member} & held)
                held.add(member)
                time.sleep(DECIDING_S)
                failing = task["retry_count"] == 1 and (nth + number) % 3 == 0
                held.discard(member)
                if failing:
                    assert fail(rpc, task["id"], UUID(answer["token"]))["outcome"] == "rescheduled"
                else:
                    assert commit(rpc, task["id"], UUID(answer["token"]))["outcome"] == "applied"
                    ran.append(task["id"])
        rpc.close()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(worker, range(6)))
    assert overlaps == []
    setup.pass_time(days=30)
    while (answer := batch(setup, limit=100))["tasks"]:
        for task in answer["tasks"]:
            commit(setup, task["id"], UUID(answer["token"]))
            ran.append(task["id"])
    assert sorted(ran) == sorted(map(str, tasks))
    setup.close()
