"""The first text that a number is ever sent says who writes and how to opt out (behaviour.md,
"Voice and safety"), whoever queued it: claim_texts."""

from typing import Any
from uuid import uuid4

import pytest

from tests.support.rpc import NOTICE, Rpc


def claimed(rpc: Rpc) -> list[str]:
    """The texts that leave now, as Twilio is given them."""
    answer = rpc.call("claim_texts", token=uuid4())
    return [send["body"] for send in answer["sends"]]


def sent(rpc: Rpc) -> list[str]:
    """The texts that have left, once those that leave now are accepted, as they are kept."""
    rpc.pass_time(milliseconds=1)  # what leaves at the same moment is in no order
    rpc.claim_texts()
    rows = rpc.rows("select content from messages where direction = 'outbound' order by created_at")
    return [row["content"] for row in rows]


@pytest.mark.parametrize("data", [{}, {"kind": "system"}, {"kind": "proactive", "topic": "x"}])
def test_whatever_is_sent_first_carries_the_notice_and_nothing_later_does(
    rpc: Rpc, data: dict[str, Any]
) -> None:
    user = rpc.member()
    first = rpc.queue(user, "A member asks something.", data=data)
    assert sent(rpc) == [f"A member asks something.{NOTICE}"]
    assert rpc.queued(first)["final_message"] == f"A member asks something.{NOTICE}"
    rpc.pass_time(hours=1)
    rpc.queue(user, "Another one.")
    assert sent(rpc)[1:] == ["Another one."]


def test_a_sequence_carries_it_once(rpc: Rpc) -> None:
    user, sequence = rpc.member(), uuid4()
    for position in (1, 2):
        rpc.queue(
            user,
            f"part {position}",
            sequence_id=sequence,
            sequence_position=position,
            sequence_total=2,
        )
    sent(rpc)
    assert sent(rpc) == [f"part 1{NOTICE}", "part 2"]


def test_a_text_that_says_so_itself_is_left_as_it_is(rpc: Rpc) -> None:
    user = rpc.member()
    words = "Yachtparty: write what you need. Reply STOP to unsubscribe."
    rpc.queue(user, words)
    assert claimed(rpc) == [words]


def test_who_opts_out_with_their_first_text_is_not_told_how_to(rpc: Rpc) -> None:
    user = rpc.member()
    rpc.rows("update conversations set status = 'archived' where user_id = %s returning id", user)
    rpc.queue(user, "You are unsubscribed.", data={"kind": "system", "confirmation": True})
    assert claimed(rpc) == ["You are unsubscribed."]


def test_a_first_text_that_never_arrived_was_none(rpc: Rpc) -> None:
    user = rpc.member()
    rpc.queue(user, "lost")
    assert sent(rpc) == [f"lost{NOTICE}"]
    rpc.rows("update messages set status = 'undelivered' where direction = 'outbound' returning id")
    rpc.pass_time(hours=1)
    rpc.queue(user, "found")
    assert sent(rpc)[1:] == [f"found{NOTICE}"]


def test_a_first_text_that_is_given_back_and_tried_again_carries_it_once(rpc: Rpc) -> None:
    user = rpc.member()
    text = rpc.queue(user, "again")
    token = uuid4()
    (send,) = rpc.call("claim_texts", token=token)["sends"]
    released = {"id": send["id"], "user_id": str(user), "outcome": "released", "code": "429"}
    rpc.call("record_sends", token=token, results=[released])
    assert rpc.queued(text)["status"] == "queued"
    rpc.pass_time(minutes=10)
    assert claimed(rpc) == [f"again{NOTICE}"]
