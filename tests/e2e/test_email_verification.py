"""A member proves an e-mail by a mail from it; nothing else proves it."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.mail import mail_form, post_body, post_mail, send_mail
from tests.support.stack import StackUnderTest, running_stack, wait_for
from tests.support.texting import Phone, kill, scripted, settle, unchanged

_ADDRESS = re.compile(r"verify\+[a-z2-7]{56}@in\.yachtparty\.test$")
_DETAILS = ("hello", "nobody sent me", "I'm Ines Falk", "CTO at Havn")
_THANKS = "Thanks, your e-mail address is confirmed."


def address_in(text: str) -> str:
    found = _ADDRESS.search(text)
    assert found, "the text holds no address to write to"
    return found[0]


def told_to_write(phone: Phone, email: str) -> str:
    """Onboard until the mail is all that is left; the address to write to."""
    phone.converse(*_DETAILS, email)
    texts = phone.wait_for_texts(len(_DETAILS) + 2)
    phone.wait_until_idle()
    return address_in(texts[-1])


def events(phone: Phone, event_type: str) -> list[dict[str, Any]]:
    return phone.rows(
        "select e.* from events e join users u on u.id = e.aggregate_id"
        " where u.phone_number = %s and e.event_type = %s order by e.created_at",
        phone.number,
        event_type,
    )


def test_from_the_first_text_to_waiting_for_approval(stack: StackUnderTest) -> None:
    phone = Phone(stack)
    address = told_to_write(phone, "ines@havn.test")
    texts = phone.received()
    assert texts[-1].startswith("Please write from ines@havn.test to this address within 72 hours")
    assert phone.user()["email_verified"] is False
    assert events(phone, "user.onboarding_completed") == []

    send_mail(stack, "Ines Falk <Ines@Havn.test>", address.upper())
    texts = phone.wait_for_texts(len(texts) + 1)
    phone.wait_until_idle()
    assert texts[-1].startswith(f"{_THANKS} That is all we need, and a person on the team")
    assert phone.user()["email_verified"] is True
    assert phone.user()["verified"] is False
    (verified,) = events(phone, "user.email_verified")
    assert verified["payload"]["email"] == "ines@havn.test"
    assert verified["metadata"]["done"]["result"]["outcome"] == "applied"
    assert len(events(phone, "user.onboarding_completed")) == 1
    steps = events(phone, "user.onboarding_step.completed")
    assert steps[-1]["payload"] == {"step": "email_verification", "value": "ines@havn.test"}

    assert "team" in phone.converse("when do I hear from you")[-1]


def test_the_same_mail_again_and_another_mail_say_nothing_more(stack: StackUnderTest) -> None:
    phone = Phone(stack)
    address = told_to_write(phone, "ines@havn.test")
    form = mail_form("ines@havn.test", address)
    for _ in range(3):
        assert post_mail(stack, form).status_code == 204
    send_mail(stack, "ines@havn.test", address)
    phone.wait_for_texts(len(_DETAILS) + 3)
    with unchanged(stack):
        send_mail(stack, "ines@havn.test", address)
    assert [_THANKS in text for text in phone.received()].count(True) == 1
    assert len(events(phone, "user.email_verified")) == 1


def test_every_address_given_is_good_and_the_first_one_used_ends_the_others(
    stack: StackUnderTest,
) -> None:
    phone = Phone(stack)
    first = told_to_write(phone, "ines@havn.test")
    stack.advance(1)
    phone.converse("what was the address again?")
    second = address_in(phone.wait_for_texts(len(_DETAILS) + 4)[-1])
    assert first != second
    send_mail(stack, "ines@havn.test", first)
    phone.wait_for_texts(len(_DETAILS) + 5)
    phone.wait_until_idle()
    with unchanged(stack):
        send_mail(stack, "ines@havn.test", second)


def test_a_mail_after_opting_out_is_kept_and_not_answered(stack: StackUnderTest) -> None:
    phone = Phone(stack)
    address = told_to_write(phone, "ines@havn.test")
    phone.text("STOP")
    phone.wait_until_idle()
    texts = phone.received()
    send_mail(stack, "ines@havn.test", address)
    phone.wait_until_idle()
    assert phone.user()["email_verified"] is True
    assert phone.received() == texts
    assert phone.queued_rows()[-1]["status"] == "superseded"


def test_another_e_mail_makes_the_address_for_the_first_one_worthless(
    stack: StackUnderTest,
) -> None:
    phone = Phone(stack)
    old = told_to_write(phone, "ines@havn.test")
    phone.converse("sorry, my e-mail is ines@sund.test")
    new = address_in(phone.wait_for_texts(len(_DETAILS) + 4)[-1])
    phone.wait_until_idle()
    with unchanged(stack):
        send_mail(stack, "ines@havn.test", old)
        send_mail(stack, "ines@sund.test", old)
        send_mail(stack, "ines@havn.test", new)
    assert phone.user()["email_verified"] is False
    send_mail(stack, "ines@sund.test", new)
    phone.wait_until_idle()
    assert phone.user()["email_verified"] is True


@pytest.fixture
def own() -> Iterator[StackUnderTest]:
    """A stack whose clock goes three days ahead, away from the others' tests."""
    with running_stack() as running:
        yield running


