"""Duplicates and simultaneous texts: one effect each, in order, under one lease."""

from concurrent.futures import ThreadPoolExecutor

from tests.support.stack import StackUnderTest
from tests.support.texting import Phone, control_claude


def test_the_same_sid_five_times_one_after_another_is_one_message_and_one_answer(
    stack: StackUnderTest,
) -> None:
    phone = Phone(stack)
    form = phone.form("hi")
    assert {phone.post(form).status_code for _ in range(5)} == {200}
    phone.wait_for_texts(1)
    phone.wait_until_idle()
    assert len(phone.received()) == 1
    assert len(phone.inbound_events()) == 1


def test_the_same_sid_five_times_at_once_is_one_message_and_one_answer(
    stack: StackUnderTest,
) -> None:
    phone = Phone(stack)
    form = phone.form("hi")
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda _: phone.post(form).status_code, range(5)))
    assert answers == [200] * 5
    phone.wait_for_texts(1)
    phone.wait_until_idle()
    assert len(phone.received()) == 1
    assert len(phone.rows(
        "select 1 from messages where twilio_message_sid = %s", form["MessageSid"]
    )) == 1  # fmt: skip


def test_two_first_texts_at_once_are_one_member_one_conversation_and_both_are_answered(
    stack: StackUnderTest,
) -> None:
    phone = Phone(stack)
    phone.text_at_once("hi there", "I'm Ann Smith")
    phone.wait_for_texts(1)
    phone.wait_until_idle()
    assert len(phone.rows("select 1 from users where phone_number = %s", phone.number)) == 1
    conversations = phone.rows(
        "select status from conversations where phone_number = %s", phone.number
    )
    assert [c["status"] for c in conversations] == ["active"]
    events = phone.inbound_events()
    assert [e["processed"] for e in events] == [True, True]
    assert not any("dead" in e["metadata"] for e in events)
    assert phone.user()["first_name"] == "Ann"


def test_texts_that_come_during_a_turn_are_answered_with_it_or_after_it_together(
    stack: StackUnderTest,
) -> None:
    phone = Phone(stack)
    control_claude(stack, delay_ms=800)
    try:
        phone.text("hi")
        phone.text("I'm Bo Lind")
        phone.text("CTO at Acme")
        phone.wait_for_texts(1)
        phone.wait_until_idle()
    finally:
        control_claude(stack, delay_ms=0)
    events = phone.inbound_events()
    assert [e["processed"] for e in events] == [True] * 3
    tokens = {e["metadata"]["done"]["token"] for e in events}
    assert len(phone.received()) == len(tokens) <= 2
    user = phone.user()
    assert (user["last_name"], user["company"]) == ("Lind", "Acme")
