"""kill -9 in the middle: nothing is lost, nothing is doubled once the process is back."""

import os
import signal
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.support.stack import StackUnderTest, running_stack, wait_for
from tests.support.texting import Phone, control_claude, control_twilio, settle


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
    control_twilio(own, reset=True)


def kill(stack: StackUnderTest, name: str) -> None:
    """kill -9, and wait until another process answers in its place."""
    pid = stack.pids()[name]
    os.kill(pid, signal.SIGKILL)

    def back() -> bool:
        if stack.pids()[name] == pid:
            return False
        try:
            address = stack.description["functions"][name].rsplit("/", 1)[0]
            return httpx.get(f"{address}/robots.txt").status_code > 0
        except httpx.TransportError:
            return False

    wait_for(back, f"{name} back", 30)


def in_turn(phone: Phone) -> None:
    """Wait until the member's turn has been claimed."""
    wait_for(lambda: any("lease" in (e["metadata"] or {}) for e in phone.inbound_events()), "lease")


@pytest.mark.parametrize(
    "function",
    [
        "twilio_webhook",
        "twilio_status",
        "event_processor",
        "event_sweeper",
        "message_orchestrator",
    ],
)
def test_a_function_killed_in_the_middle_of_a_turn_loses_and_doubles_nothing(
    own: StackUnderTest, function: str
) -> None:
    phone = Phone(own)
    control_claude(own, delay_ms=1500)
    phone.text("hi, I'm Ada Byron")
    in_turn(phone)
    kill(own, function)
    control_claude(own, delay_ms=0)
    settle(own, phone, 1)
    assert len(phone.received()) == 1
    (event,) = phone.inbound_events()
    assert event["processed"]
    assert "dead" not in event["metadata"]
    assert phone.user()["last_name"] == "Byron"
    assert phone.converse("CTO at Acme")[1:]


def test_a_processor_killed_between_acceptance_and_record_does_not_send_again(
    own: StackUnderTest,
) -> None:
    phone = Phone(own)
    # Without callbacks, only the listing can tell that Twilio took the text.
    control_twilio(own, fail="timeout_after", times=1, callbacks={"drop": 1.0})
    phone.text("hi")
    phone.wait_for_texts(1)
    kill(own, "event_processor")
    control_twilio(own, reset=True, callbacks={"drop": 0.0})
    settle(own, phone, 1)
    assert len(phone.received()) == 1
    (queued,) = phone.rows("select * from message_queue where user_id = %s", phone.user()["id"])
    assert queued["status"] == "sent"
    (message,) = phone.rows("select * from messages where id = %s", queued["id"])
    assert message["twilio_message_sid"].startswith("SM")


def test_a_webhook_killed_again_and_again_records_each_text_once(own: StackUnderTest) -> None:
    phone = Phone(own)
    for nth in range(3):
        phone.text(f"text {nth}")
        kill(own, "twilio_webhook")
        phone.text(f"more {nth}")
    settle(own, phone, 1)
    phone.wait_until_idle(60)
    inbound = phone.rows(
        "select content from messages where user_id = %s and direction = 'inbound'",
        phone.user()["id"],
    )
    assert sorted(m["content"] for m in inbound) == sorted(
        f"{word} {nth}" for nth in range(3) for word in ("text", "more")
    )
    turns = {e["metadata"]["done"]["token"] for e in phone.inbound_events()}
    assert len(phone.received()) == len(turns)


def test_a_dead_database_delays_a_text_and_loses_nothing(own: StackUnderTest) -> None:
    phone = Phone(own)
    control_claude(own, delay_ms=1000)
    phone.text("hi")
    in_turn(phone)
    with own.connect() as connection:
        (row,) = connection.execute("select pg_read_file('postmaster.pid') as file").fetchall()
    os.kill(int(row["file"].split()[0]), signal.SIGKILL)
    control_claude(own, delay_ms=0)
    phone.text("still there?")
    time.sleep(1)
    settle(own, phone, 1)
    phone.wait_until_idle(60)
    events = phone.inbound_events()
    assert [e["processed"] for e in events] == [True, True]
    assert not any("dead" in e["metadata"] for e in events)
    assert len(phone.received()) == len({e["metadata"]["done"]["token"] for e in events})
