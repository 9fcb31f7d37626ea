"""When a text may leave (behaviour.md, "message_queue"): gate_text through claim_texts."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest

from tests.support.rpc import Rpc


def drain(rpc: Rpc) -> list[str]:
    """Everything that may leave now."""
    texts: list[str] = []
    while sent := rpc.claim_texts():
        texts += sent
    return texts


def at(zone: str, *parts: int) -> datetime:
    """A local time as a point in time."""
    year, month, day, hour, minute = parts
    return datetime(year, month, day, hour, minute, tzinfo=ZoneInfo(zone)).astimezone(UTC)


def test_two_proactive_texts_leave_in_an_hour_and_the_third_is_held_until_the_first_is_an_hour_old(
    rpc: Rpc,
) -> None:
    user = rpc.member()
    rpc.pass_time(hours=1)
    for nth in range(3):
        rpc.queue(user, f"text {nth}", due=rpc.now + timedelta(seconds=nth - 10))
    first = rpc.now
    assert drain(rpc) == ["text 0", "text 1"]
    (held,) = rpc.rows("select * from message_queue where status = 'queued'")
    hold = held["message_data"]["hold"]
    assert hold["rule"] == "hourly_limit"
    assert datetime.fromisoformat(hold["until"]) == first + timedelta(hours=1)
    assert held["scheduled_for"] == first + timedelta(hours=1)
    rpc.pass_time(hours=1, seconds=1)
    assert drain(rpc) == ["text 2"]


def test_five_proactive_texts_leave_in_a_local_day_and_the_sixth_the_next_morning(rpc: Rpc) -> None:
    user = rpc.member()
    sent: list[str] = []
    for nth in range(6):
        rpc.queue(user, f"text {nth}")
    for _ in range(4):
        rpc.pass_time(hours=1, seconds=1)
        sent += drain(rpc)
    assert sent == [f"text {nth}" for nth in range(5)] or len(sent) == 5
    (held,) = rpc.rows("select * from message_queue where status = 'queued'")
    assert held["message_data"]["hold"]["rule"] == "daily_limit"
    assert held["scheduled_for"] == at("America/New_York", 2026, 11, 24, 8, 0)
    rpc.now = at("America/New_York", 2026, 11, 24, 8, 0)
    assert len(drain(rpc)) == 1
    (today,) = rpc.rows("select * from user_message_budget where date = '2026-11-24'")
    assert today["messages_sent"] == 1


def test_a_new_day_copies_the_limits_of_the_latest_one(rpc: Rpc) -> None:
    user = rpc.member()
    rpc.rows(
        "insert into user_message_budget (user_id, date, daily_limit, hourly_limit,"
        " quiet_hours_enabled) values (%s, '2026-11-01', 1, 1, false) returning id",
        user,
    )
    rpc.pass_time(hours=1)
    rpc.queue(user, "one")
    rpc.queue(user, "two")
    assert len(drain(rpc)) == 1
    (today,) = rpc.rows("select * from user_message_budget where date = '2026-11-23'")
    assert (today["daily_limit"], today["quiet_hours_enabled"]) == (1, False)


@pytest.mark.parametrize(
    ("zone", "now", "until"),
    [
        ("America/New_York", (2026, 11, 23, 22, 0), (2026, 11, 24, 8, 0)),
        ("America/New_York", (2026, 11, 23, 7, 59), (2026, 11, 23, 8, 0)),
        ("Asia/Kolkata", (2026, 11, 23, 23, 30), (2026, 11, 24, 8, 0)),
        ("Australia/Lord_Howe", (2026, 11, 23, 5, 15), (2026, 11, 23, 8, 0)),
        ("Nowhere/Land", (2026, 11, 23, 23, 0), (2026, 11, 24, 8, 0)),
        ("", (2026, 11, 23, 23, 0), (2026, 11, 24, 8, 0)),
        (None, (2026, 11, 23, 23, 0), (2026, 11, 24, 8, 0)),
    ],
)
def test_quiet_hours_hold_proactive_texts_until_their_end_in_the_members_zone(
    rpc: Rpc, zone: str | None, now: tuple[int, ...], until: tuple[int, ...]
) -> None:
    user = rpc.member(timezone=zone)
    known = zone if zone in {"Asia/Kolkata", "Australia/Lord_Howe"} else "America/New_York"
    rpc.now = at(known, *now)
    text = rpc.queue(user)
    assert drain(rpc) == []
    row = rpc.queued(text)
    assert row["message_data"]["hold"]["rule"] == "quiet_hours"
    assert row["scheduled_for"] == at(known, *until)
    rpc.now = at(known, *until)
    assert len(drain(rpc)) == 1


@pytest.mark.parametrize(
    ("start", "end", "hour", "held"),
    [
        ("09:00", "17:00", 12, True),
        ("09:00", "17:00", 17, False),
        ("12:00", "12:00", 12, False),
        ("13:00", "12:00", 12, False),
        ("12:00", None, 12, False),
    ],
)
def test_quiet_hours_are_half_open_may_cross_midnight_and_may_be_none(
    rpc: Rpc, start: str, end: str | None, hour: int, held: bool
) -> None:
    user = rpc.member(quiet_hours_start=start, quiet_hours_end=end)
    rpc.now = at("America/New_York", 2026, 11, 23, hour, 0)
    rpc.queue(user)
    assert bool(drain(rpc)) is not held


def test_a_quiet_window_that_ends_in_a_gap_or_an_overlap_of_the_clock(rpc: Rpc) -> None:
    query = "select local_instant(%s::timestamp, %s) as instant"
    (gap,) = rpc.rows(query, "2026-03-08 02:30", "America/New_York")
    assert gap["instant"] == datetime(2026, 3, 8, 7, 30, tzinfo=UTC)
    (overlap,) = rpc.rows(query, "2026-11-01 01:30", "America/New_York")
    assert overlap["instant"] == datetime(2026, 11, 1, 5, 30, tzinfo=UTC)
    (half,) = rpc.rows(query, "2026-04-05 01:45", "Australia/Lord_Howe")
    assert half["instant"] == datetime(2026, 4, 4, 14, 45, tzinfo=UTC)


def test_a_reply_is_exempt_while_the_members_text_is_ten_minutes_old_and_then_held(
    rpc: Rpc,
) -> None:
    user = rpc.member()
    rpc.now = at("America/New_York", 2026, 11, 23, 23, 0)
    rpc.text()
    rpc.pass_time(minutes=10)
    for nth in range(4):
        rpc.queue(user, f"reply {nth}", data={"kind": "reply"})
    assert len(drain(rpc)) == 4
    assert rpc.rows("select * from user_message_budget") == []
    rpc.pass_time(seconds=1)
    late = rpc.queue(user, "late reply", data={"kind": "reply"})
    assert drain(rpc) == []
    assert rpc.queued(late)["message_data"]["hold"]["rule"] == "quiet_hours"


def test_system_texts_are_exempt_from_budget_and_quiet_hours(rpc: Rpc) -> None:
    user = rpc.member()
    rpc.now = at("America/New_York", 2026, 11, 24, 3, 0)
    for nth in range(7):
        rpc.queue(user, f"text {nth}", data={"kind": "system"})
    assert len(drain(rpc)) == 7


def test_an_opted_out_member_gets_nothing_but_the_confirmation(rpc: Rpc) -> None:
    user = rpc.member()
    rpc.text(body="STOP", keyword="stop", word="STOP", reply="bye")
    rpc.queue(user, "later", data={"kind": "system"})
    assert drain(rpc) == ["bye"]
    rows = rpc.rows(
        "select status, superseded_reason from message_queue where final_message = 'later'"
    )
    assert [tuple(r.values()) for r in rows] == [("superseded", "opted out")]


def test_a_newer_text_on_the_same_topic_supersedes_the_older_with_a_pointer(rpc: Rpc) -> None:
    user = rpc.member()
    rpc.pass_time(hours=1)
    old = rpc.queue(user, "old", data={"topic": "t"})
    rpc.pass_time(seconds=1)
    new = rpc.queue(user, "new", data={"topic": "t"}, due=rpc.now + timedelta(hours=2))
    other = rpc.queue(user, "other", data={"topic": "u"})
    assert drain(rpc) == ["other"]
    row = rpc.queued(old)
    assert (row["status"], row["superseded_by_message_id"]) == ("superseded", new)
    assert rpc.queued(other)["status"] == "sent"


def sequence(rpc: Rpc, user: UUID, parts: int, total: int) -> None:
    """Queue parts of a sequence, the last one first."""
    sequence_id = uuid4()
    for nth in range(parts, 0, -1):
        rpc.queue(
            user,
            f"part {nth}",
            sequence_id=sequence_id,
            sequence_position=nth,
            sequence_total=total,
        )


def test_a_sequence_leaves_in_order_counts_once_and_is_not_cut_by_the_budget(rpc: Rpc) -> None:
    user = rpc.member()
    rpc.pass_time(hours=1)
    rpc.queue(user, "first", due=rpc.now - timedelta(minutes=1))
    sequence(rpc, user, 3, 3)
    assert drain(rpc) == ["first", "part 1", "part 2", "part 3"]
    (budget,) = rpc.rows("select messages_sent from user_message_budget")
    assert budget["messages_sent"] == 2


def test_an_incomplete_sequence_waits_ten_minutes_and_then_fails(rpc: Rpc) -> None:
    user = rpc.member()
    rpc.pass_time(hours=1)
    sequence(rpc, user, 2, 3)
    assert drain(rpc) == []
    rows = rpc.rows("select message_data from message_queue")
    assert {r["message_data"]["hold"]["rule"] for r in rows} == {"sequence_incomplete"}
    rpc.pass_time(minutes=10)
    assert drain(rpc) == []
    rows = rpc.rows("select status from message_queue")
    assert {r["status"] for r in rows} == {"failed"}


def test_one_text_is_in_flight_for_each_member_and_other_members_do_not_wait(rpc: Rpc) -> None:
    ada, bob = rpc.member("+12125550101"), rpc.member("+12125550102")
    rpc.pass_time(hours=1)
    for user in (ada, ada, bob):
        rpc.queue(user)
    first = rpc.call("claim_texts", token=uuid4())["sends"]
    assert sorted(s["user_id"] for s in first) == sorted([str(ada), str(bob)])
    assert rpc.call("claim_texts", token=uuid4())["sends"] == []


def test_high_goes_before_medium_before_low_then_the_earlier(rpc: Rpc) -> None:
    user = rpc.member()
    rpc.now = at("America/New_York", 2026, 11, 23, 12, 0)
    for nth, priority in enumerate(("low", "medium", "high", "medium")):
        rpc.queue(
            user,
            f"{priority} {nth}",
            data={"kind": "system"},
            priority=priority,
            due=rpc.now - timedelta(minutes=10 - nth),
        )
    assert drain(rpc) == ["high 2", "medium 1", "medium 3", "low 0"]


def test_a_release_refunds_the_charge_and_the_text_passes_the_gate_again(rpc: Rpc) -> None:
    user = rpc.member()
    rpc.pass_time(hours=1)
    text = rpc.queue(user)
    token = uuid4()
    rpc.call("claim_texts", token=token)
    result = {"id": str(text), "user_id": str(user), "outcome": "released", "code": "429"}
    rpc.call("record_sends", token=token, results=[result])
    (budget,) = rpc.rows("select messages_sent from user_message_budget")
    assert budget["messages_sent"] == 0
    assert rpc.queued(text)["delivered_message_id"] is None
    assert rpc.rows("select 1 as one from messages where direction = 'outbound'") == []
    rpc.text(body="STOP", keyword="stop", word="STOP")
    rpc.pass_time(minutes=10)
    assert drain(rpc) == []


@pytest.mark.parametrize("data", ["null", '"text"', "[1]", '{"kind": 7, "hold": "x"}'])
def test_a_row_with_odd_data_is_proactive_and_delays_nobody(rpc: Rpc, data: str) -> None:
    ada, bob = rpc.member("+12125550101"), rpc.member("+12125550102")
    rpc.pass_time(hours=1)
    text = rpc.queue(ada, "odd")
    rpc.rows(
        "update message_queue set message_data = %s::jsonb where id = %s returning id", data, text
    )
    rpc.queue(bob, "even")
    assert sorted(drain(rpc)) == ["even", "odd"]
