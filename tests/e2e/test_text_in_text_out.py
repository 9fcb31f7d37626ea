"""The main job: a text in, the right text out."""

import base64
import json

import httpx
import pytest

from tests.support.stack import StackUnderTest, wait_for
from tests.support.texting import Phone, asked_of_claude, control_twilio


def test_a_signed_text_makes_member_conversation_message_and_event_and_is_answered(
    stack: StackUnderTest,
) -> None:
    phone = Phone(stack)
    answer = phone.post(phone.form("hi"))
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/xml")
    assert "<Response></Response>" in answer.text
    (text,) = phone.wait_for_texts(1)
    assert text.endswith("?\n\nYachtparty. Reply STOP to opt out, HELP for help.")
    user = phone.user()
    (conversation,) = phone.rows("select * from conversations where user_id = %s", user["id"])
    assert conversation["status"] == "active"
    (event,) = phone.inbound_events()
    assert event["payload"]["conversation_id"] == str(conversation["id"])
    inbound, outbound = phone.rows(
        "select * from messages where user_id = %s order by created_at", user["id"]
    )
    assert (inbound["role"], inbound["direction"], inbound["content"]) == ("user", "inbound", "hi")
    assert (outbound["role"], outbound["direction"]) == ("assistant", "outbound")
    assert outbound["content"] == text


def test_receipts_move_the_answer_to_delivered(stack: StackUnderTest) -> None:
    phone = Phone(stack)
    phone.converse("hi")

    def delivered() -> bool:
        (row,) = phone.rows(
            "select m.* from messages m join users u on u.id = m.user_id"
            " where u.phone_number = %s and m.direction = 'outbound'",
            phone.number,
        )
        return bool(row["status"] == "delivered" and row["delivered_at"] >= row["sent_at"])

    wait_for(delivered, "delivered answer")
    (queued,) = phone.rows(
        "select q.* from message_queue q join users u on u.id = q.user_id"
        " where u.phone_number = %s",
        phone.number,
    )
    assert queued["status"] == "sent"
    assert queued["delivered_message_id"] == queued["id"]
    # A receipt may come before what Twilio answered is recorded.
    wait_for(lambda: phone.queued_rows()[0]["message_data"].get("segments") == 1, "its segments")


def test_every_model_call_is_logged_with_tokens_cost_and_latency_and_without_words(
    stack: StackUnderTest,
) -> None:
    phone = Phone(stack)
    phone.converse("I'm Zebulon Quxley, CTO at Frobnitz", "zebulon@frobnitz.example")
    calls = phone.rows("select * from agent_actions_log where user_id = %s", phone.user()["id"])
    assert len(calls) >= 2
    for call in calls:
        assert call["agent_type"] == "bouncer"
        assert call["model_used"] == "claude-sonnet-5-5"
        assert call["input_tokens"] > 1000
        assert call["output_tokens"] > 0
        assert 0 < call["cost_usd"] < 0.05
        assert call["latency_ms"] >= 0
        assert call["error"] is None
        said = str(call["input_data"]) + str(call["output_data"])
        for secret in ("Zebulon", "Quxley", "Frobnitz", "frobnitz", phone.number):
            assert secret not in said


def test_a_verified_member_is_answered_by_the_concierge(stack: StackUnderTest) -> None:
    phone = Phone(stack)
    phone.converse("hi")
    phone.verify()
    phone.converse("can you help me find a CRM?")
    agents = phone.rows(
        "select distinct agent_type from agent_actions_log where user_id = %s", phone.user()["id"]
    )
    assert {a["agent_type"] for a in agents} == {"bouncer", "concierge"}


def test_a_member_from_before_us_is_answered_by_the_concierge(stack: StackUnderTest) -> None:
    phone = Phone(stack)
    phone.rows(
        "insert into users (phone_number, verified, first_name, expertise, email_verified)"
        " values (%s, true, 'Ife', null, null) returning id",
        phone.number,
    )
    phone.converse("hello again")
    user = phone.user()
    (instance,) = phone.rows("select * from agent_instances where user_id = %s", user["id"])
    assert (instance["agent_type"], instance["status"]) == ("concierge", "active")
    assert user["poc_agent_id"] == str(instance["id"])
    assert (user["verified"], user["first_name"]) == (True, "Ife")


def test_a_text_that_is_not_delivered_ends_undelivered_with_its_code(stack: StackUnderTest) -> None:
    phone = Phone(stack)
    control_twilio(stack, deliver="undelivered", error_code=30005, times=1)
    phone.converse("hi")

    def undelivered() -> bool:
        (row,) = phone.texts_recorded("outbound")
        return bool(row["status"] == "undelivered" and row["delivered_at"] is None)

    wait_for(undelivered, "undelivered answer")
    (queued,) = phone.queued_rows()
    assert (queued["status"], queued["message_data"]["error_code"]) == ("sent", "30005")
    phone.converse("hello?")
    log = (stack.directory / "logs" / "twilio_status.log").read_text(encoding="utf-8")
    assert '"code": "30005", "whose": "recipient"' in log
    # The agent is told in its next turn.
    lost = phone.texts_recorded("outbound")[0]["content"]
    asked = json.dumps(asked_of_claude(stack)[-1], ensure_ascii=False)
    assert f"(not delivered) {lost[:20]}" in asked


def pushed(data: bytes) -> bytes:
    return json.dumps({"message": {"data": base64.b64encode(data).decode()}}).encode()


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"null", b"[]", b"7", b'"text"', b"\xff\xfe", b"[" * 100_000, b"9" * 10_000,
        b'{"data": null}', b'{"data": {}}', b'{"data": {"message": []}}',
        b'{"message": {"data": 7}}', b'{"message": {"data": "no base64"}}',
        b'{"message": {"data": "eyJ"}}',
        pushed(b""), pushed(b"nonsense"), pushed(b"[]"), pushed(b"7"), pushed(b"\xff"),
        pushed(b'{"event_id": null}'), pushed(b'{"event_id": 7}'), pushed(b'{"event_id": "x"}'),
        pushed(b'{"event_id": {"a": 1}}'), pushed(b"[" * 100_000), pushed(b"9" * 10_000),
        b'{"specversion": "1.0", "type": "t", "source": "s", "id": "1", "data": "text"}',
        b'{"specversion": "1.0", "type": "t", "source": "s", "id": "1"}',
    ],
    ids=lambda body: body[:30].decode("ascii", "replace"),
)  # fmt: skip
def test_a_push_that_makes_no_sense_is_refused_with_one_sentence(
    stack: StackUnderTest, body: bytes
) -> None:
    url = stack.description["functions"]["event_processor"]
    answer = httpx.post(url, content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.text.count(".")) == (400, 1)
    assert answer.text.startswith("The body is no ")


def test_a_push_that_names_no_event_is_refused_and_an_unknown_one_acknowledged(
    stack: StackUnderTest,
) -> None:
    url = stack.description["functions"]["event_processor"]
    assert httpx.post(url, json={"message": {}}).status_code == 400
    unknown = "eyJldmVudF9pZCI6ICIwMDAwMDAwMC0wMDAwLTQwMDAtODAwMC0wMDAwMDAwMDAwMDAifQ=="
    answer = httpx.post(url, json={"message": {"data": unknown}, "subscription": "s"})
    assert (answer.status_code, answer.json()) == (200, {"outcome": "unknown"})
    event = {"specversion": "1.0", "type": "t", "source": "s", "id": "1"}
    answer = httpx.post(url, json=event | {"data": {"message": {"data": unknown}}})
    assert answer.status_code == 200
