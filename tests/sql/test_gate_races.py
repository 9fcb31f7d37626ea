"""Texts on their way out that meet others half-way (protocol.md, "Outbound").

The order of what happens is forced, so that each of these fails for certain when its rule is taken
out of the SQL: see tests/mutants. What the gate decides in quiet is in test_gate.py.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.support.claims import commit, send, settle, turn
from tests.support.rpc import Rpc
from tests.support.sessions import Sessions

ADA, BOB = "+12125550101", "+12125550102"
STOP = {"body": "STOP", "keyword": "stop", "word": "STOP"}
START = {"body": "START", "keyword": "start", "word": "START"}
SYSTEM = {"kind": "system"}


def budget(rpc: Rpc, user: UUID, sent: int) -> None:
    """Today's budget of a member of whose five texts so many have left."""
    rpc.rows(
        "insert into user_message_budget (user_id, date, messages_sent)"
        " values (%s, '2026-11-23', %s) returning id",
        user,
        sent,
    )


def charged(rpc: Rpc) -> int:
    """How many texts were charged to the only budget there is."""
    (row,) = rpc.rows("select messages_sent as n from user_message_budget")
    sent: int = row["n"]
    return sent


def flying(rpc: Rpc, **columns: Any) -> tuple[UUID, UUID, UUID]:
    """A proactive text of Ada's in flight, Ada, and the token of the claim."""
    user, token = rpc.member(ADA), uuid4()
    text = rpc.queue(user, "a text", **columns)
    assert send(rpc, token) == ["a text"]
    return text, user, token


def status(rpc: Rpc, text: UUID) -> str:
    """What became of a text: its status, or that it is in flight."""
    row = rpc.queued(text)
    in_flight = row["status"] == "queued" and row["delivered_message_id"] is not None
    return "in flight" if in_flight else str(row["status"])


# 20: the gate decides under the member's lock


@pytest.mark.parametrize("batch", [False, True], ids=["this member", "everybody"])
def test_two_claims_at_once_never_spend_more_than_the_budget_nor_send_two_texts_together(
    sessions: Sessions, batch: bool
) -> None:
    first, second, other = sessions.open(), sessions.open(), sessions.open()
    user = first.member(ADA)
    budget(first, user, 4)
    first.queue(user, "the last of the day")
    other.now = second.now = first.now
    with first.connection.transaction():
        assert send(first, uuid4()) == ["the last of the day"]
        # Goes before the first, so that it is another row that the second looks at.
        sessions.at_once(other, lambda: other.queue(user, "one too many", priority="high"))
        if batch:
            sent = sessions.at_once(second, lambda: send(second, uuid4()))
        else:
            waiting = sessions.waits(second, lambda: send(second, uuid4(), user))
    assert (sent if batch else waiting.result()) == []
    assert charged(first) == 5


def test_a_claim_repeated_gets_its_unanswered_texts_again_and_nothing_else(rpc: Rpc) -> None:
    user, token = rpc.member(ADA), uuid4()
    rpc.queue(user, "one", data=SYSTEM)
    assert send(rpc, token) == ["one"]
    rpc.queue(user, "after it", data=SYSTEM)
    rpc.queue(rpc.member(BOB), "two", data=SYSTEM)
    assert send(rpc, token) == ["one"]
    assert send(rpc, uuid4(), user) == []
    assert send(rpc, uuid4()) == ["two"]


def test_a_text_whose_end_is_unknown_stays_in_flight_and_keeps_its_charge(rpc: Rpc) -> None:
    text, user, token = flying(rpc)
    settle(rpc, token, text, user, "ambiguous", code="timeout")
    rpc.pass_time(hours=1)
    assert send(rpc, uuid4()) == []
    assert (status(rpc, text), charged(rpc)) == ("in flight", 1)


# After STOP nothing more is claimed


def test_a_claim_waits_for_the_stop_that_is_being_recorded_and_then_sends_nothing(
    sessions: Sessions,
) -> None:
    recorder, sender = sessions.open(), sessions.open()
    user = sender.member(ADA)
    sender.queue(user, data=SYSTEM)
    with recorder.connection.transaction():
        assert recorder.text(ADA, **STOP)["outcome"] == "opted_out"
        assert sessions.at_once(sender, lambda: send(sender, uuid4())) == []
        waiting = sessions.waits(sender, lambda: send(sender, uuid4(), user))
    assert waiting.result() == []


