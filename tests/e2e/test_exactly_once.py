"""Duplicates and simultaneous texts: one effect each, in order, under one lease."""

from concurrent.futures import ThreadPoolExecutor

from tests.support.stack import StackUnderTest, wait_for
from tests.support.texting import Phone, asked_of_claude, control_claude


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


def test_many_numbers_texting_twice_at_once_are_each_one_member_fully_answered(
    stack: StackUnderTest,
) -> None:
    phones = [Phone(stack) for _ in range(8)]
    forms = [(phone, phone.form(body)) for phone in phones for body in ("hi there", "anyone?")]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda call: call[0].post(call[1]).status_code, forms * 2))
    assert set(answers) == {200}
    for phone in phones:
        phone.wait_until_idle()
        assert len(phone.rows("select 1 from users where phone_number = %s", phone.number)) == 1
        assert sorted(text for turn in phone.turns() for text in turn) == ["anyone?", "hi there"]
        assert len(phone.received()) == len(phone.turns())


def test_texts_that_come_during_a_turn_are_answered_in_order_later_ones_together_none_twice(
    stack: StackUnderTest,
) -> None:
    phone = Phone(stack)

    def asked_about(count: int) -> bool:
        """Whether Claude is being asked about exactly so many new texts of this member."""
        last = str(asked_of_claude(stack)[-1]["messages"][-1]["content"])
        return last.count("<text>") == count and "hi there" in last

    control_claude(stack, reset=True, delay_ms=1500)
    try:
        phone.text("hi there")
        wait_for(lambda: asked_of_claude(stack) and asked_about(1), "first decision")
        phone.text("I'm Bo Lind")
        phone.text("nobody sent me")
        # The first decision is refused as outdated; the second is about all three.
        wait_for(lambda: asked_about(3), "second decision")
        phone.text("CTO at Acme")
        phone.text("bo@acme.test")
        phone.wait_for_texts(1)
        phone.wait_until_idle()
    finally:
        control_claude(stack, delay_ms=0)
    assert phone.turns() == [
        ["hi there", "I'm Bo Lind", "nobody sent me"],
        ["CTO at Acme", "bo@acme.test"],
    ]
    *answers, address = phone.received()
    assert len(answers) == 2
    assert "verify+" in address
    assert {event["metadata"]["attempt"] for event in phone.inbound_events()} == {1}
    user = phone.user()
    assert [user[c] for c in ("last_name", "company", "email")] == ["Lind", "Acme", "bo@acme.test"]


def test_a_member_who_is_slow_to_answer_holds_up_nobody_else(stack: StackUnderTest) -> None:
    slow, quick = Phone(stack), Phone(stack)
    control_claude(stack, reset=True, delay_ms=3000)
    slow.text("hi there")
    wait_for(lambda: asked_of_claude(stack), "asked Claude")
    control_claude(stack, delay_ms=0)
    quick.converse("hi there")
    assert slow.received() == []
    slow.wait_for_texts(1)
    assert len(slow.received()) == 1
