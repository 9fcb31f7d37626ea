"""Listing and replaying dead letters, on rows of any kind."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.support.rpc import Rpc


def dead(rpc: Rpc, metadata: str = '{"dead": {"error": "x"}}', **columns: object) -> UUID:
    row = {
        "id": uuid4(),
        "event_type": "a.b",
        "payload": "{}",
        "metadata": metadata,
        "processed": True,
        "created_at": rpc.now,
    } | columns
    rpc.connection.execute(
        f"insert into events ({', '.join(row)}) values"  # noqa: S608
        f" ({', '.join(['%s'] * len(row))})".encode(),
        list(row.values()),
    )
    return UUID(str(row["id"]))


def failed_task(rpc: Rpc, **columns: object) -> UUID:
    row = {
        "id": uuid4(),
        "task_type": "t",
        "agent_type": "a",
        "scheduled_for": rpc.now,
        "context_json": "{}",
        "status": "failed",
        "result_json": "null",
        "retry_count": 3,
        "error_log": "broken",
    } | columns
    rpc.connection.execute(
        f"insert into agent_tasks ({', '.join(row)}) values"  # noqa: S608
        f" ({', '.join(['%s'] * len(row))})".encode(),
        list(row.values()),
    )
    return UUID(str(row["id"]))


def listed(rpc: Rpc, limit: int = 50, **arguments: object) -> list[str]:
    """The ids on all pages of `limit`."""
    answer = rpc.call("list_dead_letters", limit=limit, **arguments)
    ids = [letter["id"] for letter in answer["letters"]]
    while after := answer["next"]:
        answer = rpc.call(
            "list_dead_letters",
            limit=limit,
            **arguments,
            before=after["due_at"],
            before_id=after["id"],
        )
        ids += [letter["id"] for letter in answer["letters"]]
    return ids


def replay(rpc: Rpc, id_: UUID, token: UUID | None = None) -> dict[str, Any]:
    return rpc.call("replay_dead_letter", id=id_, by="me", token=token or uuid4())


def test_only_what_was_given_up_is_listed_and_the_limit_is_told(rpc: Rpc) -> None:
    dead(rpc, metadata='{"done": {}}')
    dead(rpc, metadata="null")
    letters = []
    for _ in range(3):
        rpc.pass_time(seconds=1)
        letters.append(str(dead(rpc)))
    assert listed(rpc) == letters[::-1]
    answer = rpc.call("list_dead_letters", limit=2)
    assert [letter["id"] for letter in answer["letters"]] == letters[:0:-1]
    assert answer["next"]["id"] == letters[1]
    assert rpc.call("list_dead_letters", limit=3)["next"] is None


@pytest.mark.parametrize("limit", [1, 2, 3, 200])
def test_pages_hold_every_event_and_task_once_newest_first(rpc: Rpc, limit: int) -> None:
    ages = (0, 1, 1, 2, 700 * 24 * 3600)
    due = {}
    for age in ages:
        at = rpc.now - timedelta(seconds=age)
        due[str(dead(rpc, created_at=at))] = at
        # When a task was made says nothing about when it was due.
        due[str(failed_task(rpc, scheduled_for=at, created_at=rpc.now - 2 * (rpc.now - at)))] = at
    timeless = [str(dead(rpc, created_at=None)) for _ in range(3)]
    by_time = sorted(due, key=lambda id_: (due[id_], id_), reverse=True)

    assert listed(rpc, limit) == by_time + sorted(timeless, reverse=True)
    assert listed(rpc, limit, since=rpc.now - timedelta(seconds=1)) == by_time[:6]
    assert listed(rpc, limit, type="t") == [id_ for id_ in by_time if is_task(rpc, id_)]


def is_task(rpc: Rpc, id_: str) -> bool:
    return bool(rpc.rows("select 1 from agent_tasks where id = %s", id_))


def test_a_call_looks_at_so_many_finished_events_and_the_next_goes_on_there(rpc: Rpc) -> None:
    old = dead(rpc, created_at=rpc.now - timedelta(days=2))
    older = failed_task(rpc, scheduled_for=rpc.now - timedelta(days=3))
    rpc.connection.execute(
        "insert into events (event_type, payload, metadata, processed, created_at)"
        " select 'a.b', '{}', '{\"done\": {}}', true, %s::timestamptz - make_interval(secs => n)"
        " from generate_series(1, 20001) as n",
        (rpc.now,),
    )
    first = rpc.call("list_dead_letters")
    assert first["letters"] == []
    assert first["next"] is not None
    assert listed(rpc) == [str(old), str(older)]


@pytest.mark.parametrize(
    "metadata", ['{"dead": null}', '{"dead": "text"}', '{"dead": [], "attempt": "x"}']
)
def test_a_damaged_note_is_listed_and_replayed_all_the_same(rpc: Rpc, metadata: str) -> None:
    letter = dead(rpc, metadata=metadata)
    assert listed(rpc) == [str(letter)]
    assert replay(rpc, letter)["outcome"] == "replayed"
    (row,) = rpc.rows("select processed, metadata from events where id = %s", letter)
    assert row["processed"] is False
    assert row["metadata"]["attempt"] == 0
    assert row["metadata"]["replays"][0]["by"] == "me"


def test_a_replayed_event_can_be_claimed_at_once(rpc: Rpc) -> None:
    letter = dead(
        rpc,
        metadata='{"dead": {}, "attempt": 5, "retry_at": "2999-01-01T00:00:00Z",'
        ' "published_at": "2999-01-01T00:00:00Z", "lease": {"token": "x"}}',
    )
    replay(rpc, letter)
    assert rpc.call("claim_event", event_id=letter, token=uuid4())["outcome"] == "claimed"
    assert replay(rpc, letter) == {"outcome": "open", "kind": "event"}


@pytest.mark.parametrize("make", [dead, failed_task])
def test_a_replay_whose_answer_was_lost_is_answered_again_and_noted_once(
    rpc: Rpc, make: Any
) -> None:
    letter, token = make(rpc), uuid4()
    assert replay(rpc, letter, token) == replay(rpc, letter, token)
    rows = rpc.rows(
        "select metadata as state from events where id = %s"
        " union all select result_json from agent_tasks where id = %s",
        letter,
        letter,
    )
    (note,) = rows[0]["state"]["replays"]
    assert note["error"] in ("x", "broken")
    assert note["by"] == "me"


def test_what_took_effect_is_never_opened_again(rpc: Rpc) -> None:
    letter = dead(rpc, metadata='{"dead": {}, "done": {"token": "x"}}')
    assert listed(rpc) == []
    assert replay(rpc, letter) == {"outcome": "done", "kind": "event"}
    task = failed_task(rpc, status="completed")
    assert replay(rpc, task) == {"outcome": "done", "kind": "task"}
    assert replay(rpc, failed_task(rpc, status="processing"))["outcome"] == "open"
    assert replay(rpc, uuid4()) == {"outcome": "unknown"}


def test_a_replay_waits_for_whoever_works_for_the_member(any_database: str) -> None:
    rpc, other = Rpc(any_database), Rpc(any_database)
    member = rpc.member()
    letter = dead(rpc, aggregate_id=member, aggregate_type="user")
    task = failed_task(rpc, user_id=member)
    with other.connection.transaction():
        other.rows("select 1 from users where id = %s for no key update", member)
        assert replay(rpc, letter) == {"outcome": "retry"}
        assert replay(rpc, task) == {"outcome": "retry"}
    assert replay(rpc, letter)["outcome"] == "replayed"
    assert replay(rpc, task)["outcome"] == "replayed"
    rpc.close()
    other.close()


def test_a_task_with_the_id_of_an_event_is_found_too(rpc: Rpc) -> None:
    living = dead(rpc, metadata="{}", processed=False)
    failed_task(rpc, id=living, completed_at=rpc.now, scheduled_for=rpc.now - timedelta(days=1))
    assert listed(rpc) == [str(living)]
    assert replay(rpc, living) == {"outcome": "replayed", "kind": "task"}
    (task,) = rpc.rows("select * from agent_tasks where id = %s", living)
    assert (task["status"], task["retry_count"], task["error_log"]) == ("pending", 0, "broken")
    assert (task["scheduled_for"], task["completed_at"]) == (rpc.now, None)
