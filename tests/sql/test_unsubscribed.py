"""Opting out by other ways than the keyword, and what is still said afterwards."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from tests.support.claims import send, settle
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


@pytest.mark.parametrize("active", [True, False])
@pytest.mark.parametrize("word", ["STOP", "21610"])
def test_an_opt_out_takes_effect_whatever_the_newest_conversation_says_of_itself(
    rpc: Rpc, word: str, active: bool
) -> None:
    user = rpc.member(ADA)
    if active:
        rpc.rows(
            "insert into conversations (user_id, phone_number, status, created_at)"
            " values (%s, %s, null, %s) returning id",
            user, ADA, rpc.now + timedelta(minutes=1),
        )  # fmt: skip
    else:
        rpc.rows("update conversations set status = null returning id")
    text, token = rpc.queue(user), uuid4()
    if word == "STOP":
        rpc.text(ADA, "STOP", keyword="stop", word="STOP")
    else:
        send(rpc, token)
        settle(rpc, token, text, user, "refused", code="21610", event_id=str(uuid4()))
    later = rpc.queue(user, "news")
    assert send(rpc, uuid4()) == []
    assert rpc.queued(later)["superseded_reason"] == "opted out"
    assert rpc.text(ADA, "START", keyword="start", word="START")["outcome"] == "opted_in"


def test_start_is_confirmed_by_us_only_where_twilio_knows_of_no_opt_out(rpc: Rpc) -> None:
    def say(body: str, keyword: str, *, twilio_confirms: bool, word: str | None = None) -> None:
        rpc.text(
            ADA,
            body,
            keyword=keyword,
            word=word or body,
            reply=f"confirms {body}",
            twilio_confirms=twilio_confirms,
        )

    rpc.member(ADA)
    say("opt out", "stop", twilio_confirms=False, word="PLAIN WORDS")
    say("START", "start", twilio_confirms=True)
    say("STOP", "stop", twilio_confirms=True)
    say("UNSTOP", "start", twilio_confirms=True)
    queued = rpc.rows("select final_message from message_queue order by created_at")
    assert [row["final_message"] for row in queued] == ["confirms opt out", "confirms START"]


def test_of_somebody_who_has_opted_out_help_alone_is_answered(rpc: Rpc) -> None:
    user = rpc.member(ADA)
    rpc.text(ADA, "STOP", keyword="stop", word="STOP")
    rpc.text(ADA, "hello?", reply="never said")
    rpc.text(ADA, "HELP", keyword="help", reply="how to get help")
    rpc.text(ADA, "info", keyword="help", reply="never said", twilio_confirms=True)
    assert rpc.claim_texts(user) == ["how to get help"]
    assert rpc.claim_texts(user) == []
    (found,) = rpc.rows("select is_opted_out(%s) as is_so", user)
    assert found["is_so"]
