"""Introductions from the operator's row to the bounty, over the real functions (journey D)."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from lib.core.ids import scheduled_event_id
from lib.core.model import JSON
from lib.engine.step import Malformed
from tests.support.deciding import Agents
from tests.support.rpc import Rpc
from tests.support.scripted_model import ScriptedModel, text, use, uses

CONNECTOR, RIVAL, INNOVATOR = "+12125550101", "+12125550102", "+12125550103"
#: What would say who the innovator is.
NAMES = ("Noor", "Haddad", "Quantel", "noor@quantel.test")


@pytest.fixture
def agents(rpc: Rpc) -> Agents:
    return Agents(rpc)


class World:
    """An innovator who wants to meet a prospect, and two members who could introduce them."""

    def __init__(self, agents: Agents, credits: int = 200) -> None:
        rpc = self.rpc = agents.rpc
        self.agents = agents
        member = {"verified": True, "quiet_hours_start": "03:00", "quiet_hours_end": "03:00"}
        self.connector = rpc.member(CONNECTOR, first_name="Ada", last_name="Byron", **member)
        self.rival = rpc.member(RIVAL, first_name="Grace", **member)
        self.innovator = rpc.member(
            INNOVATOR,
            first_name="Noor",
            last_name="Haddad",
            company="Quantel",
            email="noor@quantel.test",
            poc_agent_type="innovator",
            **member,
        )
        self.innovator_id = self.insert(
            "innovators",
            user_id=self.innovator,
            company_name="Quantel Inc.",
            solution_description="Quantel moves freight",
            categories=["freight"],
        )
        if credits:
            self.insert(
                "credit_events",
                user_id=self.innovator,
                event_type="test",
                amount=credits,
                reference_type="test",
                reference_id=uuid4(),
                idempotency_key=f"test:{uuid4()}",
            )
        self.prospect = self.insert(
            "prospects", innovator_id=self.innovator_id, first_name="Jo", last_name="Lind"
        )

    def opportunity(self, connector: UUID, **columns: Any) -> UUID:
        """An open one for this member, as an operator inserts it."""
        return self.insert(
            "intro_opportunities",
            **{
                "connector_user_id": connector,
                "innovator_id": self.innovator_id,
                "innovator_name": "Noor Haddad",
                "prospect_id": self.prospect,
                "prospect_name": "Jo Lind",
                "prospect_title": "COO",
                "prospect_company": "Northsea Lines",
                "bounty_credits": 50,
                "created_at": self.rpc.now,
            }
            | columns,
        )

    def row(self, opportunity: UUID) -> JSON:
        (found,) = self.rpc.rows("select * from intro_opportunities where id = %s", opportunity)
        return found

    def items(self, member: UUID) -> list[tuple[str, float]]:
        found = self.rpc.rows(
            "select status, value_score from user_priorities where user_id = %s"
            " and item_type = 'intro_opportunity' order by created_at",
            member,
        )
        return [(row["status"], float(row["value_score"])) for row in found]

    def balance(self, member: UUID) -> int:
        (row,) = self.rpc.rows("select credit_balance from users where id = %s", member)
        return int(row["credit_balance"] or 0)

    def review(self, *members: UUID) -> None:
        """Have these members' lists looked through, and what is due brought up."""
        for member in members:
            self.insert(
                "agent_tasks",
                task_type="account_manager_review",
                agent_type="account_manager",
                user_id=member,
                scheduled_for=self.rpc.now,
                context_json="{}",
            )
        self.agents.run_tasks()

    def next_morning(self) -> None:
        """Let what is due at 09:00 in New York happen."""
        self.rpc.pass_time(days=1)
        self.agents.run_tasks()

    def close(self) -> None:
        """An hour's closure."""
        event_id = scheduled_event_id("community.closure_due", self.rpc.now)
        self.rpc.call(
            "record_event",
            event={
                "id": str(event_id),
                "event_type": "community.closure_due",
                "payload": {"scheduled_at": self.rpc.now.isoformat()},
                "created_by": "cloud_scheduler",
            },
        )
        self.agents.settle()

    def heard(self, member: UUID) -> str:
        return "\n".join(self.agents.said.get(member, []))

    def insert(self, table: str, **columns: Any) -> UUID:
        query = (
            f"insert into {table} ({', '.join(columns)})"  # noqa: S608
            f" values ({', '.join(['%s'] * len(columns))}) returning id"
        )
        # What members may not write, an operator may.
        self.rpc.connection.execute("reset role")
        (row,) = self.rpc.rows(query, *columns.values())
        self.rpc.connection.execute("set role service_role")
        created: UUID = row["id"]
        return created


