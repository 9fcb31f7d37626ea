"""Events and tasks through the real functions, by what else waits: `measure(stack)`.

Events are woken for by what the stack has for it: the relay, or Google's Pub/Sub emulator, which
pushes two messages at a time.

An event that is only to be read and a task whose answer has its score already need no model and no
Twilio, so that what is measured is ours: wake-up, claim, decide, commit. *Waiting* rows are not
due; there should be no difference between few and many of them.
"""

import statistics
import time
from uuid import UUID, uuid4

import httpx
import psycopg
from psycopg.rows import DictRow

from lib.adapters import pubsub
from tests.support.pubsub import publishing_to
from tests.support.stack import StackUnderTest, wait_for

WAITING = (1_000, 100_000)
EVENTS = 500
TASKS = 1_000
MEMBERS = 200
LATENCIES = 50

_FILL_EVENTS = """
    insert into events (event_type, aggregate_id, aggregate_type, payload, metadata, created_at)
    select 'user.opted_in', gen_random_uuid(), 'benchmark', '{"keyword": "START"}',
        jsonb_build_object('retry_at', now() + interval '7 days', 'attempt', 1),
        now() - interval '2 hours'
    from generate_series(1, %s)
"""
_FILL_TASKS = """
    insert into agent_tasks (task_type, agent_type, scheduled_for, context_json)
    select 'process_community_response', 'agent_of_humans', now() + interval '7 days', '{}'
    from generate_series(1, %s)
"""
_EVENTS = """
    insert into events (event_type, aggregate_id, aggregate_type, payload)
    select 'user.opted_in', gen_random_uuid(), 'benchmark', '{"keyword": "START"}'
    from generate_series(1, %s) returning id
"""
_TASKS = """
    insert into agent_tasks (task_type, agent_type, user_id, scheduled_for, context_json)
    select 'process_community_response', 'agent_of_humans', r.user_id, now(),
        jsonb_build_object('response_id', r.id, 'request_id', r.request_id)
    from generate_series(1, %s) as n
    inner join (
        select *, row_number() over () as number from community_responses where request_id = %s
    ) as r on r.number = 1 + n %% %s
    returning id
"""


def measure(stack: StackUnderTest) -> None:
    """Print one line for each number of waiting rows."""
    emulator = stack.description.get("pubsub")
    name = "the Pub/Sub emulator" if emulator else "the relay"
    with publishing_to(emulator), stack.connect() as connection:
        request = _scored_answers(connection)
        print(
            f"\n{'waiting rows':>12}{'events/s':>12}{'insert to done':>18}{'tasks/s':>12}"
            f"   (event_processor by {name}, task_processor by its call)"
        )
        have = 0
        for waiting in WAITING:
            _fill(connection, waiting - have)
            have = waiting
            rate = _events(connection)
            median, p95 = _latency(connection)
            tasks = _tasks(stack, connection, request)
            spread = f"{median:.0f}/{p95:.0f} ms"
            print(f"{waiting:12,}{rate:12.0f}{spread:>18}{tasks:12.0f}", flush=True)
        connection.execute(
            "delete from events where aggregate_type = 'benchmark'"
            " and metadata ->> 'retry_at' is not null"
        )
        connection.execute("delete from agent_tasks where status = 'pending' and user_id is null")


def _scored_answers(connection: psycopg.Connection[DictRow]) -> UUID:
    request = uuid4()
    connection.execute(
        "insert into community_requests (id, requesting_agent_type, question, status)"
        " values (%s, 'concierge', 'benchmark', 'closed')",
        (request,),
    )
    connection.execute(
        "with u as (insert into users (phone_number)"
        " select '+1999' || (1000000 + n) from generate_series(1, %s) as n returning id)"
        " insert into community_responses"
        " (request_id, user_id, response_text, verbatim_answer, usefulness_score)"
        " select %s, id, 'x', 'x', 5 from u",
        (MEMBERS, request),
    )
    return request


def _fill(connection: psycopg.Connection[DictRow], rows: int) -> None:
    """Rows that wait. Nobody is woken for them, as nobody is when a retry was recorded."""
    with connection.transaction():
        connection.execute("set local session_replication_role = replica")
        connection.execute(_FILL_EVENTS, (rows,))
        connection.execute(_FILL_TASKS, (rows,))
    connection.execute("analyze events")
    connection.execute("analyze agent_tasks")


def _emit(connection: psycopg.Connection[DictRow], count: int) -> list[UUID]:
    """Insert events, which the relay hears of from the database and Pub/Sub from us."""
    ids = [row["id"] for row in connection.execute(_EVENTS, (count,)).fetchall()]
    # Does nothing without a topic.
    pubsub.publish(map(str, ids))
    return ids


def _events(connection: psycopg.Connection[DictRow]) -> float:
    started = time.perf_counter()
    ids = _emit(connection, EVENTS)
    _wait_done(connection, "events", ids)
    return EVENTS / (time.perf_counter() - started)


def _latency(connection: psycopg.Connection[DictRow]) -> tuple[float, float]:
    """From the insert to the commit of its decision, one at a time: median and p95, ms."""
    taken = []
    for _ in range(LATENCIES):
        started = time.perf_counter()
        (event_id,) = _emit(connection, 1)
        while not connection.execute(
            "select processed from events where id = %s", (event_id,)
        ).fetchall()[0]["processed"]:
            time.sleep(0.001)
        taken.append((time.perf_counter() - started) * 1000)
    return statistics.median(taken), statistics.quantiles(taken, n=20)[-1]


def _tasks(stack: StackUnderTest, connection: psycopg.Connection[DictRow], request: UUID) -> float:
    found = connection.execute(_TASKS, (TASKS, request, MEMBERS)).fetchall()
    started = time.perf_counter()
    while True:
        answered = httpx.post(stack.description["functions"]["task_processor"], timeout=120)
        answered.raise_for_status()
        if answered.json()["claimed"] == 0:
            break
    _wait_done(connection, "agent_tasks", [row["id"] for row in found])
    return TASKS / (time.perf_counter() - started)


def _wait_done(connection: psycopg.Connection[DictRow], table: str, ids: list[UUID]) -> None:
    done = "processed" if table == "events" else "status = 'completed'"
    query = f"select count(*) as n from {table} where id = any(%s) and {done}"  # noqa: S608

    def all_done() -> bool:
        return bool(connection.execute(query.encode(), (ids,)).fetchall()[0]["n"] == len(ids))

    wait_for(all_done, f"done {table}", 120)
