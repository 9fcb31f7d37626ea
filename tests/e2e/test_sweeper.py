"""What wake-ups, webhooks and deliveries miss is found by the sweeper, and found once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import httpx
import pytest

from tests.support.stack import StackUnderTest, wait_for
from tests.support.texting import Phone, control_twilio, until_by_ticks


@pytest.fixture
def no_webhook(stack: StackUnderTest) -> Iterator[None]:
    """Twilio records texts and none of its webhook calls arrive."""
    control_twilio(stack, webhook={"drop": 1.0})
    yield
    control_twilio(stack, webhook={"drop": 0.0})


@pytest.mark.usefixtures("no_webhook")
def test_a_text_that_the_webhook_missed_is_found_once(stack: StackUnderTest) -> None:
    phone = Phone(stack)
    phone.text_through_twilio("is anybody there?")
    for _ in range(3):
        stack.run_schedule("event_sweeper")
    phone.wait_for_texts(1)
    phone.wait_until_idle()
    assert phone.turns() == [["is anybody there?"]]
    assert len(phone.received()) == 1


@pytest.mark.usefixtures("no_webhook")
def test_sweepers_at_the_same_time_find_each_text_once(stack: StackUnderTest) -> None:
    phones = [Phone(stack) for _ in range(5)]
    for phone in phones:
        phone.text_through_twilio("hello there")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(stack.run_schedule, ["event_sweeper"] * 4))
    for phone in phones:
        phone.wait_for_texts(1)
        phone.wait_until_idle()
        assert len(phone.received()) == len(phone.texts_recorded()) == 1


def test_a_webhook_call_that_comes_after_all_is_a_duplicate(stack: StackUnderTest) -> None:
    phone = Phone(stack)
    control_twilio(stack, webhook={"drop": 1.0})
    sid = phone.text_through_twilio("better late")
    control_twilio(stack, webhook={"drop": 0.0})
    stack.run_schedule("event_sweeper")
    phone.wait_for_texts(1)
    assert phone.post(phone.form("better late", MessageSid=sid, SmsSid=sid)).status_code == 200
    stack.run_schedule("event_sweeper")
    phone.wait_until_idle()
    assert len(phone.received()) == len(phone.texts_recorded()) == 1


@pytest.mark.usefixtures("no_webhook")
def test_a_text_that_the_database_refuses_keeps_nobody_from_being_found(
    stack: StackUnderTest,
) -> None:
    refused, phone = Phone(stack), Phone(stack)
    check = "alter table messages add constraint refusing check (content <> 'refuse me') not valid"
    with stack.connect() as session:
        session.execute(check.encode())
    try:
        refused.text_through_twilio("refuse me")
        phone.text_through_twilio("is anybody there?")
        assert stack.run_schedule("event_sweeper")["refused"] == 1
        phone.wait_for_texts(1)
    finally:
        with stack.connect() as session:
            session.execute("alter table messages drop constraint refusing")
    stack.run_schedule("event_sweeper")
    refused.wait_for_texts(1)


@pytest.mark.usefixtures("no_webhook")
def test_texts_are_found_in_the_order_in_which_they_were_sent(stack: StackUnderTest) -> None:
    phone = Phone(stack)
    bodies = ["hello there", "I'm Tia Brandt", "CTO at Acme"]
    for body in bodies:
        phone.text_through_twilio(body)
    stack.run_schedule("event_sweeper")
    phone.wait_for_texts(1)
    phone.wait_until_idle()
    assert [text for turn in phone.turns() for text in turn] == bodies


@pytest.mark.usefixtures("no_webhook")
def test_a_missed_picture_is_answered_honestly(stack: StackUnderTest) -> None:
    phone = Phone(stack)
    phone.text_through_twilio("", "image/png")
    stack.run_schedule("event_sweeper")
    assert "open" in phone.wait_for_texts(1)[0]


def test_a_missed_stop_is_obeyed(stack: StackUnderTest) -> None:
    phone = Phone(stack)
    phone.converse("hi there")
    phone.text_that_misses_us("STOP")
    stack.run_schedule("event_sweeper")
    (conversation,) = phone.rows(
        "select status from conversations where user_id = %s", phone.user()["id"]
    )
    assert conversation["status"] == "archived"


def test_an_event_is_announced_again_when_its_retry_is_due(
    stack: StackUnderTest,
) -> None:
    phone = Phone(stack)
    phone.converse("hi there")
    (event,) = phone.rows(
        "insert into events (event_type, aggregate_type, aggregate_id, payload, metadata)"
        " select 'user.opted_in', 'user', id, '{\"keyword\": \"START\"}',"
        " jsonb_build_object('retry_at', %s::timestamptz)"
        " from users where phone_number = %s returning id",
        stack.now() + timedelta(seconds=60),
        phone.number,
    )
    stack.advance(61)

    def processed() -> bool:
        stack.run_schedule("event_sweeper")
        (row,) = phone.rows("select processed from events where id = %s", event["id"])
        return bool(row["processed"])

    wait_for(processed, "retried event")
    (after,) = phone.rows("select * from events where id = %s", event["id"])
    assert after["metadata"]["published"] >= 1


def test_a_text_whose_lease_is_held_by_another_is_left_to_them(stack: StackUnderTest) -> None:
    phone, token = Phone(stack), uuid4()
    phone.converse("hi there")
    phone.rows(
        "insert into events (event_type, aggregate_type, aggregate_id, payload, metadata)"
        " select 'user.opted_in', 'user', id, '{\"keyword\": \"START\"}', jsonb_build_object("
        " 'attempt', 1, 'lease', jsonb_build_object("
        " 'token', %s::text, 'until', %s::timestamptz))"
        " from users where phone_number = %s returning id",
        str(token),
        stack.now() + timedelta(minutes=30),
        phone.number,
    )
    phone.text("hello?")
    stack.run_schedule("event_sweeper")
    assert len(phone.received()) == 1
    assert not phone.inbound_events()[-1]["processed"]
    # Nothing of it is left to others' tests, which wait until the stack is quiet.
    phone.rows("update events set metadata = '{}' where metadata #>> '{lease,token}' = %s"
               " returning id", str(token))  # fmt: skip
    until_by_ticks(stack, "event_sweeper", phone.is_idle, "answer after the lease")
    assert len(phone.received()) == 2


def tick(stack: StackUnderTest, at: str) -> dict[str, int]:
    """Cloud Scheduler's call of that time."""
    answer = httpx.post(
        stack.description["functions"]["event_sweeper"],
        json={"passes": 1},
        headers={"X-CloudScheduler-ScheduleTime": at},
        timeout=60,
    )
    counts: dict[str, int] = answer.raise_for_status().json()
    return counts


