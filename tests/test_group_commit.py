"""Commits that come together go together, and none pays for another."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from lib.adapters.supabase import Database, DatabaseRefused
from lib.core.model import JSON
from lib.core.settings import SupabaseSettings
from lib.engine.commits import GroupCommit
from tests.support.stack import StackUnderTest, wait_for
from tests.support.texting import Phone


@pytest.fixture
def database(stack: StackUnderTest) -> Database:
    supabase = stack.description["supabase"]
    return Database(
        SupabaseSettings.model_validate(
            {
                "supabase_url": supabase["url"],
                "supabase_service_role_key": supabase["key"],
            }
        )
    )


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as threads:
        yield threads


def claimed(stack: StackUnderTest, user_id: UUID | None = None) -> tuple[dict[str, Any], UUID]:
    """A task under a lease: the unit of work that only ends it, and the token."""
    task_id, token = uuid4(), uuid4()
    with stack.connect() as session:
        session.execute(
            "insert into agent_tasks (id, task_type, agent_type, user_id, scheduled_for, status,"
            " context_json, result_json)"
            " values (%s, 'test', 'test', %s, %s, 'processing', '{}', %s)",
            (
                task_id,
                user_id,
                stack.now(),
                Jsonb({"claim": {"token": str(token), "until": "infinity"}}),
            ),
        )
    return {"task": str(task_id)}, token


def is_waited_for(stack: StackUnderTest, holder: psycopg.Connection[DictRow]) -> bool:
    """Whether a commit waits for what the session holds; others in the stack may wait, too."""
    with stack.connect() as session:
        waiting = session.execute(
            "select 1 from pg_stat_activity"
            " where %s = any (pg_blocking_pids(pid)) and query like '%%commit_work%%'",
            (holder.info.backend_pid,),
        )
        return bool(waiting.fetchall())


def handed_in_while_one_waits(
    stack: StackUnderTest,
    threads: ThreadPoolExecutor,
    commit: GroupCommit,
    units: list[tuple[dict[str, Any], UUID]],
) -> list[Future[Any]]:
    """Commits of `units` that all wait behind one whose member is locked; then it is let go."""
    phone = Phone(stack)
    phone.converse("hi there")
    phone.wait_until_idle()
    first = claimed(stack, phone.user()["id"])
    with stack.connect() as holder, holder.transaction():
        holder.execute("select 1 from users where id = %s for update", (phone.user()["id"],))
        leader = threads.submit(commit, *first)
        wait_for(lambda: is_waited_for(stack, holder), "call of the first")
        others = [threads.submit(commit, *unit) for unit in units]
        wait_for(lambda: len(commit._waiting) == len(units), "the others")
    assert leader.result()["outcome"] == "applied"
    return others


def test_what_comes_while_a_call_is_under_way_goes_with_the_next(
    stack: StackUnderTest, database: Database, threads: ThreadPoolExecutor
) -> None:
    commit = GroupCommit(database)
    units = [claimed(stack) for _ in range(5)]
    others = handed_in_while_one_waits(stack, threads, commit, units)
    assert [other.result()["outcome"] for other in others] == ["applied"] * 5
    assert database.round_trips == 2


def test_a_unit_that_the_database_refuses_takes_no_other_with_it(
    stack: StackUnderTest, database: Database, threads: ThreadPoolExecutor
) -> None:
    commit = GroupCommit(database)
    wrong = ({"task": "no id at all"}, uuid4())
    # Whoever hands in first calls for all, and it is not to blame.
    *others, refused = handed_in_while_one_waits(
        stack, threads, commit, [claimed(stack), claimed(stack), wrong]
    )
    assert [other.result()["outcome"] for other in others] == ["applied"] * 2
    answer = refused.result()
    assert answer["outcome"] == "invalid", answer


def test_a_batch_that_touches_too_many_members_is_committed_one_by_one(
    stack: StackUnderTest, database: Database, threads: ThreadPoolExecutor
) -> None:
    commit = GroupCommit(database)
    units = [claimed(stack) for _ in range(2)]
    for work, _ in units:
        work["members"] = [str(uuid4()) for _ in range(60)]
    others = handed_in_while_one_waits(stack, threads, commit, units)
    assert [other.result()["outcome"] for other in others] == ["applied"] * 2


@pytest.mark.parametrize("value", ["\ud800", float("nan")])
def test_a_unit_that_is_no_json_takes_no_other_with_it(
    stack: StackUnderTest, database: Database, threads: ThreadPoolExecutor, value: Any
) -> None:
    commit = GroupCommit(database)
    work, token = claimed(stack)
    work["changes"] = [{"op": "insert", "table": "events", "row": {"payload": value}}]
    *others, refused = handed_in_while_one_waits(
        stack, threads, commit, [claimed(stack), claimed(stack), (work, token)]
    )
    assert [other.result()["outcome"] for other in others] == ["applied"] * 2
    with pytest.raises((DatabaseRefused, ValueError), match=r"no Unicode|float"):
        refused.result()


def test_a_unit_whose_row_is_locked_for_long_is_tried_again_and_no_other_waits(
    stack: StackUnderTest, database: Database, threads: ThreadPoolExecutor
) -> None:
    work, token = claimed(stack)
    request = uuid4()
    work["changes"] = [
        {
            "op": "add",
            "table": "community_requests",
            "id": str(request),
            "add": {"responses_count": 1},
        }
    ]
    with stack.connect() as holder:
        holder.execute(
            "insert into community_requests (id, requesting_agent_type, question)"
            " values (%s, 'test', 'test')",
            (request,),
        )
        with holder.transaction():
            holder.execute("select 1 from community_requests where id = %s for update", (request,))
            other, late = handed_in_while_one_waits(
                stack, threads, GroupCommit(database), [claimed(stack), (work, token)]
            )
            # The batch has given it up by then.
            assert other.result()["outcome"] == "applied"
    assert late.result()["outcome"] == "applied"


class Answering(Database):
    """Answers a batch as it is told to, and every unit alone, once `goes_on` is set."""

    def __init__(self, answer: JSON) -> None:
        self._answer = answer
        self.goes_on = threading.Event()

    def call(self, function: str, **_: Any) -> JSON:
        assert self.goes_on.wait(10)
        return self._answer if function == "commit_batch" else {"outcome": "applied"}


@pytest.mark.parametrize(
    "answer",
    [{}, {"results": []}, {"results": [None] * 3}, {"results": [{}] * 3}, {"results": 7}],
)
def test_no_thread_waits_for_ever_whatever_a_batch_is_answered(
    threads: ThreadPoolExecutor, answer: JSON
) -> None:
    database = Answering(answer)
    commit = GroupCommit(database)
    leader = threads.submit(commit, {}, uuid4())
    wait_for(commit._calling.locked, "call of the first")
    wait_for(lambda: not commit._waiting, "call of the first")
    others = [threads.submit(commit, {}, uuid4()) for _ in range(3)]
    wait_for(lambda: len(commit._waiting) == 3, "the others")
    database.goes_on.set()
    assert [each.result(10) for each in (leader, *others)] == [{"outcome": "applied"}] * 4
