"""The account manager over the real functions: showings, reviews, the ten best."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.support.deciding import Agents
from tests.support.rpc import Rpc
from tests.support.scripted_model import ScriptedModel, text, use, uses

PHONE = "+12125550142"


@pytest.fixture
def agents(rpc: Rpc) -> Agents:
    return Agents(rpc, ScriptedModel(text("A member asks something. Do you know about it?")))


@pytest.fixture
def member(agents: Agents) -> UUID:
    found = agents.rpc.member(PHONE, verified=True)
    agents.hear(PHONE, "hi")
    return found


def item(rpc: Rpc, member: UUID, score: float, **columns: Any) -> UUID:
    """A question of somebody's on the member's list."""
    (asked,) = rpc.rows(
        "insert into community_requests (requesting_agent_type, question, created_at, expires_at)"
        " values ('concierge', 'Which tools?', %s, %s) returning id",
        rpc.now,
        rpc.now + timedelta(days=20),
    )
    row = {
        "user_id": member,
        "item_type": "community_request",
        "item_id": asked["id"],
        "priority_rank": 1,
        "value_score": score,
        "created_at": rpc.now,
    } | columns
    (made,) = rpc.rows(
        f"insert into user_priorities ({', '.join(row)})"  # noqa: S608
        f" values ({', '.join(['%s'] * len(row))}) returning id",
        *row.values(),
    )
    found: UUID = made["id"]
    return found


def review(agents: Agents, member: UUID) -> None:
    agents.rpc.rows(
        "insert into agent_tasks (task_type, agent_type, user_id, scheduled_for, context_json)"
        " values ('account_manager_review', 'account_manager', %s, %s, '{}') returning id",
        member,
        agents.rpc.now,
    )
    agents.run_tasks()


def row(rpc: Rpc, priority: UUID) -> dict[str, Any]:
    (found,) = rpc.rows("select * from user_priorities where id = %s", priority)
    return found


def shown(rpc: Rpc, member: UUID) -> list[int]:
    (found,) = rpc.rows("select member_items(%s, %s) as items", member, rpc.now)
    return [one["shown"] for one in found["items"]]


def test_a_mention_in_an_answer_of_two_texts_is_one_showing(agents: Agents, member: UUID) -> None:
    asked = item(agents.rpc, member, 70)
    agents.hear(
        PHONE,
        "thanks for that",
        uses(use("mention_item", item=1)),
        text("You're welcome.\n\nA member asks which tools to take. Is that yours?"),
    )
    assert row(agents.rpc, asked)["status"] == "presented"
    assert shown(agents.rpc, member) == [1]


def test_an_answer_that_is_replaced_brings_nothing_up(agents: Agents, member: UUID) -> None:
    asked = item(agents.rpc, member, 70)
    agents.hear(PHONE, "thanks", uses(use("mention_item", item=1)), text("Ask Mallory Cheng."))
    assert "Mallory" not in agents.said[member][-1]
    assert row(agents.rpc, asked)["status"] == "active"


def test_a_question_nobody_was_shown_for_a_day_is_brought_up_also_to_who_is_silent(
    agents: Agents, member: UUID
) -> None:
    agents.rpc.pass_time(days=40)
    asked = item(agents.rpc, member, 65)
    review(agents, member)
    assert row(agents.rpc, asked)["value_score"] == 65
    agents.rpc.pass_time(hours=24)
    assert "account_manager_review" in agents.run_tasks()
    assert row(agents.rpc, asked)["value_score"] == 80
    agents.rpc.pass_time(days=1)
    agents.run_tasks()
    assert row(agents.rpc, asked)["status"] == "presented"


def test_nobody_looks_through_the_empty_list_of_a_member_who_is_silent_for_a_month(
    agents: Agents, member: UUID
) -> None:
    agents.rpc.pass_time(days=31)
    agents.run_tasks()
    waiting = agents.rpc.rows(
        "select 1 from agent_tasks where task_type = 'account_manager_review'"
        " and status = 'pending' and user_id = %s",
        member,
    )
    assert waiting == []


def test_what_was_shown_and_is_over_does_not_hide_what_waits(agents: Agents, member: UUID) -> None:
    rpc = agents.rpc
    for _ in range(25):
        item(rpc, member, 95, status="expired", presented_at=rpc.now)
    waits = item(rpc, member, 65)
    (found,) = rpc.rows("select member_items(%s, %s) as items", member, rpc.now)
    assert str(waits) in {one["id"] for one in found["items"]}


def test_of_eleven_items_the_least_goes_and_the_others_are_ranked(
    agents: Agents, member: UUID
) -> None:
    made = [item(agents.rpc, member, 50 + n) for n in range(11)]
    review(agents, member)
    assert row(agents.rpc, made[0])["status"] == "expired"
    assert [row(agents.rpc, one)["priority_rank"] for one in made[:0:-1]] == [*range(1, 11)]


def test_only_what_was_brought_up_is_answered_and_a_reply_answers_one(
    agents: Agents, member: UUID
) -> None:
    rpc = agents.rpc
    first, second = item(rpc, member, 75), item(rpc, member, 70)
    answer = {"summary": "We took the plain one."}
    agents.hear(
        PHONE, "We took the plain one", uses(use("record_answer", item=1, **answer)), text("Hm?")
    )
    assert rpc.rows("select 1 from community_responses") == []
    rpc.rows("update user_priorities set status = 'presented' returning id")
    both = [use("record_answer", item=n, **answer) | {"id": f"toolu_{n}"} for n in (1, 2)]
    agents.hear(PHONE, "We took the plain one", uses(*both), text("Which did you mean?"))
    assert len(rpc.rows("select 1 from community_responses")) == 1
    assert {row(rpc, one)["status"] for one in (first, second)} == {"actioned", "presented"}
