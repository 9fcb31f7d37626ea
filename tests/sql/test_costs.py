"""What a text cost is kept however its acceptance was learnt."""

from typing import Any
from uuid import UUID, uuid4

from tests.support.claims import send, settle
from tests.support.rpc import Rpc

COST = {"segments": 2, "cost_usd": 0.0236}


def kept(rpc: Rpc, text: UUID) -> dict[str, Any]:
    """The row's status and what it says of its cost."""
    row = rpc.queued(text)
    data = row["message_data"]
    return {"status": row["status"]} | {k: data[k] for k in COST if k in data}


def receipt(rpc: Rpc, text: UUID) -> None:
    said = {
        "message_id": str(text),
        "sid": f"SM{uuid4().hex}",
        "status": "sent",
        "error_code": None,
        "event_id": str(uuid4()),
        "receipt_key": str(uuid4()),
    }
    rpc.call("record_delivery", receipt=said)


def test_a_text_whose_end_is_not_known_keeps_its_cost_whatever_proves_its_acceptance(
    rpc: Rpc,
) -> None:
    user = rpc.member()
    token, text = uuid4(), rpc.queue(user)
    send(rpc, token, user)
    settle(rpc, token, text, user, "ambiguous", code="answer", **COST)
    receipt(rpc, text)
    assert kept(rpc, text) == {"status": "sent"} | COST


def test_a_receipt_that_is_faster_than_the_lost_answer_takes_no_cost_away(rpc: Rpc) -> None:
    user = rpc.member()
    token, text = uuid4(), rpc.queue(user)
    send(rpc, token, user)
    receipt(rpc, text)
    settle(rpc, token, text, user, "ambiguous", code="answer", **COST)
    assert kept(rpc, text) == {"status": "sent"} | COST


def test_a_text_that_was_not_taken_has_cost_nothing(rpc: Rpc) -> None:
    user = rpc.member()
    token, text = uuid4(), rpc.queue(user)
    send(rpc, token, user)
    settle(rpc, token, text, user, "ambiguous", code="answer", **COST)
    settle(rpc, token, text, user, "released", code="not_listed")
    assert kept(rpc, text) == {"status": "queued"}


def test_a_text_that_was_found_in_a_listing_has_the_cost_that_comes_with_it(rpc: Rpc) -> None:
    user = rpc.member()
    text = rpc.queue(user)
    send(rpc, uuid4(), user)
    rpc.pass_time(minutes=3)
    token = uuid4()
    rpc.call("claim_stuck_sends", token=token)
    found = {"sid": f"SM{uuid4().hex}", "status": "sent", "receipt_key": str(uuid4())} | COST
    rpc.call("settle_send", id=text, token=token, found=[found])
    assert kept(rpc, text) == {"status": "sent"} | COST
