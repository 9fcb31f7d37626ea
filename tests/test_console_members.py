"""Operators approve, reject, suspend and write to members, over a running stack."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from lib.console.__main__ import main
from lib.console.members import MAX_CHARS, WrongInputError, phone_number
from lib.domain.messaging import REJECTION_TEXT, UNSERVED_TEXTS
from tests.support.community import expert, run_tasks
from tests.support.operators import operate
from tests.support.stack import NEW_YORK, StackUnderTest, running_stack, wait_for
from tests.support.texting import Phone

DAY_S = 86_400
WORDS = "Hello Kim, this is Robin of the team: your invoice is settled."


@pytest.fixture(scope="module")
def own() -> Iterator[StackUnderTest]:
    """A stack whose clock these tests move."""
    with running_stack() as running:
        yield running


@pytest.fixture(autouse=True)
def in_stack(own: StackUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YACHTPARTY_STATE_DIR", str(own.directory))
    for name in ("SUPABASE_URL", "PUBSUB_TOPIC"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def phone(own: StackUnderTest) -> Phone:
    """Somebody who has written once."""
    to_hour(own, 12)
    phone = Phone(own)
    phone.converse("hello")
    phone.wait_until_idle()
    return phone


@pytest.fixture
def member(phone: Phone) -> Phone:
    """Somebody who was approved."""
    assert main(["approve", phone.number]) == 0
    phone.wait_for_texts(2)
    phone.wait_until_idle()
    return phone


def to_hour(stack: StackUnderTest, hour: int) -> None:
    """Move the clock to the next such hour in New York, unless it is that hour."""
    if stack.now().astimezone(NEW_YORK).hour != hour:
        stack.advance_to(hour)


def calls_of_model(phone: Phone) -> int:
    return len(
        phone.rows(
            "select 1 from agent_actions_log where user_id = %s and model_used is not null",
            phone.user()["id"],
        )
    )


def queued(phone: Phone) -> list[str]:
    """The words that are still to leave, or in flight."""
    return [row["final_message"] for row in phone.queued_rows() if row["status"] == "queued"]


def trail(phone: Phone) -> list[dict[str, Any]]:
    """What operators did to a member."""
    return phone.rows(
        "select * from agent_actions_log where user_id = %s and agent_type = 'operator'"
        " order by created_at",
        phone.user()["id"],
    )


def tables(phone: Phone) -> list[dict[str, Any]]:
    """All that an operator's command may change of a member."""
    return [
        row
        for table, column in {
            "users": "id",
            "events": "aggregate_id",
            "message_queue": "user_id",
            "agent_instances": "user_id",
            "agent_actions_log": "user_id",
            "agent_tasks": "user_id",
        }.items()
        for row in phone.rows(
            f"select t.* from {table} t where {column} = %s order by id",  # noqa: S608
            phone.user()["id"],
        )
        if row.get("event_type") != "message.delivery_updated"
    ]


@pytest.mark.parametrize(
    "given",
    ["+1 (212) 555-0142", "212-555-0142", "+12125550142", "1 212 555 0142", "tel:+12125550142"],
)
def test_a_number_is_read_however_it_is_written(given: str) -> None:
    assert phone_number(given) == "+12125550142"


