"""What the solution saga decides from: its member's workflow, fitting offers, scored answers."""

from typing import Any
from uuid import UUID, uuid4

from psycopg.types.json import Jsonb

from lib.engine.documents import Solution
from lib.engine.turn import Item
from tests.sql.test_contexts import answer, experts, insert, request
from tests.support.rpc import Rpc


def workflow(rpc: Rpc, user_id: UUID, **columns: Any) -> UUID:
    return insert(
        rpc,
        "solution_workflows",
        **{
            "user_id": user_id,
            "request_description": "A simpler way to reconcile invoices",
            "current_step": "experts",
        }
        | columns,
    )


def solution(rpc: Rpc, user_id: UUID, payload: dict[str, Any]) -> Solution:
    (row,) = rpc.rows("select solution_context(%s, %s, %s) as d", user_id, Jsonb(payload), rpc.now)
    return Solution.model_validate(row["d"])


def test_a_workflow_is_given_to_its_own_member_only(rpc: Rpc) -> None:
    mine, theirs = experts(rpc, 2)
    named = {"workflow_id": str(workflow(rpc, mine))}
    found = solution(rpc, mine, named).workflow
    assert found is not None
    assert found.user_id == mine
    assert solution(rpc, theirs, named).workflow is None


def test_what_names_nothing_gives_a_document_without_it(rpc: Rpc) -> None:
    (mine,) = experts(rpc, 1)
    for payload in ({}, {"workflow_id": "nonsense"}, {"workflow_id": str(uuid4())}):
        found = solution(rpc, mine, payload)
        assert (found.workflow, found.answers, found.innovators) == (None, [], [])
    assert solution(rpc, uuid4(), {}).member is None


def test_offers_are_of_active_innovators_whose_categories_the_need_names(rpc: Rpc) -> None:
    mine, fits, off, other, silent = experts(rpc, 5)
    columns = {"company_name": "Somebody", "solution_description": "Reads invoices"}
    wanted = insert(rpc, "innovators", user_id=fits, categories=[" Invoices"], **columns)
    for user_id in (fits, off, other, silent):
        rpc.rows("update users set verified = true where id = %s returning id", user_id)
    insert(rpc, "innovators", user_id=experts(rpc, 6)[5], categories=["invoices"], **columns)
    insert(rpc, "innovators", user_id=off, categories=["invoices"], active=False, **columns)
    insert(rpc, "innovators", user_id=other, categories=["freight"], **columns)
    insert(rpc, "innovators", user_id=mine, categories=["invoices"], **columns)
    insert(rpc, "innovators", user_id=silent, categories=["invoices"], company_name="Somebody")
    found = solution(rpc, mine, {"workflow_id": str(workflow(rpc, mine))})
    assert [offer.id for offer in found.innovators] == [wanted]


def test_answers_are_the_useful_ones_to_the_question_it_asked_or_was_attached_to(rpc: Rpc) -> None:
    mine, one, two = experts(rpc, 3)
    first = request(rpc)
    attached = request(rpc, context_type="community_request", context_id=first)
    strong = answer(rpc, first, two, usefulness_score=9)
    answer(rpc, first, one, usefulness_score=6)
    answer(rpc, request(rpc), one, usefulness_score=10)
    answer(rpc, first, mine)  # not scored
    for asked in (first, attached):
        insights = Jsonb({"request_id": str(asked)})
        named = {"workflow_id": str(workflow(rpc, mine, community_insights=insights))}
        assert [a.id for a in solution(rpc, mine, named).answers] == [strong]


def test_a_workflow_with_nothing_but_nulls_can_be_decided_about(rpc: Rpc) -> None:
    (mine,) = experts(rpc, 1)
    nothing = dict.fromkeys(
        (
            "category",
            "status",
            "perplexity_results",
            "matched_innovators",
            "community_insights",
            "expert_recommendations",
            "pending_tasks",
            "conversation_log",
            "created_at",
        )
    )
    named = {"workflow_id": str(workflow(rpc, mine, **nothing))}
    assert solution(rpc, mine, named).workflow is not None


def test_an_item_about_it_holds_the_need_and_the_recommendation(rpc: Rpc) -> None:
    mine, theirs = experts(rpc, 2)
    done = Jsonb({"text": "Start small."})
    for owner in (mine, theirs):
        insert(
            rpc,
            "user_priorities",
            user_id=mine,
            priority_rank=1,
            item_type="solution_update",
            item_id=workflow(rpc, owner, expert_recommendations=done),
            value_score=80,
            created_at=rpc.now,
        )
    (row,) = rpc.rows("select member_items(%s, %s) as items", mine, rpc.now)
    found = [Item.model_validate(item).solution for item in row["items"]]
    assert sorted(one.recommendation for one in found if one and one.recommendation) == [
        "Start small."
    ]
    assert sum(one is None for one in found) == 1
