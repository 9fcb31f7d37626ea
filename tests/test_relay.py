"""What the relay does that Pub/Sub does not: it learns of events from the database.

What both do is in tests/test_pubsub_conformance.py.
"""

import uuid
from collections.abc import Iterator

import pytest

from tests.support.pubsub import RelayWakeUps, Subscriber, relayed_database, running_relay
from tests.support.stack import StackUnderTest


@pytest.fixture
def subscriber() -> Iterator[Subscriber]:
    subscriber = Subscriber()
    yield subscriber
    subscriber.close()


@pytest.fixture
def relayed(stack: StackUnderTest, subscriber: Subscriber) -> Iterator[RelayWakeUps]:
    with relayed_database(stack) as wake_ups, running_relay(wake_ups.url, subscriber.url):
        yield wake_ups


def test_an_event_that_was_announced_to_nobody_is_pushed(
    relayed: RelayWakeUps, subscriber: Subscriber
) -> None:
    event_id = str(uuid.uuid4())
    relayed.insert(event_id)
    subscriber.wait_for(event_id)


def test_an_acknowledged_event_is_pushed_again_only_when_announced_again(
    relayed: RelayWakeUps, subscriber: Subscriber
) -> None:
    event_id, later = str(uuid.uuid4()), str(uuid.uuid4())
    relayed.insert(event_id)
    subscriber.wait_for(event_id)
    relayed.insert(later)
    subscriber.wait_for(later)  # the poll that found it has seen the first again
    assert subscriber.count(event_id) == 1
    relayed.announce(event_id)
    subscriber.wait_for(event_id, times=2)