@pytest.mark.parametrize(
    "given", ["", "  ", "hello", "+1", "12", "+999 12345678", "+1212555014299999"]
)
def test_what_is_no_number_is_refused(given: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(WrongInputError, match="PHONE is"):
        phone_number(given)
    for command in (["approve"], ["reject"], ["suspend"], ["say", "--"]):
        name, *rest = command
        assert main([name, *rest, given, *(["hi"] if name == "say" else [])]) == 2
    assert capsys.readouterr().err.count("PHONE is") == 4


@pytest.mark.parametrize("command", ["approve", "reject", "suspend", "say"])
def test_a_number_that_nobody_has_is_refused(
    command: str, own: StackUnderTest, capsys: pytest.CaptureFixture[str]
) -> None:
    stranger = Phone(own)
    assert main([command, stranger.number, *(["hi"] if command == "say" else [])]) == 1
    assert capsys.readouterr().err == (
        f"Nobody with the number {stranger.number} has ever written: nothing was changed.\n"
    )
    assert stranger.rows("select 1 from users where phone_number = %s", stranger.number) == []


def test_somebody_whose_onboarding_is_not_complete_is_approved_and_it_is_said_what_is_missing(
    phone: Phone, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["approve", phone.number]) == 0
    assert capsys.readouterr().out == (
        f"{phone.number} is approved. Their onboarding was not complete:"
        " no name, company and title, e-mail and proof of the e-mail.\n"
    )
    assert phone.wait_for_texts(2)[1].startswith("Welcome to Yachtparty: ")
    phone.wait_until_idle()
    assert phone.user()["verified"] is True
    (entry,) = trail(phone)
    assert (entry["action_type"], entry["output_data"]["outcome"]) == ("approve", "approved")
    assert entry["input_data"]["by"]


def test_who_is_approved_already_is_left_alone(
    member: Phone, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tables(member)
    assert main(["approve", member.number]) == 0
    assert f"{member.number} is approved already, with the concierge." in capsys.readouterr().out
    assert tables(member) == before


def test_an_innovator_needs_a_company_and_gets_a_profile(
    phone: Phone, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tables(phone)
    assert main(["approve", phone.number, "--as", "innovator"]) == 1
    assert "an innovator needs a company" in capsys.readouterr().err
    assert tables(phone) == before
    phone.rows(
        "update users set company = 'Halcyon' where phone_number = %s returning id", phone.number
    )
    assert operate(phone.stack, "approve", PHONE=phone.number, AS="innovator")[0] == 0
    phone.wait_for_texts(2)
    phone.wait_until_idle()
    user = phone.user()
    assert (user["verified"], user["innovator"], user["poc_agent_type"]) == (
        True,
        True,
        "innovator",
    )
    (profile,) = phone.rows("select * from innovators where user_id = %s", user["id"])
    assert (profile["company_name"], profile["active"]) == ("Halcyon", True)

    assert main(["approve", phone.number, "--as", "concierge"]) == 0
    wait_for(lambda: phone.user()["poc_agent_type"] == "concierge", "hand-over")
    (profile,) = phone.rows("select * from innovators where user_id = %s", user["id"])
    assert (phone.user()["innovator"], profile["active"]) == (False, False)
    phone.wait_until_idle()
    assert len(phone.received()) == 2


def test_who_has_opted_out_is_approved_but_not_welcomed(
    phone: Phone, capsys: pytest.CaptureFixture[str]
) -> None:
    phone.text("STOP")
    phone.wait_until_idle()
    texts = phone.received()
    assert main(["approve", phone.number]) == 0
    assert "They have opted out, so they are not welcomed." in capsys.readouterr().out
    wait_for(lambda: phone.user()["poc_agent_type"] == "concierge", "hand-over")
    phone.wait_until_idle()
    assert phone.received() == texts
    assert phone.queued_rows()[-1]["status"] == "superseded"


def test_somebody_rejected_is_told_once_answered_once_a_day_and_not_written_to_any_more(
    phone: Phone, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = calls_of_model(phone)
    assert main(["reject", phone.number]) == 0
    assert capsys.readouterr().out == f"{phone.number} is rejected. They are told now.\n"
    assert phone.wait_for_texts(2)[1:] == [REJECTION_TEXT]
    assert main(["reject", phone.number]) == 0
    assert "is rejected already" in capsys.readouterr().out

    phone.text("why?")
    assert phone.wait_for_texts(3)[2:] == [UNSERVED_TEXTS["rejected"]]
    phone.text("hello??")
    phone.wait_until_idle()
    for _ in range(3):
        phone.stack.advance(DAY_S)
        run_tasks(phone.stack)
    phone.wait_until_idle()
    assert len(phone.received()) == 3
    to_hour(phone.stack, 12)
    phone.text("and today?")
    assert phone.wait_for_texts(4)[3:] == [UNSERVED_TEXTS["rejected"]]
    assert calls_of_model(phone) == calls
    assert (phone.user()["verified"], phone.user()["status_level"]) == (False, "rejected")

    assert main(["approve", phone.number]) == 0
    assert "They are rejected no more." in capsys.readouterr().out
    phone.wait_for_texts(5)
    assert phone.user()["status_level"] == "member"


def test_a_suspended_member_is_not_served_until_they_are_approved_again(
    member: Phone, capsys: pytest.CaptureFixture[str]
) -> None:
    member.rows(
        "update users set status_level = 'gold' where phone_number = %s returning id",
        member.number,
    )
    user_id = member.user()["id"]
    queued = "insert into message_queue (id, user_id, agent_id, message_data, final_message,"
    queued += (
        " scheduled_for, created_at) values (%s, %s, 'concierge', '{}', %s, %s, %s) returning id"
    )
    later = member.stack.now() + timedelta(hours=1)
    member.rows(queued, uuid4(), user_id, "One thing more.", later, member.stack.now())
    calls, texts = calls_of_model(member), member.received()

    assert main(["suspend", member.number]) == 0
    assert capsys.readouterr().out.endswith(
        f"{member.number} is suspended, and was not told. 1 queued texts to them were dropped.\n"
    )
    assert main(["suspend", member.number]) == 0
    assert "is suspended already" in capsys.readouterr().out
    assert main(["reject", member.number]) == 1
    assert (member.user()["verified"], member.user()["status_level"]) == (False, "suspended")
    assert [i["status"] for i in instances(member)] == ["terminated", "terminated"]

    member.rows(queued, uuid4(), user_id, "And another.", member.stack.now(), member.stack.now())
    member.stack.run_schedule("message_orchestrator")
    member.text("are you there?")
    assert member.wait_for_texts(len(texts) + 1)[-1] == UNSERVED_TEXTS["suspended"]
    for _ in range(10):
        member.stack.advance(DAY_S)
        run_tasks(member.stack)
    member.wait_until_idle()
    assert len(member.received()) == len(texts) + 1
    assert calls_of_model(member) == calls
    reasons = [r["superseded_reason"] for r in member.queued_rows() if r["superseded_reason"]]
    assert reasons == ["suspended", "suspended"]

    to_hour(member.stack, 12)
    assert main(["approve", member.number]) == 0
    assert "They are suspended no more." in capsys.readouterr().out
    assert member.wait_for_texts(len(texts) + 2)[-1].startswith("You are a member again.")
    member.wait_until_idle()
    assert (member.user()["verified"], member.user()["status_level"]) == (True, "gold")
    assert [i["status"] for i in instances(member)] == ["terminated", "terminated", "active"]
    member.converse("good morning")
    assert calls_of_model(member) > calls


def instances(phone: Phone) -> list[dict[str, Any]]:
    return phone.rows(
        "select * from agent_instances where user_id = %s order by created_at", phone.user()["id"]
    )


def test_nobody_but_a_member_is_suspended_and_a_member_is_not_rejected(
    phone: Phone, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["suspend", phone.number]) == 1
    assert "is no member, and so was not suspended: reject them." in capsys.readouterr().err
    assert main(["approve", phone.number]) == 0
    assert main(["reject", phone.number]) == 1
    assert "is a member, and so was not rejected: suspend them." in capsys.readouterr().err
    assert phone.user()["verified"] is True


def test_who_suspends_between_approval_and_hand_over_wins(phone: Phone) -> None:
    assert main(["approve", phone.number]) == 0
    assert main(["suspend", phone.number]) == 0
    phone.wait_until_idle()
    assert (phone.user()["verified"], phone.user()["status_level"]) == (False, "suspended")
    assert {i["status"] for i in instances(phone)} == {"terminated"}


def test_an_operators_words_arrive_as_they_were_typed_in_plain_characters(
    member: Phone,
) -> None:
    have, calls = len(member.received()), calls_of_model(member)
    typed = 'It\'s $5, said "Robin" \u2013 for `now`\u2026'
    status, said = operate(member.stack, "say", PHONE=member.number, TEXT=typed)
    assert (status, said) == (0, f"The text to {member.number} leaves now.\n")
    assert member.wait_for_texts(have + 1)[have:] == ['It\'s $5, said "Robin" - for `now`...']
    member.wait_until_idle()  # a text in flight puts the next ones off
    assert calls_of_model(member) == calls
    assert main(["say", member.number, "a b. " * 200]) == 0
    parts = member.wait_for_texts(have + 3)[have + 1 :]
    assert " ".join(parts) == ("a b. " * 200).strip()
    *_, entry = trail(member)
    assert entry["action_type"] == "say"
    assert entry["input_data"]["by"]
    assert "Robin" not in str(trail(member))


def test_an_operators_text_waits_for_the_end_of_quiet_hours_unless_it_is_urgent(
    member: Phone, capsys: pytest.CaptureFixture[str]
) -> None:
    to_hour(member.stack, 23)
    have = len(member.received())
    assert main(["say", member.number, WORDS]) == 0
    said = capsys.readouterr().out
    assert "leaves when their quiet hours end, at " in said
    assert "URGENT=1" in said
    assert operate(member.stack, "say", PHONE=member.number, TEXT="At once", URGENT="1")[0] == 0
    assert member.wait_for_texts(have + 1)[have:] == ["At once"]
    # What is in flight puts off the others.
    wait_for(lambda: queued(member) == [WORDS], "recorded text")
    # Their own text does not have it judged, rewritten or sent before.
    member.stack.advance(20 * 60)
    member.converse("who is this?")
    assert WORDS not in member.received()
    wait_for(lambda: queued(member) == [WORDS], "recorded answer")
    to_hour(member.stack, 8)

    def arrived() -> list[str] | None:
        member.stack.run_schedule("message_orchestrator")
        texts = member.received()
        return texts if len(texts) >= have + 3 else None

    assert wait_for(arrived, "text of the night")[have + 2 :] == [WORDS]


def test_who_has_opted_out_is_not_written_to(
    member: Phone, capsys: pytest.CaptureFixture[str]
) -> None:
    member.text("STOP")
    member.wait_until_idle()
    before = tables(member)
    assert main(["say", member.number, WORDS]) == 1
    assert f"{member.number} has opted out: nothing was sent." in capsys.readouterr().err
    assert tables(member) == before


@pytest.mark.parametrize("text", ["", " \n", "\x00", "x" * (MAX_CHARS + 1)])
def test_a_text_of_nothing_or_of_pages_is_refused(
    phone: Phone, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tables(phone)
    assert main(["say", phone.number, text]) == 2
    assert capsys.readouterr().err.startswith("TEXT is ")
    assert tables(phone) == before


def test_the_first_text_ever_says_who_writes_and_how_to_opt_out(own: StackUnderTest) -> None:
    to_hour(own, 12)
    never_written_to = expert(own)
    assert main(["say", never_written_to.number, "Welcome aboard."]) == 0
    (text,) = never_written_to.wait_for_texts(1)
    assert text == "Welcome aboard.\n\nYachtparty. Reply STOP to opt out, HELP for help."


def test_the_database_named_by_the_variables_is_asked_instead_of_the_stack(
    phone: Phone, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    supabase = phone.stack.description["supabase"]
    monkeypatch.setenv("YACHTPARTY_STATE_DIR", "nowhere")
    monkeypatch.setenv("SUPABASE_URL", supabase["url"])
    monkeypatch.setenv("SUPABASE_SERVICE_ROLE_KEY", supabase["key"])
    assert main(["waiting"]) == 0
    assert main(["suspend", phone.number]) == 1
    assert "is no member" in capsys.readouterr().err
    assert main(["approve", phone.number, "--local"]) == 2
    assert "No local stack is running" in capsys.readouterr().err
