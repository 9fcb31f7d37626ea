"""Operators list, look at and replay what was given up, over a running stack."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from psycopg.types.json import Jsonb

from lib.console.__main__ import main
from lib.console.disclosure import WITHHELD
from tests.support.community import answer, expert, request, run_tasks
from tests.support.stack import StackUnderTest, wait_for
from tests.support.texting import Phone, control_claude

WORDS = "My number is +1 212 555 0188 and I hate exports"


@pytest.fixture(autouse=True)
def in_stack(stack: StackUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YACHTPARTY_STATE_DIR", str(stack.directory))
    for name in ("SUPABASE_URL", "PUBSUB_TOPIC"):
        monkeypatch.delenv(name, raising=False)


def dead_event(phone: Phone, **columns: Any) -> UUID:
    """An event that nobody could handle until now."""
    row = {
        "id": uuid4(),
        "event_type": "user.opted_in",
        "aggregate_type": "user",
        "aggregate_id": phone.user()["id"],
        "payload": {"keyword": WORDS},
        "metadata": {
            "dead": {"error": "malformed payload", "at": "2026-11-22T10:00:00Z"},
            "attempt": 5,
            "dependency": {"count": 3, "since": "2026-11-22T09:00:00Z"},
        },
        "processed": True,
        "created_at": phone.stack.now(),
    } | columns
    phone.rows(
        f"insert into events ({', '.join(row)}) values"  # noqa: S608
        f" ({', '.join(['%s'] * len(row))}) returning id",
        *(Jsonb(v) if isinstance(v, dict) else v for v in row.values()),
    )
    return UUID(str(row["id"]))


def event(phone: Phone, event_id: UUID) -> dict[str, Any]:
    (row,) = phone.rows("select * from events where id = %s", event_id)
    return row


@pytest.fixture
def phone(stack: StackUnderTest) -> Phone:
    phone = Phone(stack)
    phone.converse("hello")
    return phone


def test_what_was_given_up_is_listed_newest_first_without_anybody_s_words(
    phone: Phone, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = dead_event(phone), dead_event(phone)
    assert main(["dead-letters", "list"]) == 0
    listed = capsys.readouterr().out
    assert listed.index(str(second)) < listed.index(str(first))
    assert "malformed payload" in listed
    assert "hate exports" not in listed
    assert main(["dead-letters", "list", "--type", "nobody.knows_this_type"]) == 0
    assert capsys.readouterr().out == "There are no dead letters.\n"
    assert main(["dead-letters", "list", "--since", "2999-01-01"]) == 0
    assert str(first) not in capsys.readouterr().out


def test_one_is_shown_whole_but_for_what_people_wrote(
    phone: Phone, capsys: pytest.CaptureFixture[str]
) -> None:
    payload = {
        "keyword": WORDS,
        "email": "a@b.test",
        "n": 3,
        "id": str(uuid4()),
        "step": "name",
        "value": "acme",
    }
    letter = dead_event(phone, payload=payload)
    assert main(["dead-letters", "show", str(letter)]) == 0
    shown = capsys.readouterr().out
    for hidden in ("exports", "212 555", "a@b", "acme"):
        assert hidden not in shown
    for seen in (str(phone.user()["id"]), payload["id"], '"n": 3', '"step": "name"', WITHHELD):
        assert str(seen) in shown


def test_a_replayed_event_is_processed_as_if_never_tried(
    phone: Phone, capsys: pytest.CaptureFixture[str]
) -> None:
    letter = dead_event(phone, payload={"keyword": "START"})
    assert main(["dead-letters", "replay", str(letter)]) == 0
    assert "is open again" in capsys.readouterr().out

    def done() -> bool:
        phone.stack.run_schedule("event_sweeper")
        return bool(event(phone, letter)["metadata"].get("done"))

    phone.stack.advance(61)
    wait_for(done, "processed event")
    after = event(phone, letter)
    assert after["processed"]
    assert after["metadata"]["attempt"] == 1
    assert "dead" not in after["metadata"]
    assert "dependency" not in after["metadata"]
    assert len(after["metadata"]["replays"]) == 1


def test_a_living_or_unknown_id_is_refused_and_nothing_changes(
    phone: Phone, capsys: pytest.CaptureFixture[str]
) -> None:
    (alive, *_) = phone.inbound_events()
    before = event(phone, alive["id"])
    assert main(["dead-letters", "replay", str(alive["id"])]) == 1
    assert main(["dead-letters", "replay", str(uuid4())]) == 1
    assert main(["dead-letters", "show", str(alive["id"])]) == 1
    said = capsys.readouterr().err.splitlines()
    assert said[0] == f"The event {alive['id']} is done: nothing was changed."
    assert said[1].endswith("is no event and no task.")
    assert event(phone, alive["id"]) == before


def test_replaying_twice_is_refused_the_second_time(phone: Phone) -> None:
    letter = dead_event(phone, payload={"keyword": "START"})
    assert main(["dead-letters", "replay", str(letter)]) == 0
    assert main(["dead-letters", "replay", str(letter)]) == 1
    assert len(event(phone, letter)["metadata"]["replays"]) == 1


def test_a_failed_task_is_replayed_and_takes_effect_once(
    stack: StackUnderTest, capsys: pytest.CaptureFixture[str]
) -> None:
    one = expert(stack)
    user_id = one.user()["id"]
    asked = request(stack, user_id, user_id)
    given = answer(stack, asked, user_id)
    one.rows(
        "insert into agent_tasks (id, task_type, agent_type, user_id, scheduled_for, context_json,"
        " status, retry_count, error_log) values (%s, 'process_community_response',"
        " 'agent_of_humans', %s, %s, %s, 'failed', 3, 'broken') returning id",
        given,
        user_id,
        stack.now(),
        Jsonb({"response_id": str(given), "request_id": str(asked)}),
    )
    assert main(["dead-letters", "list", "--type", "process_community_response"]) == 0
    assert str(given) in capsys.readouterr().out
    control_claude(stack, reset=True)
    assert main(["dead-letters", "replay", "--type", "process_community_response"]) == 0

    def completed() -> dict[str, Any] | None:
        # One call may find the task in the hands of the stack's own tick.
        run_tasks(stack)
        (task,) = one.rows("select * from agent_tasks where id = %s", given)
        return task if task["status"] == "completed" else None

    task = wait_for(completed, "completed task")
    assert task["retry_count"] == 1
    assert len(task["result_json"]["replays"]) == 1
    assert len(one.rows("select 1 from credit_events where user_id = %s", user_id)) == 1


def test_a_command_without_ids_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dead-letters", "replay"]) == 2
    assert capsys.readouterr().err == "Name ids, or a --type, and not both.\n"
    with pytest.raises(SystemExit):
        main(["dead-letters", "show", "not-an-id"])


def test_bytes_that_are_no_text_are_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SUPABASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("SUPABASE_SERVICE_ROLE_KEY", "a-key")
    # As the command line gives the byte ff.
    assert main(["dead-letters", "list", "--type", "a\udcff"]) == 1
    assert capsys.readouterr().err == (
        "The database did not answer as it should:"
        " list_dead_letters was given text that is no Unicode.\n"
    )


def test_the_database_named_by_the_variables_is_asked_instead_of_the_stack(
    phone: Phone, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    letter = dead_event(phone)
    supabase = phone.stack.description["supabase"]
    monkeypatch.setenv("YACHTPARTY_STATE_DIR", "nowhere")
    monkeypatch.setenv("SUPABASE_URL", supabase["url"])
    monkeypatch.delenv("SUPABASE_SERVICE_ROLE_KEY", raising=False)
    assert main(["dead-letters", "list"]) == 2
    assert "SUPABASE_SERVICE_ROLE_KEY" in capsys.readouterr().err
    monkeypatch.setenv("SUPABASE_SERVICE_ROLE_KEY", supabase["key"])
    assert main(["dead-letters", "list"]) == 0
    assert str(letter) in capsys.readouterr().out
    assert main(["dead-letters", "list", "--local"]) == 2
    assert "No local stack is running" in capsys.readouterr().err
