"""Requests, experts and answers as the agents will have recorded them, for tests over a stack."""

from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import httpx

from tests.support.stack import StackUnderTest, wait_for
from tests.support.texting import Phone

#: The simulator's score of an answer goes by its words; these come out useful and useless.
USEFUL = "We used two vendors at our last company and switched after we saved a third of the cost"
USELESS = "No idea, sorry"


def expert(stack: StackUnderTest, *, credits: int = 0) -> Phone:
    """A verified member who has never been texted, with credits from elsewhere."""
    phone = Phone(stack)
    with stack.connect() as connection:
        connection.execute(
            "insert into users (phone_number, verified, credit_balance) values (%s, true, 0)",
            (phone.number,),
        )
        if credits:
            connection.execute(
                "insert into credit_events (user_id, event_type, amount, reference_type,"
                " reference_id, idempotency_key)"
                " select id, 'test', %s, 'test', id, 'test:' || id from users"
                " where phone_number = %s",
                (credits, phone.number),
            )
    return phone


def request(stack: StackUnderTest, requester: UUID, *targets: UUID, **columns: Any) -> UUID:
    """A community request to these experts; expires in 7 days unless `expires_at` says otherwise.

    Times are the stack's.
    """
    row = {
        "id": uuid4(),
        "requesting_agent_type": "concierge",
        "requesting_user_id": requester,
        "question": "Which vendors work for this?",
        "request_summary": "vendor choice",
        "target_user_ids": list(targets),
        "created_at": stack.now(),
        "expires_at": stack.now() + timedelta(days=7),
    } | columns
    names = ", ".join(row)
    with stack.connect() as connection:
        connection.execute(
            f"insert into community_requests ({names}) values"  # noqa: S608
            f" ({', '.join(['%s'] * len(row))})".encode(),
            list(row.values()),
        )
    return UUID(str(row["id"]))


def answer(stack: StackUnderTest, request_id: UUID, user_id: UUID, words: str = USEFUL) -> UUID:
    """An expert's answer to a request, not scored yet."""
    response_id = uuid4()
    with stack.connect() as connection, connection.transaction():
        connection.execute(
            "insert into community_responses"
            " (id, request_id, user_id, response_text, verbatim_answer, created_at)"
            " values (%s, %s, %s, %s, %s, %s)",
            (response_id, request_id, user_id, words, words, stack.now()),
        )
        connection.execute(
            "update community_requests set status = 'responses_received',"
            " responses_count = coalesce(responses_count, 0) + 1"
            " where id = %s and status <> 'closed'",
            (request_id,),
        )
    return response_id


def closure_tick(stack: StackUnderTest, scheduled_at: str) -> httpx.Response:
    """Cloud Scheduler's hourly call."""
    return httpx.post(
        stack.description["functions"]["event_processor"],
        json={"event_type": "community.closure_due"},
        headers={"X-CloudScheduler-ScheduleTime": scheduled_at} if scheduled_at else {},
        timeout=30,
    )


def run_tasks(stack: StackUnderTest) -> dict[str, Any]:
    """Cloud Scheduler's call every two minutes; what the function answered."""
    answered = httpx.post(stack.description["functions"]["task_processor"], timeout=60)
    counts: dict[str, Any] = answered.raise_for_status().json()
    return counts


def ended(stack: StackUnderTest, task_id: UUID) -> dict[str, Any]:
    """A task, run to its end: a tick passes by what another has in hand."""

    def over() -> dict[str, Any] | None:
        run_tasks(stack)
        with stack.connect() as connection:
            (task,) = connection.execute(
                "select * from agent_tasks where id = %s", (task_id,)
            ).fetchall()
        return None if task["status"] in ("pending", "processing") else task

    return wait_for(over, "end of a task", 20)


def close_due(stack: StackUnderTest) -> None:
    """Two hours' closures and the tasks between them: scored first, then closed."""
    for _ in range(2):
        due = stack.now().isoformat()
        closure_tick(stack, due).raise_for_status()
        wait_for(partial(_is_closed, stack, due), "closure", 30)
        run_tasks(stack)


def _is_closed(stack: StackUnderTest, scheduled_at: str) -> bool:
    """Whether this tick's closure is over, and whatever it left to another."""
    with stack.connect() as connection:
        open_ones = connection.execute(
            "select 1 from events where event_type = 'community.closure_due'"
            " and processed is not true"
        ).fetchall()
    return closures(stack, scheduled_at) == [True] and not open_ones


def closures(stack: StackUnderTest, scheduled_at: str) -> list[bool]:
    """Of each event that the tick of this time became: is it processed?"""
    with stack.connect() as connection:
        found = connection.execute(
            "select processed from events where event_type = 'community.closure_due'"
            " and created_by = 'cloud_scheduler'"
            " and (payload ->> 'scheduled_at')::timestamptz = %s",
            (scheduled_at,),
        ).fetchall()
    return [bool(event["processed"]) for event in found]
