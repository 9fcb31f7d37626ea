"""A database that was there before us is brought up to date whole, and the system runs on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import errors, sql

from sql.migrate import migrate
from tests.support.database import Servers, schema_dump
from tests.support.existing_database import TABLES, build
from tests.support.rpc import Rpc

MEMBER = "00000000-0000-0000-0000-000000000001"

#: What the report must say, in whatever order.
REMARKS = (
    'messages: "One row for each text that Twilio knows" does not hold: 1 values of'
    " (twilio_message_sid) where twilio_message_sid is not null occur more than once, in 3 rows",
    'conversations: "One active conversation for each member" does not hold: 1 values',
    'community_responses: "One answer for each request and expert" does not hold: 1 values',
    'events: "Each e-mail token verifies once" does not hold: 1 values',
    "they were left as they are and the unique index messages_one_per_twilio_sid was not made.",
    "conversations: 2 rows have a status other than active, archived; they were left as they are",
    "message_queue: 1 rows have a status other than",
    "agent_tasks: 31 rows have a status other than",
    "users: 4 have a credit_balance other than the sum of their credit_events; nothing was changed",
    "innovators: 2 have a credits_balance other than",
    "events: the trigger events_notify was replaced by notify_event.",
    "credit_events: the trigger credit_cache was replaced by update_user_credit_cache.",
    "credit_events: the trigger refresh_balances was replaced by update_user_credit_cache.",
    "user_credit_balances: the materialized view was replaced",
)


@pytest.fixture(scope="module")
def template(servers: Servers, version: str) -> str:
    """The name of an existing database that is only ever copied."""
    server = servers.server(version)
    name = server.create()
    build(server.url(name))
    return name


@pytest.fixture(scope="module")
def migrated_template(servers: Servers, version: str, template: str) -> str:
    """The same, brought up to date."""
    server = servers.server(version)
    name = server.create(template)
    migrate(server.url(name), report=lambda _: None)
    return name


@pytest.fixture
def existing_database(servers: Servers, version: str, template: str) -> Iterator[str]:
    """The URL of a database that existed before us."""
    server = servers.server(version)
    name = server.create(template)
    yield server.url(name)
    server.drop(name)


@pytest.fixture
def rpc(servers: Servers, version: str, migrated_template: str) -> Iterator[Rpc]:
    """A session as the service role on one that has been migrated; a warning fails the test."""
    server = servers.server(version)
    name = server.create(migrated_template)
    session = Rpc(server.url(name), now=datetime.now(UTC))
    warnings: list[str] = []
    session.connection.add_notice_handler(
        lambda diagnostic: warnings.append(str(diagnostic.message_primary))
    )
    yield session
    session.close()
    server.drop(name)
    assert warnings == []


def contents(url: str) -> dict[str, list[str]]:
    """Every row of every table."""
    with psycopg.connect(url) as connection:
        return {
            relation.name: [
                row[0]
                for row in connection.execute(
                    sql.SQL("select t::text from {} as t order by id").format(
                        sql.Identifier(relation.name)
                    )
                )
            ]
            for relation in TABLES
        }


def remarks(url: str) -> list[str]:
    """What a migration has to say about the database."""
    lines: list[str] = []
    migrate(url, report=lines.append)
    return [line.strip() for line in lines if line.startswith(" ")]


def open_events(rpc: Rpc) -> list[dict[str, Any]]:
    return rpc.rows("select id from events where processed is not true order by id")


def test_it_keeps_every_row_says_what_is_in_the_way_and_a_second_run_changes_nothing(
    existing_database: str, version: str
) -> None:
    before = contents(existing_database)
    assert min(len(rows) for rows in before.values()) >= 2
    said = "\n".join(remarks(existing_database))
    assert contents(existing_database) == before
    assert [remark for remark in REMARKS if remark not in said] == []
    assert "+1212" not in said
    assert "SMtwice" not in said

    after = schema_dump(existing_database, version)
    again = remarks(existing_database)
    assert schema_dump(existing_database, version) == after
    assert contents(existing_database) == before
    assert not any("created" in remark or "replaced" in remark for remark in again)


def test_a_documented_index_is_not_made_twice_under_another_name(rpc: Rpc) -> None:
    doubled = rpc.rows(
        "select indrelid::regclass::text from pg_index where indrelid = any (%s::regclass[])"
        " group by indrelid, indkey, indpred::text, indexprs::text, indoption::text"
        " having count(*) > 1",
        [relation.name for relation in TABLES],
    )
    assert doubled == []


def test_rows_mended_since_get_their_constraints(existing_database: str) -> None:
    migrate(existing_database, report=lambda _: None)
    with psycopg.connect(existing_database) as connection:
        plain = connection.execute(
            "select count(*) from pg_class where relname like '%\\_not\\_unique'"
        ).fetchone()
        assert plain == (4,)
        connection.execute("update messages set twilio_message_sid = id::text")
        connection.execute("update conversations set status = 'archived'")
    said = "\n".join(remarks(existing_database))
    assert "messages" not in said
    assert "conversations" not in said
    with psycopg.connect(existing_database) as connection:
        made = connection.execute(
            "select to_regclass('messages_one_per_twilio_sid') is not null,"
            " to_regclass('messages_one_per_twilio_sid_not_unique') is null,"
            " to_regclass('conversations_one_active_per_user') is not null,"
            " (select convalidated from pg_constraint"
            " where conname = 'conversations_status_documented')"
        ).fetchone()
    assert made == (True, True, True, True)


def test_credits_move_by_their_amount_from_whatever_the_balance_was(rpc: Rpc) -> None:
    rpc.rows(
        "insert into credit_events"
        " (user_id, event_type, amount, reference_type, reference_id, idempotency_key)"
        " select id, 'a', 3, 'a', gen_random_uuid(), 'moved ' || id from users returning id"
    )
    moved = rpc.rows(
        "select u.credit_balance, b.balance, i.credits_balance from users as u"
        " inner join user_credit_balances as b on b.user_id = u.id"
        " left join innovators as i on i.user_id = u.id where phone_number like '+1212555%%'"
        " order by u.id"
    )
    assert [tuple(row.values()) for row in moved] == [
        (10, 53, 10),
        (3, 3, None),
        (3, 3, None),
        (2147483603, 3, None),
    ]


def test_a_publishable_role_is_shut_out_of_what_was_open(rpc: Rpc) -> None:
    rpc.connection.execute("reset role")
    rpc.connection.execute("set role anon")
    for statement in ("select say_hello()", "select from users", "select from messages"):
        with pytest.raises(errors.InsufficientPrivilege):
            rpc.connection.execute(statement)


def test_texts_from_every_member_are_recorded_and_keywords_obeyed(rpc: Rpc) -> None:
    phones = [row["phone_number"] for row in rpc.rows("select phone_number from users")]
    for phone in [*phones, "+12125559999"]:
        outcomes = [
            rpc.text(phone, keyword=keyword, word=keyword)["outcome"]
            for keyword in (None, "help", "stop", None, "yes", None)
        ]
        opted_out = phone == "+12125550003"
        assert outcomes == [
            "silent" if opted_out else "recorded",
            "silent" if opted_out else "recorded",
            "silent" if opted_out else "opted_out",
            "silent",
            "opted_in",
            "recorded",
        ]


def test_a_text_of_a_member_with_null_everywhere_is_answered(rpc: Rpc) -> None:
    (member,) = rpc.rows("select id, phone_number from users where verified is null limit 1")
    recorded = rpc.text(member["phone_number"])
    token = uuid4()
    claim = rpc.call("claim_event", event_id=recorded["event_id"], token=token)
    assert claim["outcome"] == "claimed"
    assert recorded["event_id"] in claim["events"]
    assert claim["context"]["member"]["id"] == recorded["user_id"]


def test_every_open_event_is_swept_and_can_be_claimed_and_ended(rpc: Rpc) -> None:
    outcomes: Counter[str] = Counter()
    for _ in range(3):
        rpc.pass_time(minutes=30)
        outcomes["swept"] += len(rpc.call("sweep_events")["events"])
    kinds = ("own", "dependency", "permanent")
    for _ in range(30):
        left = open_events(rpc)
        for number, event in enumerate(left):
            token = uuid4()
            claim = rpc.call("claim_event", event_id=event["id"], token=token)
            outcomes[claim["outcome"]] += 1
            if claim["outcome"] != "claimed":
                continue
            if number % 4 < 3:
                ended = rpc.call(
                    "fail_event",
                    event_ids=claim["events"],
                    token=token,
                    error="broken",
                    kind=kinds[number % 4],
                )
            else:
                work = {"events": claim["events"], "final": True}
                ended = rpc.call("commit_work", work=work, token=token)
            outcomes[ended["outcome"]] += 1
        if not left:
            break
        rpc.pass_time(hours=1)
    assert open_events(rpc) == []
    assert outcomes["swept"] > 0
    assert set(outcomes) <= {
        "swept", "claimed", "applied", "rescheduled", "dead", "not_due", "done", "skipped",
    }  # fmt: skip


def test_every_waiting_text_leaves_or_ends_whatever_twilio_answers(rpc: Rpc) -> None:
    results = ("accepted", "refused", "accepted", "released", "ambiguous")
    accepted: Counter[str] = Counter()
    for number in range(75):
        rpc.pass_time(hours=2)
        token, outcome = uuid4(), results[number % len(results)]
        sends = rpc.call("claim_texts", token=token, limit=200)["sends"]
        if outcome == "accepted":
            accepted.update(send["to"] for send in sends)
        answers = [
            {
                "id": send["id"],
                "user_id": send["user_id"],
                "outcome": outcome,
                "sid": f"SM{uuid4().hex}",
                "status": "queued",
                "code": "30007",
                "event_id": str(uuid4()),
                "receipt_key": str(uuid4()),
            }
            for send in sends
        ]
        assert rpc.call("record_sends", token=token, results=answers)["outcome"] == "applied"
        for _ in range(2):
            rpc.pass_time(minutes=3)
            for send in rpc.call("claim_stuck_sends", token=token)["sends"]:
                assert datetime.fromisoformat(send["claimed_at"]) < rpc.now
                settled = rpc.call("settle_send", id=send["id"], token=token, found=[])
                assert settled["outcome"] in ("waiting", "released")
    members = {row["phone_number"] for row in rpc.rows("select phone_number from users")}
    # One has opted out; the budget of another allows -1 texts a day, its system texts leave.
    assert set(accepted) == members - {"+12125550003"}


def test_receipts_find_a_text_that_is_stored_more_than_once(rpc: Rpc) -> None:
    outcomes = [
        rpc.call(
            "record_delivery",
            receipt={
                "message_id": None,
                "sid": "SMtwice",
                "status": status,
                "error_code": None,
                "event_id": str(uuid4()),
                "receipt_key": str(uuid4()),
            },
        )["outcome"]
        for status in ("sent", "delivered", "failed")
    ]
    assert outcomes[2] == "unmoved"
    (stored,) = rpc.rows(
        "select count(*) as n from messages where twilio_message_sid = 'SMtwice'"
        " and status = 'delivered'"
    )
    assert stored == {"n": 1}


def test_a_unit_of_work_changes_rows_with_null_in_every_column(rpc: Rpc) -> None:
    def row(table: str, condition: str) -> str:
        query = f"select id::text from {table} where {condition} limit 1"  # noqa: S608
        return str(rpc.rows(query)[0]["id"])

    user = row("users", "verified is null")
    conversation = row("conversations", "messages_since_summary is null")
    # One whose log is null, one whose log is JSON null.
    workflows = [
        row("solution_workflows", "conversation_log is null"),
        row("solution_workflows", "conversation_log = 'null'"),
    ]
    request = row("community_requests", "target_user_ids is null")
    text = rpc.text("+12125550002")
    token = uuid4()
    claim = rpc.call("claim_event", event_id=text["event_id"], token=token)
    answer = rpc.call(
        "commit_work",
        token=token,
        work={
            "events": claim["events"],
            "final": True,
            "changes": [
                {"op": "update", "table": "users", "id": user, "set": {"first_name": "Ada"},
                 "expect": {"verified": None, "first_name": None}},
                {"op": "add", "table": "conversations", "id": conversation,
                 "add": {"messages_since_summary": 2}},
                *(
                    {"op": "append", "table": "solution_workflows", "id": workflow,
                     "append": {"conversation_log": [{"a": 1}]}}
                    for workflow in workflows
                ),
                {"op": "append", "table": "community_requests", "id": request,
                 "append": {"target_user_ids": [MEMBER]}},
                {"op": "insert", "table": "credit_events", "row": {
                    "id": str(uuid4()), "user_id": user, "event_type": "a", "amount": 5,
                    "reference_type": "a", "reference_id": str(uuid4()), "idempotency_key": "x"}},
            ],
        },
    )  # fmt: skip
    assert answer["outcome"] == "applied", answer
    assert rpc.rows(
        "select u.first_name, u.credit_balance, c.messages_since_summary, r.target_user_ids::text[]"
        " from users as u, conversations as c, community_requests as r"
        " where u.id = %s and c.id = %s and r.id = %s",
        user,
        conversation,
        request,
    ) == [
        {
            "first_name": "Ada",
            "credit_balance": 5,
            "messages_since_summary": 2,
            "target_user_ids": [MEMBER],
        }
    ]
    logs = rpc.rows("select conversation_log as log from solution_workflows")
    assert [row["log"] for row in logs] == [[{"a": 1}], [{"a": 1}]]
