"""Journey C of behaviour.md over the real functions; days pass by the stack's clock."""

from collections.abc import Iterator

import pytest

from tests.support.community import close_due, run_tasks
from tests.support.days import (
    DAY_S,
    MINUTE_S,
    has_read,
    ledger,
    member,
    priorities,
    to_hour,
    until,
)
from tests.support.stack import StackUnderTest, running_stack, wait_for

#: What each test's question is about: experts of one know nothing of the others'.
FREIGHT, PAYROLL, LATE = ["freight", "customs"], ["payroll", "pensions"], ["audits", "levies"]
ANSWER = (
    "We tried three freight tools at our last company, and I switched us to the simplest one,"
    " because it saved our team a day each week"
)


@pytest.fixture(scope="module")
def own() -> Iterator[StackUnderTest]:
    """A stack whose clock these tests move, on and on."""
    with running_stack() as running:
        yield running


def question(about: list[str]) -> str:
    return f"Does anyone know {' '.join(about)}?"


def test_a_question_goes_to_who_knows_and_its_answer_comes_back_and_is_paid_and_closed(
    own: StackUnderTest,
) -> None:
    asker = member(own, first_name="Ada", company="Quantel")
    expert = member(own, expertise=[" Freight", "CUSTOMS"])
    stranger = member(own, expertise=["gardening"])
    to_hour(own, 12)

    # The question
    asker.converse(question(FREIGHT))
    (request,) = wait_for(
        lambda: asker.rows("select * from community_requests"), "recorded request"
    )
    assert request["question"] == question(FREIGHT)
    assert request["target_user_ids"] == [expert.user()["id"]]
    assert (request["status"], request["responses_count"]) == ("open", 0)
    run_tasks(own)
    (offered,) = until(own, lambda: priorities(expert), MINUTE_S)
    assert (offered["item_type"], offered["value_score"]) == ("community_request", 80)
    assert priorities(stranger) == []

    # The expert hears of it the next morning, and of nobody's name.
    to_hour(own, 8)
    expert.wait_until_idle()
    assert not has_read(expert, "freight customs")
    to_hour(own, 9)
    until(own, lambda: has_read(expert, "freight customs"), MINUTE_S)
    assert not any("Ada" in text or "Quantel" in text for text in expert.received())
    wait_for(lambda: priorities(expert)[0]["status"] == "presented", "record of the text")
    assert len(priorities(expert)) == 1

    # The answer
    expert.converse(ANSWER)
    (response,) = wait_for(lambda: expert.rows("select * from community_responses"), "answer")
    assert response["verbatim_answer"] == ANSWER
    assert [p["status"] for p in priorities(expert)] == ["actioned"]
    until(own, lambda: ledger(expert), MINUTE_S * 2)
    (response,) = expert.rows("select * from community_responses")
    assert response["usefulness_score"] >= 7
    paid = 15 + 10 * (response["usefulness_score"] - 7)
    assert (ledger(expert), expert.user()["credit_balance"]) == ([paid], paid)

    # Back to the asker, who says what came of it
    until(own, lambda: has_read(asker, "simplest one"))
    assert has_read(asker, "Did that help?")
    assert not has_read(stranger, "simplest one")
    asker.converse("That helped, we went with the simplest one and saved a lot of time")
    wait_for(
        lambda: asker.rows(
            "select 1 from community_responses where impact_description is not null"
        ),
        "outcome",
    )

    # The expert is told what came of it, in those words, once
    own.advance(DAY_S)
    to_hour(own, 9)
    until(own, lambda: has_read(expert, "saved a lot of time"))
    (response,) = expert.rows("select * from community_responses")
    assert response["status"] == "closed_loop"

    # Closure: everybody asked has answered
    close_due(own)
    until(own, lambda: has_read(asker, "is closed now"))
    (request,) = asker.rows("select * from community_requests")
    assert request["status"] == "closed"
    for _ in range(5):
        own.advance(DAY_S)
        run_tasks(own)
    assert sum("saved a lot of time" in text for text in expert.received()) == 1
    assert sum("is closed now" in text for text in asker.received()) == 1
    assert ledger(expert) == [paid]
    assert [p["item_type"] for p in priorities(expert)] == [
        "community_request",
        "expert_impact_notification",
    ]


def test_a_question_that_is_open_already_is_attached_and_both_askers_hear_the_answer(
    own: StackUnderTest,
) -> None:
    first, second = member(own), member(own)
    expert = member(own, expertise=PAYROLL)
    to_hour(own, 12)
    for asker in (first, second):
        asker.converse(question(PAYROLL))
        asker.wait_until_idle()
    requests = wait_for(
        lambda: first.rows(
            "select * from community_requests where question = %s order by created_at",
            question(PAYROLL),
        ),
        "requests",
    )
    assert requests[1]["context_id"] == requests[0]["id"]
    assert requests[1]["target_user_ids"] == []
    run_tasks(own)
    to_hour(own, 9)
    until(own, lambda: has_read(expert, "payroll pensions"))
    expert.converse(ANSWER)
    for asker in (first, second):
        until(own, lambda a=asker: has_read(a, "simplest one"))  # type: ignore[misc]
    assert len(priorities(expert)) == 1

    # Closed with it, and told so of the answer that both had
    for _ in range(2):
        close_due(own)
    for asker in (first, second):
        until(own, lambda a=asker: has_read(a, "is closed now"))  # type: ignore[misc]
        assert has_read(asker, "It got one answer.")
        assert not has_read(asker, "Nobody has answered")
    closed = first.rows(
        "select status, closed_loop_message from community_requests where question = %s",
        question(PAYROLL),
    )
    assert {row["status"] for row in closed} == {"closed"}
    for _ in range(9):
        own.advance(DAY_S)
    for asker in (first, second):
        assert sum("is closed now" in text for text in asker.received()) == 1


def test_an_answer_after_the_closure_is_thanked_and_recorded_and_not_paid(
    own: StackUnderTest,
) -> None:
    asker, late = member(own), member(own, expertise=LATE)
    to_hour(own, 12)
    asker.converse(question(LATE))
    asker.wait_until_idle()
    run_tasks(own)
    to_hour(own, 9)
    until(own, lambda: has_read(late, "audits levies"))
    for _ in range(7):
        own.advance(DAY_S)
    close_due(own)
    until(own, lambda: has_read(asker, "Nobody has answered your question"))
    late.converse(ANSWER)
    assert late.received()[-1] == "Thanks, I've noted it. The question is closed already."
    of_mine = "select * from community_responses where user_id = %s"
    until(own, lambda: late.rows(f"{of_mine} and usefulness_score >= 7", late.user()["id"]))
    (response,) = late.rows(of_mine, late.user()["id"])
    assert (response["verbatim_answer"], response["credits_awarded"]) == (ANSWER, None)
    assert ledger(late) == []
    (request,) = late.rows("select * from community_requests where id = %s", response["request_id"])
    assert (request["status"], request["responses_count"]) == ("closed", 0)
