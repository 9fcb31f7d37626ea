"""Claude or Twilio fails: the text waits, is answered once, and no attempt is counted."""

from collections.abc import Iterator
from urllib.parse import urlencode

import httpx
import pytest

from lib.domain.messaging import OUTAGE_TEXT
from tests.support.stack import StackUnderTest, running_stack, wait_for
from tests.support.texting import (
    Phone,
    control_claude,
    control_twilio,
    new_sid,
    post_form,
    settle,
)

CLAUDE_FAULTS = ["429", "500", "529", "timeout_before", "timeout_after", "garbage"]
TWILIO_FAULTS = ["429", "500", "500_after", "timeout_before", "timeout_after", "garbage"]
#: Longer than the 10 s that a request to Twilio may take.
TWILIO_HANGS_MS = 10_500


@pytest.fixture(scope="module")
def own() -> Iterator[StackUnderTest]:
    """A stack whose clock these tests move."""
    with running_stack() as running:
        yield running


@pytest.fixture(autouse=True)
def no_faults(own: StackUnderTest) -> Iterator[None]:
    """Each test begins and ends without faults."""
    yield
    control_claude(own, reset=True)
    control_twilio(own, reset=True)


@pytest.fixture(scope="module")
def texted_in_twilios_faults(own: StackUnderTest) -> dict[str, Phone]:
    """A phone for each fault, whose answer met it at its first attempt; settled since.

    All callbacks of that time were lost. The faults are met side by side, since some take long.
    """
    phones = {fault: Phone(own) for fault in TWILIO_FAULTS}
    with own.paused("message_orchestrator"):  # a second attempt would meet another's fault
        _meet(own, phones)
    settle(own, *phones.values())
    return phones


def _meet(own: StackUnderTest, phones: dict[str, Phone]) -> None:
    control_twilio(own, callbacks={"drop": 1.0}, hang_ms=TWILIO_HANGS_MS)
    for fault in sorted(TWILIO_FAULTS, key=lambda fault: "timeout" not in fault):
        control_twilio(own, fail=fault, times=1)
        phones[fault].text("hi there")
        wait_for(lambda: _faults_left(own) == 0, f"call that meets {fault}")

    def all_recorded() -> bool:
        rows = [row for phone in phones.values() for row in phone.queued_rows()]
        data = [row["message_data"] for row in rows]
        return len(data) == len(phones) and all(
            "error_code" in row or "error" in row["send"] for row in data
        )

    wait_for(all_recorded, "record of every failure", 25)
    control_twilio(own, reset=True)


def _faults_left(stack: StackUnderTest) -> int:
    times: int = httpx.get(stack.description["twilio"]["control"]).json()["times"]
    return times


@pytest.mark.parametrize("fault", TWILIO_FAULTS)
def test_a_failure_of_twilio_leaves_a_text_sent_exactly_once(
    texted_in_twilios_faults: dict[str, Phone], fault: str
) -> None:
    phone = texted_in_twilios_faults[fault]
    (received,) = phone.received()
    (queued,) = phone.queued_rows()
    (message,) = phone.texts_recorded("outbound")
    assert queued["status"] == "sent"
    assert message["id"] == queued["id"] == queued["delivered_message_id"]
    assert message["twilio_message_sid"].startswith("SM")
    assert message["content"] == queued["final_message"] == received
    was_taken_the_first_time = fault in ("500_after", "timeout_after")
    assert queued["message_data"]["attempts"] == (1 if was_taken_the_first_time else 2)


@pytest.mark.parametrize("fault", ["500_after", "timeout_after"])
def test_a_callback_proves_acceptance_that_the_answer_did_not(
    own: StackUnderTest, fault: str
) -> None:
    phone = Phone(own)
    control_twilio(own, fail=fault, times=1, hang_ms=600)
    phone.text("hi there")

    def delivered() -> bool:
        return [row["status"] for row in phone.texts_recorded("outbound")] == ["delivered"]

    wait_for(delivered, "delivered text")
    assert [row["status"] for row in phone.queued_rows()] == ["sent"]
    settle(own, phone)
    assert len(phone.received()) == 1