def test_an_address_is_good_for_72_hours(own: StackUnderTest) -> None:
    late, in_time = Phone(own), Phone(own)
    for phone in (late, in_time):
        phone.converse(*_DETAILS)
    passed = told_later(late, "late@havn.test")
    own.advance(60)
    still = told_later(in_time, "early@havn.test")
    own.advance(72 * 3600 - 60)
    send_mail(own, "late@havn.test", passed)
    send_mail(own, "early@havn.test", still)
    wait_for(lambda: in_time.user()["email_verified"], "proved e-mail")
    assert late.user()["email_verified"] is False
    assert events(late, "user.email_verified") == []


def told_later(phone: Phone, email: str) -> str:
    phone.converse(email)
    return address_in(phone.wait_for_texts(len(_DETAILS) + 2)[-1])


def test_the_address_is_exact_whatever_the_model_says(stack: StackUnderTest) -> None:
    phone = Phone(stack)
    phone.converse(*_DETAILS)
    use = {"type": "tool_use", "id": "t1", "name": "collect_user_info"}
    scripted(
        stack,
        {"content": [use | {"input": {"email": "ines@havn.test"}}], "stop_reason": "tool_use"},
        "Write to verify+zzzz@evil.test.",
        "Write to verify+zzzz@in.yachtparty.test.",
    )
    phone.text("ines@havn.test")
    texts = phone.wait_for_texts(len(_DETAILS) + 2)
    assert not any("zzzz" in text for text in texts)
    send_mail(stack, "ines@havn.test", address_in(texts[-1]))
    phone.wait_for_texts(len(_DETAILS) + 3)


