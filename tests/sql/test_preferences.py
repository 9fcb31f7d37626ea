"""What members decide about themselves, from their text to the rows that it changes."""

from datetime import date
from uuid import UUID

import pytest

from tests.support.deciding import Agents
from tests.support.rpc import Rpc
from tests.support.scripted_model import text, use, uses

PHONE = "+12125550142"
TODAY = date(2026, 11, 23)


@pytest.fixture
def agents(rpc: Rpc) -> Agents:
    return Agents(rpc)


def budgets(rpc: Rpc, member: UUID) -> list[tuple[date, int, int]]:
    found = rpc.rows("select * from user_message_budget where user_id = %s order by date", member)
    return [(row["date"], row["daily_limit"], row["hourly_limit"]) for row in found]


def test_one_text_a_day_is_one_text_today_and_on_the_days_to_come(agents: Agents) -> None:
    rpc = agents.rpc
    member = rpc.member(PHONE, verified=True)
    agents.hear(PHONE, "not more than one a day", uses(use("set_pace", per_day=1)), text("Sure."))
    assert agents.said[member][0].startswith("Sure.")
    assert budgets(rpc, member) == [(TODAY, 1, 2)]
    for day in range(3):
        for _ in range(3):
            rpc.queue(member, "something")
            agents.settle()
        assert len(agents.said[member]) == 1 + day + 1
        rpc.pass_time(days=1)
    agents.hear(PHONE, "as often as before", uses(use("set_pace")), text("Fine."))
    assert budgets(rpc, member)[-1] == (date(2026, 11, 26), 5, 2)


def test_a_pace_that_is_set_while_the_day_s_first_text_leaves_is_decided_again(
    agents: Agents,
) -> None:
    rpc = agents.rpc
    member = rpc.member(PHONE, verified=True)
    agents.model = type(agents.model)(uses(use("set_pace", per_day=1)), text("Sure."))
    claim = agents.claim_event(rpc.text(PHONE, "once a day is enough")["event_id"])
    work = agents.decide(claim)
    rpc.queue(member, "proactive")
    assert rpc.claim_texts(member) == ["proactive"]  # which makes the day's budget
    assert agents.commit(claim, work) == "conflict"
    assert budgets(rpc, member) == [(TODAY, 5, 2)]


def test_a_goal_and_a_place_are_kept_and_the_next_turn_knows_them(agents: Agents) -> None:
    rpc = agents.rpc
    member = rpc.member(PHONE, verified=True)
    agents.hear(
        PHONE,
        "I'm in Oslo now, and I want to open an office here",
        uses(
            use("set_time_zone", place="Oslo", time_zone="Europe/Oslo"),
            use("set_goal", goal="Open an office in Oslo"),
        ),
        text("Noted."),
    )
    (row,) = rpc.rows("select timezone from users where id = %s", member)
    assert row["timezone"] == "Europe/Oslo"
    (instance,) = rpc.rows("select * from agent_instances where user_id = %s", member)
    assert instance["config_json"] == {"goal": "Open an office in Oslo"}
    agents.hear(PHONE, "thanks")
    asked = agents.model.requests[0]["messages"][-1]["content"]
    assert '"goal": "Open an office in Oslo"' in asked
    assert '"local_time": "2026-11-23T18:00"' in asked
