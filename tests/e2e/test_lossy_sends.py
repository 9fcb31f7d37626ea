"""Twilio fails every other call and loses receipts, and every text still leaves exactly once.

All texts of a member read the same, so that nothing but the SID tells them apart.
"""

from collections import Counter
from collections.abc import Iterator

import httpx
import pytest
from psycopg.types.json import Jsonb

from tests.support.stack import StackUnderTest, running_stack
from tests.support.texting import control_twilio
from tests.support.twilio_texts import taken_by_twilio

SEED = 5
MEMBERS = 100
TEXTS = 4
BODY = "Noted."
#: 40 % of the calls: 22 % fail before Twilio has the text, 18 % after.
FAULTS = {
    "429": 0.08,
    "500": 0.08,
    "garbage": 0.04,
    "timeout_before": 0.02,
    "500_after": 0.13,
    "timeout_after": 0.05,
}
RECEIPTS = {"drop": 0.3, "duplicate": 0.2, "reorder": 0.4}
HANGS_MS = 300
STEP_S = 61
#: Far more than are needed: a text that meets nothing but faults takes four for each.
MOST_STEPS = 60


@pytest.fixture
def own() -> Iterator[StackUnderTest]:
    """A stack whose clock this test moves."""
    with running_stack() as running:
        yield running


def left(stack: StackUnderTest) -> int:
    """Texts that have not left for certain."""
    with stack.connect() as connection:
        (found,) = connection.execute(
            "select count(*) as n from message_queue where status = 'queued'"
        ).fetchall()
    number: int = found["n"]
    return number


def test_four_hundred_texts_through_a_failing_twilio_leave_exactly_once(
    own: StackUnderTest,
) -> None:
    control_twilio(
        own, rates=FAULTS, seed=SEED, hang_ms=HANGS_MS, callbacks=RECEIPTS | {"seed": SEED}
    )
    with own.connect() as connection:
        connection.execute(
            "with u as (insert into users (phone_number)"
            " select '+1212555' || (3000 + n) from generate_series(1, %s) as n"
            " returning id, phone_number),"
            " c as (insert into conversations (user_id, phone_number, status)"
            " select id, phone_number, 'active' from u)"
            " insert into message_queue (user_id, agent_id, message_data, final_message,"
            " scheduled_for) select u.id, 'concierge', %s, %s, now()"
            " from u, generate_series(1, %s)",
            (MEMBERS, Jsonb({"kind": "system"}), BODY, TEXTS),
        )
    for _ in range(MOST_STEPS):
        if not left(own):
            break
        own.advance(STEP_S)

    taken = taken_by_twilio(own)
    assert Counter(text["to"] for text in taken) == {
        f"+1212555{3001 + n}": TEXTS for n in range(MEMBERS)
    }
    with own.connect() as connection:
        rows = connection.execute(
            "select q.status, m.twilio_message_sid as sid, m.status as reached, q.message_data"
            " from message_queue as q left join messages as m on m.id = q.id"
        ).fetchall()
    assert {row["status"] for row in rows} == {"sent"}
    assert {row["sid"] for row in rows} == {text["sid"] for text in taken}
    # What each cost is known, however its acceptance was learnt.
    costs = {(row["message_data"]["segments"], row["message_data"]["cost_usd"]) for row in rows}
    assert costs == {(1, 0.0118)}
    # What was lost stays lost; what came, in any order, moved the text forward only.
    assert {row["reached"] for row in rows} <= {"accepted", "queued", "sent", "delivered"}
    assert Counter(row["reached"] for row in rows)["delivered"] > MEMBERS * TEXTS / 2
    _check_weather(own)


def _check_weather(stack: StackUnderTest) -> None:
    """It was as bad as it was meant to be."""
    control = httpx.get(stack.description["twilio"]["control"]).raise_for_status().json()
    suffered, dealt = control["suffered"], control["callbacks"]["dealt"]
    assert set(suffered) == set(FAULTS)
    assert sum(suffered.values()) > MEMBERS * TEXTS / 3
    assert dealt["drop"] > MEMBERS * TEXTS / 2
    assert dealt["reorder"] > MEMBERS * TEXTS / 2
