"""kill -9 in the middle: nothing is lost, nothing is doubled once the process is back."""

import os
import random
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from local.relay import envelope
from main import FUNCTIONS
from tests.support.stack import StackUnderTest, running_stack, wait_for
from tests.support.texting import (
    Phone,
    asked_of_claude,
    control_claude,
    control_twilio,
    kill,
    process_of,
    settle,
)

#: Longer than a turn's lease: what a dead process held is free after one step of the clock.
LEASE_RAN_OUT_S = 95


@pytest.fixture(scope="module")
def own() -> Iterator[StackUnderTest]:
    """A stack whose clock and processes these tests may ill-treat."""
    with running_stack() as running:
        yield running


@pytest.fixture(autouse=True)
def no_faults(own: StackUnderTest) -> Iterator[None]:
    """Each test begins and ends without faults."""
    yield
    control_claude(own, reset=True)
    control_twilio(own, reset=True, callbacks={"drop": 0.0})


def text_and_wait_for_claude(phone: Phone, body: str, delay_ms: int) -> None:
    """Send a text and wait until its turn waits for Claude, which takes so long to answer."""
    control_claude(phone.stack, reset=True, delay_ms=delay_ms)
    phone.text(body)
    wait_for(lambda: asked_of_claude(phone.stack), "question to Claude")
    control_claude(phone.stack, delay_ms=0)


def assert_answered_once(phone: Phone, *bodies: str) -> None:
    """Every text is recorded once and in one turn; every turn has one answer, and none is dead."""
    assert sorted(row["content"] for row in phone.texts_recorded()) == sorted(bodies)
    assert not any("dead" in event["metadata"] for event in phone.inbound_events())
    assert sorted(text for turn in phone.turns() for text in turn) == sorted(bodies)
    assert len(phone.received()) == len(phone.turns())
    assert [row["status"] for row in phone.queued_rows()] == ["sent"] * len(phone.turns())
    assert len(phone.texts_recorded("outbound")) == len(phone.turns())


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_killed_in_the_middle_of_a_turn_loses_and_doubles_nothing(
    own: StackUnderTest, function: str
) -> None:
    phone = Phone(own)
    text_and_wait_for_claude(phone, "hi, I'm Ada Byron", 1500)
    kill(own, function)
    settle(own, phone, step_s=LEASE_RAN_OUT_S)
    assert_answered_once(phone, "hi, I'm Ada Byron")
    assert phone.user()["last_name"] == "Byron"
    phone.converse("CTO at Acme")


@pytest.mark.parametrize("process", ["supabase", "postgres", "relay", "claude", "twilio"])
def test_a_service_killed_in_the_middle_of_a_turn_delays_texts_and_loses_nothing(
    own: StackUnderTest, process: str
) -> None:
    phone = Phone(own)
    text_and_wait_for_claude(phone, "hi there", 700)
    kill(own, process)
    phone.text("still there?")
    settle(own, phone, step_s=LEASE_RAN_OUT_S)
    assert_answered_once(phone, "hi there", "still there?")


def test_a_processor_killed_between_acceptance_and_record_does_not_send_again(
    own: StackUnderTest,
) -> None:
    phone = Phone(own)
    # Without callbacks, only the listing can tell that Twilio took the text.
    control_twilio(own, fail="timeout_after", times=1, callbacks={"drop": 1.0})
    phone.text("hi there")
    phone.wait_for_texts(1)
    kill(own, "event_processor")
    control_twilio(own, reset=True, callbacks={"drop": 0.0})
    assert [row["status"] for row in phone.texts_recorded("outbound")] == ["sending"]
    settle(own, phone)
    assert_answered_once(phone, "hi there")
    (message,) = phone.texts_recorded("outbound")
    assert message["twilio_message_sid"].startswith("SM")


def test_a_processor_killed_before_acceptance_sends_the_text_once(own: StackUnderTest) -> None:
    phone = Phone(own)
    control_twilio(own, fail="timeout_before", times=1)
    phone.text("hi there")
    wait_for(lambda: phone.texts_recorded("outbound"), "text in flight")
    kill(own, "event_processor")
    settle(own, phone)
    assert_answered_once(phone, "hi there")


def test_receipts_that_come_while_their_function_is_down_are_not_lost(own: StackUnderTest) -> None:
    phone = Phone(own)
    phone.text("hi there")
    phone.wait_for_texts(1)
    kill(own, "twilio_status")

    def delivered() -> bool:
        return [row["status"] for row in phone.texts_recorded("outbound")] == ["delivered"]

    wait_for(delivered, "delivered answer")


def test_a_webhook_killed_again_and_again_records_each_text_once(own: StackUnderTest) -> None:
    phone = Phone(own)
    bodies = []
    for nth in range(3):
        bodies += [f"text number {nth}", f"more of number {nth}"]
        phone.text(bodies[-2])
        kill(own, "twilio_webhook")
        phone.text(bodies[-1])
    settle(own, phone)
    assert_answered_once(phone, *bodies)


def test_a_webhook_killed_while_it_records_is_tried_again_by_twilio_to_one_effect(
    own: StackUnderTest,
) -> None:
    phones = [Phone(own) for _ in range(12)]
    with ThreadPoolExecutor(len(phones)) as pool:
        texts = [pool.submit(phone.text, "hi there") for phone in phones]
        wait_for(lambda: any(phone.texts_recorded() for phone in phones), "first text")
        kill(own, "twilio_webhook")
        for text in texts:
            text.result()
    settle(own, *phones)
    for phone in phones:
        assert_answered_once(phone, "hi there")


def test_a_turn_that_outlives_its_lease_is_decided_by_another_and_sent_once(
    own: StackUnderTest,
) -> None:
    phone = Phone(own)
    phone.converse("good morning")
    text_and_wait_for_claude(phone, "hi there", 5000)
    event = phone.inbound_events()[-1]
    own.advance(LEASE_RAN_OUT_S)
    push = httpx.post(
        own.description["functions"]["event_processor"], json=envelope(str(event["id"])), timeout=30
    )
    assert push.json() == {"outcome": "applied"}

    def both_logged() -> bool:
        return len(phone.rows(
            "select 1 from agent_actions_log where user_id = %s", phone.user()["id"]
        )) >= 3  # fmt: skip

    wait_for(both_logged, "log of the turn that came too late", 20)
    assert_answered_once(phone, "good morning", "hi there")
    after = phone.inbound_events()[-1]
    assert after["metadata"]["done"]["token"] != event["metadata"]["lease"]["token"]


def test_a_storm_of_kills_loses_and_doubles_no_text(own: StackUnderTest) -> None:
    chance = random.Random(2)
    phones = [Phone(own) for _ in range(12)]
    bodies = ("hi there", "I'm Noor Aziz", "CTO at Acme")
    control_claude(own, delay_ms=150)

    def talk(phone: Phone) -> None:
        for body in bodies:
            phone.text(body)

    with ThreadPoolExecutor(len(phones)) as pool:
        talks = [pool.submit(talk, phone) for phone in phones]
        while not all(talk.done() for talk in talks):
            name = chance.choice([*FUNCTIONS, "supabase", "relay"])
            os.kill(process_of(own, name), signal.SIGKILL)
            kill(own, "event_processor")
        for each in talks:
            each.result()
    control_claude(own, delay_ms=0)
    settle(own, *phones)
    for phone in phones:
        assert_answered_once(phone, *bodies)
