"""What a claim costs does not depend on what else is queued: the real functions, run under EXPLAIN.

Pages are counted, not time. With 100 and with 100,000 rows waiting in every queue, and as many that
are over, each call may look at the same small number of pages, and scan none of the queues whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.support import backlog
from tests.support.database import Servers, installations

SIZES = (100, 100_000)
QUEUES = ("events", "message_queue", "agent_tasks")
#: Pages that a call may look at: several times what it takes, a hundredth of what the queues have.
MOST_PAGES = {
    "record_inbound": 250,
    "claim_event": 1_000,
    "claim_texts": 2_000,
    "claim_renders": 1_000,
    "claim_tasks": 300,
    "claim_stuck_sends": 100,
    "missing_messages": 60,
}


@dataclass
class Filled:
    """A database with so many rows waiting in each queue."""

    url: str
    rows: int

    def session(self) -> psycopg.Connection:
        connection = psycopg.connect(self.url, autocommit=True)
        for setting in (
            "session_preload_libraries = ''",
            "client_min_messages = log",
            "auto_explain.log_min_duration = 0",
            "auto_explain.log_nested_statements = on",
            "auto_explain.log_analyze = on",
            "auto_explain.log_timing = off",
            "auto_explain.log_buffers = on",
            "auto_explain.log_format = json",
            "auto_explain.log_level = log",
        ):
            if setting.startswith("auto_explain"):
                connection.execute("load 'auto_explain'")
            connection.execute(f"set {setting}".encode())
        return connection


@pytest.fixture(
    scope="module",
    params=[(version, rows) for version in installations() for rows in SIZES],
    ids=lambda p: f"postgresql-{p[0]}-{p[1]}",
)
def filled(request: pytest.FixtureRequest, servers: Servers) -> Filled:
    version, rows = request.param
    server = servers.server(version)
    url = server.url(server.create(servers.template(version)))
    with psycopg.connect(url, autocommit=True) as connection:
        # The statistics are those of an empty queue: the worst that a planner can be told.
        connection.execute("vacuum analyze")
        backlog.fill(connection, rows)
    return Filled(url, rows)


@dataclass
class Plans:
    """What one call ran: the pages it looked at, and the queues it scanned whole."""

    pages: int = 0
    scanned: tuple[str, ...] = ()


def explain(filled: Filled, function: str, **arguments: Any) -> tuple[dict[str, Any], Plans]:
    """Call a function in a transaction that is rolled back; its answer, and what it cost."""
    plans: list[dict[str, Any]] = []

    def keep(diagnostic: psycopg.errors.Diagnostic) -> None:
        said = diagnostic.message_primary or ""
        if "plan:" in said:
            plans.append(json.loads(said.split("plan:", 1)[1]))

    with filled.session() as connection, connection.transaction(force_rollback=True):
        values = {k: Jsonb(v) if isinstance(v, dict | list) else v for k, v in arguments.items()}
        named = ", ".join(f"p_{name} => %({name})s" for name in values)
        query = f"select {function}({named})"
        for _ in range(2):  # so that the catalog and the plans are in memory
            connection.execute("savepoint before")
            connection.execute(query.encode(), values)
            connection.execute("rollback to before")
        connection.add_notice_handler(keep)
        answer = connection.execute(query.encode(), values).fetchone()
        connection.remove_notice_handler(keep)
        connection.execute("rollback to before")
        connection.execute("set auto_explain.log_min_duration = -1")
        explained = connection.execute(
            f"explain (analyze, buffers, format json) {query}".encode(), values
        ).fetchone()
    assert answer is not None
    assert explained is not None
    assert plans, "nothing was explained"
    scanned = tuple(
        sorted({table for plan in plans for table in _scanned(plan["Plan"]) if table in QUEUES})
    )
    return answer[0], Plans(_pages(explained[0][0]["Plan"]), scanned)


def _pages(plan: dict[str, Any]) -> int:
    return int(plan.get("Shared Hit Blocks", 0)) + int(plan.get("Shared Read Blocks", 0))


def _scanned(plan: dict[str, Any]) -> Iterator[str]:
    if (
        plan["Node Type"] == "Seq Scan"
        and plan["Actual Rows"] * plan["Actual Loops"] + plan.get("Rows Removed by Filter", 0) > 0
    ):
        yield plan["Relation Name"]
    for inner in plan.get("Plans", []):
        yield from _scanned(inner)


def text(phone: str) -> dict[str, Any]:
    return {
        "message_id": str(uuid4()),
        "event_id": str(uuid4()),
        "reply_id": str(uuid4()),
        "sid": f"SM{uuid4().hex}",
        "phone": phone,
        "body": "hi",
        "media": [],
        "answer": True,
    }


def one(filled: Filled, query: str, *arguments: Any) -> Any:
    with psycopg.connect(filled.url, autocommit=True) as connection:
        row = connection.execute(query.encode(), arguments).fetchone()
    return row[0] if row else None


def check(filled: Filled, function: str, **arguments: Any) -> dict[str, Any]:
    answer, plans = explain(filled, function, **arguments)
    # A short table is read whole, and that is right.
    assert plans.scanned == () or filled.rows == SIZES[0]
    assert plans.pages <= MOST_PAGES[function], plans
    return answer


def test_recording_a_text(filled: Filled) -> None:
    assert check(filled, "record_inbound", text=text("+12125550001"))["outcome"] == "recorded"


def test_claiming_a_new_text(filled: Filled) -> None:
    phone = "+13105550199"
    recorded = one(filled, "select record_inbound(%s)", Jsonb(text(phone)))
    answer = check(filled, "claim_event", event_id=recorded["event_id"], token=uuid4())
    assert answer["outcome"] in ("claimed", "busy")


def test_claiming_an_event_of_a_member_with_many(filled: Filled) -> None:
    event = one(filled, "select id from events where processed is not true limit 1")
    assert check(filled, "claim_event", event_id=event, token=uuid4())["outcome"] == "not_due"


def test_claiming_texts_when_none_is_due(filled: Filled) -> None:
    assert check(filled, "claim_texts", token=uuid4())["sends"] == []


def test_claiming_texts_when_one_is_due(filled: Filled) -> None:
    one(
        filled,
        "insert into message_queue (user_id, agent_id, message_data, final_message, scheduled_for)"
        " select id, 'x', '{\"kind\": \"system\"}', 'x', now() from users limit 1 returning id",
    )
    assert check(filled, "claim_texts", token=uuid4())["outcome"] == "claimed"


def test_claiming_a_sequence_that_is_due(filled: Filled) -> None:
    one(
        filled,
        "with s as (select id, gen_random_uuid() as sequence from users order by id limit 5)"
        " insert into message_queue (user_id, agent_id, message_data, final_message, scheduled_for,"
        " sequence_id, sequence_position, sequence_total)"
        " select s.id, 'x', '{\"kind\": \"system\"}', 'x', now(), s.sequence, n, 3"
        " from s, generate_series(1, 3) as n returning id",
    )
    assert len(check(filled, "claim_texts", token=uuid4())["sends"]) >= 5


def test_claiming_texts_while_any_number_waits_for_the_agent(filled: Filled) -> None:
    move = "update message_queue set scheduled_for = scheduled_for {} where requires_fresh_context"
    with psycopg.connect(filled.url, autocommit=True) as connection:
        connection.execute(move.format("- interval '20 days'").encode())
        try:
            check(filled, "claim_texts", token=uuid4())
            assert len(check(filled, "claim_renders", token=uuid4(), limit=1)["renders"]) <= 1
        finally:
            connection.execute(move.format("+ interval '20 days'").encode())
            connection.execute("vacuum message_queue")


def test_claiming_texts_to_judge_when_none_is_due(filled: Filled) -> None:
    assert check(filled, "claim_renders", token=uuid4())["renders"] == []


def test_claiming_a_text_to_judge(filled: Filled) -> None:
    # Of somebody who waits for no answer, unlike those with a backlog.
    text = one(
        filled,
        "with u as (insert into users (phone_number) values (gen_random_uuid()) returning id)"
        " insert into message_queue (user_id, agent_id, message_data, scheduled_for, priority)"
        " select id, 'x', '{\"kind\": \"system\"}', now(), 'high' from u returning id",
    )
    (render,) = check(filled, "claim_renders", token=uuid4())["renders"]
    assert render["id"] == str(text)


def test_claiming_tasks_when_none_is_due(filled: Filled) -> None:
    assert check(filled, "claim_tasks", token=uuid4(), limit=10)["tasks"] == []


def test_claiming_a_task_that_is_due(filled: Filled) -> None:
    one(
        filled,
        "insert into agent_tasks (task_type, agent_type, scheduled_for, context_json)"
        " values ('none.such', 'x', now(), '{}') returning id",
    )
    assert check(filled, "claim_tasks", token=uuid4(), limit=10)["outcome"] == "claimed"


def test_looking_for_sends_without_a_known_end(filled: Filled) -> None:
    assert check(filled, "claim_stuck_sends", token=uuid4())["sends"] == []


def test_looking_for_missed_texts(filled: Filled) -> None:
    ids = [str(uuid4()) for _ in range(5)]
    assert set(check(filled, "missing_messages", ids=ids)["missing"]) == set(ids)


def test_a_sweep_looks_at_a_window_however_much_waits(filled: Filled) -> None:
    answer, plans = explain(filled, "sweep_events")
    assert answer["events"] == []
    assert plans.scanned == () or filled.rows == SIZES[0]
    # A window of 2,000 rows: the same for 100,000 rows and for a million.
    assert plans.pages <= 8_000
    assert (answer["next"] is None) is (filled.rows < 2_000)


@pytest.mark.parametrize(
    ("index", "function", "arguments"),
    [
        ("message_queue_ready", "claim_texts", {}),
        ("message_queue_unjudged", "claim_renders", {}),
        ("agent_tasks_due", "claim_tasks", {}),
        ("message_queue_sending", "claim_stuck_sends", {}),
    ],
)
def test_without_its_index_a_claim_would_be_caught(
    filled: Filled, index: str, function: str, arguments: dict[str, Any]
) -> None:
    if filled.rows < SIZES[-1]:
        pytest.skip("a few rows cost little without an index, too")
    with psycopg.connect(filled.url, autocommit=True) as connection:
        (made,) = connection.execute(
            "select indexdef from pg_indexes where indexname = %s", (index,)
        ).fetchall()
        connection.execute(f"drop index {index}".encode())
        try:
            _, plans = explain(filled, function, token=uuid4(), **arguments)
        finally:
            connection.execute(made[0].encode())
    assert plans.scanned or plans.pages > MOST_PAGES[function]
