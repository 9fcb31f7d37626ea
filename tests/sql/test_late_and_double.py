"""Rows and holders that come late or twice: what a review of the SQL found."""

from datetime import UTC, datetime
from uuid import uuid4

from tests.sql.test_awkward_rows import as_owner
from tests.support.claims import add_task, claim, claim_tasks
from tests.support.rpc import Rpc

ADA = "+12125550101"


def test_a_lease_that_ran_out_does_not_begin_anew_beside_anothers(rpc: Rpc) -> None:
    task, token = add_task(rpc, rpc.member(ADA)), uuid4()
    assert claim_tasks(rpc, token) == [str(task)]
    rpc.pass_time(minutes=10)
    assert claim(rpc, rpc.text(ADA)["event_id"])["outcome"] == "claimed"
    assert rpc.call("reread_task", task_id=task, token=token) == {"outcome": "stale"}


def test_a_late_commit_beside_anothers_live_lease_is_stale(rpc: Rpc) -> None:
    task, token = add_task(rpc, rpc.member(ADA)), uuid4()
    assert claim_tasks(rpc, token) == [str(task)]
    rpc.pass_time(minutes=10)
    assert claim(rpc, rpc.text(ADA)["event_id"])["outcome"] == "claimed"
    work = {"task": str(task), "changes": []}
    assert rpc.call("commit_work", work=work, token=token) == {"outcome": "stale"}


def test_a_lease_damaged_to_end_in_years_keeps_its_holder_no_member(rpc: Rpc) -> None:
    """It is none to those who claim, so it must be none to who commits under it."""
    task, token, turn_token = add_task(rpc, rpc.member(ADA)), uuid4(), uuid4()
    assert claim_tasks(rpc, token) == [str(task)]
    rpc.rows(
        "update agent_tasks set last_attempted_at = last_attempted_at - interval '1 h',"
        " result_json = jsonb_set(result_json, '{claim,until}', '\"2199-01-01\"')"
        " where id = %s returning id",
        task,
    )
    event = rpc.text(ADA)["event_id"]
    assert claim(rpc, event, token=turn_token)["outcome"] == "claimed"
    work = {"task": str(task), "changes": []}
    units = [{"token": str(token), "work": work}]
    assert rpc.call("commit_work", work=work, token=token) == {"outcome": "stale"}
    assert rpc.call("commit_batch", units=units)["results"] == [{"outcome": "stale"}]

    rpc.rows(
        "update events set metadata = jsonb_set(metadata, '{lease,until}', '\"infinity\"')"
        " where id = %s returning id",
        event,
    )
    assert claim_tasks(rpc) == [str(task)]
    turn = {"events": [str(event)], "changes": [], "final": True}
    assert rpc.call("commit_work", work=turn, token=turn_token) == {"outcome": "stale"}


def test_of_two_budgets_of_a_day_the_fuller_one_counts(rpc: Rpc) -> None:
    unique = "user_message_budget_user_id_date_key"
    as_owner(rpc, f"alter table user_message_budget drop constraint {unique}")
    user = rpc.member(ADA)
    for sent in (0, 5):
        rpc.rows(
            "insert into user_message_budget (user_id, date, messages_sent)"
            " values (%s, '2026-11-23', %s) returning id",
            user,
            sent,
        )
    rpc.queue(user, "x")
    assert rpc.claim_texts() == []


def test_the_first_of_two_is_found_whatever_the_step_of_the_clock(rpc: Rpc) -> None:
    (row,) = rpc.rows("select local_instant('2021-03-13 22:00', 'Antarctica/Casey') as t")
    assert row["t"] == datetime(2021, 3, 13, 11, 0, tzinfo=UTC)


def test_an_event_whose_dependency_fails_since_for_ever_is_dead(rpc: Rpc) -> None:
    event = rpc.text(ADA)["event_id"]
    rpc.rows('update events set metadata = \'{"dependency": {"since": "-infinity"}}\' returning id')
    claimed = claim(rpc, event)
    failed = rpc.call(
        "fail_event",
        event_ids=claimed["events"],
        token=claimed["token"],
        error="e",
        kind="dependency",
    )
    assert failed["outcome"] == "dead"
