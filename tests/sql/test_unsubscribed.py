"""Twilio's error 21610 means STOP, also when it comes with a receipt."""

from __future__ import annotations

from uuid import uuid4

import pytest

from tests.support.rpc import Rpc

ADA = "+12125550142"


@pytest.mark.parametrize(("code", "opted_out"), [("21610", True), ("30003", False)])
def test_a_receipt_that_says_unsubscribed_opts_the_member_out(
    rpc: Rpc, code: str, opted_out: bool
) -> None:
    rpc.text(ADA)
    (member,) = rpc.rows("select id from users")
    sent = rpc.queue(member["id"])
    rpc.claim_texts(member["id"])
    waiting = rpc.queue(member["id"])
    (message,) = rpc.rows("select twilio_message_sid as sid from messages where id = %s", sent)
    receipt = {
        "message_id": str(sent),
        "sid": message["sid"],
        "status": "failed",
        "error_code": code,
        "event_id": str(uuid4()),
        "receipt_key": str(uuid4()),
    }
    for _ in range(2):
        rpc.call("record_delivery", receipt=receipt)
    (found,) = rpc.rows("select is_opted_out(%s) as is_so", member["id"])
    assert found["is_so"] is opted_out
    assert rpc.queued(waiting)["status"] == ("superseded" if opted_out else "queued")
    events = rpc.rows("select payload from events where event_type = 'user.opted_out'")
    assert events == ([{"payload": {"keyword": "21610"}}] if opted_out else [])
