"""Background tasks over the real function: each once, whatever repeats, overlaps or dies."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest
from psycopg.types.json import Jsonb

from tests.support.community import answer, ended, expert, request, run_tasks
from tests.support.stack import StackUnderTest, wait_for
from tests.support.texting import Phone, asked_of_claude, control_claude, kill


@pytest.fixture
def no_regular_run(stack: StackUnderTest) -> Iterator[None]:
    """Tasks are run by the test alone: it must be its call that is ill-treated."""
    with stack.paused("task_processor"):
        yield


def schedule(stack: StackUnderTest, task_type: str, user_id: UUID | None, **payload: Any) -> UUID:
    task_id = uuid4()
    with stack.connect() as connection:
        connection.execute(
            "insert into agent_tasks (id, task_type, agent_type, user_id, scheduled_for,"
            " context_json) values (%s, %s, 'concierge', %s, %s, %s)",
            (
                task_id,
                task_type,
                user_id,
                stack.now(),
                Jsonb({k: str(v) for k, v in payload.items()}),
            ),
        )
    return task_id


def scoring(stack: StackUnderTest, one: Phone | None = None) -> tuple[Phone, UUID]:
    """An expert with an answer to score, and the task that does it."""
    one = one or expert(stack)
    user_id = one.user()["id"]
    asked = request(stack, user_id, user_id)
    given = answer(stack, asked, user_id)
    task = schedule(
        stack, "process_community_response", user_id, response_id=given, request_id=asked
    )
    return one, task


def task(stack: StackUnderTest, task_id: UUID) -> dict[str, Any]:
    with stack.connect() as connection:
        return connection.execute("select * from agent_tasks where id = %s", (task_id,)).fetchall()[
            0
        ]


def calls_for(stack: StackUnderTest, task_id: UUID) -> list[dict[str, Any]]:
    with stack.connect() as connection:
        return connection.execute(
            "select * from agent_actions_log where context_id = %s and context_type = 'task'",
            (task_id,),
        ).fetchall()


def test_a_long_conversation_is_summarised_and_the_summary_is_read_by_the_next_turn(
    stack: StackUnderTest,
) -> None:
    phone = Phone(stack)
    phone.converse("Hi, I run procurement and need a freight forwarder")
    phone.rows(
        "update conversations set messages_since_summary = 50 where user_id = %s returning id",
        phone.user()["id"],
    )
    phone.converse("It is for the Rotterdam lane")
    phone.wait_until_idle()
    of_mine = (
        "select * from agent_tasks where user_id = %s and task_type = 'create_conversation_summary'"
    )
    (due,) = phone.rows(of_mine, phone.user()["id"])
    ended(stack, due["id"])
    (conversation,) = phone.rows(
        "select * from conversations where user_id = %s", phone.user()["id"]
    )
    assert "Rotterdam" in conversation["conversation_summary"]
    assert conversation["messages_since_summary"] < 10
    (summed,) = phone.rows(of_mine, phone.user()["id"])
    assert summed["status"] == "completed"
    phone.converse("And what now?")
    assert conversation["conversation_summary"][:20] in str(asked_of_claude(stack)[-1]["messages"])


def test_ticks_that_repeat_and_overlap_run_each_task_once(stack: StackUnderTest) -> None:
    scored = [scoring(stack) for _ in range(40)]
    control_claude(stack, delay_ms=50)
    with ThreadPoolExecutor(4) as pool:
        ran = list(pool.map(lambda _: run_tasks(stack), range(4)))
    control_claude(stack, delay_ms=0)
    assert {outcome for one in ran for outcome in one["outcomes"]} <= {"applied"}
    for one, task_id in scored:
        assert ended(stack, task_id)["status"] == "completed"
        assert len(calls_for(stack, task_id)) == 1
        assert one.user()["credit_balance"] > 0


def test_one_call_goes_on_until_nothing_is_due(stack: StackUnderTest) -> None:
    tasks = [scoring(stack)[1] for _ in range(40)]
    assert not run_tasks(stack)["more"]
    # A tick of the schedule may have some of them in hand.
    assert {task(stack, one)["status"] for one in tasks} <= {"completed", "processing"}


@pytest.mark.parametrize(
    ("task_type", "payload"),
    [
        ("make_coffee", {}),
        ("process_community_response", {}),
        ("process_community_response", {"response_id": "x", "request_id": "y"}),
        ("process_community_response", {"response_id": uuid4(), "request_id": uuid4()}),
        ("create_conversation_summary", {"conversation_id": uuid4()}),
        ("create_conversation_summary", {"conversation_id": uuid4(), "more": "keys"}),
    ],
)
def test_a_task_that_nobody_can_ever_do_fails_at_once_and_alone(
    stack: StackUnderTest, task_type: str, payload: dict[str, Any]
) -> None:
    poison = schedule(stack, task_type, expert(stack).user()["id"], **payload)
    _, good = scoring(stack)
    failed = ended(stack, poison)
    assert (failed["status"], failed["retry_count"]) == ("failed", 1)
    assert failed["error_log"]
    assert ended(stack, good)["status"] == "completed"


def test_a_task_that_nobody_can_read_fails_at_once_and_alone(stack: StackUnderTest) -> None:
    poison = schedule(stack, "process_community_response", None)
    with stack.connect() as connection:
        connection.execute(
            "update agent_tasks set priority = 'high',"
            " context_json = (repeat('[', 3000) || repeat(']', 3000))::jsonb where id = %s",
            (poison,),
        )
    _, good = scoring(stack)
    assert ended(stack, good)["status"] == "completed"

    def failed() -> bool:
        with stack.connect() as connection:
            (now,) = connection.execute(
                "select status, error_log from agent_tasks where id = %s", (poison,)
            ).fetchall()
        return now == {"status": "failed", "error_log": "malformed payload"}

    wait_for(failed, "failed task")


def test_a_task_whose_member_cannot_be_read_fails_alone_and_says_so(stack: StackUnderTest) -> None:
    one = expert(stack)
    one.rows(
        "with item as (insert into user_priorities (user_id, priority_rank, item_type, item_id)"
        " select id, 1, 'solution_update', id from users where phone_number = %s"
        " returning id, user_id), conversation as (insert into conversations"
        " (user_id, phone_number) select id, phone_number from users where phone_number = %s"
        " returning id, user_id), heard as (insert into messages"
        " (conversation_id, user_id, role, content, direction, created_at)"
        " select id, user_id, 'user', 'x', 'inbound', 'infinity' from conversation returning id)"
        " insert into message_queue (user_id, agent_id, message_data, scheduled_for, status,"
        " sent_at) select user_id, 'x', jsonb_build_object('items', jsonb_build_array(id)), now(),"
        " 'sent', '294276-12-31T23:59:59Z' from item returning id",
        one.number,
        one.number,
    )
    broken = schedule(stack, "account_manager_review", one.user()["id"])
    _, good = scoring(stack)
    assert ended(stack, good)["status"] == "completed"
    wait_for(lambda: task(stack, broken)["error_log"], "failed attempt")
    failed = task(stack, broken)
    assert (failed["status"], failed["retry_count"]) == ("pending", 1)
    assert failed["error_log"] == "a row of its context cannot be read (22008)"


def test_a_text_that_comes_while_a_task_of_the_member_runs_is_answered_right_after_it(
    stack: StackUnderTest,
) -> None:
    one = expert(stack)
    one.converse("hello")
    one.wait_until_idle()
    control_claude(stack, delay_ms=5000)
    _, task_id = scoring(stack, one)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run_tasks, stack)
        wait_for(lambda: task(stack, task_id)["status"] == "processing", "running task")
        one.text("are you there?")
        time.sleep(0.5)
        (waiting,) = [e for e in one.inbound_events() if not e["processed"]]
        assert "lease" not in (waiting["metadata"] or {})
        control_claude(stack, delay_ms=0)
        running.result()
    # The greeting and the answer; by day the news of what was scored, too.
    assert len(one.wait_for_texts(2)) in (2, 3)
    assert ended(stack, task_id)["status"] == "completed"


@pytest.mark.usefixtures("no_regular_run")
def test_a_worker_that_sleeps_past_its_lease_leaves_nothing_but_its_cost(
    stack: StackUnderTest,
) -> None:
    control_claude(stack, reset=True, delay_ms=8000)
    one, task_id = scoring(stack)
    with ThreadPoolExecutor(1) as pool:
        sleeper = pool.submit(run_tasks, stack)
        wait_for(lambda: asked_of_claude(stack), "question to Claude")
        control_claude(stack, delay_ms=0)
        stack.advance(601)
        run_tasks(stack)
        earned = one.user()["credit_balance"]
        assert earned > 0
        assert task(stack, task_id)["retry_count"] == 2
        sleeper.result()
        wait_for(lambda: len(calls_for(stack, task_id)) == 2, "the sleeper's cost")
    assert one.user()["credit_balance"] == earned
    assert len(one.rows("select 1 from credit_events where user_id = %s", one.user()["id"])) == 1
    assert len(calls_for(stack, task_id)) == 2


@pytest.mark.usefixtures("no_regular_run")
def test_a_killed_worker_s_task_is_run_again_when_its_lease_has_run_out(
    stack: StackUnderTest,
) -> None:
    control_claude(stack, delay_ms=3000)
    one, task_id = scoring(stack)
    with ThreadPoolExecutor(1) as pool:
        dying = pool.submit(run_tasks, stack)
        wait_for(lambda: task(stack, task_id)["status"] == "processing", "running task")
        kill(stack, "task_processor")
        control_claude(stack, delay_ms=0)
        assert dying.exception() is not None
    run_tasks(stack)
    assert task(stack, task_id)["status"] == "processing"
    stack.advance(601)
    run_tasks(stack)
    assert task(stack, task_id)["status"] == "completed"
    assert len(one.rows("select 1 from credit_events where user_id = %s", one.user()["id"])) == 1


def test_half_an_hour_without_claude_costs_a_task_no_attempt(stack: StackUnderTest) -> None:
    faults = ["429", "500", "529", "garbage", "500", "429"]
    control_claude(stack, fail=faults.pop(), times=100)
    one, task_id = scoring(stack)
    run_tasks(stack)
    while faults:
        # A tick of the schedule may have it in hand.
        wait_for(lambda: task(stack, task_id)["status"] != "processing", "end of the attempt")
        assert task(stack, task_id)["status"] == "pending"
        assert task(stack, task_id)["retry_count"] == 0
        control_claude(stack, fail=faults.pop(), times=100)
        stack.advance(301)
    control_claude(stack, reset=True)
    stack.advance(301)
    run_tasks(stack)
    wait_for(lambda: task(stack, task_id)["status"] == "completed", "completed task")
    assert one.user()["credit_balance"] > 0