def test_a_commit_waits_for_the_stop_that_is_being_recorded_and_then_queues_nothing(
    sessions: Sessions,
) -> None:
    recorder, worker = sessions.open(), sessions.open()
    claimed = turn(worker, ADA)
    user = UUID(claimed["event"]["aggregate_id"])
    with recorder.connection.transaction():
        recorder.text(ADA, **STOP)
        waiting = sessions.waits(
            worker,
            lambda: commit(worker, claimed, lambda unit: unit.say(user, ["hi"], kind="reply")),
        )
    answer = waiting.result()
    assert (answer["outcome"], answer["texts_due"]) == ("applied", [])
    assert worker.rows("select status from message_queue") == [{"status": "superseded"}]


def test_a_text_that_is_released_after_stop_is_not_sent_again(rpc: Rpc) -> None:
    text, user, token = flying(rpc, data=SYSTEM)
    rpc.text(ADA, **STOP)
    assert status(rpc, text) == "in flight"
    settle(rpc, token, text, user, "released", code="429")
    rpc.pass_time(minutes=5)
    assert send(rpc, uuid4()) == []
    assert status(rpc, text) == "superseded"


def test_a_confirmation_of_start_that_is_given_back_after_stop_is_not_sent_again(rpc: Rpc) -> None:
    user, token = rpc.member(ADA), uuid4()
    rpc.text(ADA, **STOP)
    rpc.text(ADA, **START, reply="welcome back")
    assert send(rpc, token) == ["welcome back"]
    rpc.text(ADA, **STOP, reply="bye")
    (text,) = rpc.rows("select id from message_queue where final_message = 'welcome back'")
    settle(rpc, token, text["id"], user, "released", code="429")
    rpc.pass_time(minutes=5)
    assert [rpc.claim_texts(), rpc.claim_texts()] == [["bye"], []]


def test_only_start_brings_an_opted_out_member_back_and_to_the_same_conversation(rpc: Rpc) -> None:
    user = rpc.member(ADA)
    rpc.text(ADA, **STOP)
    assert rpc.text(ADA, body="hello")["outcome"] == "silent"
    assert rpc.text(ADA, **STOP)["outcome"] == "silent"
    rpc.queue(user, data=SYSTEM)
    assert send(rpc, uuid4()) == []
    assert rpc.text(ADA, **START)["outcome"] == "opted_in"
    assert rpc.rows("select status from conversations") == [{"status": "active"}]
    rpc.queue(user, "back", data=SYSTEM)
    assert send(rpc, uuid4()) == ["back"]


# 22 and 23: who may say what became of a text


def test_an_outcome_that_comes_after_the_text_was_taken_over_settles_nothing_but_acceptance(
    rpc: Rpc,
) -> None:
    text, user, token = flying(rpc)
    rpc.pass_time(minutes=2)
    stuck = rpc.call("claim_stuck_sends", token=uuid4())["sends"]
    assert [found["id"] for found in stuck] == [str(text)]
    for outcome in ("released", "refused"):
        assert settle(rpc, token, text, user, outcome, code="x")["settled"] == 0
    assert settle(rpc, token, text, user, "accepted")["settled"] == 1
    assert status(rpc, text) == "sent"


def test_a_text_that_a_callback_proves_accepted_is_not_released_at_the_same_moment(
    sessions: Sessions,
) -> None:
    twilio, sender = sessions.open(), sessions.open()
    text, user, token = flying(sender)
    ids = {name: str(uuid4()) for name in ("event_id", "receipt_key")}
    receipt = ids | {"message_id": str(text), "sid": "SM1", "status": "sent"}
    with twilio.connection.transaction():
        assert twilio.call("record_delivery", receipt=receipt)["outcome"] == "moved"
        waiting = sessions.waits(
            sender, lambda: settle(sender, token, text, user, "released", code="x")
        )
    assert waiting.result()["settled"] == 0
    assert status(sender, text) == "sent"


def test_a_text_that_is_accepted_at_last_is_not_released_by_who_looked_for_it(
    sessions: Sessions,
) -> None:
    sender, sweeper = sessions.open(), sessions.open()
    text, user, token = flying(sender)
    sweeper.now = sender.now
    sweeper.pass_time(minutes=2)
    fresh = uuid4()
    sweeper.call("claim_stuck_sends", token=fresh)
    looked = {"id": text, "token": fresh, "found": []}
    assert sweeper.call("settle_send", **looked)["outcome"] == "waiting"
    sweeper.pass_time(minutes=1)
    with sender.connection.transaction():
        assert settle(sender, token, text, user, "accepted")["settled"] == 1
        waiting = sessions.waits(sweeper, lambda: sweeper.call("settle_send", **looked))
    assert waiting.result() == {"outcome": "stale"}
    assert status(sweeper, text) == "sent"


