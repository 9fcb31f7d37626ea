"""The hourly closure: answers are scored and paid, requests closed, requesters told, each once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta, timezone
from typing import Any
from uuid import UUID

import httpx
import pytest

from tests.support.community import (
    USEFUL,
    USELESS,
    answer,
    close_due,
    closure_tick,
    closures,
    ended,
    expert,
    request,
    run_tasks,
)
from tests.support.stack import StackUnderTest, wait_for
from tests.support.texting import Phone, control_claude, settle, until_by_ticks


def row(stack: StackUnderTest, table: str, id_: UUID) -> dict[str, Any]:
    with stack.connect() as connection:
        found = connection.execute(f"select * from {table} where id = %s".encode(), (id_,))  # noqa: S608
        return found.fetchall()[0]


def scheduled_events(stack: StackUnderTest) -> int:
    with stack.connect() as connection:
        found = connection.execute(
            "select count(*) as n from events where created_by = 'cloud_scheduler'"
        )
        return int(found.fetchall()[0]["n"])


def requester(stack: StackUnderTest) -> Phone:
    phone = Phone(stack)
    phone.converse("Hi, I need a vendor")
    phone.verify(quiet_hours_start="03:00", quiet_hours_end="03:00")
    return phone


def test_a_fully_answered_request_is_scored_paid_closed_and_its_requester_told_once(
    stack: StackUnderTest,
) -> None:
    asker, useful, useless = requester(stack), expert(stack), expert(stack)
    asked = request(stack, asker.user()["id"], useful.user()["id"], useless.user()["id"])
    good = answer(stack, asked, useful.user()["id"], USEFUL)
    bad = answer(stack, asked, useless.user()["id"], USELESS)
    before = len(asker.received())

    for _ in range(3):
        close_due(stack)
    # Each answer was told as well, and more than two texts an hour wait for the next one.
    stack.advance(3601)
    until_by_ticks(
        stack,
        "message_orchestrator",
        lambda: "is closed now" in str(asker.received()[before:]),
        "closing text",
    )
    told = [text for text in asker.received()[before:] if "There is an answer" not in text]

    scored, unpaid = row(stack, "community_responses", good), row(stack, "community_responses", bad)
    assert scored["usefulness_score"] >= 7
    assert unpaid["usefulness_score"] < 7
    earned = 15 + 10 * (scored["usefulness_score"] - 7)
    assert (scored["status"], scored["credits_awarded"]) == ("rewarded", earned)
    assert (unpaid["status"], unpaid["credits_awarded"]) == ("provided", None)
    assert useful.user()["credit_balance"] == earned
    assert useless.user()["credit_balance"] == 0
    closed = row(stack, "community_requests", asked)
    assert closed["status"] == "closed"
    assert closed["closed_loop_message"] == told[0]
    assert told == ["Your question about vendor choice is closed now. It got 2 answers."]
    wait_for(asker.has_nothing_due, "texts sent or held back")
    assert sum("is closed now" in text for text in asker.received()) == 1


def test_a_request_that_nobody_answered_is_closed_when_it_expires_and_not_before(
    stack: StackUnderTest,
) -> None:
    asker, silent = requester(stack), expert(stack)
    soon = stack.now() + timedelta(minutes=30)
    asked = request(stack, asker.user()["id"], silent.user()["id"], expires_at=soon)
    with stack.connect() as connection:
        connection.execute(
            "insert into user_priorities (user_id, priority_rank, item_type, item_id)"
            " values (%s, 1, 'community_request', %s)",
            (silent.user()["id"], asked),
        )
    close_due(stack)
    assert row(stack, "community_requests", asked)["status"] == "open"
    stack.advance(3600)
    close_due(stack)
    assert row(stack, "community_requests", asked)["status"] == "closed"
    (priority,) = silent.rows("select status from user_priorities where item_id = %s", asked)
    assert priority["status"] == "expired"
    settle(stack, asker)
    assert asker.received()[-1].startswith("Nobody has answered your question")


def test_an_answer_whose_scoring_failed_for_good_does_not_keep_a_request_open(
    stack: StackUnderTest,
) -> None:
    asker, one = requester(stack), expert(stack)
    asked = request(stack, asker.user()["id"], one.user()["id"])
    given = answer(stack, asked, one.user()["id"])
    control_claude(stack, say=["certainly a ten"] * 6)
    close_due(stack)
    for _ in range(2):
        stack.advance(300)
        run_tasks(stack)
    assert ended(stack, given)["status"] == "failed"
    close_due(stack)
    assert row(stack, "community_requests", asked)["status"] == "closed"
    assert one.user()["credit_balance"] == 0


def test_an_answer_that_comes_after_the_closure_is_scored_and_not_paid(
    stack: StackUnderTest,
) -> None:
    asker, late = requester(stack), expert(stack)
    asked = request(stack, asker.user()["id"], late.user()["id"], expires_at=stack.now())
    close_due(stack)
    assert row(stack, "community_requests", asked)["status"] == "closed"
    given = answer(stack, asked, late.user()["id"])
    with stack.connect() as connection:
        connection.execute(
            "insert into agent_tasks (id, task_type, agent_type, user_id, scheduled_for,"
            " context_json) values (%s, 'process_community_response', 'agent_of_humans', %s, %s,"
            " jsonb_build_object('response_id', %s::text, 'request_id', %s::text))",
            (given, late.user()["id"], stack.now(), given, asked),
        )
    ended(stack, given)
    scored = row(stack, "community_responses", given)
    assert scored["usefulness_score"] >= 7
    assert scored["credits_awarded"] is None
    assert late.user()["credit_balance"] == 0


def test_the_same_tick_again_and_again_is_one_event(stack: StackUnderTest) -> None:
    due = stack.now().isoformat()
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: closure_tick(stack, due), range(4)))
    assert {a.status_code for a in answers} == {200}
    assert {a.json()["outcome"] for a in answers} <= {"applied", "busy", "done"}
    wait_for(lambda: closures(stack, due) == [True], "one processed event")


def test_one_time_is_one_event_however_it_is_written_and_its_body_is_called(
    stack: StackUnderTest,
) -> None:
    due = stack.now().replace(microsecond=0)
    in_tokyo = due.astimezone(timezone(timedelta(hours=9)))
    with stack.paused("community_closure"):  # whose tick would be one more
        before = scheduled_events(stack)
        for written in (f"{due:%Y-%m-%dT%H:%M:%S}Z", due.isoformat(), in_tokyo.isoformat(),
                        f"{due:%Y-%m-%dT%H:%M:%S}.000000000Z"):  # fmt: skip
            httpx.post(
                stack.description["functions"]["event_processor"],
                content=b'{"event_type": "community.closure_due"}',
                headers={
                    "X-CloudScheduler-ScheduleTime": written,
                    # What Cloud Scheduler sends where its job names no type.
                    "Content-Type": "application/octet-stream",
                },
            ).raise_for_status()
        assert scheduled_events(stack) == before + 1


def test_more_requests_than_one_closure_takes_are_all_closed(stack: StackUnderTest) -> None:
    asker = requester(stack)
    asked = [
        request(stack, asker.user()["id"], expires_at=stack.now() - timedelta(minutes=n))
        for n in range(23)
    ]
    closure_tick(stack, stack.now().isoformat()).raise_for_status()

    def all_closed() -> bool:
        return all(row(stack, "community_requests", one)["status"] == "closed" for one in asked)

    wait_for(all_closed, "closed requests", 20)


@pytest.mark.parametrize(
    ("body", "scheduled_at"),
    [
        ({"event_type": "community.closure_due"}, ""),
        ({"event_type": "community.closure_due"}, "yesterday"),
        ({"event_type": "community.closure_due"}, "2026-11-22T10:00:00"),
        ({"event_type": "community.closure_due"}, "0001-01-01T00:00:00+14:00"),
        ({"event_type": "user.message.received"}, "2026-11-22T10:00:00Z"),
        ({"event_type": "nothing.known"}, "2026-11-22T10:00:00Z"),
        ({"event_type": {"a": 1}}, "2026-11-22T10:00:00Z"),
    ],
)
def test_a_call_that_no_schedule_makes_is_refused_and_changes_nothing(
    stack: StackUnderTest, body: dict[str, Any], scheduled_at: str
) -> None:
    with stack.paused("community_closure"):  # whose tick would be one more
        before = scheduled_events(stack)
        answered = httpx.post(
            stack.description["functions"]["event_processor"],
            json=body,
            headers={"X-CloudScheduler-ScheduleTime": scheduled_at} if scheduled_at else {},
        )
        assert answered.status_code == 400
        assert answered.text.endswith(".")
        assert scheduled_events(stack) == before
