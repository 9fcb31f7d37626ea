"""Texts held back and given back: a sequence moves as one, and nobody waits behind what cannot
leave (behaviour.md, "message_queue"; protocol.md, 24-26).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.support.claims import send, settle
from tests.support.rpc import Rpc, without_notice
from tests.support.sessions import Sessions

ADA, BOB = "+12125550101", "+12125550102"
SYSTEM = {"kind": "system"}
NIGHT = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)
MORNING = datetime(2026, 11, 24, 13, 0, tzinfo=UTC)


def parts(
    rpc: Rpc, user: UUID, count: int, *, total: int | None = None, name: str = "", **columns: Any
) -> list[UUID]:
    """Queue the first `count` parts of a sequence, called "1", "2" … behind `name`."""
    sequence: dict[str, Any] = {"sequence_id": uuid4(), "sequence_total": total or count}
    return [
        rpc.queue(user, f"{name}{place}", sequence_position=place, **sequence | columns)
        for place in range(1, count + 1)
    ]


def drain(rpc: Rpc) -> list[str]:
    """Everything that may leave now, each accepted before the next is claimed."""
    texts: list[str] = []
    while sent := rpc.claim_texts():
        texts += sent
    return texts


def holds(rpc: Rpc) -> list[tuple[str | None, datetime]]:
    """Of each queued text, part after part: the rule that holds it, and when it is due now."""
    rows = rpc.rows(
        "select message_data #>> '{hold,rule}' as rule, scheduled_for from message_queue"
        " where status = 'queued' and delivered_message_id is null"
        " order by sequence_position, created_at, id"
    )
    return [(row["rule"], row["scheduled_for"]) for row in rows]


def budget(rpc: Rpc, user: UUID, day: str, sent: int) -> None:
    rpc.rows(
        "insert into user_message_budget (user_id, date, messages_sent) values (%s, %s, %s)"
        " returning id",
        user, day, sent,
    )  # fmt: skip


def charged(rpc: Rpc) -> int:
    (row,) = rpc.rows("select sum(messages_sent)::integer as sent from user_message_budget")
    sent: int = row["sent"]
    return sent


# A sequence is held as one


def test_quiet_hours_hold_a_whole_sequence_until_the_morning_and_it_leaves_in_order(
    rpc: Rpc,
) -> None:
    user = rpc.member(ADA)
    rpc.now = NIGHT
    parts(rpc, user, 3)
    assert drain(rpc) == []
    assert holds(rpc) == [("quiet_hours", MORNING)] * 3
    rpc.now = MORNING - timedelta(microseconds=1)
    assert drain(rpc) == []
    rpc.now = MORNING
    assert drain(rpc) == ["1", "2", "3"]
    assert rpc.rows("select 1 as one from message_queue where message_data ? 'hold'") == []
    assert charged(rpc) == 1


def test_the_daily_limit_holds_a_whole_sequence_until_the_next_morning(rpc: Rpc) -> None:
    user = rpc.member(ADA)
    budget(rpc, user, "2026-11-23", 5)
    parts(rpc, user, 2)
    assert drain(rpc) == []
    assert holds(rpc) == [("daily_limit", MORNING)] * 2


def test_the_hourly_limit_holds_a_whole_sequence_until_the_first_text_is_an_hour_old(
    rpc: Rpc,
) -> None:
    user = rpc.member(ADA)
    rpc.queue(user, "a")
    rpc.queue(user, "b")
    first = rpc.now
    assert sorted(drain(rpc)) == ["a", "b"]
    rpc.pass_time(minutes=5)
    parts(rpc, user, 3)
    assert drain(rpc) == []
    assert holds(rpc) == [("hourly_limit", first + timedelta(hours=1))] * 3


def test_a_part_that_is_due_later_stays_due_later_and_its_own_time_is_kept(rpc: Rpc) -> None:
    user = rpc.member(ADA)
    rpc.now = NIGHT
    _, late = parts(rpc, user, 2)
    noon = MORNING + timedelta(hours=4)
    rpc.rows("update message_queue set scheduled_for = %s where id = %s returning id", noon, late)
    assert drain(rpc) == []
    assert holds(rpc) == [("quiet_hours", MORNING), ("quiet_hours", noon)]
    hold = rpc.queued(late)["message_data"]["hold"]
    assert datetime.fromisoformat(hold["due"]) == noon
    rpc.now = MORNING
    assert drain(rpc) == ["1"]
    rpc.now = noon
    assert drain(rpc) == ["2"]


def test_the_time_that_a_text_was_first_due_at_survives_one_hold_after_the_other(
    rpc: Rpc,
) -> None:
    user = rpc.member(ADA)
    rpc.now = due = NIGHT
    ids = parts(rpc, user, 2)
    drain(rpc)
    rpc.now = MORNING
    budget(rpc, user, "2026-11-24", 5)
    assert drain(rpc) == []
    assert holds(rpc) == [("daily_limit", MORNING + timedelta(days=1))] * 2
    for text in ids:
        hold = rpc.queued(text)["message_data"]["hold"]
        assert datetime.fromisoformat(hold["due"]) == due


def test_a_hold_leaves_every_other_text_alone(rpc: Rpc) -> None:
    ada, bob = rpc.member(ADA), rpc.member(BOB, timezone="Asia/Tokyo")
    rpc.now = NIGHT
    ids = parts(rpc, ada, 2, name="held ")
    shared = rpc.queued(ids[0])["sequence_id"]
    others = [
        *parts(rpc, bob, 1, name="of Bob ", sequence_id=shared, total=3),
        *parts(rpc, ada, 2, name="later ", scheduled_for=NIGHT + timedelta(minutes=1)),
        rpc.queue(ada, "sent", sequence_id=shared, sequence_position=1, status="sent"),
    ]
    before = [rpc.queued(text) for text in others]
    assert send(rpc, uuid4(), ada) == []
    assert [rpc.queued(text) for text in others] == before
    assert all("hold" in rpc.queued(text)["message_data"] for text in ids)


@pytest.mark.parametrize("data", ["null", '"x"', "[1]", '{"hold": 7}', '{"hold": {"due": "soon"}}'])
def test_parts_with_odd_data_are_held_and_leave_like_others(rpc: Rpc, data: str) -> None:
    user = rpc.member(ADA)
    rpc.now = NIGHT
    parts(rpc, user, 2)
    rpc.rows("update message_queue set message_data = %s::jsonb returning id", data)
    assert drain(rpc) == []
    assert holds(rpc) == [("quiet_hours", MORNING)] * 2
    rpc.now = MORNING
    assert drain(rpc) == ["1", "2"]


# Incomplete sequences


@pytest.mark.parametrize("everybody", [True, False])
def test_a_sequence_that_has_become_complete_leaves_at_once(rpc: Rpc, everybody: bool) -> None:
    user = rpc.member(ADA)
    ids = parts(rpc, user, 2, total=3)
    assert drain(rpc) == []
    assert holds(rpc) == [("sequence_incomplete", rpc.now + timedelta(minutes=10))] * 2
    rpc.pass_time(minutes=2)
    sequence = rpc.queued(ids[0])["sequence_id"]
    rpc.queue(user, "3", sequence_id=sequence, sequence_position=3, sequence_total=3)
    sent: list[str] = []
    while more := rpc.claim_texts(None if everybody else user):
        sent += more
    assert sent == ["1", "2", "3"]
    assert rpc.rows("select 1 as one from message_queue where message_data ? 'hold'") == []


def test_the_ten_minutes_begin_anew_with_each_part_and_then_all_of_them_fail(rpc: Rpc) -> None:
    user = rpc.member(ADA)
    (first,) = parts(rpc, user, 1, total=3)
    assert drain(rpc) == []
    rpc.pass_time(minutes=9)
    sequence = rpc.queued(first)["sequence_id"]
    rpc.queue(user, "2", sequence_id=sequence, sequence_position=2, sequence_total=3)
    assert drain(rpc) == []
    rpc.pass_time(minutes=9, seconds=59)
    assert drain(rpc) == []
    rpc.pass_time(seconds=1)
    assert drain(rpc) == []
    rows = rpc.rows("select status, message_data ->> 'error_code' as code from message_queue")
    assert {row["status"] for row in rows} == {"failed"}
    assert {row["code"] for row in rows} == {"sequence_incomplete", "sequence"}


def test_an_incomplete_sequence_of_unknown_age_is_no_older_than_its_time(rpc: Rpc) -> None:
    user = rpc.member(ADA)
    parts(rpc, user, 2, total=3, created_at=None)
    assert drain(rpc) == []
    assert holds(rpc) == [("sequence_incomplete", rpc.now + timedelta(minutes=10))] * 2
    rpc.pass_time(minutes=10)
    assert drain(rpc) == []
    assert {r["status"] for r in rpc.rows("select status from message_queue")} == {"failed"}


# Giving back


def released(rpc: Rpc, user: UUID, text: UUID, token: UUID, code: str = "429") -> dict[str, Any]:
    return settle(rpc, token, text, user, "released", code=code)


def test_a_part_that_is_given_back_takes_the_parts_after_it_along(rpc: Rpc) -> None:
    user, token = rpc.member(ADA), uuid4()
    first, second, third = parts(rpc, user, 3)
    noon = rpc.now + timedelta(hours=1)
    rpc.rows("update message_queue set scheduled_for = %s where id = %s returning id", noon, third)
    other = rpc.queue(user, "another", due=rpc.now + timedelta(seconds=1))
    assert send(rpc, token) == ["1"]
    assert charged(rpc) == 1
    assert released(rpc, user, first, token)["texts_due"] == []
    again = rpc.now + timedelta(seconds=5)
    assert [rpc.queued(text)["scheduled_for"] for text in (first, second, third)] == [
        again, again, noon,
    ]  # fmt: skip
    assert rpc.queued(other)["scheduled_for"] == rpc.now + timedelta(seconds=1)
    assert charged(rpc) == 0
    rpc.now = again
    assert drain(rpc) == ["another", "1", "2"]
    assert charged(rpc) == 2


def test_a_later_part_that_is_given_back_refunds_nothing_and_is_no_text_more(rpc: Rpc) -> None:
    user = rpc.member(ADA)
    _, second, third = parts(rpc, user, 3)
    assert rpc.claim_texts() == ["1"]
    token = uuid4()
    assert send(rpc, token) == ["2"]
    released(rpc, user, second, token)
    assert charged(rpc) == 1
    again = rpc.now + timedelta(seconds=5)
    assert [rpc.queued(text)["scheduled_for"] for text in (second, third)] == [again, again]
    rpc.now = again
    assert drain(rpc) == ["2", "3"]
    assert charged(rpc) == 1


def test_what_twilio_does_not_take_waits_longer_each_time_and_fails_after_a_day(rpc: Rpc) -> None:
    user = rpc.member(ADA)
    first, second = parts(rpc, user, 2, data=SYSTEM)
    for wait in (5, 10, 20, 40, 80, 160, 300, 300):
        token = uuid4()
        assert send(rpc, token) == ["1"]
        released(rpc, user, first, token)
        rpc.pass_time(seconds=wait - 0.001)
        assert send(rpc, uuid4()) == []
        rpc.pass_time(seconds=0.001)
    rpc.pass_time(hours=24)
    token = uuid4()
    assert send(rpc, token) == ["1"]
    released(rpc, user, first, token)
    assert [rpc.queued(text)["status"] for text in (first, second)] == ["failed", "failed"]


@pytest.mark.parametrize("since", ["infinity", "-infinity", "soon", ""])
def test_an_outcome_is_recorded_whatever_was_kept_of_those_before(rpc: Rpc, since: str) -> None:
    ada, bob, token = rpc.member(ADA), rpc.member(BOB), uuid4()
    odd = rpc.queue(ada, data=SYSTEM | {"first_released_at": since})
    good = rpc.queue(bob, data=SYSTEM)
    assert len(send(rpc, token)) == 2
    results = [
        {"id": str(text), "user_id": str(user), "outcome": "released", "code": "429"}
        for text, user in ((odd, ada), (good, bob))
    ]
    assert rpc.call("record_sends", token=token, results=results)["settled"] == 2
    if since != "-infinity":
        kept = rpc.queued(odd)["message_data"]["first_released_at"]
        assert datetime.fromisoformat(kept) == rpc.now
    assert rpc.queued(odd)["status"] == ("failed" if since == "-infinity" else "queued")
    rpc.pass_time(seconds=5)
    assert len(drain(rpc)) == (1 if since == "-infinity" else 2)


@pytest.mark.parametrize("code", ["timeout", None])
def test_an_unknown_end_is_kept_with_or_without_a_word_for_it(rpc: Rpc, code: str | None) -> None:
    user, token = rpc.member(ADA), uuid4()
    text = rpc.queue(user, data=SYSTEM)
    send(rpc, token)
    settle(rpc, token, text, user, "ambiguous", code=code)
    kept = rpc.queued(text)["message_data"]
    assert kept["send"]["error"] == (code or "unknown")
    assert (kept["send"]["token"], kept["kind"]) == (str(token), "system")


# Nobody waits behind what cannot leave


def test_any_number_of_later_parts_hide_no_text_that_may_leave(rpc: Rpc) -> None:
    user = rpc.member(ADA)
    for number in range(15):
        parts(rpc, user, 3, data=SYSTEM, name=f"{number:02}.")
        rpc.pass_time(milliseconds=1)
    expected = [f"{number:02}.{place}" for number in range(15) for place in (1, 2, 3)]
    assert drain(rpc) == expected


@pytest.mark.parametrize("everybody", [True, False])
def test_behind_any_number_of_held_texts_another_that_may_leave_does_so_in_the_same_run(
    rpc: Rpc, everybody: bool
) -> None:
    user = rpc.member(ADA)
    rpc.now = NIGHT
    for _ in range(50):
        rpc.queue(user, "news", priority="high", due=rpc.now - timedelta(minutes=5))
    rpc.queue(user, "code", data=SYSTEM, priority="low")
    asked = None if everybody else user
    for _ in range(2):
        answer = rpc.call("claim_texts", token=uuid4(), user_id=asked)
        # A run goes on while there is more.
        assert (answer["sends"], answer["more"]) == ([], True)
    answer = rpc.call("claim_texts", token=uuid4(), user_id=asked)
    assert [without_notice(text["body"]) for text in answer["sends"]] == ["code"]


def test_members_who_share_the_id_of_a_sequence_have_one_each(rpc: Rpc) -> None:
    sleeper = {"quiet_hours_start": "09:00", "quiet_hours_end": "17:00"}
    ada, bob = rpc.member(ADA), rpc.member(BOB, **sleeper)
    gone = rpc.member("+12125550103")
    rpc.pass_time(minutes=20)
    columns: dict[str, Any] = {"sequence_id": uuid4()}
    for user, name in ((gone, "c"), (bob, "b"), (ada, "a")):
        parts(rpc, user, 2, name=name, **columns)
    parts(rpc, bob, 1, name="more of b", **columns)  # no third part of Ada's
    rpc.text("+12125550103", "STOP", keyword="stop", word="STOP")
    assert drain(rpc) == ["a1", "a2"]
    rows = rpc.rows(
        "select user_id, status, message_data #>> '{hold,rule}' as rule from message_queue"
        " where user_id <> %s",
        ada,
    )
    found = {(row["user_id"], row["status"], row["rule"]) for row in rows}
    assert found == {(gone, "superseded", None), (bob, "queued", "quiet_hours")}


@pytest.mark.parametrize(
    "first_part",
    [{"final_message": None}, {"requires_fresh_context": True}, {"scheduled_for": MORNING}],
    ids=["to be written", "to be judged", "due later"],
)
def test_members_whose_first_part_cannot_leave_yet_hide_nobody_else(
    rpc: Rpc, first_part: dict[str, Any]
) -> None:
    for number in range(25):
        user = rpc.member(f"+164655501{number:02}")
        first, _ = parts(rpc, user, 2, data=SYSTEM, due=rpc.now - timedelta(minutes=5))
        sets = ", ".join(f"{name} = %s" for name in first_part)
        query = f"update message_queue set {sets} where id = %s returning id"  # noqa: S608
        rpc.rows(query, *first_part.values(), first)
    rpc.queue(rpc.member(ADA), "hello", data=SYSTEM)
    answer = rpc.call("claim_texts", token=uuid4(), limit=20)
    assert [without_notice(text["body"]) for text in answer["sends"]] == ["hello"]
    assert answer["more"] is False


@pytest.mark.parametrize("status", ["weird", None, "failed", "superseded"])
def test_what_comes_after_a_part_that_will_never_leave_fails(rpc: Rpc, status: str | None) -> None:
    rpc.connection.execute("reset role")
    check = "message_queue_status_documented"
    rpc.connection.execute(f"alter table message_queue drop constraint {check}".encode())
    rpc.connection.execute("set role service_role")
    user = rpc.member(ADA)
    first, second = parts(rpc, user, 2)
    rpc.rows("update message_queue set status = %s where id = %s returning id", status, first)
    assert drain(rpc) == []
    assert rpc.queued(second)["status"] == "failed"
    assert rpc.queued(first)["status"] == status


def test_a_text_that_cannot_be_claimed_delays_only_itself(rpc: Rpc) -> None:
    ada, bob = rpc.member(ADA), rpc.member(BOB)
    bad = rpc.queue(ada, "bad", data=SYSTEM)
    rpc.rows(  # somebody queued again what was sent
        "insert into messages (id, conversation_id, user_id, role, content, direction)"
        " select %s, id, user_id, 'assistant', 'bad', 'outbound' from conversations"
        " where user_id = %s returning id",
        bad,
        ada,
    )
    rpc.pass_time(seconds=1)
    good = rpc.queue(ada, "good", data=SYSTEM)
    rpc.queue(bob, "other", data=SYSTEM)
    assert rpc.claim_texts() == ["other"]
    row = rpc.queued(bad)
    assert row["scheduled_for"] == rpc.now + timedelta(minutes=10)
    assert row["message_data"]["error_code"] == "23505"
    assert rpc.queued(good)["scheduled_for"] == rpc.now
    assert rpc.claim_texts() == ["good"]


def test_a_text_that_cannot_be_claimed_is_reported_and_fails_after_a_day(rpc: Rpc) -> None:
    ada = rpc.member(ADA)
    bad = rpc.queue(ada, "bad", data=SYSTEM)
    rpc.rows(
        "insert into messages (id, conversation_id, user_id, role, content, direction)"
        " select %s, id, user_id, 'assistant', 'bad', 'outbound' from conversations returning id",
        bad,
    )
    for hours in (0, 23, 1):
        rpc.pass_time(hours=hours)
        assert rpc.queued(bad)["status"] == "queued"
        answer = rpc.call("claim_texts", token=uuid4())
        assert answer["broken"] == [{"id": str(bad), "user_id": str(ada), "code": "23505"}]
        # There may be others of this member's.
        assert answer["more"]
    assert rpc.queued(bad)["status"] == "failed"


def test_texts_of_a_member_who_does_not_exist_fail_and_take_nobody_s_place(rpc: Rpc) -> None:
    rpc.connection.execute("reset role")
    rpc.connection.execute("alter table message_queue drop constraint message_queue_user_id_fkey")
    rpc.connection.execute("set role service_role")
    orphans = [rpc.queue(uuid4(), "orphan", data=SYSTEM, priority="high") for _ in range(3)]
    rpc.queue(rpc.member(ADA), "good", data=SYSTEM)
    sent: list[str] = []
    while (answer := rpc.call("claim_texts", token=uuid4(), limit=1))["more"]:
        sent += [without_notice(send["body"]) for send in answer["sends"]]
    assert sent + [without_notice(send["body"]) for send in answer["sends"]] == ["good"]
    rows = [rpc.queued(orphan) for orphan in orphans]
    assert [row["status"] for row in rows] == ["failed"] * 3
    assert {row["message_data"]["error_code"] for row in rows} == {"no_member"}


# The same claim again


def test_a_claim_repeated_while_the_first_still_runs_claims_nothing_beside_it(
    sessions: Sessions,
) -> None:
    first, second = sessions.open(), sessions.open()
    ada, bob, token = first.member(ADA), first.member(BOB), uuid4()
    first.queue(ada, "to Ada", data=SYSTEM)
    second.now = first.now
    with first.connection.transaction():
        assert send(first, token, ada) == ["to Ada"]
        sessions.at_once(second, lambda: second.queue(bob, "to Bob", data=SYSTEM))
        repeated = sessions.at_once(second, lambda: second.call("claim_texts", token=token))
        assert repeated == {"outcome": "retry"}
        one = sessions.at_once(second, lambda: second.call("claim_texts", token=token, user_id=ada))
        assert one == {"outcome": "retry"}
    assert send(second, token) == send(second, token, ada) == ["to Ada"]
    assert send(second, uuid4()) == ["to Bob"]
