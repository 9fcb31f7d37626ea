"""An event that nobody can handle dies alone: its neighbours and other members never notice."""

import json
from typing import Any

import pytest

from tests.support.stack import StackUnderTest, wait_for
from tests.support.texting import Phone


def poison(phone: Phone, event_type: str, payload: Any, aggregate_type: str = "user") -> Any:
    """Insert an event of the member as any program might; returns its id."""
    (row,) = phone.rows(
        "insert into events (event_type, aggregate_type, aggregate_id, payload)"
        " select %s, %s, id, %s::jsonb from users where phone_number = %s returning id",
        event_type,
        aggregate_type,
        json.dumps(payload),
        phone.number,
    )
    return row["id"]


def wait_until_dead(phone: Phone, event_id: Any) -> dict[str, Any]:
    """The `dead` entry of a dead letter, once it is one."""

    def dead() -> dict[str, Any] | None:
        (row,) = phone.rows("select processed, metadata from events where id = %s", event_id)
        return row["metadata"].get("dead") if row["processed"] else None

    return wait_for(dead, "dead letter")


@pytest.mark.parametrize(
    ("event_type", "payload"),
    [
        ("nobody.knows_this", {}),
        ("user.message.received", {"message_id": 7}),
        ("user.message.received", {}),
        ("user.message.received", []),
        ("user.message.received", None),
        ("user.message.received", "text"),
        ("user.opted_out", {"keyword": "STOP", "unknown": True}),
        ("message.delivery_updated", {"sid": None}),
    ],
)
@pytest.mark.parametrize("aggregate_type", ["user", "other"])
def test_an_unknown_type_or_a_malformed_payload_is_a_dead_letter_and_delays_nothing(
    stack: StackUnderTest, event_type: str, payload: Any, aggregate_type: str
) -> None:
    phone = Phone(stack)
    phone.converse("hi there")
    event_id = poison(phone, event_type, payload, aggregate_type)
    phone.converse("are you there?")
    dead = wait_until_dead(phone, event_id)
    assert dead["error"] in ("unknown type", "malformed payload")
    assert [event["metadata"].get("dead") for event in phone.inbound_events()
            if event["id"] != event_id] == [None, None]  # fmt: skip
    assert len(phone.received()) == 2


def test_an_event_that_names_another_members_text_is_a_dead_letter(stack: StackUnderTest) -> None:
    victim, phone = Phone(stack), Phone(stack)
    victim.converse("my secret words")
    phone.converse("hi there")
    (theirs,) = victim.texts_recorded()
    event_id = poison(
        phone,
        "user.message.received",
        {"message_id": str(theirs["id"]), "conversation_id": str(theirs["conversation_id"])},
    )
    phone.converse("are you there?")
    wait_until_dead(phone, event_id)
    assert len(phone.received()) == 2


def test_an_event_that_nobody_can_read_is_a_dead_letter(stack: StackUnderTest) -> None:
    phone = Phone(stack)
    phone.converse("hi there")
    (row,) = phone.rows(
        "insert into events (event_type, aggregate_type, aggregate_id, payload)"
        " select 'user.opted_in', 'user', id, (repeat('[', 3000) || repeat(']', 3000))::jsonb"
        " from users where phone_number = %s returning id",
        phone.number,
    )
    assert wait_until_dead(phone, row["id"])["error"] == "malformed payload"


@pytest.mark.parametrize("metadata", ["null", "[]", '"text"', '{"lease": 1, "attempt": null}'])
def test_an_event_with_odd_metadata_is_processed(stack: StackUnderTest, metadata: str) -> None:
    phone = Phone(stack)
    phone.converse("hi there")
    (row,) = phone.rows(
        "insert into events (event_type, aggregate_type, aggregate_id, payload, metadata)"
        " select 'user.opted_in', 'user', id, '{\"keyword\": \"START\"}', %s::jsonb"
        " from users where phone_number = %s returning id",
        metadata,
        phone.number,
    )

    def done() -> bool:
        (now,) = phone.rows("select * from events where id = %s", row["id"])
        return bool(now["processed"] and "done" in now["metadata"])

    wait_for(done, "processed event")
    phone.converse("are you there?")


def test_a_thousand_dead_letters_delay_no_text(stack: StackUnderTest) -> None:
    phone = Phone(stack)
    phone.converse("hi there")
    phone.rows(
        "insert into events"
        " (event_type, aggregate_type, aggregate_id, payload, processed, metadata, created_at)"
        " select 'nobody.knows_this', 'user', id, '{}', true,"
        ' \'{"dead": {"error": "unknown type"}}\', now() - interval \'1 day\''
        " from users, generate_series(1, 1000) where phone_number = %s returning id",
        phone.number,
    )
    phone.converse("are you there?")
    stack.run_schedule("event_sweeper")
