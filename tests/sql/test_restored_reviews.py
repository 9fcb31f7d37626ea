"""Broken chains of reviews begin anew (protocol.md, 19): once, and for active members alone."""

from datetime import datetime, timedelta
from uuid import UUID

import pytest

from lib.agents.account_manager import REVIEW_EVERY, REVIEWED_WHILE_ACTIVE, next_review
from tests.support.claims import add_task, claim_tasks
from tests.support.rpc import Rpc

ADA = "+12125550101"


def verified(rpc: Rpc, phone: str = ADA, idle: timedelta = timedelta(days=1)) -> UUID:
    """A verified member who has written so long ago."""
    member = rpc.member(phone)
    rpc.rows(
        "update users set verified = true, last_active_at = %s where id = %s returning id",
        rpc.now - idle,
        member,
    )
    return member


def restore(rpc: Rpc, **more: int) -> int:
    """What the sweeper does once an hour; how many reviews it has added."""
    active_s = int(REVIEWED_WHILE_ACTIVE.total_seconds())
    found = rpc.call("unreviewed_members", active_s=active_s, **more)
    reviews = []
    for member in found["members"]:
        task_id, at = next_review(UUID(member), datetime.fromisoformat(found["now"]))
        reviews.append({"id": str(task_id), "user_id": member, "scheduled_for": at.isoformat()})
    added: int = rpc.call("restore_reviews", reviews=reviews)["tasks"]
    # Said again, it changes nothing.
    assert rpc.call("restore_reviews", reviews=reviews)["tasks"] == 0
    return added


def add_review(rpc: Rpc, member: UUID, status: str) -> None:
    add_task(rpc, member, task_type="account_manager_review", status=status)


def test_a_member_without_a_review_gets_one_within_its_period(rpc: Rpc) -> None:
    member = verified(rpc)
    assert restore(rpc) == 1
    (task,) = rpc.rows("select * from agent_tasks")
    assert (task["user_id"], task["task_type"]) == (member, "account_manager_review")
    assert (task["agent_type"], task["priority"]) == ("account_manager", "low")
    assert (task["status"], task["context_json"]) == ("pending", {})
    assert rpc.now < task["scheduled_for"] <= rpc.now + REVIEW_EVERY
    assert (task["id"], task["scheduled_for"]) == next_review(member, rpc.now)
    assert restore(rpc) == 0
    rpc.pass_time(hours=6)
    assert claim_tasks(rpc) == [str(task["id"])]
    assert restore(rpc) == 0


@pytest.mark.parametrize("status", ["pending", "processing"])
def test_a_chain_that_goes_on_is_left_alone(rpc: Rpc, status: str) -> None:
    add_review(rpc, verified(rpc), status)
    assert restore(rpc) == 0


@pytest.mark.parametrize("status", ["completed", "failed"])
def test_a_chain_whose_last_review_is_over_begins_anew(rpc: Rpc, status: str) -> None:
    add_review(rpc, verified(rpc), status)
    assert restore(rpc) == 1


def test_who_is_silent_for_long_or_not_verified_gets_none(rpc: Rpc) -> None:
    verified(rpc, idle=REVIEWED_WHILE_ACTIVE + timedelta(hours=1))
    member = verified(rpc, "+12125550102")
    rpc.rows("update users set verified = null where id = %s returning id", member)
    verified(rpc, "+12125550103", idle=timedelta(0))
    rpc.rows("update users set last_active_at = null returning id")
    assert restore(rpc) == 0


def test_reviews_that_fail_and_fail_are_restored_once_in_a_period(rpc: Rpc) -> None:
    verified(rpc)
    restored = []
    for _ in range(24):
        restored.append(restore(rpc))
        rpc.rows("update agent_tasks set status = 'failed' returning id")
        rpc.pass_time(hours=1)
    assert 4 <= sum(restored) <= 5  # a period may have begun before the day


def test_more_broken_chains_than_one_call_restores_are_left_to_the_next(rpc: Rpc) -> None:
    for nth in range(5):
        verified(rpc, f"+1212555020{nth}")
    assert [restore(rpc, limit=2) for _ in range(4)] == [2, 2, 1, 0]
