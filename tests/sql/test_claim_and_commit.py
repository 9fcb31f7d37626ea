"""Leases, fencing tokens, units of work (protocol: locks, claim and commit)."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from lib.engine.turn import Turn
from lib.engine.work import UnitOfWork
from tests.support.rpc import Rpc


def claim(rpc: Rpc, event_id: str, token: UUID | None = None, **more: Any) -> dict[str, Any]:
    return rpc.call("claim_event", event_id=event_id, token=token or uuid4(), **more)


def commit(
    rpc: Rpc, claimed: dict[str, Any], work: UnitOfWork | None = None, **more: Any
) -> dict[str, Any]:
    changes = work.changes if work else []
    return rpc.call(
        "commit_work",
        work={"events": claimed["events"], "changes": changes, **more},
        token=claimed["token"],
    )


def unit(claimed: dict[str, Any]) -> UnitOfWork:
    return UnitOfWork(UUID(claimed["events"][0]), created_by="bouncer")


def test_a_claim_takes_all_open_texts_of_the_member_with_a_context_that_python_reads(
    rpc: Rpc,
) -> None:
    first = rpc.text(body="one")
    second = rpc.text(body="two", media=[{"url": "https://x.test", "content_type": "image/png"}])
    claimed = claim(rpc, second["event_id"])
    assert claimed["outcome"] == "claimed"
    assert claimed["events"] == [first["event_id"], second["event_id"]]
    turn = Turn.model_validate({"source": claimed["events"][0]} | claimed["context"])
    assert [t.content for t in turn.texts] == ["one", "two"]
    assert turn.texts[1].media[0].content_type == "image/png"
    assert turn.first_contact
    assert turn.history == []


def test_the_context_holds_the_twenty_messages_before_oldest_first(rpc: Rpc) -> None:
    for nth in range(25):
        rpc.pass_time(seconds=1)
        rpc.text(body=f"old {nth}")
    rpc.rows("update events set processed = true returning id")
    rpc.pass_time(seconds=1)
    event = rpc.text(body="new")
    turn = Turn.model_validate(
        {"source": event["event_id"]} | claim(rpc, event["event_id"])["context"]
    )
    assert [m.content for m in turn.history] == [f"old {nth}" for nth in range(5, 25)]


def test_a_member_with_null_in_every_nullable_column_can_be_claimed(rpc: Rpc) -> None:
    event = rpc.text()
    nullable = rpc.rows(
        "select column_name from information_schema.columns where table_schema = 'public'"
        " and table_name = 'users' and is_nullable = 'YES'"
    )
    sets = ", ".join(f"{row['column_name']} = null" for row in nullable)
    rpc.rows(f"update users set {sets} returning id")  # noqa: S608
    Turn.model_validate({"source": event["event_id"]} | claim(rpc, event["event_id"])["context"])


def test_a_referrer_is_found_by_exact_full_name_among_verified_members_only(rpc: Rpc) -> None:
    ann = rpc.member("+12125550101", first_name="Ann Marie", last_name="O'Neil", verified=True)
    rpc.member("+12125550102", first_name="Bob", last_name="Ray", verified=False)
    event = rpc.text(
        "+12125550103", body="hi, ann marie o'neil and Bob Ray and Ann O'Neil sent me."
    )
    context = claim(rpc, event["event_id"])["context"]
    assert context["referrers"] == [{"id": str(ann), "full_name": "Ann Marie O'Neil"}]


def test_the_same_token_gets_the_same_claim_and_another_is_told_busy(rpc: Rpc) -> None:
    first, second = rpc.text(), rpc.text()
    token = uuid4()
    claimed = claim(rpc, first["event_id"], token)
    again = claim(rpc, first["event_id"], token)
    assert again["events"] == claimed["events"]
    assert again["event"]["metadata"]["attempt"] == 1
    for event in (first, second):
        assert claim(rpc, event["event_id"])["outcome"] == "busy"


def test_a_text_that_comes_during_a_turn_is_busy_then_newer_then_taken_together(rpc: Rpc) -> None:
    first = rpc.text(body="one")
    claimed = claim(rpc, first["event_id"])
    second = rpc.text(body="two")
    assert claim(rpc, second["event_id"])["outcome"] == "busy"
    assert commit(rpc, claimed) == {"outcome": "newer"}
    together = claim(rpc, first["event_id"], replaces=UUID(claimed["token"]))
    assert together["events"] == [first["event_id"], second["event_id"]]
    assert together["event"]["metadata"]["attempt"] == 1
    third = rpc.text(body="three")
    applied = commit(rpc, together, final=True)
    assert (applied["outcome"], applied["more"]) == ("applied", third["event_id"])


def test_a_lease_that_ran_out_is_claimed_by_another_and_its_holder_is_stale(rpc: Rpc) -> None:
    event = rpc.text()
    slow = claim(rpc, event["event_id"])
    rpc.pass_time(seconds=91)
    quick = claim(rpc, event["event_id"])
    assert quick["event"]["metadata"]["attempt"] == 2
    work = unit(slow)
    work.emit("user.onboarding_completed", aggregate_id=UUID(event["user_id"]))
    assert commit(rpc, slow, work) == {"outcome": "stale"}
    assert rpc.rows("select 1 as one from events where event_type <> 'user.message.received'") == []
    assert commit(rpc, quick)["outcome"] == "applied"


def test_a_repeated_commit_is_answered_with_its_first_result_and_applied_once(rpc: Rpc) -> None:
    event = rpc.text()
    claimed = claim(rpc, event["event_id"])
    work = unit(claimed)
    work.add(
        "conversations", UUID(claimed["context"]["conversation"]["id"]), messages_since_summary=5
    )
    first, again = commit(rpc, claimed, work), commit(rpc, claimed, work)
    assert first["outcome"] == again["outcome"] == "applied"
    (row,) = rpc.rows("select messages_since_summary as n from conversations")
    assert row["n"] == 6


def test_an_attempt_is_counted_at_the_claim_and_the_fifth_crash_is_the_last(rpc: Rpc) -> None:
    event = rpc.text()
    for attempt in range(1, 6):
        claimed = claim(rpc, event["event_id"])
        assert claimed["event"]["metadata"]["attempt"] == attempt
        rpc.pass_time(seconds=91)
    assert claim(rpc, event["event_id"])["outcome"] == "dead"
    assert claim(rpc, event["event_id"])["outcome"] == "dead"


def test_from_its_third_attempt_a_text_is_claimed_alone_and_others_go_ahead_of_its_wait(
    rpc: Rpc,
) -> None:
    bad = rpc.text(body="bad")
    for _ in range(2):
        claimed = claim(rpc, bad["event_id"])
        answer = rpc.call(
            "fail_event",
            event_ids=claimed["events"],
            token=claimed["token"],
            error="boom",
            kind="own",
        )
        assert answer["outcome"] == "rescheduled"
        rpc.pass_time(seconds=31)
    rpc.pass_time(seconds=1)
    good = rpc.text(body="good")
    alone = claim(rpc, good["event_id"])
    assert (alone["events"], alone["alone"]) == ([bad["event_id"]], True)
    failed = rpc.call(
        "fail_event", event_ids=alone["events"], token=alone["token"], error="boom", kind="own"
    )
    assert failed["more"] == good["event_id"]
    assert claim(rpc, good["event_id"])["events"] == [good["event_id"]]


def test_a_text_that_can_never_be_taken_dies_without_the_texts_claimed_with_it(rpc: Rpc) -> None:
    bad, good = rpc.text(body="bad"), rpc.text(body="good")
    claimed = claim(rpc, good["event_id"])
    assert claimed["events"] == [bad["event_id"], good["event_id"]]
    failed = rpc.call(
        "fail_event",
        event_ids=claimed["events"],
        token=claimed["token"],
        error="malformed payload",
        kind="permanent",
    )
    assert (failed["outcome"], failed["more"]) == ("dead", good["event_id"])
    again = claim(rpc, good["event_id"])
    assert (again["events"], again["event"]["metadata"]["attempt"]) == ([good["event_id"]], 1)


@pytest.mark.parametrize(
    ("kind", "waits"),
    [("own", [10, 30, 120, 600]), ("dependency", [5, 10, 20, 40, 80, 160, 300, 300])],
)
def test_failures_are_retried_after_growing_waits(rpc: Rpc, kind: str, waits: list[int]) -> None:
    event = rpc.text()
    for wait in waits:
        claimed = claim(rpc, event["event_id"])
        rpc.call(
            "fail_event", event_ids=claimed["events"], token=claimed["token"], error="e", kind=kind
        )
        rpc.pass_time(seconds=wait - 1)
        assert claim(rpc, event["event_id"])["outcome"] == "not_due"
        rpc.pass_time(seconds=1)
    claimed = claim(rpc, event["event_id"])
    assert claimed["event"]["metadata"]["attempt"] == (5 if kind == "own" else 1)
    last = rpc.call(
        "fail_event", event_ids=claimed["events"], token=claimed["token"], error="e", kind=kind
    )
    assert last["outcome"] == ("dead" if kind == "own" else "rescheduled")


def test_a_dependency_that_fails_for_a_day_ends_in_a_dead_letter(rpc: Rpc) -> None:
    event = rpc.text()
    claimed = claim(rpc, event["event_id"])
    failed = {"event_ids": claimed["events"], "error": "e", "kind": "dependency"}
    rpc.call("fail_event", token=claimed["token"], **failed)
    rpc.pass_time(hours=24)
    claimed = claim(rpc, event["event_id"])
    assert rpc.call("fail_event", token=claimed["token"], **failed)["outcome"] == "dead"


def fail_by_dependency(rpc: Rpc, event: str, **more: Any) -> dict[str, Any]:
    claimed = claim(rpc, event)
    return rpc.call(
        "fail_event",
        event_ids=claimed["events"],
        token=claimed["token"],
        **{"error": "e", "kind": "dependency", "notice": "we are late"} | more,
    )


def notices(rpc: Rpc) -> list[dict[str, Any]]:
    return rpc.rows("select * from message_queue where final_message = 'we are late'")


def test_a_member_whose_text_waits_for_a_dependency_is_told_once_after_two_minutes(
    rpc: Rpc,
) -> None:
    event = rpc.text()["event_id"]
    (text,) = rpc.rows("select created_at from events where id = %s", event)
    told = text["created_at"] + timedelta(minutes=2)
    retries = []
    while rpc.now < told:
        failed = fail_by_dependency(rpc, event)
        assert failed["texts_due"] == []
        retries.append(datetime.fromisoformat(failed["retry_at"]))
        rpc.now = retries[-1]
    # No longer pause than that goes over the moment when they are to be told.
    assert told in retries
    assert notices(rpc) == []
    (user,) = rpc.rows("select id from users")
    assert fail_by_dependency(rpc, event)["texts_due"] == [str(user["id"])]
    rpc.pass_time(minutes=10)
    later = rpc.text(body="anybody home?")["event_id"]
    rpc.pass_time(minutes=10)
    assert fail_by_dependency(rpc, later)["texts_due"] == []
    (notice,) = notices(rpc)
    assert (notice["status"], notice["priority"]) == ("queued", "high")
    assert notice["message_data"] == {"kind": "system"}


@pytest.mark.parametrize("more", [{"kind": "own"}, {"kind": "permanent"}, {"notice": None}])
def test_nobody_is_told_of_a_failure_of_ours(rpc: Rpc, more: dict[str, Any]) -> None:
    event = rpc.text()["event_id"]
    rpc.pass_time(minutes=5)
    assert fail_by_dependency(rpc, event, **more)["texts_due"] == []
    assert rpc.rows("select 1 from message_queue") == []


Change = Callable[[UnitOfWork, UUID], object]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda w, u: w.update("users", u, {"nmae": "x"}, expect={}), "unknown column users.nmae"),
        (lambda w, _: w.insert("secrets", {"a": 1}), "unknown table secrets"),
        (lambda w, u: w.update("users", u, {"created_at": "2026-01-01T00:00:00"}, expect={}),
         "users.created_at needs a time with its offset"),
        (lambda w, u: w.update("users", u, {"first_name": {"a": 1}}, expect={}),
         "users.first_name does not take a JSON object"),
        (lambda w, u: w.update("users", u, {"expertise": "x"}, expect={}),
         "users.expertise does not take a JSON string"),
        (lambda w, u: w.update("users", u, {"referred_by": str(uuid4())}, expect={"verified": "?"}),
         "changes users (22P02)"),
        (lambda w, u: w.insert("events", {"event_type": "x", "aggregate_id": u}),
         "changes events (23502)"),
        (lambda w, u: w.update("secrets", u, {"a": 1}, expect={}), "unknown table secrets"),
        (lambda w, _: w.update("users", "Ada", {"title": "x"}, expect={}), "changes users (22P02)"),
        (lambda w, _: w.update("innovators", "Ada", {"active": True}, expect={}),
         "changes innovators (22P02)"),
        (lambda w, _: w.insert("innovators", {"user_id": "Ada", "company_name": "x"}),
         "changes innovators (22P02)"),
        (lambda w, _: w.changes.append("nonsense"), "unknown operation (none)"),
        (lambda w, u: w.update("users", u, {"expertise": [["a"]]}, expect={}),
         "users.expertise does not take a JSON array"),
    ],
)  # fmt: skip
def test_a_wrong_change_is_named_and_nothing_of_its_unit_is_applied(
    rpc: Rpc, change: Change, error: str
) -> None:
    event = rpc.text()
    claimed = claim(rpc, event["event_id"])
    work = unit(claimed)
    user = UUID(event["user_id"])
    work.update("users", user, {"company": "Acme"}, expect={"company": None})
    change(work, user)
    assert commit(rpc, claimed, work) == {"outcome": "invalid", "change": 2, "error": error}
    (row,) = rpc.rows("select company from users")
    assert row["company"] is None


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda w, u: w.add("solution_workflows", u, conversation_log=1),
         "solution_workflows.conversation_log takes an add of an integer to an integer"),
        (lambda w, u: w.add("conversations", u, messages_since_summary=None),
         "conversations.messages_since_summary takes an add of an integer to an integer"),
        (lambda w, u: w.changes.append(
            {"op": "append", "table": "users", "id": str(u), "append": {"expertise": None}}),
         "users.expertise takes an append of a list to a list"),
        (lambda w, u: w.changes.append(
            {"op": "append", "table": "solution_workflows", "id": str(u),
             "append": {"conversation_log": None}}),
         "solution_workflows.conversation_log takes an append of a list to a list"),
        (lambda w, u: w.changes.append(
            {"op": "append", "table": "users", "id": str(u), "append": {"title": "x"}}),
         "users.title takes an append of a list to a list"),
    ],
)  # fmt: skip
def test_no_counter_and_no_list_is_lost_by_adding_what_is_none(
    rpc: Rpc, change: Change, error: str
) -> None:
    claimed = claim(rpc, rpc.text()["event_id"])
    work = unit(claimed)
    change(work, UUID(claimed["context"]["member"]["id"]))
    assert commit(rpc, claimed, work) == {"outcome": "invalid", "change": 1, "error": error}


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"changes": {"op": "insert"}}, "changes and members are arrays"),
        ({"changes": "x"}, "changes and members are arrays"),
        ({"members": "x"}, "changes and members are arrays"),
        ({"members": ["Ada"]}, "sources and members are named by their ids"),
        ({"calls": [{"id": str(uuid4())}]}, "calls (23502)"),
        ({"calls": "x"}, "calls (22023)"),
        ({"task": "x"}, "sources and members are named by their ids"),
        ({"task": str(uuid4())}, "a unit of work needs one source"),
        ({"events": ["x"]}, "sources and members are named by their ids"),
        ({"events": "x"}, "a unit of work needs one source"),
        ({"events": None}, "a unit of work needs one source"),
    ],
)
def test_a_unit_that_is_none_is_invalid_without_blaming_a_change(
    rpc: Rpc, more: dict[str, Any], error: str
) -> None:
    claimed = claim(rpc, rpc.text()["event_id"])
    work = unit(claimed)
    work.update("users", UUID(claimed["context"]["member"]["id"]), {"title": "x"}, expect={})
    answer = commit(rpc, claimed, work, **more)
    assert answer == {"outcome": "invalid", "change": None, "error": error}
    assert rpc.rows("select from users where title = 'x'") == []


def test_who_names_no_token_commits_nothing(rpc: Rpc) -> None:
    # As a worker that was there before us claims: without a token.
    (task,) = rpc.rows(
        "insert into agent_tasks (task_type, agent_type, scheduled_for, context_json, status)"
        " values ('a', 'a', now(), '{}', 'processing') returning id::text"
    )
    assert rpc.call("commit_work", work={"task": task["id"]}, token=None) == {"outcome": "stale"}


def test_an_update_whose_expectation_fails_is_a_conflict_and_nothing_is_applied(rpc: Rpc) -> None:
    event = rpc.text()
    claimed = claim(rpc, event["event_id"])
    user = UUID(event["user_id"])
    rpc.rows("update users set company = 'Else' returning id")
    work = unit(claimed)
    work.update("users", user, {"title": "CTO"}, expect={"verified": False})
    work.update("users", user, {"company": "Acme"}, expect={"company": None})
    answer = commit(rpc, claimed, work)
    assert answer == {"outcome": "conflict", "change": 2, "table": "users"}
    (row,) = rpc.rows("select title, company from users")
    assert (row["title"], row["company"]) == (None, "Else")


def test_counters_add_and_lists_append_over_null(rpc: Rpc) -> None:
    event = rpc.text()
    claimed = claim(rpc, event["event_id"])
    user = UUID(event["user_id"])
    work = unit(claimed)
    work.append("users", user, expertise=["a", "b"])
    work.append("users", user, expertise=["c"])
    flow = work.insert(
        "solution_workflows",
        {
            "user_id": user,
            "request_description": "x",
            "current_step": "s",
            "conversation_log": None,
        },
    )
    work.append("solution_workflows", flow, conversation_log=[{"n": 1}])
    assert commit(rpc, claimed, work)["outcome"] == "applied"
    assert rpc.rows("select expertise from users")[0]["expertise"] == ["a", "b", "c"]
    (row,) = rpc.rows("select conversation_log as log from solution_workflows")
    assert row["log"] == [{"n": 1}]


def test_what_stands_where_a_list_belongs_is_not_lost_by_appending(rpc: Rpc) -> None:
    claimed = claim(rpc, rpc.text()["event_id"])
    work = unit(claimed)
    found = {"user_id": claimed["context"]["member"]["id"], "request_description": "x"}
    for log in ({"a": 1}, "said", None):
        flow = work.insert(
            "solution_workflows", found | {"current_step": "s", "conversation_log": log}
        )
        work.append("solution_workflows", flow, conversation_log=[2])
    assert commit(rpc, claimed, work)["outcome"] == "applied"
    logs = [
        row["log"] for row in rpc.rows("select conversation_log as log from solution_workflows")
    ]
    assert logs == [[{"a": 1}, 2], ["said", 2], [2]]


def test_texts_committed_for_an_opted_out_member_are_superseded(rpc: Rpc) -> None:
    event = rpc.text()
    claimed = claim(rpc, event["event_id"])
    rpc.text(body="STOP", keyword="stop", word="STOP")
    work = unit(claimed)
    (text,) = work.say(UUID(event["user_id"]), ["hello"], kind="reply")
    answer = commit(rpc, claimed, work)
    assert (answer["outcome"], answer["texts_due"]) == ("applied", [])
    assert rpc.queued(text)["status"] == "superseded"


def test_fifty_overlapping_turns_of_one_member_never_run_two_at_a_time(
    database: str,
) -> None:
    recorder = Rpc(database)
    user = recorder.member()
    events = [recorder.text(body=f"text {nth}")["event_id"] for nth in range(50)]
    running: list[str] = []
    overlaps: list[tuple[str, ...]] = []
    turns: list[list[str]] = []

    def worker(event_id: str) -> None:
        rpc = Rpc(database)
        answer = claim(rpc, event_id)
        if answer["outcome"] == "claimed":
            running.append(event_id)
            overlaps.append(tuple(running))
            work = unit(answer)
            work.update("users", user, {"title": "x"}, expect={})
            running.remove(event_id)
            assert commit(rpc, answer, work, final=True)["outcome"] == "applied"
            turns.append(answer["events"])
        else:
            assert answer["outcome"] in {"busy", "done"}
        rpc.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(worker, events))
    for event_id in events:  # what was busy is picked up by whoever is told next
        worker(event_id)
    assert {len(o) for o in overlaps} == {1}
    assert sorted(e for turn in turns for e in turn) == sorted(events)
    recorder.close()


def test_the_same_text_recorded_by_eight_sessions_at_once_is_one_message(database: str) -> None:
    ids = {"message_id": str(uuid4()), "event_id": str(uuid4()), "sid": f"SM{uuid4().hex}"}

    def record(nth: int) -> str:
        rpc = Rpc(database)
        outcome: str = rpc.text(f"+1212555010{nth % 1}", **ids)["outcome"]
        rpc.close()
        return outcome

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(record, range(8)))
    assert sorted(outcomes) == ["duplicate"] * 7 + ["recorded"]


def test_a_lock_that_is_not_to_be_had_in_two_seconds_is_retry_and_changes_nothing(
    database: str,
) -> None:
    rpc, other = Rpc(database), Rpc(database)
    event = rpc.text()
    with other.connection.transaction():
        other.rows("select 1 as one from users for no key update")
        assert claim(rpc, event["event_id"]) == {"outcome": "retry"}
        assert rpc.text() == {"outcome": "retry"}
        assert rpc.call("claim_texts", token=uuid4())["sends"] == []
    assert claim(rpc, event["event_id"])["outcome"] == "claimed"
    rpc.close()
    other.close()


def test_the_sweeper_hands_out_one_due_event_a_member_with_a_doubling_delay(rpc: Rpc) -> None:
    first = rpc.text()
    rpc.text()
    other = rpc.text("+12125550199")
    assert rpc.call("sweep_events")["events"] == []
    rpc.pass_time(seconds=61)
    assert rpc.call("sweep_events")["events"] == [first["event_id"], other["event_id"]]
    assert rpc.call("sweep_events")["events"] == []
    rpc.pass_time(seconds=60)
    assert len(rpc.call("sweep_events")["events"]) == 2
    rpc.pass_time(seconds=60)
    assert rpc.call("sweep_events")["events"] == []
    rpc.pass_time(seconds=60)
    assert len(rpc.call("sweep_events")["events"]) == 2


def test_dead_letters_never_hide_live_events_from_the_sweeper(rpc: Rpc) -> None:
    rpc.rows(
        "insert into events (event_type, payload, processed, metadata, created_at)"
        " select 'x', '{}', true, '{\"dead\": {}}', %s from generate_series(1, 600) returning id",
        rpc.now,
    )
    event = rpc.text()
    rpc.pass_time(seconds=61)
    assert rpc.call("sweep_events")["events"] == [event["event_id"]]
