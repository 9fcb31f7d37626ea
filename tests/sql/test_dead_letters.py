"""Listing and replaying dead letters, on rows of any kind."""

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


def listed(rpc: Rpc, **arguments: object) -> list[str]:
    return [letter["id"] for letter in rpc.call("list_dead_letters", **arguments)["letters"]]


def test_only_what_was_given_up_is_listed_and_the_limit_is_told(rpc: Rpc) -> None:
    dead(rpc, metadata='{"done": {}}')
    dead(rpc, metadata="null")
    letters = []
    for _ in range(3):
        rpc.pass_time(seconds=1)
        letters.append(str(dead(rpc)))
    assert listed(rpc) == letters[::-1]
    answer = rpc.call("list_dead_letters", limit=2)
    assert ([letter["id"] for letter in answer["letters"]], answer["more"]) == (
        letters[:0:-1],
        True,
    )
    assert rpc.call("list_dead_letters", limit=3)["more"] is False


@pytest.mark.parametrize(
    "metadata", ['{"dead": null}', '{"dead": "text"}', '{"dead": [], "attempt": "x"}']
)
def test_a_damaged_note_is_listed_and_replayed_all_the_same(rpc: Rpc, metadata: str) -> None:
    letter = dead(rpc, metadata=metadata)
    assert listed(rpc) == [str(letter)]
    assert rpc.call("replay_dead_letter", id=letter, by="me")["outcome"] == "replayed"
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
    rpc.call("replay_dead_letter", id=letter, by="me")
    assert rpc.call("claim_event", event_id=letter, token=uuid4())["outcome"] == "claimed"
    assert rpc.call("replay_dead_letter", id=letter, by="me") == {
        "outcome": "alive",
        "kind": "event",
    }


def test_a_task_with_the_id_of_an_event_is_found_too(rpc: Rpc) -> None:
    living = dead(rpc, metadata="{}", processed=False)
    rpc.connection.execute(
        "insert into agent_tasks (id, task_type, agent_type, scheduled_for, context_json, status,"
        " result_json, retry_count) values (%s, 't', 'a', %s, '{}', 'failed', 'null', 3)",
        (living, rpc.now),
    )
    assert listed(rpc) == [str(living)]
    assert rpc.call("replay_dead_letter", id=living, by="me")["kind"] == "task"
    (task,) = rpc.rows("select * from agent_tasks where id = %s", living)
    assert (task["status"], task["retry_count"]) == ("pending", 0)