WRONG_MAILS: dict[str, Callable[[str, str], dict[str, str]]] = {
    "another sender": lambda _, to: mail_form("eve@havn.test", to),
    "another domain": lambda _, to: mail_form("ines@havn.test.evil.test", to),
    "a name that is an address": lambda me, to: mail_form(f'"{me}" <eve@evil.test>', to),
    "two senders": lambda me, to: mail_form(f"eve@evil.test, {me}", to),
    "no DKIM result": lambda me, to: mail_form(me, to, dkim="none"),
    "a failed DKIM result": lambda me, to: mail_form(me, to, dkim="{@havn.test : fail}"),
    "another domain's DKIM result": lambda me, to: mail_form(me, to, dkim="{@evil.test : pass}"),
    "a forged DKIM result": lambda me, to: mail_form(
        me, to, dkim="{@evil.test : invalid (, @havn.test : pass)}"
    ),
    "SPF alone": lambda me, to: mail_form(me, to, dkim="none", SPF="pass"),
    "a mail to somebody else, sent on to us": lambda me, to: mail_form(
        me, "somebody@else.test", envelope=f'{{"to": ["{to}"], "from": "{me}"}}', to=to
    ),
    "no token": lambda me, _: mail_form(me, "verify@in.yachtparty.test"),
    "a changed token": lambda me, to: mail_form(me, to.replace("verify+", "verify+a", 1)),
    "another character": lambda me, to: mail_form(
        me, to[:20] + ("a" if to[20] != "a" else "b") + to[21:]
    ),
    "another of our domains": lambda me, to: mail_form(me, to.replace("@in.", "@")),
    "no headers": lambda me, to: mail_form(me, to, headers=""),
    "endless headers": lambda me, to: mail_form(me, to, headers="X: " + "y" * 1_000_000),
}


@pytest.fixture(scope="module")
def waiting(stack: StackUnderTest) -> tuple[Phone, str]:
    """Somebody whose mail is waited for, and where it has to go."""
    phone = Phone(stack)
    return phone, told_to_write(phone, "ines@havn.test")


@pytest.mark.parametrize("wrong", WRONG_MAILS)
def test_a_mail_that_proves_nothing_changes_nothing_and_is_answered_like_any_other(
    stack: StackUnderTest, waiting: tuple[Phone, str], wrong: str
) -> None:
    phone, address = waiting
    with unchanged(stack):
        answer = post_mail(stack, WRONG_MAILS[wrong]("ines@havn.test", address))
        assert (answer.status_code, answer.content) == (204, b"")
    assert phone.user()["email_verified"] is False


def test_one_members_address_is_worth_nothing_to_another(
    stack: StackUnderTest, waiting: tuple[Phone, str]
) -> None:
    _, address = waiting
    other = Phone(stack)
    theirs = told_to_write(other, "eve@havn.test")
    with unchanged(stack):
        for sender, recipient in (("eve@havn.test", address), ("ines@havn.test", theirs)):
            send_mail(stack, sender, recipient)


def test_two_members_with_one_e_mail_prove_it_each_for_themselves(stack: StackUnderTest) -> None:
    one, two = Phone(stack), Phone(stack)
    address = told_to_write(one, "both@havn.test")
    told_to_write(two, "both@havn.test")
    send_mail(stack, "both@havn.test", address)
    one.wait_until_idle()
    assert [p.user()["email_verified"] for p in (one, two)] == [True, False]


def test_a_call_that_is_not_the_providers_is_refused_and_changes_nothing(
    stack: StackUnderTest, waiting: tuple[Phone, str]
) -> None:
    form = mail_form("ines@havn.test", waiting[1])
    signature = "X-Twilio-Email-Event-Webhook-Signature"
    with unchanged(stack):
        for headers in (
            {signature: ""},
            {signature: "bm8="},
            {"X-Twilio-Email-Event-Webhook-Timestamp": "1"},
        ):
            answer = post_mail(stack, form, **headers)
            assert (answer.status_code, answer.text) == (
                403,
                "The signature is not the mail provider's.",
            )
        huge = post_body(stack, b"x" * 11_000_000, **{"Content-Type": "text/plain"})
        assert huge.status_code == 413
        nothing = post_body(stack, b"", **{"Content-Type": "multipart/form-data"})
        assert nothing.status_code == 400


def test_a_mail_survives_the_death_of_every_function_on_its_way(stack: StackUnderTest) -> None:
    phone = Phone(stack)
    address = told_to_write(phone, "ines@havn.test")
    kill(stack, "email_webhook")
    send_mail(stack, "ines@havn.test", address)
    kill(stack, "event_processor")
    settle(stack, phone)
    assert phone.user()["email_verified"] is True
    assert [_THANKS in text for text in phone.received()].count(True) == 1