@pytest.fixture
def world(agents: Agents) -> World:
    return World(agents)


def brought_up(world: World) -> tuple[UUID, UUID]:
    """Two competing opportunities, both brought up; their ids."""
    world.agents.model = ScriptedModel(text("Could you introduce Jo Lind?"))
    both = world.opportunity(world.connector), world.opportunity(world.rival)
    world.review(world.connector, world.rival)
    world.next_morning()
    assert "Jo Lind" in world.heard(world.connector)
    return both


def agreed(world: World) -> UUID:
    """An opportunity to which both sides have said yes."""
    one, _ = brought_up(world)
    world.agents.hear(CONNECTOR, "yes", uses(use("accept_intro", item=1)), text("Thanks."))
    world.agents.model = ScriptedModel(text("A member could introduce you to Jo Lind."))
    world.next_morning()
    world.agents.hear(INNOVATOR, "yes please", uses(use("accept_intro", item=1)), text("Noted."))
    return one


def test_an_operator_s_row_is_found_scored_and_brought_up_without_saying_who_wants_it(
    world: World,
) -> None:
    brought_up(world)
    assert world.items(world.connector) == [("presented", 85.0)]
    (card,) = [r["messages"][-1]["content"] for r in world.agents.model.requests[:1]]
    assert '"person": "Jo Lind, COO, Northsea Lines"' in card
    assert '"offered": "freight"' in card
    assert not any(name in card for name in NAMES)


def test_a_name_that_was_not_given_is_not_said_whatever_the_model_writes(world: World) -> None:
    world.agents.model = ScriptedModel(text("Could you introduce Jo Lind to Noor Haddad?"))
    world.opportunity(world.connector)
    world.review(world.connector)
    world.next_morning()
    assert world.heard(world.connector).endswith(
        "Could you introduce Jo Lind, COO, Northsea Lines to a member, who offers this: freight?"
        " It brings 50 credits once it has happened."
    )


def test_accepting_pauses_what_competes_and_asks_the_other_side(world: World) -> None:
    one, other = brought_up(world)
    world.agents.hear(CONNECTOR, "yes, I can", uses(use("accept_intro", item=1)), text("Thanks."))
    accepted = world.row(one)
    assert (accepted["status"], accepted["connector_response"]) == ("accepted", "yes, I can")
    assert accepted["intro_scheduled_at"] is None
    assert world.items(world.connector)[0][0] == "actioned"
    assert (world.row(other)["status"], world.items(world.rival)[0][0]) == ("open", "expired")
    assert world.items(world.innovator) == [("active", 85.0)]
    assert "Noor" not in world.heard(world.connector)
    # Whoever comes too late is not taken for one who was in time.
    world.agents.hear(RIVAL, "yes, I can", uses(use("accept_intro", item=1)), text("Too late."))
    assert world.row(other)["status"] == "open"


def test_when_both_have_said_yes_each_learns_the_other_s_name(world: World) -> None:
    one = agreed(world)
    assert world.row(one)["intro_scheduled_at"] is not None
    assert "Noor Haddad, Quantel Inc. would be glad if you introduced Jo Lind" in world.heard(
        world.connector
    )
    assert "noor@quantel.test" in world.heard(world.connector)
    assert "Ada Byron has your name now" in world.heard(world.innovator)
    events = world.rpc.rows(
        "select aggregate_id from events where event_type = 'intro.opportunity_accepted'"
        " order by created_at"
    )
    assert [event["aggregate_id"] for event in events] == [world.connector, world.innovator]


