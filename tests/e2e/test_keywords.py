"""STOP, START and HELP (behaviour.md, "Opt-out"), with Twilio answering them itself and without."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from lib.domain import messaging
from tests.support.stack import StackUnderTest, running_stack
from tests.support.texting import Phone, control_claude, control_twilio, settle, until_by_ticks

STOP_WORDS = ["STOP", "stopall", " Unsubscribe ", "CANCEL", "End", "QUIT", "Revoke", "optout\n"]


@pytest.fixture(scope="module")
def plain_stack() -> Iterator[StackUnderTest]:
    """A stack whose Twilio leaves keywords to us."""
    with running_stack({"TWILIO_HANDLES_KEYWORDS": "false"}) as running:
        yield running


def statuses(phone: Phone) -> list[str]:
    rows = phone.rows("select status from conversations where phone_number = %s", phone.number)
    return [row["status"] for row in rows]


def events(phone: Phone, event_type: str) -> list[str]:
    rows = phone.rows(
        "select e.payload ->> 'keyword' as word from events e join users u on u.id = e.aggregate_id"
        " where u.phone_number = %s and e.event_type = %s",
        phone.number,
        event_type,
    )
    return [row["word"] for row in rows]


def queue(phone: Phone, text: str, minutes: int) -> None:
    phone.rows(
        "insert into message_queue (user_id, agent_id, message_data, final_message, scheduled_for)"
        " select id, 'concierge', '{}', %s, %s from users where phone_number = %s returning id",
        text,
        phone.stack.now() + timedelta(minutes=minutes),
        phone.number,
    )


@pytest.mark.parametrize("word", STOP_WORDS)
def test_a_stop_word_archives_the_conversation_and_is_answered_by_twilio_alone(
    stack: StackUnderTest, word: str
) -> None:
    phone = Phone(stack)
    phone.converse("hi")
    queue(phone, "later", 60)
    phone.text(word)
    assert statuses(phone) == ["archived"]
    assert events(phone, "user.opted_out") == [word.strip().upper()]
    (queued,) = phone.rows(
        "select * from message_queue where final_message = 'later' and user_id = %s",
        phone.user()["id"],
    )
    assert (queued["status"], queued["superseded_reason"]) == ("superseded", "opted out")
    phone.wait_until_idle()
    assert len(phone.received()) == 1


def test_texts_after_stop_are_recorded_and_not_answered(stack: StackUnderTest) -> None:
    phone = Phone(stack)
    phone.converse("hi")
    for body in ("STOP", "hello?", "STOP"):
        phone.text(body)
    phone.wait_until_idle()
    inbound = phone.rows(
        "select content from messages where user_id = %s and direction = 'inbound'"
        " order by created_at",
        phone.user()["id"],
    )
    assert [m["content"] for m in inbound] == ["hi", "STOP", "hello?", "STOP"]
    assert len(phone.received()) == 1
    assert len(phone.inbound_events()) == 1
    assert events(phone, "user.opted_out") == ["STOP"]


@pytest.mark.parametrize("word", ["START", "unstop", "Yes"])
def test_start_reactivates_the_conversation_and_texts_are_answered_again(
    stack: StackUnderTest, word: str
) -> None:
    phone = Phone(stack)
    phone.converse("hi")
    phone.text("STOP")
    phone.text(word)
    assert statuses(phone) == ["active"]
    assert events(phone, "user.opted_in") == [word.upper()]
    assert len(phone.received()) == 1
    phone.text("I'm back")
    phone.wait_for_texts(2)


def test_yes_of_a_member_who_has_not_opted_out_is_an_ordinary_text(stack: StackUnderTest) -> None:
    phone = Phone(stack)
    phone.converse("hi", "yes")
    assert events(phone, "user.opted_in") == []


def test_a_first_text_stop_makes_a_member_who_is_never_texted(stack: StackUnderTest) -> None:
    phone = Phone(stack)
    phone.text("STOP")
    assert statuses(phone) == ["archived"]
    phone.text("hi")
    phone.wait_until_idle()
    assert phone.received() == []


def test_stop_during_a_turn_keeps_its_answer_from_being_sent(stack: StackUnderTest) -> None:
    phone = Phone(stack)
    control_claude(stack, delay_ms=2000)
    try:
        phone.text("hi")
        phone.text("stop")
        phone.wait_until_idle()
    finally:
        control_claude(stack, delay_ms=0)
    assert phone.received() == []
    replies = phone.rows("select * from message_queue where user_id = %s", phone.user()["id"])
    assert all(reply["status"] == "superseded" for reply in replies)


@pytest.mark.parametrize("word", ["HELP", "info"])
def test_help_is_left_to_twilio(stack: StackUnderTest, word: str) -> None:
    phone = Phone(stack)
    phone.converse("hi")
    phone.text(word)
    phone.wait_until_idle()
    assert len(phone.received()) == 1


def test_keyword_inside_a_sentence_is_no_keyword(stack: StackUnderTest) -> None:
    phone = Phone(stack)
    phone.converse("please stop by any time")
    assert statuses(phone) == ["active"]


def test_we_confirm_stop_and_start_once_where_twilio_does_not(plain_stack: StackUnderTest) -> None:
    phone = Phone(plain_stack)
    phone.converse("hi")
    phone.text("STOP")
    phone.wait_for_texts(2)
    phone.text("STOP")
    phone.text("hello?")
    phone.text("START")
    texts = phone.wait_for_texts(3)
    phone.wait_until_idle()
    assert texts[1:] == [messaging.STOP_CONFIRMATION, messaging.START_CONFIRMATION]
    assert len(phone.received()) == 3


def test_we_answer_help_with_the_fixed_text_where_twilio_does_not(
    plain_stack: StackUnderTest,
) -> None:
    phone = Phone(plain_stack)
    phone.text("help")
    assert phone.wait_for_texts(1) == [messaging.HELP_TEXT]
    assert not phone.rows("select 1 from agent_actions_log where user_id = %s", phone.user()["id"])


def test_help_is_answered_also_after_stop_and_nothing_else_is(plain_stack: StackUnderTest) -> None:
    phone = Phone(plain_stack)
    phone.converse("hi")
    phone.text("STOP")
    phone.wait_for_texts(2)
    phone.text("HELP")
    phone.text("hello?")
    until_by_ticks(
        plain_stack, "message_orchestrator", lambda: len(phone.received()) > 2, "answer to HELP"
    )
    assert phone.received()[2:] == [messaging.HELP_TEXT]
    phone.wait_until_idle()
    assert len(phone.received()) == 3
    assert statuses(phone) == ["archived"]


def test_twilios_error_21610_has_the_effect_of_stop(stack: StackUnderTest) -> None:
    for _ in range(3):
        phone = Phone(stack)
        phone.converse("hi")
        phone.text_that_misses_us("STOP")
        phone.text("are you there?")
        phone.wait_until_idle()
        assert statuses(phone) == ["archived"]
        if events(phone, "user.opted_out") == ["21610"]:
            return  # else the sweeper's tick came between and found the STOP itself
    pytest.fail("no text met the error")


def test_plain_words_are_obeyed_like_stop_and_confirmed_once_also_where_twilio_answers_keywords(
    stack: StackUnderTest,
) -> None:
    phone = Phone(stack)
    phone.converse("hi")
    queue(phone, "later", 60)
    for _ in range(2):
        phone.text("Please stop texting me!")
    phone.wait_for_texts(2)
    phone.wait_until_idle()
    assert phone.received()[1:] == [messaging.STOP_CONFIRMATION]
    assert statuses(phone) == ["archived"]
    assert events(phone, "user.opted_out") == [messaging.PLAIN_WORDS]


def test_start_after_plain_words_is_confirmed_by_us_since_twilio_knows_nothing_of_them(
    stack: StackUnderTest,
) -> None:
    phone = Phone(stack)
    phone.converse("hi")
    phone.text("Please stop texting me!")
    phone.wait_for_texts(2)
    phone.text("START")
    assert phone.wait_for_texts(3)[2:] == [messaging.START_CONFIRMATION]
    # The next opt-out is one that Twilio knows of.
    phone.text("STOP")
    phone.text("START")
    phone.wait_until_idle()
    assert len(phone.received()) == 3
    assert statuses(phone) == ["active"]


def test_the_confirmation_of_an_opt_out_survives_a_twilio_that_fails(
    plain_stack: StackUnderTest,
) -> None:
    phone = Phone(plain_stack)
    phone.converse("hi")
    control_twilio(plain_stack, fail="429", times=1)
    phone.text("opt out")
    settle(plain_stack, phone)
    assert phone.received()[1:] == [messaging.STOP_CONFIRMATION]
    assert statuses(phone) == ["archived"]
