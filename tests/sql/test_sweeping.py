"""What the sweeper finds, and what cannot hide it (protocol.md, 17)."""

from __future__ import annotations

from uuid import uuid4

import pytest

from tests.support.claims import claim
from tests.support.rpc import Rpc

STRANGERS = (
    "insert into events (event_type, payload, created_at)"
    " select %s, '{}', %s from generate_series(1, %s) returning id"
)


@pytest.mark.parametrize("way", ["given up", "crashed"])
def test_six_hundred_dead_letters_hide_none_of_fifty_live_events(rpc: Rpc, way: str) -> None:
    rpc.rows(STRANGERS, "dead", rpc.now, 600)
    if way == "given up":
        token = uuid4()
        outcomes = rpc.rows(
            "select claim_event(e.id, %s, 90, null, %s) ->> 'outcome' as claimed,"
            " fail_event(jsonb_build_array(e.id), %s, 'e', 'permanent', '[]', %s) ->> 'outcome'"
            " as became from events as e",
            *[token, rpc.now] * 2,
        )
        assert {tuple(row.values()) for row in outcomes} == {("claimed", "dead")}
    else:
        rpc.rows("update events set metadata = '{\"attempt\": 5}' returning id")
        outcomes = rpc.rows(
            "select claim_event(id, gen_random_uuid(), 90, null, %s) ->> 'outcome' as became"
            " from events",
            rpc.now,
        )
        assert {row["became"] for row in outcomes} == {"dead"}
    rpc.pass_time(seconds=1)
    live = {str(row["id"]) for row in rpc.rows(STRANGERS, "live", rpc.now, 50)}
    rpc.pass_time(minutes=2)
    assert set(rpc.call("sweep_events")["events"]) == live


@pytest.mark.parametrize("whose", ["a member's", "nobody's"])
def test_a_sweep_leaves_alone_what_is_held_and_what_waits_for_its_time(
    rpc: Rpc, whose: str
) -> None:
    if whose == "nobody's":
        events = [str(row["id"]) for row in rpc.rows(STRANGERS, "x", rpc.now, 2)]
    else:
        events = [rpc.text(f"+1212555010{nth}")["event_id"] for nth in range(2)]
    _, failed = (claim(rpc, event) for event in events)
    rpc.pass_time(seconds=80)
    given = {"event_ids": failed["events"], "token": failed["token"], "error": "e", "kind": "own"}
    rpc.call("fail_event", **given)
    rpc.pass_time(seconds=9)
    assert rpc.call("sweep_events")["events"] == []
    rpc.pass_time(seconds=1)
    # The lease has run out, the wait is over.
    assert sorted(rpc.call("sweep_events")["events"]) == sorted(events)


def test_a_sweep_announces_an_event_once_until_its_time_comes_again(rpc: Rpc) -> None:
    event = rpc.text()["event_id"]
    rpc.pass_time(seconds=1)
    times = []
    for minute in range(1, 11):
        rpc.pass_time(minutes=1)
        if rpc.call("sweep_events")["events"] == [event]:
            times.append(minute)
    # After a minute, then a minute, two and four minutes later.
    assert times == [1, 2, 4, 8]


def test_a_due_event_behind_any_number_that_wait_is_found_by_going_on(rpc: Rpc) -> None:
    rpc.rows(STRANGERS, "waits", rpc.now, 10_500)
    rpc.rows('update events set metadata = \'{"retry_at": "2999-01-01T00:00:00Z"}\' returning id')
    rpc.pass_time(seconds=1)
    (due,) = rpc.rows(STRANGERS, "due", rpc.now, 1)
    (timeless,) = rpc.rows(STRANGERS, "due", None, 1)
    rpc.pass_time(minutes=2)
    found, after, calls = [], None, 0
    while after is not None or calls == 0:
        answer = rpc.call("sweep_events", after=after)
        found += answer["events"]
        after, calls = answer["next"], calls + 1
    assert set(found) == {str(due["id"]), str(timeless["id"])}
    assert calls > 1


def test_the_oldest_open_event_is_told_by_its_age_whatever_it_waits_for(rpc: Rpc) -> None:
    assert rpc.call("oldest_open_event")["age_s"] == 0
    (event,) = rpc.rows(STRANGERS, "x", rpc.now, 1)
    rpc.pass_time(seconds=301)
    rpc.rows(STRANGERS, "younger", rpc.now, 1)
    assert rpc.call("oldest_open_event")["age_s"] == 301
    claim(rpc, str(event["id"]))
    assert rpc.call("oldest_open_event")["age_s"] == 301
    rpc.rows("update events set processed = true where id = %s returning id", event["id"])
    assert rpc.call("oldest_open_event")["age_s"] == 0