def test_after_a_week_the_connector_is_asked_and_their_word_pays_the_bounty_once(
    world: World,
) -> None:
    one = agreed(world)
    world.agents.model = ScriptedModel(text("Did the introduction of Jo Lind happen?"))
    world.rpc.pass_time(days=6, hours=23)
    assert "intro_followup_check" not in world.agents.run_tasks()
    world.rpc.pass_time(hours=2)
    assert "intro_followup_check" in world.agents.run_tasks()
    assert "Did the introduction of Jo Lind happen?" in world.heard(world.connector)
    made = uses(use("report_intro", intro=1, happened=True))
    world.agents.hear(CONNECTOR, "yes, last week", made, text("Thank you."))
    assert world.row(one)["status"] == "completed"
    assert world.row(one)["intro_completed_at"] == world.rpc.now
    assert (world.balance(world.connector), world.balance(world.innovator)) == (50, 150)
    assert "You have earned 50 credits." in world.heard(world.connector)
    assert "50 credits went to the member" in world.heard(world.innovator)
    # The event again pays nothing again.
    world.rpc.rows(
        "update events set processed = false, metadata = '{}'"
        " where event_type = 'intro.opportunity_completed' returning id"
    )
    world.agents.settle()
    assert (world.balance(world.connector), world.balance(world.innovator)) == (50, 150)
    keys = world.rpc.rows(
        "select idempotency_key as key from credit_events where event_type = 'intro_bounty'"
    )
    assert {row["key"] for row in keys} == {
        f"intro_opportunity:{one}",
        f"intro_opportunity_debit:{one}",
    }


def test_an_introduction_that_was_made_fills_the_others_with_the_next_closure(world: World) -> None:
    one, other = brought_up(world)
    world.rpc.rows(
        "update intro_opportunities set status = 'completed' where id = %s returning id", one
    )
    world.close()
    filled = world.row(other)
    assert (filled["status"], filled["connector_response"]) == ("declined", "filled")
    assert world.items(world.rival)[0][0] == "expired"


def test_after_thirty_days_what_nobody_decided_is_over_and_not_before(world: World) -> None:
    one = world.opportunity(world.connector)
    world.rpc.pass_time(days=29, hours=23)
    world.close()
    assert world.row(one)["status"] == "open"
    world.rpc.pass_time(hours=1)
    world.close()
    over = world.row(one)
    assert (over["status"], over["connector_response"]) == ("declined", "expired")


def test_an_agreed_one_that_is_never_made_lapses_and_the_others_are_asked_again(
    world: World,
) -> None:
    one = agreed(world)
    other = world.rpc.rows(
        "update intro_opportunities set expires_at = %s where id <> %s returning id",
        world.rpc.now + timedelta(days=90),
        one,
    )[0]["id"]
    world.agents.model = ScriptedModel(text("Did it happen?"))
    world.rpc.pass_time(days=36, hours=23)
    world.agents.run_tasks()
    world.close()
    assert world.row(one)["status"] == "accepted"
    world.rpc.pass_time(hours=2)
    world.close()
    assert (world.row(one)["status"], world.row(one)["connector_response"]) == (
        "declined",
        "expired",
    )
    assert world.row(other)["status"] == "open"
    assert world.items(world.rival)[0][0] == "active"


def test_a_no_is_kept_in_their_words_and_nobody_else_is_asked_because_of_it(world: World) -> None:
    one, other = brought_up(world)
    world.agents.hear(CONNECTOR, "no, not him", uses(use("decline_item", item=1)), text("Fine."))
    assert (world.row(one)["status"], world.row(one)["connector_response"]) == (
        "declined",
        "no, not him",
    )
    assert world.items(world.connector)[0][0] == "actioned"
    assert world.row(other)["status"] == "open"
    assert world.items(world.innovator) == []


def test_the_other_side_s_no_reaches_the_connector_without_a_name(world: World) -> None:
    one, _ = brought_up(world)
    world.agents.hear(CONNECTOR, "yes", uses(use("accept_intro", item=1)), text("Thanks."))
    world.agents.model = ScriptedModel(text("A member could introduce you to Jo Lind."))
    world.next_morning()
    world.agents.hear(INNOVATOR, "no", uses(use("decline_item", item=1)), text("Fine."))
    assert world.row(one)["status"] == "declined"
    assert "has decided against meeting Jo Lind" in world.heard(world.connector)
    assert not any(name in world.heard(world.connector) for name in NAMES)


def test_of_two_who_say_yes_at_once_one_is_decided_again(world: World) -> None:
    one, other = brought_up(world)
    claims = []
    for phone in (CONNECTOR, RIVAL):
        world.agents.model = ScriptedModel(uses(use("accept_intro", item=1)), text("Thanks."))
        claim = world.agents.claim_event(world.rpc.text(phone, "yes")["event_id"])
        claims.append((claim, world.agents.decide(claim)))
    assert [world.agents.commit(*claim) for claim in claims] == ["applied", "conflict"]
    assert (world.row(one)["status"], world.row(other)["status"]) == ("accepted", "open")


