"""The orchestrator sends no faster than the sender may, and nobody who has texted waits for it."""

import threading
from collections.abc import Iterator
from datetime import datetime

import pytest
from psycopg.types.json import Jsonb

from tests.support.rpc import without_notice
from tests.support.stack import StackUnderTest, running_stack
from tests.support.texting import Phone
from tests.support.twilio_texts import taken_by_twilio

SEGMENTS_A_SECOND = 4
TEXTS = 16
#: Two segments each.
BODY = "a" * 200


@pytest.fixture
def slow() -> Iterator[StackUnderTest]:
    """A stack whose sender has little throughput."""
    with running_stack({"TWILIO_SEGMENTS_PER_SECOND": str(SEGMENTS_A_SECOND)}) as running:
        yield running


def test_segments_leave_at_the_senders_pace_and_an_answer_at_once(slow: StackUnderTest) -> None:
    with slow.connect() as connection:
        connection.execute(
            "with u as (insert into users (phone_number)"
            " select '+1212555' || (3000 + n) from generate_series(1, %s) as n"
            " returning id, phone_number),"
            " c as (insert into conversations (user_id, phone_number, status)"
            " select id, phone_number, 'active' from u)"
            " insert into message_queue (user_id, agent_id, message_data, final_message,"
            " scheduled_for) select id, 'concierge', %s, %s, now() from u",
            (TEXTS, Jsonb({"kind": "system"}), BODY),
        )
    run = threading.Thread(target=slow.run_schedule, args=("message_orchestrator",))
    run.start()
    phone = Phone(slow)
    phone.converse("hi")
    run.join()

    taken = taken_by_twilio(slow)
    order = [without_notice(text["body"]) == BODY for text in taken]
    assert order.count(True) == TEXTS
    assert order[-1]  # the answer has overtaken what waited
    times = [
        datetime.fromisoformat(text["date_created"])
        for text, is_one in zip(taken, order, strict=True)
        if is_one
    ]
    # A batch leaves at once, at most a second's worth of texts; the times are whole seconds.
    least_s = 2 * (TEXTS - SEGMENTS_A_SECOND) / SEGMENTS_A_SECOND - 1
    assert (times[-1] - times[0]).total_seconds() >= least_s
