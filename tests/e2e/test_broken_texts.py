"""Broken rows among a thousand due texts: all the others leave in the same pass.

Each broken row is the most urgent of all and was due first. What becomes of it can be read in it,
and nothing of what it says is in any log.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from tests.support.orchestrators import noon_stack, stack_now
from tests.support.rpc import without_notice
from tests.support.stack import StackUnderTest
from tests.support.twilio_texts import taken_by_twilio

TEXTS = 1_000
SECRET = "whatever Wolfgang wrote"
LARGEST = 2**31 - 1
SOMEBODY = uuid4()


@dataclass(frozen=True)
class Broken:
    """A member and their row, what is wrong with them, and how they end.

    `ends` is the row's status and, where it is not *sent*, the rule that holds it or the code.
    """

    what: str
    ends: str = "sent"
    member: dict[str, Any] = field(default_factory=dict)
    row: dict[str, Any] = field(default_factory=dict)
    #: A statement about this row (%(row)s) and member (%(member)s), run before.
    before: str = ""


#: What a key of message_data may hold instead of what it should.
NONSENSE: tuple[Any, ...] = (None, 7, -1e300, "soon", [], {}, True)
DATA: tuple[Any, ...] = (None, [], [{"kind": "system"}], "text", SECRET, 7, True, {"": {}})
HOLDS: tuple[Any, ...] = (
    {"rule": 7, "until": 7, "due": 7},
    {"rule": "quiet_hours", "until": "nonsense", "due": "nonsense"},
    {"rule": "quiet_hours", "until": "infinity", "due": "-infinity"},
    {"rule": [], "until": {}, "due": []},
    {"rule": "hourly_limit", "until": "2026-99-99T99:99:99Z"},
    {"rule": "daily_limit", "due": "294277-01-01T00:00:00Z"},
)
SENDS: tuple[Any, ...] = ({"token": 7, "at": 7}, {"token": {}, "at": "soon"}, {"looked_at": "x"})


def data(what: Any) -> dict[str, Any]:
    return {"message_data": Jsonb(what)}


BROKEN = (
    # The member
    Broken("no such zone", member={"timezone": "Mars/Olympus_Mons"}),
    Broken("an empty zone", member={"timezone": ""}),
    Broken("a zone that is a program", member={"timezone": "'; drop table users; --"}),
    Broken("a zone of 10,000 characters", member={"timezone": "Europe/" + "x" * 10_000}),
    Broken("no zone and no number", "failed 21211", member={"phone_number": "erased:1"}),
    Broken("an empty number", "failed 21604", member={"phone_number": ""}),
    Broken("half of quiet hours", member={"quiet_hours_start": "12:00"}),
    Broken("quiet from 24:00", member={"quiet_hours_start": "24:00", "quiet_hours_end": "00:00"}),
    Broken(
        "every nullable column null",
        member=dict.fromkeys(("verified", "created_at", "updated_at", "credit_balance")),
        row=dict.fromkeys(("priority", "created_at", "requires_fresh_context")),
    ),
    Broken(
        "no conversation",
        before="delete from conversations where user_id = %(member)s",
    ),
    Broken(
        "a conversation without status and time",
        before="update conversations set status = null, created_at = null"
        " where user_id = %(member)s",
    ),
    Broken(
        "a budget full of nulls",
        before="insert into user_message_budget (user_id, date, messages_sent, daily_limit,"
        " hourly_limit, quiet_hours_enabled, created_at)"
        " values (%(member)s, %(today)s, null, null, null, null, null)",
    ),
    Broken(
        "a budget below zero",
        "queued daily_limit",
        before="insert into user_message_budget (user_id, date, daily_limit, hourly_limit)"
        " values (%(member)s, %(today)s, -1, -1)",
    ),
    Broken(
        "a budget at the end of all numbers",
        "queued daily_limit",
        before="insert into user_message_budget (user_id, date, messages_sent, daily_limit)"
        " values (%(member)s, %(today)s, 2147483647, 2147483647)",
    ),
    Broken(
        "a budget of the last day of all",
        before="insert into user_message_budget (user_id, date, messages_sent)"
        " values (%(member)s, 'infinity', 7)",
    ),
    Broken(
        "a member who does not exist",
        "failed no_member",
        before="delete from conversations where user_id = %(member)s;"
        " delete from users where id = %(member)s",
    ),
    # message_data
    *(
        Broken(f"data {what!r}", row=data(what))
        for what in DATA
    ),
    *(
        Broken(f"{key} {what!r}", row=data({key: what}))
        for key in ("hold", "send", "kind", "topic", "items", "attempts", "counted", "charged_on",
                    "render", "error_code", "confirmation", "first_released_at", "segments")
        for what in NONSENSE
    ),
    *(
        Broken(f"hold {what!r}", row=data({"hold": what}))
        for what in HOLDS
    ),
    *(
        Broken(f"send {what!r}", row=data({"send": what}))
        for what in SENDS
    ),
    Broken("a topic of 10,000 characters", row=data({"topic": "x" * 10_000})),
    # The row
    Broken("an absurd priority", row={"priority": "!!! URGENT " * 20}),
    Broken("due since for ever", row={"scheduled_for": "-infinity"}),
    Broken("never due", "queued", row={"scheduled_for": "infinity"}),
    Broken("made at the end of time", row={"created_at": "infinity"}),
    Broken("made before all time", row={"created_at": "-infinity"}),
    Broken("100 kB", "failed 21617", row={"final_message": f"{SECRET} " * 4_200}),
    Broken("no words", "failed 21602", row={"final_message": ""}),
    Broken("somebody's conversation", row={"conversation_context_id": SOMEBODY}),
    Broken("a time of sending before it was sent", row={"sent_at": "2026-01-01"}),
    Broken(
        "a total without a place",
        "queued sequence_incomplete",
        row={"sequence_id": uuid4(), "sequence_total": 3},
    ),
    Broken(
        "a total of all numbers",
        "queued sequence_incomplete",
        row={"sequence_id": uuid4(), "sequence_position": 1, "sequence_total": LARGEST},
    ),
    Broken(
        "a total of less than nothing",
        row={"sequence_id": uuid4(), "sequence_position": 1, "sequence_total": -LARGEST},
    ),
    Broken(
        "a place before the first", row={"sequence_id": uuid4(), "sequence_position": -LARGEST - 1}
    ),
    Broken(
        "a place without the one before it",
        "failed sequence",
        row={"sequence_id": uuid4(), "sequence_position": LARGEST, "sequence_total": 1},
    ),
    Broken("a place in no sequence", row={"sequence_position": 2, "sequence_total": 2}),
    Broken("a sequence of one, uncounted", row={"sequence_id": uuid4()}),
    Broken(
        "in flight since nobody knows when",
        "queued",
        before="insert into messages (id, user_id, conversation_id, role, content, direction)"
        " select %(row)s, user_id, id, 'assistant', '', 'outbound' from conversations"
        " where user_id = %(member)s;"
        " update message_queue set delivered_message_id = id where id = %(row)s",
    ),
    Broken(
        "a message under its id that is another",
        "queued 23505",
        before="insert into messages (id, user_id, conversation_id, role, content, direction)"
        " select %(row)s, user_id, id, 'user', '', 'inbound' from conversations"
        " where user_id = %(member)s",
    ),
)  # fmt: skip


@pytest.fixture(scope="module")
def own() -> Iterator[StackUnderTest]:
    """A stack of this module's own, at noon."""
    with noon_stack() as running:
        yield running