def test_an_innovator_who_cannot_pay_is_told_so_and_agrees_to_nothing(agents: Agents) -> None:
    world = World(agents, credits=49)
    one, _ = brought_up(world)
    world.agents.hear(CONNECTOR, "yes", uses(use("accept_intro", item=1)), text("Thanks."))
    world.agents.model = ScriptedModel(text("A member could introduce you to Jo Lind."))
    world.next_morning()
    world.agents.hear(INNOVATOR, "yes", uses(use("accept_intro", item=1)), text("You need more."))
    assert world.agents.model.results()[0]["is_error"]
    assert world.row(one)["intro_scheduled_at"] is None


def test_a_bounty_that_cannot_be_paid_by_then_waits_as_a_dead_letter(world: World) -> None:
    one = agreed(world)
    world.rpc.rows(
        "insert into credit_events (user_id, event_type, amount, reference_type, reference_id,"
        " idempotency_key) values (%s, 'test', -200, 'test', %s, 'spent') returning id",
        world.innovator,
        one,
    )
    world.agents.model = ScriptedModel(
        uses(use("report_intro", intro=1, happened=True)), text("Ok.")
    )
    assert world.agents.run_event(world.rpc.text(CONNECTOR, "done")["event_id"]) == "applied"
    (event,) = world.rpc.rows(
        "select id from events where event_type = 'intro.opportunity_completed'"
    )
    with pytest.raises(Malformed, match="do not cover"):
        world.agents.decide(world.agents.claim_event(event["id"]))
    assert world.balance(world.connector) == 0


def test_a_member_who_is_neither_side_can_decide_nothing(world: World) -> None:
    one = world.opportunity(world.connector)
    stranger = world.rpc.member("+12125550199", verified=True)
    world.rpc.rows(
        "insert into user_priorities (user_id, priority_rank, item_type, item_id, status)"
        " values (%s, 1, 'intro_opportunity', %s, 'presented') returning id",
        stranger,
        one,
    )
    for tool in ("accept_intro", "decline_item"):
        world.agents.hear("+12125550199", "yes", uses(use(tool, item=1)), text("Fine."))
        assert world.row(one)["status"] == "open"


def test_a_prospect_who_has_become_a_member_is_not_named_and_not_introduced(world: World) -> None:
    one = world.opportunity(world.connector)
    world.rpc.rows(
        "update prospects set converted_to_user_id = %s where id = %s returning id",
        world.rival,
        world.prospect,
    )
    world.review(world.connector)
    world.next_morning()
    assert world.items(world.connector) == []
    assert "Jo Lind" not in world.heard(world.connector)
    world.close()
    assert (world.row(one)["status"], world.row(one)["connector_response"]) == (
        "declined",
        "filled",
    )


def test_one_for_which_the_list_had_no_room_comes_on_it_later(world: World) -> None:
    for _ in range(10):
        world.insert(
            "user_priorities",
            user_id=world.connector,
            item_type="expert_impact_notification",
            item_id=uuid4(),
            priority_rank=1,
            value_score=99,
            created_at=world.rpc.now,
        )
    world.opportunity(world.connector)
    world.review(world.connector)
    assert world.items(world.connector) == []
    world.rpc.rows("update user_priorities set status = 'actioned' returning id")
    world.review(world.connector)
    assert world.items(world.connector) == [("active", 85.0)]


def test_the_other_s_name_is_in_no_agent_s_context_before_both_have_said_yes(world: World) -> None:
    brought_up(world)
    world.agents.hear(CONNECTOR, "yes", uses(use("accept_intro", item=1)), text("Thanks."))
    world.agents.hear(CONNECTOR, "who is it?", text("I can't say that before they have said yes."))
    (asked,) = world.agents.model.requests
    assert not any(name in str(asked["messages"]) for name in NAMES)
    assert '"agreed": false' in asked["messages"][-1]["content"]
    world.agents.model = ScriptedModel(text("A member could introduce you to Jo Lind."))
    world.next_morning()
    assert not any(
        name in str(request["messages"])
        for request in world.agents.model.requests
        for name in ("Ada", "Byron")
    )
