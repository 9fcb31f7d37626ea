"""Rows nobody expects: each is worked off, or stands in nobody's way (protocol.md, 11 and 29).

They come from before us, or from somebody who writes SQL. Every nullable column may hold null,
every jsonb column anything, and the documented foreign keys, indexes and checks may be missing.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from lib.engine.turn import Turn
from tests.support.claims import add_task, claim, claim_tasks, commit, send, settle
from tests.support.rpc import Rpc

ADA, BOB = "+12125550101", "+12125550102"
LARGEST = 2**31 - 1


def as_owner(rpc: Rpc, statement: str) -> None:
    """Take something away that the documents promise; it comes back at the end of the test."""
    rpc.connection.execute("reset role")
    rpc.connection.execute(statement.encode())
    rpc.connection.execute("set role service_role")


def take(rpc: Rpc, task: str) -> UUID:
    """Claim this task and no other; the token of the claim."""
    token = uuid4()
    assert claim_tasks(rpc, token) == [task]
    return token


def fail_task(rpc: Rpc, task: str, token: UUID, kind: str = "own") -> dict[str, Any]:
    return rpc.call("fail_task", task_id=task, token=token, error="boom", kind=kind)


def deep(levels: int) -> str:
    """A JSON object that is nested so deep, with a key that counts."""
    return '{"keyword":' * levels + "1" + "}" * levels


# What nobody can read. psycopg and the API's clients give up at about 1,000 levels.


def test_values_nested_too_deep_are_handed_out_as_null_and_stay_as_they_are(rpc: Rpc) -> None:
    task = add_task(rpc, None, context_json=deep(1500), result_json=deep(1500))
    readable = add_task(rpc, None, context_json=deep(99))
    (event,) = rpc.rows(
        "insert into events (event_type, payload, metadata) values ('x', %s, %s) returning id",
        deep(1500),
        deep(1500),
    )
    text = rpc.text(ADA)
    rpc.rows(
        "update events set payload = jsonb_set(payload, '{media}', %s) where id = %s returning id",
        deep(1500),
        text["event_id"],
    )
    tasks = {t["id"]: t for t in rpc.call("claim_tasks", token=uuid4())["tasks"]}
    assert tasks[str(task)]["context_json"] is None
    assert tasks[str(readable)]["context_json"] is not None
    claimed = claim(rpc, event["id"])["event"]
    assert (claimed["payload"], claimed["metadata"]) == (None, None)
    turn = claim(rpc, text["event_id"])
    assert (turn["event"]["payload"], turn["context"]["texts"][0]["media"]) == (None, [])
    for dead in (task, event["id"]):
        rpc.rows("update agent_tasks set status = 'failed' where id = %s returning id", dead)
        rpc.rows(
            "update events set processed = true, metadata = metadata || '{\"dead\": {}}'"
            " where id = %s returning id",
            dead,
        )
        assert rpc.call("show_dead_letter", id=dead)["outcome"] == "dead"
    (kept,) = rpc.rows(
        "select context_json = %s::jsonb as same from agent_tasks where id = %s", deep(1500), task
    )
    assert kept["same"]


# Tasks


def test_a_task_with_null_in_every_nullable_column_but_its_status_is_worked_off(rpc: Rpc) -> None:
    task = str(add_task(rpc, None))
    nullable = rpc.rows(
        "select column_name as name from information_schema.columns where table_schema = 'public'"
        " and table_name = 'agent_tasks' and is_nullable = 'YES' and column_name <> 'status'"
    )
    sets = ", ".join(f"{column['name']} = null" for column in nullable)
    rpc.rows(f"update agent_tasks set {sets} returning id")  # noqa: S608
    for wait in (2, 3):
        assert fail_task(rpc, task, take(rpc, task))["outcome"] == "rescheduled"
        rpc.pass_time(minutes=wait)
    assert fail_task(rpc, task, take(rpc, task))["outcome"] == "failed"


@pytest.mark.parametrize("status", [None, "weird"])
def test_a_task_whose_status_says_nothing_is_left_alone(rpc: Rpc, status: str | None) -> None:
    as_owner(rpc, "alter table agent_tasks drop constraint agent_tasks_status_documented")
    add_task(rpc, rpc.member(ADA), status=status)
    good = add_task(rpc, rpc.member(BOB))
    assert claim_tasks(rpc) == [str(good)]


@pytest.mark.parametrize(("most", "attempts"), [(None, 3), (0, 1), (-1, 1), (1, 1), (LARGEST, 12)])
def test_a_task_gets_one_attempt_at_least_and_three_where_nobody_said(
    rpc: Rpc, most: int | None, attempts: int
) -> None:
    task = str(add_task(rpc, None, max_retries=most))
    for attempt in range(1, attempts + 1):
        failed = fail_task(rpc, task, take(rpc, task))
        last = attempt == attempts and most != LARGEST
        assert failed["outcome"] == ("failed" if last else "rescheduled")
        rpc.pass_time(days=1)


@pytest.mark.parametrize("count", [-7, -LARGEST - 1, 3, LARGEST - 1, LARGEST])
@pytest.mark.parametrize("end", ["commit", "own", "dependency", "crash"])
def test_a_task_with_any_count_of_attempts_ends_and_holds_up_nobody(
    rpc: Rpc, count: int, end: str
) -> None:
    task = str(add_task(rpc, None, retry_count=count))
    good = str(add_task(rpc, rpc.member(ADA)))
    token = uuid4()
    assert sorted(claim_tasks(rpc, token)) == sorted([task, good])
    if end == "commit":
        done = rpc.call("commit_work", work={"task": task, "changes": []}, token=token)
        assert done["outcome"] == "applied"
    elif end == "crash":
        for attempt in (1, 2, 3):
            rpc.pass_time(minutes=10)
            assert (task in claim_tasks(rpc)) is (count < 0 and attempt < 3)
    else:
        final = end == "own" and count > 0
        outcome = fail_task(rpc, task, token, end)["outcome"]
        assert outcome == ("failed" if final else "rescheduled")


@pytest.mark.parametrize(
    "result",
    ["null", "[]", '[{"claim": 1}]', '"text"', "7", '{"claim": null}', '{"claim": "x"}',
     '{"claim": {"until": "soon", "token": 7}}', '{"claim": {"until": "-infinity"}}',
     '{"dependency": {"count": 1e9, "since": "infinity"}}',
     '{"dependency": {"count": -1, "since": "-infinity"}}', '{"dependency": [], "done": null}'],
)  # fmt: skip
@pytest.mark.parametrize("status", ["pending", "processing"])
def test_a_task_with_any_result_is_claimed_failed_and_committed(
    rpc: Rpc, result: str, status: str
) -> None:
    ada = rpc.member(ADA)
    task = str(add_task(rpc, ada, result_json=result, status=status))
    other = str(add_task(rpc, rpc.member(BOB)))
    rpc.rows("update agent_tasks set last_attempted_at = %s returning id", rpc.now)
    rpc.pass_time(minutes=10)
    token = uuid4()
    assert sorted(claim_tasks(rpc, token)) == sorted([task, other])
    rpc.call("commit_work", work={"task": other, "changes": []}, token=token)
    if '"since": "-infinity"' not in result:
        assert fail_task(rpc, task, token, "dependency")["outcome"] == "rescheduled"
        (kept,) = rpc.rows("select result_json from agent_tasks where id = %s", task)
        assert datetime.fromisoformat(kept["result_json"]["dependency"]["since"]) == rpc.now
        rpc.pass_time(minutes=5)
        token = take(rpc, task)
    assert fail_task(rpc, task, token)["outcome"] == "rescheduled"
    rpc.pass_time(minutes=5)
    token = take(rpc, task)
    work = {"task": task, "changes": []}
    assert rpc.call("commit_work", work=work, token=token)["outcome"] == "applied"


def test_a_dependency_failing_since_before_all_time_has_failed_for_a_day(rpc: Rpc) -> None:
    task = str(add_task(rpc, None, result_json='{"dependency": {"since": "-infinity"}}'))
    assert fail_task(rpc, task, take(rpc, task), "dependency")["outcome"] == "failed"


def test_a_task_of_a_member_who_does_not_exist_holds_up_nobody(rpc: Rpc) -> None:
    as_owner(rpc, "alter table agent_tasks drop constraint agent_tasks_user_id_fkey")
    for _ in range(3):
        add_task(rpc, uuid4(), priority="high")
    good = add_task(rpc, rpc.member(ADA))
    assert claim_tasks(rpc, limit=1) == [str(good)]


# Inbound texts


def test_a_text_that_was_there_before_us_under_another_id_is_recorded_once(rpc: Rpc) -> None:
    user = rpc.member(ADA)
    rpc.rows(
        "insert into messages (conversation_id, user_id, role, content, direction,"
        " twilio_message_sid) select id, user_id, 'user', 'hi', 'inbound', 'SM-before'"
        " from conversations returning id"
    )
    state = "select count(*) as n, max(c.last_message_at) as at from messages, conversations as c"
    before = rpc.rows(state)
    told = rpc.text(ADA, sid="SM-before")
    assert (told["outcome"], told["event_id"], told["user_id"]) == ("duplicate", None, str(user))
    assert rpc.rows(state) == before
    assert rpc.text(ADA, sid="SM-after")["outcome"] == "recorded"


def test_stop_told_again_under_another_id_does_not_opt_out_who_has_come_back(rpc: Rpc) -> None:
    rpc.member(ADA)
    stop = {"body": "STOP", "keyword": "stop", "word": "STOP", "sid": "SM-stop"}
    assert rpc.text(ADA, **stop)["outcome"] == "opted_out"
    assert rpc.text(ADA, body="START", keyword="start", word="START")["outcome"] == "opted_in"
    assert rpc.text(ADA, **stop)["outcome"] == "duplicate"
    assert rpc.text(ADA)["outcome"] == "recorded"


@pytest.mark.parametrize("sids", [("SM1", "SM2"), (None, None)])
def test_texts_without_media_or_sid_are_recorded_each(
    rpc: Rpc, sids: tuple[str | None, str | None]
) -> None:
    for sid in sids:
        told = rpc.text(ADA, media=None, sid=sid)
        assert told["outcome"] == "recorded"
        (event,) = rpc.rows("select payload from events where id = %s", told["event_id"])
        assert "media" not in event["payload"]


# Turns


def test_a_claim_that_replaces_another_may_be_repeated_and_counts_no_attempt(rpc: Rpc) -> None:
    first = rpc.text(ADA, body="one")
    claimed = claim(rpc, first["event_id"])
    second = rpc.text(ADA, body="two")
    token, before = uuid4(), UUID(claimed["token"])
    together = claim(rpc, first["event_id"], token=token, replaces=before)
    assert together["events"] == [first["event_id"], second["event_id"]]
    again = claim(rpc, first["event_id"], token=token, replaces=before)
    assert (again["outcome"], again["events"]) == ("claimed", together["events"])
    attempts = rpc.rows("select (metadata ->> 'attempt')::integer as n from events")
    assert [row["n"] for row in attempts] == [1, 1]
    assert commit(rpc, claimed) == {"outcome": "stale"}
    assert commit(rpc, again)["outcome"] == "applied"
    assert claim(rpc, first["event_id"], token=uuid4(), replaces=token)["outcome"] == "done"


def test_a_claim_replaces_no_lease_but_the_one_that_it_names(rpc: Rpc) -> None:
    event = rpc.text(ADA)["event_id"]
    claimed = claim(rpc, event)
    assert claim(rpc, event, replaces=uuid4()) == {"outcome": "busy"}
    assert commit(rpc, claimed)["outcome"] == "applied"


@pytest.mark.parametrize("role", ["system", "tool", "", "User"])
def test_a_turn_is_read_with_messages_of_unknown_time_and_odd_roles_left_out(
    rpc: Rpc, role: str
) -> None:
    rpc.text(ADA, body="kept")
    rpc.text(ADA, body="of no time")
    rpc.text(ADA, body="of an odd role")
    rpc.rows("update events set processed = true returning id")
    rpc.rows("update messages set created_at = null where content = 'of no time' returning id")
    rpc.rows("update messages set role = %s where content = 'of an odd role' returning id", role)
    rpc.rows("update conversations set messages_since_summary = null returning id")
    told = rpc.text(ADA, body="now")
    rpc.rows("update conversations set messages_since_summary = null returning id")
    turn = Turn.model_validate(
        {"source": told["event_id"]} | claim(rpc, told["event_id"])["context"]
    )
    assert [message.content for message in turn.history] == ["kept"]
    assert turn.conversation is not None
    assert turn.conversation.messages_since_summary == 0


@pytest.mark.parametrize("of_event", [True, False])
def test_a_text_of_unknown_time_is_of_its_events_time_or_of_now(rpc: Rpc, of_event: bool) -> None:
    told = rpc.text(ADA)
    sent = rpc.now
    rpc.rows("update messages set created_at = null returning id")
    if not of_event:
        rpc.rows("update events set created_at = null returning id")
    rpc.pass_time(minutes=1)
    context = claim(rpc, told["event_id"])["context"]
    turn = Turn.model_validate({"source": told["event_id"]} | context)
    assert turn.texts[0].created_at == (sent if of_event else rpc.now)


# Budgets


def test_a_budget_is_kept_without_the_documented_unique_index(rpc: Rpc) -> None:
    unique = "user_message_budget_user_id_date_key"
    as_owner(rpc, f"alter table user_message_budget drop constraint {unique}")
    user = rpc.member(ADA)
    sent: list[str] = []
    for hours in range(6):
        rpc.queue(user, f"text {hours}")
        token = uuid4()
        sent += send(rpc, token, user)
        for text in rpc.rows("select id from message_queue where message_data ? 'send'"):
            settle(rpc, token, text["id"], user, "accepted")
        rpc.pass_time(hours=1)
    assert len(sent) == 5
    (budget,) = rpc.rows("select messages_sent, date from user_message_budget")
    assert (budget["messages_sent"], str(budget["date"])) == (5, "2026-11-23")


@pytest.mark.parametrize(
    ("sent", "daily", "hourly", "rule"),
    [
        (None, None, None, None),
        (4, None, None, None),
        (5, None, None, "daily_limit"),
        (LARGEST, LARGEST, 1, "daily_limit"),
        (-1, 0, 1, None),
        (0, 0, 1, "daily_limit"),
        (0, -1, 1, "daily_limit"),
        (0, 1, 0, "hourly_limit"),
        (0, 1, -1, "hourly_limit"),
    ],
)
def test_a_budget_of_any_numbers_sends_or_holds(
    rpc: Rpc, sent: int | None, daily: int | None, hourly: int | None, rule: str | None
) -> None:
    user = rpc.member(ADA)
    rpc.rows(
        "insert into user_message_budget (user_id, date, messages_sent, last_message_at,"
        " daily_limit, hourly_limit, quiet_hours_enabled, created_at)"
        " values (%s, '2026-11-23', %s, null, %s, %s, null, null) returning id",
        user, sent, daily, hourly,
    )  # fmt: skip
    text = rpc.queue(user, "text")
    assert rpc.claim_texts() == ([] if rule else ["text"])
    row = rpc.queued(text)
    assert row["message_data"].get("hold", {}).get("rule") == rule
    if rule:
        wait = {"daily_limit": datetime(2026, 11, 24, 13, tzinfo=UTC)}
        assert row["scheduled_for"] == wait.get(rule, rpc.now + timedelta(hours=1))


@pytest.mark.parametrize("data", [{"attempts": "many"}, {"charged_on": "x"}, {"send": "x"}])
def test_a_text_with_damaged_state_is_sent_given_back_and_sent_again(
    rpc: Rpc, data: dict[str, Any]
) -> None:
    user, token = rpc.member(ADA), uuid4()
    text = rpc.queue(user, "text", data=data)
    assert send(rpc, token) == ["text"]
    settle(rpc, token, text, user, "released", code="429")
    rpc.now += timedelta(seconds=5)
    assert rpc.claim_texts() == ["text"]


@pytest.mark.parametrize("dated", [True, False])
def test_of_two_texts_on_a_topic_of_which_one_is_of_unknown_age_one_leaves(
    rpc: Rpc, dated: bool
) -> None:
    user = rpc.member()
    columns: dict[str, Any] = {"data": {"topic": "t"}}
    old = rpc.queue(user, "old", created_at=None, **columns)
    rpc.pass_time(minutes=1)
    newer = {} if dated else {"created_at": None}
    new = rpc.queue(user, "new", **columns | newer)
    assert rpc.claim_texts() + rpc.claim_texts() == ["new"]
    assert rpc.queued(old)["superseded_by_message_id"] == new


def test_an_empty_topic_is_none(rpc: Rpc) -> None:
    user = rpc.member()
    for words in ("one", "two"):
        rpc.queue(user, words, data={"topic": ""})
        rpc.pass_time(seconds=1)
    assert rpc.claim_texts() + rpc.claim_texts() == ["one", "two"]
