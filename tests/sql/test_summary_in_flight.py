"""A summary ends before a text whose sending has no known end yet: that row may still go away."""

from typing import Any
from uuid import UUID, uuid4

from psycopg.types.json import Jsonb

from lib.engine.documents import Summary
from tests.support.rpc import Rpc


def summary(rpc: Rpc, user_id: UUID) -> list[str]:
    """The texts that a summary claimed now would read."""
    (conversation,) = rpc.rows("select id from conversations where user_id = %s", user_id)
    rpc.rows(
        "insert into agent_tasks (task_type, agent_type, user_id, scheduled_for, context_json)"
        " values ('create_conversation_summary', 'concierge', %s, %s, %s) returning id",
        *(user_id, rpc.now, Jsonb({"conversation_id": str(conversation["id"])})),
    )
    (task,) = rpc.call("claim_tasks", token=uuid4(), limit=1)["tasks"]
    rpc.rows("update agent_tasks set status = 'completed' returning id")
    return [m.content for m in Summary.model_validate(task["context"]).messages]


def in_flight(rpc: Rpc, user_id: UUID, text: str) -> tuple[UUID, dict[str, Any]]:
    """A reply handed to Twilio, with nothing known of it: the send's token and its entry."""
    token = uuid4()
    rpc.queue(user_id, text, data={"kind": "reply"})
    (send,) = rpc.call("claim_texts", token=token, user_id=user_id)["sends"]
    return token, send


def test_a_summary_reads_up_to_a_text_in_flight_and_the_rest_the_next_time(rpc: Rpc) -> None:
    user_id = rpc.member()
    rpc.pass_time(milliseconds=1)
    token, send = in_flight(rpc, user_id, "an answer")
    rpc.text(body="and now?")
    assert summary(rpc, user_id) == ["hi"]
    accepted = {"outcome": "accepted", "sid": f"SM{uuid4().hex}", "status": "queued"}
    rpc.call(
        "record_sends",
        token=token,
        results=[
            {"id": send["id"], "user_id": send["user_id"], "receipt_key": str(uuid4())} | accepted
        ],
    )
    first = "an answer\n\nYachtparty. Reply STOP to opt out, HELP for help."
    assert summary(rpc, user_id) == ["hi", first, "and now?"]


def test_a_text_that_twilio_did_not_take_is_in_no_summary(rpc: Rpc) -> None:
    user_id = rpc.member()
    rpc.pass_time(milliseconds=1)
    token, send = in_flight(rpc, user_id, "an answer")
    rpc.text(body="and now?")
    released = {"outcome": "released", "code": "20429"}
    rpc.call(
        "record_sends",
        token=token,
        results=[{"id": send["id"], "user_id": send["user_id"]} | released],
    )
    assert summary(rpc, user_id) == ["hi", "and now?"]
