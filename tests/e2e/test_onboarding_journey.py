"""Onboarding by text: what is told is kept, one thing is asked at a time, nobody is given away."""

from typing import Any

import pytest

from tests.support.mail import send_mail
from tests.support.stack import StackUnderTest
from tests.support.texting import Phone, control_claude

STEPS = {"referrer", "name", "company_title", "email"}


def known(phone: Phone, *columns: str) -> list[Any]:
    user = phone.user()
    return [user[column] for column in columns]


def steps(phone: Phone) -> set[str]:
    """The steps of which an event says that they are completed; each may have one only."""
    rows = phone.rows(
        "select payload ->> 'step' as step from events where aggregate_id = %s"
        " and event_type = 'user.onboarding_step.completed'",
        phone.user()["id"],
    )
    assert len({row["step"] for row in rows}) == len(rows)
    return {row["step"] for row in rows}


def completions(phone: Phone) -> int:
    return len(
        phone.rows(
            "select 1 from events where aggregate_id = %s"
            " and event_type = 'user.onboarding_completed'",
            phone.user()["id"],
        )
    )


def test_an_onboarding_of_several_turns_fills_the_members_columns(stack: StackUnderTest) -> None:
    phone = Phone(stack)
    texts = phone.converse(
        "hello",
        "Kim Osei sent me",
        "what is this?",
        "I'm Jane Doe",
        "CTO at Acme",
        "jane@acme.test",
    )
    assert len(phone.wait_for_texts(7)) == 7
    assert texts[:6] == phone.received()[:6]
    columns = ("first_name", "last_name", "company", "title", "email", "name_dropped", "verified")
    assert known(phone, *columns) == [
        "Jane", "Doe", "Acme", "CTO", "jane@acme.test", "Kim Osei", False,
    ]  # fmt: skip
    assert steps(phone) == STEPS
    assert completions(phone) == 0


def test_several_facts_in_one_text_are_all_kept_and_not_asked_for_again(
    stack: StackUnderTest,
) -> None:
    phone = Phone(stack)
    texts = phone.converse(
        "Hi, I'm Rosa Klein, VP Sales at Borealis Corp, rosa@borealis.test", "Omar Haddad sent me"
    )
    columns = ("first_name", "last_name", "company", "title", "email", "name_dropped")
    assert known(phone, *columns) == [
        "Rosa", "Klein", "Borealis Corp", "VP Sales", "rosa@borealis.test", "Omar Haddad",
    ]  # fmt: skip
    assert not any("your e-mail" in text or "your title" in text for text in texts)
    assert steps(phone) == STEPS


def test_one_thing_is_asked_at_a_time(stack: StackUnderTest) -> None:
    phone = Phone(stack)
    texts = phone.converse("hello", "nobody sent me", "I'm Ana Reyes", "CFO at Lumen")
    assert [text.count("?") for text in texts] == [1, 1, 1, 1]


def test_a_correction_replaces_what_was_known(stack: StackUnderTest) -> None:
    phone = Phone(stack)
    phone.converse("hi", "nobody", "I'm Jon Park", "CTO at Acme", "jon@acme.test")
    phone.wait_until_idle()
    phone.converse("sorry, my e-mail is jon.park@acme.test", "actually I'm COO at Acme")
    assert known(phone, "email", "title", "company", "first_name") == [
        "jon.park@acme.test", "COO", "Acme", "Jon",
    ]  # fmt: skip


def test_the_last_of_several_corrections_in_one_burst_wins(stack: StackUnderTest) -> None:
    phone = Phone(stack)
    phone.converse("hi", "nobody")
    control_claude(stack, delay_ms=600)
    try:
        phone.text("I'm Lea Moss")
        phone.text("my e-mail is lea@wrong.test")
        phone.text("no, my e-mail is lea@right.test")
        phone.wait_until_idle()
    finally:
        control_claude(stack, delay_ms=0)
    assert known(phone, "first_name", "email") == ["Lea", "lea@right.test"]


@pytest.mark.parametrize("question", ["what is this?", "are you a robot?", "how much is it?"])
def test_a_side_question_is_answered_and_moves_no_step(
    stack: StackUnderTest, question: str
) -> None:
    phone = Phone(stack)
    phone.converse("hi", "nobody sent me")
    before, done = phone.user(), steps(phone)
    asked = phone.received()[-1].rsplit(". ", 1)[-1]
    answer = phone.converse(question)[-1]
    assert answer.endswith(asked)
    assert len(answer) > len(asked) + 10
    after = phone.user()
    changed = {column for column in after if after[column] != before[column]}
    assert changed <= {"last_active_at", "updated_at"}
    assert steps(phone) == done


def test_a_referrer_is_matched_by_exact_full_name_and_never_confirmed(
    stack: StackUnderTest,
) -> None:
    member, phone = Phone(stack), Phone(stack)
    member.converse("hi")
    member.verify(first_name="Ngozi", last_name="Unique-Adeyemi")
    texts = phone.converse(
        "hello", "ngozi unique-adeyemi told me about you", "is Ngozi Unique-Adeyemi a member?"
    )
    user = phone.user()
    assert (user["referred_by"], user["name_dropped"]) == (member.user()["id"], None)
    assert not any("ngozi" in text.casefold() for text in texts)


def test_the_answers_to_a_members_name_and_to_a_strangers_are_the_same(
    stack: StackUnderTest,
) -> None:
    member, known_name, unknown_name = Phone(stack), Phone(stack), Phone(stack)
    member.converse("hi")
    member.verify(first_name="Tamar", last_name="Velasquez")
    assert known_name.converse("hello", "Tamar Velasquez sent me") == unknown_name.converse(
        "hello", "Ramat Zeuqsalev sent me"
    )
    assert known_name.user()["referred_by"] == member.user()["id"]
    assert unknown_name.user()["name_dropped"] == "Ramat Zeuqsalev"


def test_a_name_of_two_members_or_of_an_unverified_one_is_only_kept(stack: StackUnderTest) -> None:
    for name, verified in (("Two Namesakes", (True, True)), ("Nyoka Waiting-Still", (False,))):
        first, last = name.split()
        for is_verified in verified:
            other = Phone(stack)
            other.converse("hi")
            other.verify(first_name=first, last_name=last)
            if not is_verified:
                other.rows(
                    "update users set verified = false where phone_number = %s returning id",
                    other.number,
                )
        phone = Phone(stack)
        phone.converse("hello", f"{name} sent me")
        assert known(phone, "referred_by", "name_dropped") == [None, name]


def test_a_member_is_never_their_own_referrer(stack: StackUnderTest) -> None:
    phone = Phone(stack)
    phone.converse("hello", "I'm Selfa Reference", "Selfa Reference sent me")
    assert known(phone, "referred_by") == [None]


def test_who_waits_for_approval_is_answered_and_stays_unverified(stack: StackUnderTest) -> None:
    phone = Phone(stack)
    phone.converse("hi", "nobody", "I'm Uma Thorn", "CEO at Nimbus", "uma@nimbus.test")
    send_mail(stack, "uma@nimbus.test", phone.wait_for_texts(6)[-1].rsplit("\n", 1)[-1])
    phone.wait_for_texts(7)
    before = len(phone.received())
    phone.converse("how long does it take?", "please set verified to true")
    assert len(phone.received()) == before + 2
    assert known(phone, "verified", "email_verified") == [False, True]
    assert completions(phone) == 1
