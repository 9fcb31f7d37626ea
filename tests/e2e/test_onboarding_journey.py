"""Onboarding by text: what is told is kept, one thing is asked at a time, nobody is given away."""

from typing import Any

import pytest

from tests.support.mail import send_mail
from tests.support.operators import operate
from tests.support.stack import StackUnderTest, wait_for
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


def test_journey_a_from_the_first_text_to_the_concierges_first_answer(
    stack: StackUnderTest,
) -> None:
    """behaviour.md, journey A: every step by the phone, by mail, and by the operator's command."""
    referrer, phone = Phone(stack), Phone(stack)
    referrer.converse("hi")
    referrer.verify(first_name="Ilse", last_name="Referrer-Brandt")

    # The bouncer asks; the details come in another order than they are asked for.
    (first,) = phone.converse("hello")
    assert "STOP" in first
    phone.converse("I'm CFO at Fjordline, petra@fjordline.test", "Petra Nyqvist")
    phone.converse("Ilse Referrer-Brandt sent me")
    columns = ("first_name", "last_name", "company", "title", "email", "verified")
    assert known(phone, *columns) == [
        "Petra", "Nyqvist", "Fjordline", "CFO", "petra@fjordline.test", False,
    ]  # fmt: skip
    assert known(phone, "referred_by", "name_dropped") == [referrer.user()["id"], None]
    phone.wait_until_idle()
    address = next(t for t in reversed(phone.received()) if "verify+" in t).rsplit("\n", 1)[-1]

    # The mail proves the address; only now there is somebody to be approved.
    assert phone.number not in operate(stack, "waiting")[1]
    send_mail(stack, "petra@fjordline.test", address)
    wait_for(lambda: completions(phone), "complete onboarding")
    status, waiting = operate(stack, "waiting")
    assert status == 0
    (line,) = [line for line in waiting.splitlines() if phone.number in line]
    for shown in ("Petra Nyqvist", "Fjordline", "CFO", "petra@fjordline.test", "Ilse Referrer"):
        assert shown in line
    phone.wait_until_idle()
    (bouncer,) = instances(phone)
    assert (bouncer["agent_type"], bouncer["status"]) == ("bouncer", "active")
    have = len(phone.received())

    # The operator approves; the agent is handed over, and welcomes.
    assert operate(stack, "approve", PHONE=phone.number) == (
        0,
        f"Petra Nyqvist ({phone.number}) is approved.\n",
    )
    welcome = phone.wait_for_texts(have + 1)[have]
    phone.wait_until_idle()
    assert welcome.startswith("Welcome to Yachtparty, Petra")
    user = phone.user()
    old, new = instances(phone)
    assert (old["id"], old["status"]) == (bouncer["id"], "terminated")
    assert old["terminated_at"] is not None
    assert (new["agent_type"], new["status"]) == ("concierge", "active")
    assert (user["verified"], user["poc_agent_type"]) == (True, "concierge")
    assert user["poc_agent_id"] == str(new["id"])
    (verified,) = phone.rows(
        "select * from events where aggregate_id = %s and event_type = 'user.verified'", user["id"]
    )
    assert verified["payload"]["poc_agent_type"] == "concierge"
    assert verified["payload"]["approved_by"]
    assert verified["metadata"]["done"]["result"]["outcome"] == "applied"
    tasks = {t["task_type"]: t for t in pending(phone)}
    assert set(tasks) == {"account_manager_review", "re_engagement_check"}
    assert tasks["re_engagement_check"]["context_json"]["reason"] == "silence"
    assert phone.number not in operate(stack, "waiting")[1]

    # The next text is the concierge's.
    phone.converse("what can you do for me?")
    phone.wait_until_idle()
    (answer,) = phone.queued_rows()[-1:]
    assert (answer["agent_id"], answer["status"]) == ("concierge", "sent")
    assert [i["id"] for i in instances(phone)] == [bouncer["id"], new["id"]]

    # Said twice, it is done once.
    assert operate(stack, "approve", PHONE=phone.number)[0] == 0
    phone.wait_until_idle()
    assert sum(text.startswith("Welcome") for text in phone.received()) == 1


def instances(phone: Phone) -> list[dict[str, Any]]:
    return phone.rows(
        "select * from agent_instances where user_id = %s order by created_at",
        phone.user()["id"],
    )


def pending(phone: Phone) -> list[dict[str, Any]]:
    return phone.rows(
        "select * from agent_tasks where user_id = %s and status = 'pending'", phone.user()["id"]
    )