@pytest.mark.parametrize("fault", CLAUDE_FAULTS)
def test_a_failure_of_claude_is_retried_and_not_counted(own: StackUnderTest, fault: str) -> None:
    phone = Phone(own)
    control_claude(own, fail=fault, times=2, hang_ms=200)
    phone.text("hi there")

    def rescheduled() -> bool:
        (event,) = phone.inbound_events()
        return "retry_at" in event["metadata"] and event["metadata"]["attempt"] == 0

    wait_for(rescheduled, "recorded failure")
    assert phone.received() == []
    settle(own, phone)
    assert len(phone.received()) == 1
    (event,) = phone.inbound_events()
    assert event["metadata"]["attempt"] == 1
    assert "dead" not in event["metadata"]
    errors = phone.rows(
        "select error from agent_actions_log where user_id = %s order by created_at",
        phone.user()["id"],
    )
    assert [bool(row["error"]) for row in errors] == [True, True, False]


def test_half_an_hour_without_claude_dead_letters_no_text(own: StackUnderTest) -> None:
    phones = [Phone(own) for _ in range(3)]
    control_claude(own, fail="529", times=10_000)
    for phone in phones:
        phone.text("hi there")
    for _ in range(30):
        own.advance(61)
    for phone in phones:
        phone.text("anybody home?")
    control_claude(own, reset=True)
    settle(own, *phones)
    for phone in phones:
        assert phone.turns() == [["hi there", "anybody home?"]]
        told, _ = phone.received()
        # It is also the first text to this number.
        assert OUTAGE_TEXT in told
        assert told.endswith("Yachtparty. Reply STOP to opt out, HELP for help.")
        assert not any("dead" in event["metadata"] for event in phone.inbound_events())


def test_receipts_doubled_and_out_of_order_end_delivered(own: StackUnderTest) -> None:
    control_twilio(own, callbacks={"duplicate": 0.7, "reorder": 0.7})
    phones = [Phone(own) for _ in range(5)]
    for phone in phones:
        phone.converse("hi")

    def delivered() -> bool:
        rows = [row for phone in phones for row in phone.texts_recorded("outbound")]
        return [row["status"] for row in rows] == ["delivered"] * len(phones)

    wait_for(delivered, "delivered texts", 30)


def test_receipts_that_never_come_change_nothing_else(own: StackUnderTest) -> None:
    phone = Phone(own)
    control_twilio(own, callbacks={"drop": 1.0})
    phone.converse("hi there", "I'm Mia Falk")
    settle(own, phone)
    own.advance(600)
    assert len(phone.received()) == 2
    assert {row["status"] for row in phone.queued_rows()} == {"sent"}
    assert {row["status"] for row in phone.texts_recorded("outbound")} == {"queued"}


def test_a_receipt_for_an_unknown_sid_is_kept(own: StackUnderTest) -> None:
    phone = Phone(own)
    url = own.description["functions"]["twilio_status"]
    form = {"MessageSid": new_sid(), "MessageStatus": "delivered"}
    for _ in range(2):
        answer = post_form(url, urlencode(form).encode(), phone.sign(url, form))
        assert answer.status_code == 204
    rows = phone.rows("select * from events where payload ->> 'sid' = %s", form["MessageSid"])
    assert [row["aggregate_type"] for row in rows] == ["receipt"]


def test_a_late_receipt_never_moves_a_text_back(own: StackUnderTest) -> None:
    phone = Phone(own)
    phone.converse("hi there")

    def status() -> str:
        (row,) = phone.texts_recorded("outbound")
        return str(row["status"])

    wait_for(lambda: status() == "delivered", "delivered text")
    (message,) = phone.texts_recorded("outbound")
    url = own.description["functions"]["twilio_status"]
    for late in ("queued", "sent", "failed", "undelivered", "delivered"):
        form = {"MessageSid": message["twilio_message_sid"], "MessageStatus": late}
        answer = post_form(url, urlencode(form).encode(), phone.sign(url, form))
        assert answer.status_code == 204
        assert phone.texts_recorded("outbound") == [message]
