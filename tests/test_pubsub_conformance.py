"""What the event processor relies on in whatever wakes it: the same of the relay and of Pub/Sub.

Pub/Sub is Google's emulator here, where it is installed. The first half looks at the pushes, with
an endpoint of our own; the second at members, on stacks whose sweeper is paused so that nothing but
a wake-up brings an answer.
"""

import json
import threading
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from google.pubsub_v1 import PubsubMessage

from lib.adapters.push import event_id_of
from local.pubsub_emulator import Emulator, named
from local.relay import envelope
from tests.support.pubsub import (
    EmulatorWakeUps,
    RelayWakeUps,
    Subscriber,
    WakeUps,
    dead_letters,
    needs_emulator,
    publishing_to,
    relayed_database,
    running_emulator,
    running_relay,
)
from tests.support.stack import StackUnderTest, running_stack, wait_for
from tests.support.texting import Phone, control_claude, kill

BOTH = ["relay", pytest.param("emulator", marks=needs_emulator)]
#: Longer than a turn's lease: what a dead process held is free after one step of the clock.
LEASE_RAN_OUT_S = 95


def new_id() -> str:
    return str(uuid.uuid4())


@pytest.fixture(scope="module")
def emulator_host() -> Iterator[str]:
    with running_emulator() as host:
        yield host


@pytest.fixture
def subscriber() -> Iterator[Subscriber]:
    subscriber = Subscriber()
    yield subscriber
    subscriber.close()


@pytest.fixture
def emulated(emulator_host: str, subscriber: Subscriber) -> Iterator[EmulatorWakeUps]:
    """The adapter and the emulator, with a topic of this test's own that pushes to `subscriber`."""
    names = named(emulator_host, f"projects/p/topics/events-{uuid.uuid4().hex}")
    with publishing_to(names), Emulator(emulator_host) as emulator:
        emulator.provide(names, subscriber.url, longest_wait_s=1)
        yield EmulatorWakeUps(emulator, names)
        emulator.stop_pushing(names)


@pytest.fixture
def relayed(stack: StackUnderTest, subscriber: Subscriber) -> Iterator[RelayWakeUps]:
    with relayed_database(stack) as wake_ups, running_relay(wake_ups.url, subscriber.url):
        yield wake_ups


@pytest.fixture(params=BOTH)
def wake_ups(request: pytest.FixtureRequest) -> WakeUps:
    found: WakeUps = request.getfixturevalue(
        "emulated" if request.param == "emulator" else "relayed"
    )
    return found


def test_every_event_is_pushed_in_an_envelope_that_names_it(
    wake_ups: WakeUps, subscriber: Subscriber
) -> None:
    events = [new_id() for _ in range(50)]
    wake_ups.wake(*events)
    subscriber.wait_for(*events)
    assert {str(event_id_of(push.body)) for push in subscriber.pushes} == set(events)


def test_what_was_acknowledged_is_left_alone(wake_ups: WakeUps, subscriber: Subscriber) -> None:
    first, second = new_id(), new_id()
    wake_ups.wake(first)
    subscriber.wait_for(first)
    subscriber.answers = {second: [503]}
    wake_ups.wake(second)
    # The second waits longer than the first would have had to.
    subscriber.wait_for(second, times=2)
    assert subscriber.count(first) == 1


@pytest.mark.parametrize("answer", [503, 400, "hang up"])
def test_an_event_that_was_not_acknowledged_is_pushed_again(
    wake_ups: WakeUps, subscriber: Subscriber, answer: int | str
) -> None:
    event = new_id()
    subscriber.answers = {event: [answer, answer]}
    wake_ups.wake(event)
    subscriber.wait_for(event, times=3)


def test_an_event_that_is_refused_for_ever_or_slow_delays_no_other(
    wake_ups: WakeUps, subscriber: Subscriber
) -> None:
    poison, slow, done = new_id(), new_id(), threading.Event()
    subscriber.answers = {poison: [503] * 100, slow: [done]}
    wake_ups.wake(poison, slow)
    subscriber.wait_for(poison, slow)
    others = [new_id() for _ in range(20)]
    wake_ups.wake(*others)
    subscriber.wait_for(*others)
    done.set()
    subscriber.answers = {}


def test_what_names_no_event_delays_no_other(wake_ups: WakeUps, subscriber: Subscriber) -> None:
    subscriber.answers = {None: [400] * 100}
    wake_ups.wake_with_nonsense()
    event = new_id()
    wake_ups.wake(event)
    subscriber.wait_for(event)


@needs_emulator
def test_what_the_processor_refuses_for_ever_ends_where_somebody_can_look_at_it(
    stack: StackUnderTest, emulator_host: str
) -> None:
    names = named(emulator_host, f"projects/p/topics/events-{uuid.uuid4().hex}")
    with Emulator(emulator_host) as emulator:
        url = stack.description["functions"]["event_processor"]
        # Five deliveries are the fewest that Pub/Sub allows.
        emulator.provide(names, url, longest_wait_s=1, max_deliveries=5)
        EmulatorWakeUps(emulator, names).wake_with_nonsense()
        found = wait_for(lambda: dead_letters(emulator, names), "dead letter", 60)
        emulator.stop_pushing(names)
    assert [message.data for message in found] == [b"nonsense"]
    assert "push refused" in stack.log_of("event_processor")