@pytest.mark.parametrize("kind", ["proactive", "system"])
def test_a_text_that_was_given_back_and_had_left_after_all_counts(rpc: Rpc, kind: str) -> None:
    user, token = rpc.member(), uuid4()
    rpc.pass_time(hours=1)
    text = rpc.queue(user, data={"kind": kind})
    assert send(rpc, token) == ["a text"]
    settle(rpc, token, text, user, "released", code="not_listed")
    settle(rpc, uuid4(), text, user, "accepted")
    budgets = rpc.rows("select messages_sent, hourly_limit from user_message_budget")
    assert [b["messages_sent"] for b in budgets] == ([1] if kind == "proactive" else [])
    for _ in range(2):
        rpc.queue(user)
    assert len(rpc.claim_texts() + rpc.claim_texts()) == (1 if kind == "proactive" else 2)


def test_a_stuck_text_leaves_again_only_after_two_empty_listings_a_minute_apart(rpc: Rpc) -> None:
    text, _, _ = flying(rpc, data=SYSTEM)
    token = uuid4()
    rpc.pass_time(seconds=119)
    assert rpc.call("claim_stuck_sends", token=token)["sends"] == []
    rpc.pass_time(seconds=1)
    looked = {"id": text, "token": token, "found": []}
    assert len(rpc.call("claim_stuck_sends", token=token)["sends"]) == 1
    assert rpc.call("settle_send", **looked)["outcome"] == "waiting"
    rpc.pass_time(seconds=59)
    assert rpc.call("settle_send", **looked)["outcome"] == "waiting"
    rpc.pass_time(seconds=1)
    assert rpc.call("settle_send", **looked)["outcome"] == "released"
    rpc.pass_time(minutes=5)
    assert send(rpc, uuid4()) == ["a text"]


def test_a_listed_text_is_ours_only_if_no_other_has_its_sid(rpc: Rpc) -> None:
    first, user, token = flying(rpc, data=SYSTEM)
    settle(rpc, token, first, user, "accepted", sid="SM1")
    second = rpc.queue(user, "a text", data=SYSTEM)
    send(rpc, uuid4())
    rpc.pass_time(minutes=2)
    rpc.call("claim_stuck_sends", token=token)
    listed = {"status": "sent", "receipt_key": str(uuid4())}
    looked = {"id": second, "token": token}
    found = [listed | {"sid": "SM1"}]
    assert rpc.call("settle_send", found=found, **looked)["outcome"] == "waiting"
    found.append(listed | {"sid": "SM2"})
    assert rpc.call("settle_send", found=found, **looked)["outcome"] == "accepted"
    sids = rpc.rows("select twilio_message_sid as sid from messages where direction = 'outbound'")
    assert sorted(row["sid"] for row in sids) == ["SM1", "SM2"]


# 24: what is held costs others nothing


def test_held_texts_do_not_starve_the_texts_of_others(rpc: Rpc) -> None:
    (user,) = rpc.rows(
        "with u as (insert into users (phone_number, quiet_hours_start, quiet_hours_end)"
        " select n, '00:00', '23:59' from generate_series(1, 25) as n returning id),"
        " q as (insert into message_queue (user_id, agent_id, message_data, final_message,"
        " scheduled_for) select id, 'x', '{}', 'held', %s from u)"
        " insert into users (phone_number) values ('free') returning id",
        rpc.now - timedelta(hours=1),
    )
    rpc.queue(user["id"], "free", data=SYSTEM)
    # Twenty members at a time: the first claim holds those of twenty, the second comes to the rest.
    assert send(rpc, uuid4(), limit=20) == []
    assert send(rpc, uuid4(), limit=20) == ["free"]


def test_held_texts_leave_in_the_order_in_which_they_were_due(rpc: Rpc) -> None:
    user = rpc.member(ADA, quiet_hours_start="11:00", quiet_hours_end="13:00")
    rpc.queue(user, "second", due=rpc.now)
    rpc.pass_time(seconds=1)
    rpc.queue(user, "first", due=rpc.now - timedelta(minutes=1))
    assert send(rpc, uuid4()) == []
    rpc.pass_time(hours=1)
    assert rpc.claim_texts() == ["first"]
    assert rpc.claim_texts() == ["second"]


# 25 and 26: topics and sequences


