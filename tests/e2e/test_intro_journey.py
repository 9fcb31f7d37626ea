"""Journey D of behaviour.md over the real functions: an introduction from the operator's row to the
bounty. Days pass by the stack's clock; the simulated model plays the agent of every side."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.support.community import close_due, run_tasks
from tests.support.days import DAY_S, HOUR_S, has_read, member, priorities, to_hour, until
from tests.support.stack import StackUnderTest, running_stack, wait_for
from tests.support.texting import Phone

#: What would say who wants to meet the prospect.
NAMES = ("Noor", "Haddad", "Quantel", "quantel.test")


def insert(stack: StackUnderTest, table: str, **columns: Any) -> UUID:
    """A row that an operator inserts."""
    with stack.connect() as connection:
        (row,) = connection.execute(
            f"insert into {table} ({', '.join(columns)})"  # noqa: S608
            f" values ({', '.join(['%s'] * len(columns))}) returning id".encode(),
            list(columns.values()),
        ).fetchall()
    created: UUID = row["id"]
    return created


def provider(stack: StackUnderTest) -> tuple[Phone, UUID]:
    """A solution provider with 200 credits, and who they want to meet."""
    phone = member(
        stack,
        first_name="Noor",
        last_name="Haddad",
        company="Quantel",
        email="noor@quantel.test",
        innovator=True,
        poc_agent_type="innovator",
    )
    user_id = phone.user()["id"]
    innovator = insert(
        stack,
        "innovators",
        user_id=user_id,
        company_name="Quantel Inc.",
        solution_description="Quantel moves freight",
        categories=["freight"],
    )
    insert(
        stack,
        "credit_events",
        user_id=user_id,
        event_type="test",
        amount=200,
        reference_type="test",
        reference_id=uuid4(),
        idempotency_key=f"test:{uuid4()}",
    )
    return phone, insert(
        stack, "prospects", innovator_id=innovator, first_name="Jo", last_name="Lind"
    )


def opportunity(stack: StackUnderTest, connector: Phone, prospect: UUID) -> UUID:
    """What an operator writes down: this member could introduce Jo Lind."""
    with stack.connect() as connection:
        (row,) = connection.execute(
            "select innovator_id from prospects where id = %s", (prospect,)
        ).fetchall()
    return insert(
        stack,
        "intro_opportunities",
        connector_user_id=connector.user()["id"],
        innovator_id=row["innovator_id"],
        innovator_name="Noor Haddad",
        prospect_id=prospect,
        prospect_name="Jo Lind",
        prospect_title="COO",
        prospect_company="Northsea Lines",
        created_at=stack.now(),
    )


def state(phone: Phone, opportunity_id: UUID) -> dict[str, Any]:
    (row,) = phone.rows("select * from intro_opportunities where id = %s", opportunity_id)
    return row


@pytest.fixture(scope="module")
def own() -> Iterator[StackUnderTest]:
    """A stack whose clock this journey moves."""
    with running_stack() as running:
        yield running


@pytest.mark.timeout(420)  # two weeks of three members
def test_an_introduction_is_brought_up_accepted_agreed_followed_up_made_and_paid(
    own: StackUnderTest,
) -> None:
    innovator, prospect = provider(own)
    connector, rival = member(own, first_name="Ada", last_name="Byron"), member(own)
    to_hour(own, 12)
    for phone in (connector, rival):
        phone.converse("thanks!")  # whose turn has the list looked through within six hours
    one, other = (opportunity(own, phone, prospect) for phone in (connector, rival))

    # The connector is asked the next morning, without a name of the other side
    until(own, lambda: priorities(connector) and priorities(rival))
    assert [p["value_score"] for p in priorities(connector)] == [85]
    to_hour(own, 9)
    until(own, lambda: has_read(connector, "Jo Lind"))
    until(own, lambda: has_read(rival, "Jo Lind"))

    # Their yes pauses what competes, and the other side is asked
    connector.converse("Yes, happy to")
    wait_for(lambda: state(connector, one)["status"] == "accepted", "accepted opportunity")
    assert [p["status"] for p in priorities(connector)] == ["actioned"]
    assert [p["status"] for p in priorities(rival)] == ["expired"]
    assert state(rival, other)["status"] == "open"
    wait_for(lambda: priorities(innovator), "item of the innovator")
    to_hour(own, 9)
    until(own, lambda: has_read(innovator, "could introduce you to Jo Lind"))
    assert not any(name in text for name in NAMES for text in connector.received())
    assert not has_read(innovator, "Byron")

    # Both have said yes: each learns who the other is
    innovator.converse("yes please")
    until(own, lambda: has_read(connector, "Noor Haddad"))
    until(own, lambda: has_read(innovator, "Ada Byron"))
    assert has_read(connector, "noor@quantel.test")
    assert not any(name in text for name in NAMES for text in rival.received())

    # A week later the connector is asked, and their word pays the bounty
    for _ in range(6):
        own.advance(DAY_S)
        run_tasks(own)
    assert not has_read(connector, "Did you introduce")
    until(own, lambda: has_read(connector, "Did you introduce Jo Lind"), 4 * HOUR_S)
    connector.converse("yes, I introduced them last week")
    wait_for(lambda: state(connector, one)["status"] == "completed", "completed opportunity")
    wait_for(lambda: connector.user()["credit_balance"] == 50, "paid bounty")
    assert innovator.user()["credit_balance"] == 150
    until(own, lambda: has_read(connector, "You have earned 50 credits"))
    until(own, lambda: has_read(innovator, "50 credits went to"))

    # What competed is filled with the next closure
    close_due(own)
    filled = state(rival, other)
    assert (filled["status"], filled["connector_response"]) == ("declined", "filled")