def add(
    connection: psycopg.Connection[DictRow], stack: StackUnderTest, nth: int, broken: Broken
) -> UUID:
    """A member and their row, due an hour ago; the row's id."""
    now = stack_now(stack)
    member, row_id = uuid4(), uuid4()
    user = {"id": member, "phone_number": f"+1212555{4000 + nth}"} | broken.member
    row = {
        "id": row_id,
        "user_id": member,
        "agent_id": "concierge",
        "message_data": Jsonb({}),
        "final_message": f"{SECRET} {nth}",
        "scheduled_for": now - timedelta(hours=1) + timedelta(milliseconds=nth),
        "created_at": now - timedelta(minutes=1),
        "priority": "high",
    } | broken.row
    conversation = {"user_id": member, "phone_number": "", "status": "active"}
    tables = (("users", user), ("conversations", conversation), ("message_queue", row))
    for table, columns in tables:
        connection.execute(
            f"insert into {table} ({', '.join(columns)})"  # noqa: S608
            f" values ({', '.join(['%s'] * len(columns))})".encode(),
            list(columns.values()),
        )
    named = {"member": member, "row": row_id, "today": now.date()}
    for statement in filter(None, broken.before.split(";")):
        connection.execute(statement.encode(), named)
    return row_id


def end_of(row: dict[str, Any]) -> str:
    """The row's status, and why it is not sent."""
    held = row["message_data"] if isinstance(row["message_data"], dict) else {}
    if row["status"] == "sent":
        return "sent"
    rule = held["hold"]["rule"] if isinstance(held.get("hold"), dict) else None
    return f"{row['status']} {held.get('error_code') or rule or ''}".strip()


def test_broken_rows_delay_nobody_and_say_what_is_wrong_with_them(own: StackUnderTest) -> None:
    with own.connect() as connection:
        connection.execute("alter table message_queue drop constraint message_queue_user_id_fkey")
        broken = {add(connection, own, nth, what): what for nth, what in enumerate(BROKEN)}
        good = TEXTS - len(broken)
        now = stack_now(own)
        connection.execute(
            "with u as (insert into users (phone_number)"
            " select '+1646555' || (1000 + n) from generate_series(1, %s) as n"
            " returning id, phone_number),"
            " c as (insert into conversations (user_id, phone_number, status)"
            " select id, phone_number, 'active' from u)"
            " insert into message_queue (user_id, agent_id, message_data, final_message,"
            " scheduled_for) select id, 'concierge', '{}', 'good', %s from u",
            (good, now),
        )
        own.run_schedule("message_orchestrator")
        rows = connection.execute(
            "select id, status, message_data from message_queue where id = any(%s)", (list(broken),)
        ).fetchall()
        (left,) = connection.execute(
            "select count(*) as n from message_queue"
            " where final_message = 'good' and status <> 'sent'"
        ).fetchall()

    taken = Counter(without_notice(message["body"]) for message in taken_by_twilio(own))
    assert taken["good"] == good
    assert left["n"] == 0
    ends = {broken[row["id"]].what: end_of(row) for row in rows}
    assert ends == {what.what: what.ends for what in BROKEN}
    for file in (own.directory / "logs").glob("*.log"):
        assert SECRET not in file.read_text(encoding="utf-8", errors="replace"), file.name
