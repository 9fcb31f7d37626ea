"""What a number and a day may cost: then one fixed text, and silence until tomorrow."""

from collections.abc import Iterator

import pytest

from lib.domain.messaging import MAX_TURNS_A_DAY, REST_TEXT
from tests.support.community import answer, request, run_tasks
from tests.support.stack import StackUnderTest, running_stack
from tests.support.texting import Phone

HALF_A_DAY_S = 12 * 3600


@pytest.fixture
def own() -> Iterator[StackUnderTest]:
    with running_stack() as running:
        yield running


@pytest.fixture
def poor() -> Iterator[StackUnderTest]:
    """A stack that may spend a hundredth of a cent a day: one answer."""
    with running_stack({"DAILY_SPEND_CAP_USD": "0.0001"}) as running:
        yield running


def resting(phone: Phone) -> int:
    return sum(REST_TEXT in text for text in phone.received())


def answers(phone: Phone) -> list[object]:
    """The texts that answer the phone's own."""
    return [row for row in phone.queued_rows() if row["message_data"].get("kind") == "reply"]


def test_a_number_is_answered_thirty_times_a_day(own: StackUnderTest) -> None:
    own.advance_to(10)  # by night, what is asked in the end would wait for the morning
    phone, other = Phone(own), Phone(own)
    phone.converse("hi there")
    # Turns enough for today, but for one; those of yesterday are over.
    with own.connect() as session:
        session.execute(
            "insert into agent_actions_log"
            " (agent_type, action_type, user_id, context_id, context_type, created_at)"
            " select l.agent_type, l.action_type, l.user_id, gen_random_uuid(), 'event',"
            " l.created_at - days.ago * interval '1 day'"
            " from agent_actions_log as l, generate_series(0, 1) as days (ago),"
            " generate_series(1, %s) where l.user_id = %s",
            (MAX_TURNS_A_DAY - 2, phone.user()["id"]),
        )
    phone.converse("and now?")
    assert resting(phone) == 0
    phone.converse("and again?")
    assert resting(phone) == 1
    before = len(phone.received())
    phone.text("hello?")
    phone.wait_until_idle()
    assert len(phone.received()) == before
    assert phone.inbound_events()[-1]["processed"]
    other.converse("hi there")
    assert resting(other) == 0

    for _ in range(2):
        own.advance(HALF_A_DAY_S)
    answered = len(answers(phone))
    phone.converse("good morning")
    phone.wait_until_idle()
    # A day after the last text they are asked once more, too: that is no answer.
    assert len(answers(phone)) == answered + 1
    assert resting(phone) == 1


def test_when_the_days_money_is_spent_each_number_is_told_once_and_work_waits(
    poor: StackUnderTest,
) -> None:
    poor.advance_to(10)  # the day's money is counted by UTC: midnight must not come between
    first, second = Phone(poor), Phone(poor)
    first.converse("hi there")
    assert resting(first) == 0
    poor.advance(61)
    for _ in range(2):
        second.text("hi there")
        second.wait_until_idle()
    assert (resting(second), len(second.received())) == (1, 1)
    told = "select count(*) as calls from agent_actions_log where user_id = %s"
    assert second.rows(told, second.user()["id"]) == [{"calls": 0}]

    answered = answer(poor, request(poor, first.user()["id"]), second.user()["id"])
    task = "select status from agent_tasks where id = %s"
    with poor.connect() as session:
        session.execute(
            "insert into agent_tasks (id, task_type, agent_type, user_id, scheduled_for,"
            " context_json) select id, 'process_community_response', 'agent_of_humans', user_id,"
            " created_at, jsonb_build_object('response_id', id, 'request_id', request_id)"
            " from community_responses where id = %s",
            (answered,),
        )
    run_tasks(poor)
    assert second.rows(task, answered) == [{"status": "pending"}]
    for _ in range(4):
        poor.advance(HALF_A_DAY_S / 2)
    run_tasks(poor)
    assert second.rows(task, answered) == [{"status": "completed"}]