def test_a_claim_waits_for_the_newer_text_on_the_topic_that_is_being_committed(
    sessions: Sessions,
) -> None:
    worker, sender = sessions.open(), sessions.open()
    claimed = turn(worker, ADA)
    user = UUID(claimed["event"]["aggregate_id"])
    old = sender.queue(user, "old", data=SYSTEM | {"topic": "t"})
    worker.pass_time(seconds=1)
    sender.now = worker.now
    with worker.connection.transaction():
        answer = commit(
            worker, claimed, lambda unit: unit.say(user, ["new"], kind="system", topic="t")
        )
        assert answer["outcome"] == "applied"
        waiting = sessions.waits(sender, lambda: send(sender, uuid4(), user))
    assert waiting.result() == ["new"]
    assert status(sender, old) == "superseded"


def test_a_released_text_gives_way_to_the_newer_one_on_its_topic(rpc: Rpc) -> None:
    text, user, token = flying(rpc, data=SYSTEM | {"topic": "t"})
    rpc.pass_time(seconds=1)
    rpc.queue(user, "new", data=SYSTEM | {"topic": "t"})
    assert status(rpc, text) == "in flight"
    settle(rpc, token, text, user, "released", code="429")
    rpc.pass_time(minutes=5)
    assert [rpc.claim_texts(), rpc.claim_texts()] == [["new"], []]
    assert status(rpc, text) == "superseded"


def sequence(rpc: Rpc, user: UUID, parts: int, **data: str) -> list[UUID]:
    """Queue a sequence of system texts."""
    columns: dict[str, Any] = {"sequence_id": uuid4(), "sequence_total": parts}
    return [
        rpc.queue(user, f"part {nth}", data=SYSTEM | data, sequence_position=nth, **columns)
        for nth in range(1, parts + 1)
    ]


def test_a_sequence_that_has_begun_is_not_superseded(rpc: Rpc) -> None:
    user = rpc.member(ADA)
    sequence(rpc, user, 3, topic="t")
    assert rpc.claim_texts() == ["part 1"]
    rpc.pass_time(seconds=1)
    rpc.queue(user, "new", data=SYSTEM | {"topic": "t"})
    assert [rpc.claim_texts()[0] for _ in range(3)] == ["part 2", "part 3", "new"]


def test_the_rest_of_a_sequence_fails_with_a_part_that_is_refused(rpc: Rpc) -> None:
    user, token = rpc.member(ADA), uuid4()
    first, *rest = sequence(rpc, user, 3)
    rpc.queue(user, "another", data=SYSTEM, priority="low")
    assert send(rpc, token) == ["part 1"]
    settle(rpc, token, first, user, "refused", code="30007")
    assert [status(rpc, part) for part in (first, *rest)] == ["failed"] * 3
    assert send(rpc, uuid4()) == ["another"]


def test_a_sequence_whose_other_parts_have_ended_does_not_leave_in_part(rpc: Rpc) -> None:
    user, token = rpc.member(ADA), uuid4()
    first, *rest = sequence(rpc, user, 3)
    assert send(rpc, token) == ["part 1"]
    rpc.text(ADA, **STOP)
    settle(rpc, token, first, user, "released", code="429")
    rpc.text(ADA, **START)
    rpc.pass_time(minutes=5)
    assert send(rpc, uuid4()) == []
    assert [status(rpc, part) for part in (first, *rest)] == ["failed", "superseded", "superseded"]


def test_a_sequence_is_as_old_as_its_first_part_and_that_is_what_replaces(rpc: Rpc) -> None:
    user, sequence_id, data = rpc.member(ADA), uuid4(), {"topic": "t"}
    columns: dict[str, Any] = {"sequence_id": sequence_id, "sequence_total": 2}
    first = rpc.queue(user, "part 1", data=data, sequence_position=1, **columns)
    rpc.pass_time(seconds=1)
    single = rpc.queue(user, "single", data=data, priority="high")
    rpc.pass_time(seconds=1)
    last = rpc.queue(user, "part 2", data=data, sequence_position=2, **columns)
    assert [rpc.claim_texts(), rpc.claim_texts()] == [["single"], []]
    assert [status(rpc, part) for part in (first, last)] == ["superseded", "superseded"]
    assert rpc.queued(first)["superseded_by_message_id"] == single


def test_stop_ends_a_sequence_that_has_begun(rpc: Rpc) -> None:
    user = rpc.member(ADA)
    parts = sequence(rpc, user, 3)
    assert rpc.claim_texts() == ["part 1"]
    rpc.text(ADA, **STOP)
    assert [status(rpc, part) for part in parts] == ["sent", "superseded", "superseded"]