# Members


@pytest.fixture(scope="module", params=BOTH)
def members(request: pytest.FixtureRequest) -> Iterator[StackUnderTest]:
    """A stack on which nobody but its relay, or the emulator, wakes the event processor."""
    wanted = {"PUBSUB_EMULATOR": "1"} if request.param == "emulator" else {}
    with running_stack(wanted) as stack:
        assert ("pubsub" in stack.description) is (request.param == "emulator")
        for name, url in stack.description["schedules"].items():
            if name in ("event_sweeper", "message_orchestrator"):
                httpx.post(f"{url}/pause").raise_for_status()
        yield stack


def test_texts_are_answered_in_order_and_once(members: StackUnderTest) -> None:
    phones = [Phone(members) for _ in range(5)]
    for phone in phones:
        phone.text_at_once("hi there", "is anybody there?", "hello?")
    for phone in phones:
        phone.wait_until_idle(30)
        turns = phone.turns()
        assert sum(len(turn) for turn in turns) == 3
        assert len(phone.received()) == len(turns)


def test_a_push_repeated_and_at_once_with_itself_changes_nothing(members: StackUnderTest) -> None:
    phone = Phone(members)
    phone.converse("hi there")
    phone.wait_until_idle()
    (event,) = phone.inbound_events()
    for _ in range(5):
        announce(members, str(event["id"]))
    phone.converse("hello?")
    phone.wait_until_idle()
    assert len(phone.received()) == 2


def test_a_text_whose_processor_was_killed_is_pushed_again(members: StackUnderTest) -> None:
    phone = Phone(members)
    # For longer than it takes to kill whoever waits for the answer: nobody else waits for it.
    control_claude(members, delay_ms=20_000)
    try:
        phone.text("hi there")
        wait_for(lambda: is_being_answered(phone), "turn under way")
        # Its lease is over before it is killed, so that the next push finds the text free.
        members.advance(LEASE_RAN_OUT_S)
        kill(members, "event_processor")
    finally:
        control_claude(members, delay_ms=0)
    phone.wait_for_texts(1, 60)
    phone.wait_until_idle(30)
    assert len(phone.received()) == 1
    (event,) = phone.inbound_events()
    assert event["metadata"]["attempt"] == 2


def is_being_answered(phone: Phone) -> bool:
    """Whether an event of the phone's is leased."""
    return any("lease" in event["metadata"] for event in phone.inbound_events())


def announce(stack: StackUnderTest, event_id: str) -> None:
    """Wake the processor for an event again, as the sweeper does."""
    if names := stack.description.get("pubsub"):
        with Emulator(names["emulator"]) as emulator:
            data = json.dumps({"event_id": event_id}).encode()
            emulator.publisher.publish(topic=names["topic"], messages=[PubsubMessage(data=data)])
    else:
        with stack.connect() as session:
            session.execute("select pg_notify('events', %s)", (event_id,))


# Other ways in which Google delivers the same


def raw_push(event_id: str) -> dict[str, Any]:
    return {"json": envelope(event_id)}


def binary_cloud_event(event_id: str) -> dict[str, Any]:
    """As Eventarc delivers to a function of the second generation."""
    attributes = {
        "specversion": "1.0",
        "id": "1",
        "type": "google.cloud.pubsub.topic.v1.messagePublished",
        "source": "//pubsub.googleapis.com/projects/p/topics/events",
    }
    headers = {f"ce-{name}": value for name, value in attributes.items()}
    return {"json": envelope(event_id), "headers": headers}


def structured_cloud_event(event_id: str) -> dict[str, Any]:
    body = {
        "specversion": "1.0",
        "id": "1",
        "type": "google.cloud.pubsub.topic.v1.messagePublished",
        "source": "//pubsub.googleapis.com/projects/p/topics/events",
        "data": envelope(event_id),
    }
    headers = {"content-type": "application/cloudevents+json"}
    return {"content": json.dumps(body), "headers": headers}


@pytest.mark.parametrize("form", [raw_push, binary_cloud_event, structured_cloud_event])
def test_each_form_of_a_push_brings_the_event_to_its_end(
    stack: StackUnderTest, form: Callable[[str], dict[str, Any]]
) -> None:
    event_id = new_id()
    with stack.connect() as session, session.transaction():
        # Nobody else is woken for it.
        session.execute("set local session_replication_role = replica")
        session.execute(
            "insert into events (id, event_type, aggregate_type, aggregate_id, payload)"
            " values (%s, 'user.opted_in', 'user', gen_random_uuid(), '{\"keyword\": \"START\"}')",
            (event_id,),
        )
    url = stack.description["functions"]["event_processor"]

    def is_done() -> bool:
        answer = httpx.post(url, **form(event_id))
        assert answer.status_code == 200, answer.text
        with stack.connect() as session:
            rows = session.execute("select processed from events where id = %s", (event_id,))
            return bool(rows.fetchall()[0]["processed"])

    wait_for(is_done, "end of the event")
