"""Twilio is slow, and a text that nobody asked for would arrive in the night."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.stack import StackUnderTest, running_stack, wait_for
from tests.support.texting import Phone, asked_of_claude, control_twilio, until_by_ticks
from tests.support.twilio_texts import taken_by_twilio


@pytest.fixture
def own() -> Iterator[StackUnderTest]:
    """A stack whose clock this test moves."""
    with running_stack() as running:
        yield running


def quiet_in(phone: Phone, hours: int) -> None:
    """The member's quiet hours begin in so many hours and last for two."""
    starts = datetime.now(UTC) + timedelta(hours=hours)
    phone.rows(
        "update users set timezone = 'UTC', quiet_hours_start = %s, quiet_hours_end = %s"
        " where phone_number = %s returning id",
        starts.time(),
        (starts + timedelta(hours=2)).time(),
        phone.number,
    )


def test_a_text_that_twilio_still_has_when_quiet_hours_begin_is_not_delivered_any_more(
    own: StackUnderTest,
) -> None:
    phone = Phone(own)
    phone.converse("hi")

    def reached(*statuses: str) -> bool:
        return phone.texts_recorded("outbound")[-1]["status"] in statuses

    # What Twilio is told to hold then would be the answer, too.
    wait_for(lambda: reached("delivered"), "delivered answer")
    phone.wait_until_idle()
    quiet_in(phone, hours=1)
    control_twilio(own, hold=True)
    phone.rows(
        "insert into message_queue (user_id, agent_id, message_data, final_message, scheduled_for)"
        " select id, 'concierge', '{}', 'By the way.', now() from users where phone_number = %s"
        " returning id",
        phone.number,
    )
    until_by_ticks(own, "message_orchestrator", lambda: reached("accepted", "queued"), "taken text")
    own.advance(3500)
    assert reached("accepted", "queued")
    own.advance(200)
    wait_for(lambda: reached("failed"), "expired text")
    assert phone.queued_rows()[-1]["message_data"]["error_code"] == "30036"
    control_twilio(own, hold=False)
    late = [t["status"] for t in taken_by_twilio(own) if t["body"] == "By the way."]
    assert late == ["failed"]
    # An answer is awaited: it leaves in quiet hours, too; its agent knows of the lost one.
    phone.converse("hello?")
    asked = json.dumps(asked_of_claude(own)[-1])
    assert "(not delivered) By the way." in asked
