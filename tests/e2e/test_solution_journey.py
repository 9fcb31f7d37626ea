"""Journey B of behaviour.md over the real functions: a need becomes research, a question to those
who know, and a recommendation; days pass by the stack's clock."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.community import run_tasks
from tests.support.days import DAY_S, MINUTE_S, has_read, member, priorities, to_hour, until
from tests.support.stack import StackUnderTest, running_stack, wait_for
from tests.support.texting import Phone

NEED = "Please look into beekeeping software for our orchards"
ANSWER = (
    "We tried three of them at our last company, and I switched us to the simplest one, because"
    " it saved our team a day each week"
)


@pytest.fixture(scope="module")
def own() -> Iterator[StackUnderTest]:
    """A stack whose clock these tests move."""
    with running_stack() as running:
        yield running


def workflows(phone: Phone) -> list[dict[str, Any]]:
    return phone.rows(
        "select w.* from solution_workflows w join users u on u.id = w.user_id"
        " where u.phone_number = %s",
        phone.number,
    )


def test_a_need_is_looked_into_asked_about_and_comes_back_as_a_recommendation(
    own: StackUnderTest,
) -> None:
    asker = member(own, first_name="Ada", company="Quantel")
    expert = member(own, expertise=["Beekeeping", "software"])
    to_hour(own, 12)

    asker.converse(NEED)
    (workflow,) = wait_for(lambda: workflows(asker), "workflow")
    assert workflow["request_description"] == NEED
    until(own, lambda: workflows(asker)[0]["current_step"] == "experts", MINUTE_S)

    # The members who know are asked, and learn nothing of who asks.
    until(own, lambda: priorities(expert), MINUTE_S)
    to_hour(own, 9)
    until(own, lambda: has_read(expert, "beekeeping"), MINUTE_S)
    assert not any("Ada" in text or "Quantel" in text for text in expert.received())
    expert.converse(ANSWER)
    until(own, lambda: has_read(asker, "There is an answer"), MINUTE_S)

    # A day after it was asked, all of it becomes one recommendation, brought up in a morning.
    own.advance(DAY_S)
    until(own, lambda: workflows(asker)[0]["status"] == "completed", MINUTE_S)
    (workflow,) = workflows(asker)
    assert workflow["current_step"] == "done"
    assert workflow["quality_threshold_met"] is True
    assert workflow["pending_tasks"] == []
    assert workflow["completed_tasks"] == ["research_solution", "solution_workflow_timeout"]
    until(own, lambda: "solution_update" in {p["item_type"] for p in priorities(asker)}, MINUTE_S)
    to_hour(own, 9)
    run_tasks(own)
    recommended = workflow["expert_recommendations"]["text"]
    until(own, lambda: has_read(asker, recommended), MINUTE_S)


def test_where_nobody_knows_the_recommendation_says_that_it_rests_on_general_knowledge(
    own: StackUnderTest,
) -> None:
    asker = member(own)
    asker.converse("Can you find a tool for lacquer restoration in our small workshop")
    wait_for(lambda: workflows(asker), "workflow")
    until(own, lambda: workflows(asker)[0]["status"] == "completed")
    (workflow,) = workflows(asker)
    assert workflow["quality_threshold_met"] is False
    assert "general knowledge" in workflow["expert_recommendations"]["text"]
