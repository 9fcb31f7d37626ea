"""A claim of tasks costs what it takes and not what is queued (claim_tasks, agent_tasks_due)."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

import psycopg
import pytest

QUEUED = 20_000
#: Pages that a claim may look at, far fewer than the queue has. It takes 45 or so.
MOST_PAGES = 100
CLAIMS = 3

MEMBERS = "insert into users (phone_number) select n from generate_series(1, %s) as n"
TASKS = """
    insert into agent_tasks
    (task_type, agent_type, user_id, scheduled_for, context_json, priority, status)
    select
        'test', 'test', u.id, now() - interval '1 h' + u.n * interval '1 ms', '{}',
        (array['low', 'medium', 'high', null])[1 + u.n %% 4], %s
    from (select id, row_number() over () as n from users) as u
"""


def queue(connection: psycopg.Connection) -> None:
    connection.execute(TASKS, ("pending",))


def end_some(connection: psycopg.Connection) -> None:
    connection.execute(TASKS, ("completed",))


def analyze(connection: psycopg.Connection) -> None:
    connection.execute("vacuum analyze")


def claim_and_count_pages(connection: psycopg.Connection) -> int:
    """The pages that one claim of one task looks at."""
    row = connection.execute(
        "explain (analyze, buffers, format json) select claim_tasks(%s, 1)", (uuid4(),)
    ).fetchone()
    assert row is not None
    plan = row[0][0]["Plan"]
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


@pytest.mark.parametrize(
    "before",
    [
        pytest.param([queue], id="never-analysed"),
        pytest.param([queue, analyze], id="analysed-when-full"),
        pytest.param([analyze, queue], id="analysed-when-there-was-nothing"),
        pytest.param([end_some, analyze, queue], id="analysed-when-all-was-done"),
    ],
)
def test_a_claim_looks_at_a_few_pages_whenever_the_table_was_last_analysed(
    any_database: str, before: list[Callable[[psycopg.Connection], None]]
) -> None:
    with psycopg.connect(any_database, autocommit=True) as connection:
        connection.execute(MEMBERS, (QUEUED,))
        for step in before:
            step(connection)
    with psycopg.connect(any_database, autocommit=True) as connection:
        claim_and_count_pages(connection)  # the first of a session reads the catalog too
        pages = [claim_and_count_pages(connection) for _ in range(CLAIMS)]
    assert max(pages) < MOST_PAGES
