"""One member's heap and everybody's backlog make no claim of another member dearer.

100,000 rows of 20,000 members are due in each queue, and before or behind them 20,000 of a single
member wait. Pages are counted, not time; the queues have thousands of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql

from tests.support.database import Servers
from tests.support.rpc import NOON, Rpc

OTHERS = 20_000
DUE = 100_000
OF_ONE = 20_000
HOARDER = UUID(int=1)

FILL = (
    """
    insert into users (id, phone_number)
    select case when n = 0 then %(hoarder)s else gen_random_uuid() end, '+1212' || (5550000 + n)
    from generate_series(0, %(others)s) as n
    """,
    """
    insert into conversations (user_id, phone_number, status)
    select id, phone_number, 'active' from users
    """,
    """
    create temporary table turns as
    select u.id as user_id, %(now)s - interval '1 h' + n * interval '1 ms' as at
    from generate_series(1, %(due)s) as n
    inner join (
        select id, row_number() over (order by id) as nth from users where id <> %(hoarder)s
    ) as u on u.nth = 1 + n %% %(others)s
    """,
    """
    insert into events (event_type, aggregate_id, aggregate_type, payload, created_at)
    select 'x', user_id, 'user', '{}', at from turns
    """,
    """
    insert into message_queue (user_id, agent_id, message_data, final_message, scheduled_for)
    select user_id, 'x', '{"kind": "system"}', 'x', at from turns
    """,
    """
    insert into agent_tasks (task_type, agent_type, user_id, scheduled_for, context_json)
    select 'x', 'x', user_id, at, '{}' from turns
    """,
    """
    insert into events (event_type, aggregate_id, aggregate_type, payload, metadata, created_at)
    select 'x', %(hoarder)s, 'user', '{}', '{"retry_at": "2999-01-01T00:00:00Z"}',
        %(now)s - interval '2 h'
    from generate_series(1, %(of_one)s)
    """,
    """
    insert into message_queue (user_id, agent_id, message_data, final_message, scheduled_for)
    select %(hoarder)s, 'x', '{"hold": {"rule": "daily_limit"}}', 'x', %(now)s + interval '1 day'
    from generate_series(1, %(of_one)s)
    """,
    """
    insert into agent_tasks (task_type, agent_type, user_id, scheduled_for, context_json)
    select 'x', 'x', %(hoarder)s, %(now)s + interval '1 day', '{}'
    from generate_series(1, %(of_one)s)
    """,
)
VALUES = {"hoarder": HOARDER, "others": OTHERS, "due": DUE, "of_one": OF_ONE, "now": NOON}


@pytest.fixture(scope="module")
def filled(servers: Servers, version: str) -> Iterator[str]:
    """The URL of the database with all this in it, on each version; nothing is changed in it."""
    server = servers.server(version)
    name = server.create(servers.template(version))
    with psycopg.connect(server.url(name), autocommit=True) as connection:
        with connection.transaction():
            # Nobody is to be woken a hundred thousand times.
            connection.execute("set local session_replication_role = replica")
            for statement in FILL:
                connection.execute(statement.encode(), VALUES)
        connection.execute("vacuum analyze")
    yield server.url(name)
    server.drop(name)


@pytest.fixture
def crowd(filled: str) -> Iterator[Rpc]:
    session = Rpc(filled)
    with session.connection.transaction(force_rollback=True):
        yield session
    session.close()


def cost(rpc: Rpc, function: str, **arguments: Any) -> tuple[int, set[str]]:
    """The pages that such a call looks at, and the queues that it reads from end to end.

    It is made three times over, each time undone: the first ones of a session read the catalog too.
    """
    named = ", ".join(f"p_{name} => %({name})s" for name in (*arguments, "now"))
    query = f"explain (analyze, buffers, format json) select {function}({named})".encode()
    scans = (
        "select relname, seq_scan from pg_stat_xact_user_tables"
        " where relname in ('events', 'message_queue', 'agent_tasks')"
    )
    for _ in range(3):
        before = {row["relname"]: row["seq_scan"] for row in rpc.rows(scans)}
        with rpc.connection.transaction(force_rollback=True):
            values = {k: v() if callable(v) else v for k, v in arguments.items()}
            row = rpc.connection.execute(query, values | {"now": rpc.now}).fetchone()
        after = {row["relname"]: row["seq_scan"] for row in rpc.rows(scans)}
    assert row is not None
    plan = row["QUERY PLAN"][0]["Plan"]
    scanned = {name for name, count in after.items() if count > before.get(name, 0)}
    return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"], scanned


# Each takes a third of what it may take, or less.


@pytest.mark.parametrize(
    ("function", "most", "arguments"),
    [
        ("claim_tasks", 1_000, {"token": uuid4, "limit": 10}),
        ("claim_texts", 3_000, {"token": uuid4, "limit": 10}),
        ("claim_stuck_sends", 100, {"token": uuid4}),
    ],
)
def test_a_batch_costs_what_it_takes(
    crowd: Rpc, function: str, most: int, arguments: dict[str, Any]
) -> None:
    pages, scanned = cost(crowd, function, **arguments)
    assert (pages <= most, scanned) == (True, set()), pages


def test_a_new_member_s_text_costs_what_a_first_text_costs(crowd: Rpc) -> None:
    recorded = crowd.text("+13105550199")
    texts, scanned = cost(crowd, "claim_texts", token=uuid4, user_id=UUID(recorded["user_id"]))
    assert (texts <= 150, scanned) == (True, set()), texts
    claim, scanned = cost(crowd, "claim_event", event_id=recorded["event_id"], token=uuid4)
    assert (claim <= 350, scanned) == (True, set()), claim


def test_the_events_behind_a_heap_that_waits_are_found_window_by_window(crowd: Rpc) -> None:
    crowd.pass_time(minutes=2)
    found, after, calls = 0, None, 0
    while not found:
        answer = crowd.call("sweep_events", after=after)
        after, calls, found = answer["next"], calls + 1, len(answer["events"])
        assert after is not None, "there is more"
    assert (calls, found) == (OF_ONE // 2_000 + 1, 200)


def hoard(crowd: Rpc) -> None:
    """More texts of one member than one call looks at, all due before the others'."""
    crowd.rows(
        "update message_queue set scheduled_for = %s, message_data = '{}'"
        " where user_id = %s and status = 'queued' returning id",
        crowd.now - timedelta(days=1),
        HOARDER,
    )
    crowd.rows(
        "delete from message_queue where ctid in (select ctid from message_queue"
        " where user_id = %s limit %s) returning id",
        HOARDER,
        OF_ONE - 10_200,
    )


