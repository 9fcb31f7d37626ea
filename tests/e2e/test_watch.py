"""What operators are told of is made of lines that the functions write (terraform/watch.yaml)."""

from collections.abc import Callable
from typing import Any

import pytest

import main
from tests.e2e.test_poison import poison, wait_until_dead
from tests.support.stack import StackUnderTest, running_stack, wait_for
from tests.support.texting import Phone, control_twilio
from tests.support.watch import METRICS, measured, parsed

#: The seconds that the clock is moved, by which the oldest event has waited.
AN_HOUR_S = 3600


@pytest.fixture(scope="module")
def watched() -> Any:
    """A stack in which everything has happened that a metric is about; its lines afterwards."""
    with running_stack() as stack:
        yield stack, happened(stack)


def lines_of(stack: StackUnderTest) -> list[dict[str, Any]]:
    return [line for name in main.FUNCTIONS for line in parsed(stack.log_of(name))]


def until(stack: StackUnderTest, name: str, is_there: Callable[[list[Any]], bool]) -> None:
    wait_for(lambda: is_there(measured(name, lines_of(stack))), f"line of {name}", 60)


def happened(stack: StackUnderTest) -> list[dict[str, Any]]:
    stack.advance_to(10)  # what Claude has cost is counted by UTC's days
    phone = Phone(stack)
    phone.converse("hi")
    until(stack, "texts_ended", lambda found: "delivered" in found)
    control_twilio(stack, deliver="undelivered", error_code=30005, times=1)
    phone.converse("are you there?")
    until(stack, "texts_ended", lambda found: "undelivered" in found)
    control_twilio(stack, deliver="failed", error_code=30006, times=1)
    phone.converse("hello?")
    until(stack, "texts_ended", lambda found: "failed" in found)
    # A short code may text us; Twilio takes no text for one.
    short = Phone(stack, number="72345")
    assert short.post(short.form("hi")).status_code == 200
    until(stack, "texts_ended", lambda found: "refused" in found)
    wait_until_dead(phone, poison(phone, "nobody.knows_this", {}))
    until(stack, "dead_letters", bool)
    with stack.connect() as connection:
        connection.execute(
            "insert into agent_tasks (task_type, agent_type, scheduled_for, context_json)"
            " values ('nobody_knows_this', 'concierge', now(), '{}')"
        )
        # Leased by nobody that is still alive, for longer than this test takes.
        connection.execute(
            "insert into events (event_type, payload, created_at, metadata) select 'x', '{}',"
            " t.now - interval '1 hour',"
            " jsonb_build_object('retry_at', t.now + interval '1 day')"
            " from (select %s::timestamptz as now) as t",
            (stack.now(),),
        )
    stack.run_schedule("task_processor")
    until(stack, "dead_letters", lambda found: "task" in found)
    stack.run_schedule("event_sweeper")
    until(stack, "sweeps", bool)
    return lines_of(stack)


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_counts_lines_that_were_written(watched: Any, name: str) -> None:
    _, lines = watched
    found = measured(name, lines)
    assert found
    assert None not in found


def test_what_became_of_each_text_is_told_apart(watched: Any) -> None:
    _, lines = watched
    assert {"delivered", "undelivered", "failed", "refused"} == set(measured("texts_ended", lines))


def test_events_and_tasks_that_were_given_up_are_dead_letters(watched: Any) -> None:
    _, lines = watched
    assert set(measured("dead_letters", lines)) == {"event", "task"}


def test_a_sweep_tells_how_long_the_oldest_event_waits_and_what_claude_has_cost(
    watched: Any,
) -> None:
    stack, lines = watched
    assert AN_HOUR_S <= measured("oldest_open_event", lines)[-1] < AN_HOUR_S + 600
    with stack.connect() as connection:
        row = connection.execute("select sum(cost_usd) as usd from agent_actions_log").fetchone()
    assert 0 < measured("spent_today", lines)[-1] <= float(row["usd"])
