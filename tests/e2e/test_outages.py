"""Claude or Twilio fails: the text waits, is answered once, and no attempt is counted."""

from collections.abc import Iterator
from urllib.parse import urlencode

import pytest

from tests.support.stack import StackUnderTest, running_stack, wait_for
from tests.support.texting import (
    Phone,
    control_claude,
    control_twilio,
    new_sid,
    post_form,
    settle,
)


@pytest.fixture(scope="module")
def own() -> Iterator[StackUnderTest]:
    """A stack whose clock these tests move."""
    with running_stack({"SIM_HANG_MS": "11000"}) as running:
        yield running


@pytest.fixture(autouse=True)
def no_faults(own: StackUnderTest) -> Iterator[None]:
    """Each test begins and ends without faults."""
    yield
    control_claude(own, reset=True)
    control_twilio(own, reset=True, callbacks={"drop": 0.0, "duplicate": 0.0, "reorder": 0.0})


@pytest.mark.parametrize("fault", ["429", "500", "529", "garbage"])
def test_a_failure_of_claude_is_retried_and_not_counted(own: StackUnderTest, fault: str) -> None:
    phone = Phone(own)
    control_claude(own, fail=fault, times=2)
    phone.text("hi")

    def rescheduled() -> bool:
        (event,) = phone.inbound_events()
        return "retry_at" in event["metadata"] and event["metadata"]["attempt"] == 0

    wait_for(rescheduled, "recorded failure")
    settle(own, phone, 1)
    assert len(phone.received()) == 1
    (event,) = phone.inbound_events()
    assert event["metadata"]["attempt"] == 1
    errors = phone.rows(
        "select error from agent_actions_log where user_id = %s order by created_at",
        phone.user()["id"],
    )
    assert [bool(row["error"]) for row in errors] == [True, True, False]


def test_half_an_hour_without_claude_dead_letters_no_text(own: StackUnderTest) -> None:
    phone = Phone(own)
    control_claude(own, fail="529", times=1000)
    phone.text("hi")
    for _ in range(30):
        own.advance(61)
    control_claude(own, reset=True)
    settle(own, phone, 1)
    assert len(phone.received()) == 1


@pytest.mark.parametrize(
    "fault", ["429", "500", "500_after", "timeout_before", "timeout_after", "garbage"]
)
def test_a_failure_of_twilio_leaves_each_text_sent_exactly_once(
    own: StackUnderTest, fault: str
) -> None:
    phone = Phone(own)
    control_twilio(own, fail=fault, times=1, callbacks={"drop": 1.0}, hang_ms=11_000)
    phone.text("hi")

    def tried() -> bool:
        rows = phone.rows(
            "select message_data from message_queue q join users u on u.id = q.user_id"
            " where u.phone_number = %s",
            phone.number,
        )
        data = rows[0]["message_data"] if rows else {}
        return "error_code" in data or "error" in data.get("send", {})

    wait_for(tried, "recorded failure", 25)
    control_twilio(own, reset=True, callbacks={"drop": 0.0})
    settle(own, phone, 1, minutes=12)
    assert len(phone.received()) == 1
    (queued,) = phone.rows("select * from message_queue where user_id = %s", phone.user()["id"])
    assert queued["status"] == "sent"


def test_receipts_lost_doubled_and_out_of_order_end_delivered(own: StackUnderTest) -> None:
    control_twilio(own, callbacks={"duplicate": 0.7, "reorder": 0.7})
    phones = [Phone(own) for _ in range(5)]
    for phone in phones:
        phone.converse("hi")

    def delivered() -> bool:
        rows = phones[0].rows(
            "select m.status from messages m join users u on u.id = m.user_id"
            " where u.phone_number = any(%s) and m.direction = 'outbound'",
            [phone.number for phone in phones],
        )
        return [row["status"] for row in rows] == ["delivered"] * len(phones)

    wait_for(delivered, "delivered texts", 30)


def test_a_receipt_for_an_unknown_sid_is_kept(own: StackUnderTest) -> None:
    phone = Phone(own)
    url = own.description["functions"]["twilio_status"]
    form = {"MessageSid": new_sid(), "MessageStatus": "delivered"}
    for _ in range(2):
        answer = post_form(url, urlencode(form).encode(), phone.sign(url, form))
        assert answer.status_code == 204
    rows = phone.rows("select * from events where payload ->> 'sid' = %s", form["MessageSid"])
    assert [row["aggregate_type"] for row in rows] == ["receipt"]


def test_a_text_that_the_webhook_missed_is_found_by_the_sweeper_once(own: StackUnderTest) -> None:
    phone = Phone(own)
    phone.text_that_misses_us("is anybody there?")
    assert phone.received() == []
    for _ in range(3):
        own.run_schedule("event_sweeper")
    phone.wait_for_texts(1)
    phone.wait_until_idle()
    assert len(phone.received()) == len(phone.inbound_events()) == 1


def test_a_poison_event_dies_alone_and_the_members_texts_are_answered(own: StackUnderTest) -> None:
    phone = Phone(own)
    phone.converse("hi")
    poison = phone.rows(
        "insert into events (event_type, aggregate_type, aggregate_id, payload)"
        " select t.name, 'user', id, '{\"message_id\": 7}'"
        " from users, (values ('user.message.received'), ('nobody.knows_this')) t (name)"
        " where phone_number = %s returning id",
        phone.number,
    )
    phone.converse("are you there?")
    ids = [row["id"] for row in poison]

    def dead() -> bool:
        rows = phone.rows("select processed, metadata from events where id = any(%s)", ids)
        return all(row["processed"] and "dead" in row["metadata"] for row in rows)

    wait_for(dead, "dead letters", 20)
    assert len(phone.received()) == 2


def test_a_text_whose_lease_is_held_by_another_is_left_to_them(own: StackUnderTest) -> None:
    phone = Phone(own)
    phone.converse("hi")
    phone.rows(
        "insert into events (event_type, aggregate_type, aggregate_id, payload, metadata)"
        " select 'user.opted_in', 'user', id, '{\"keyword\": \"START\"}', jsonb_build_object("
        " 'attempt', 1, 'lease', jsonb_build_object("
        " 'token', gen_random_uuid(), 'until', now() + interval '1 day'))"
        " from users where phone_number = %s returning id",
        phone.number,
    )
    phone.text("hello?")
    own.run_schedule("event_sweeper")
    assert len(phone.received()) == 1
    assert not phone.inbound_events()[-1]["processed"]