def test_the_first_tick_of_an_hour_begins_a_broken_chain_of_reviews_anew(
    stack: StackUnderTest,
) -> None:
    phone = Phone(stack)
    phone.converse("hi there")
    phone.verify()
    reviews = "select status from agent_tasks where user_id = %s and task_type like %s"
    of_mine = (phone.user()["id"], "account_manager_review")
    with stack.paused("event_sweeper"):
        assert tick(stack, "2026-11-22T10:01:00Z")["restored"] == 0
        assert phone.rows(reviews, *of_mine) == []
        assert tick(stack, "2026-11-22T11:00:00Z")["restored"] >= 1
        assert phone.rows(reviews, *of_mine) == [{"status": "pending"}]


def test_the_first_tick_of_an_hour_deletes_what_has_been_finished_for_long(
    stack: StackUnderTest,
) -> None:
    phone = Phone(stack)

    def left() -> set[object]:
        found = phone.rows("select id from events where id = any(%s)", [old, recent])
        return {row["id"] for row in found}

    with stack.paused("event_sweeper"):  # its own tick may be an hour's first
        old, recent = (
            phone.rows(
                "insert into events (event_type, payload, processed, created_at) values"
                " ('user.onboarding_completed', '{}', true, %s) returning id",
                stack.now() - timedelta(days=days),
            )[0]["id"]
            for days in (181, 179)
        )
        assert tick(stack, "2026-11-22T10:01:00Z")["pruned"] == 0
        assert left() == {old, recent}
        assert tick(stack, "2026-11-22T11:00:00.5Z")["pruned"] >= 1
        assert left() == {recent}