def test_a_heap_of_one_member_s_due_texts_is_worked_off_in_one_run(crowd: Rpc) -> None:
    hoard(crowd)
    # None of them may leave today.
    crowd.rows(
        "insert into user_message_budget (user_id, date, messages_sent, daily_limit)"
        " values (%s, %s, 5, 5) returning id",
        HOARDER,
        crowd.now.date(),
    )
    calls = 0
    while not (answer := crowd.call("claim_texts", token=uuid4()))["sends"]:
        assert answer["more"], "the others would wait for the next minute"
        calls += 1
    assert 1 <= calls <= 15


def test_behind_a_heap_of_a_member_whom_somebody_holds_is_looked_again_at_once(
    crowd: Rpc, filled: str
) -> None:
    hoard(crowd)
    with psycopg.connect(filled) as other:
        other.execute("select 1 from users where id = %s for no key update", (HOARDER,))
        answer = crowd.call("claim_texts", token=uuid4())
    assert (answer["sends"], answer["more"]) == ([], True)


def test_a_heap_of_one_member_s_due_tasks_hides_nobody_behind_it(crowd: Rpc) -> None:
    # More than one call looks at, all due before the others'.
    crowd.rows(
        "update agent_tasks set scheduled_for = %s where user_id = %s and status = 'pending'"
        " returning id",
        crowd.now - timedelta(days=1),
        HOARDER,
    )
    tasks = crowd.call("claim_tasks", token=uuid4(), limit=10)["tasks"]
    assert [task["user_id"] == str(HOARDER) for task in tasks] == [True] + [False] * 9
    # Now that a task of theirs is being decided, none of the others is theirs.
    tasks = crowd.call("claim_tasks", token=uuid4(), limit=10)["tasks"]
    assert [task["user_id"] == str(HOARDER) for task in tasks] == [False] * 10


@pytest.mark.parametrize(
    ("indexes", "scanned"),
    [
        (["agent_tasks_due"], set()),
        (["events_open_of_aggregate", "events_aggregate_id_aggregate_type_idx"], {"events"}),
    ],
)
def test_without_an_index_a_claim_of_tasks_is_seen_to_be_dear(
    crowd: Rpc, indexes: list[str], scanned: set[str]
) -> None:
    crowd.connection.execute("reset role")
    for index in indexes:
        crowd.connection.execute(sql.SQL("drop index {}").format(sql.Identifier(index)))
    pages, seen = cost(crowd, "claim_tasks", token=uuid4, limit=10)
    assert (pages > 1_000, seen) == (True, scanned), pages
