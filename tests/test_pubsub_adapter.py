"""Publishing: one request, over in three seconds whatever is at the other end, and never fatal."""

import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from grpc import StatusCode  # type: ignore[import-untyped]

from lib.adapters import pubsub
from tests.support.pubsub import PublishServer, Wire
from tests.support.sim_process import free_port

TOPIC = "projects/p/topics/events"
#: Far more than three seconds and far less than the minutes that Google's client would try for.
MUST_BE_OVER_S = 30


@pytest.fixture
def server() -> Iterator[PublishServer]:
    server = PublishServer()
    yield server
    server.close()


@pytest.fixture
def wire(server: PublishServer) -> Iterator[Wire]:
    wire = Wire(server.port)
    yield wire
    wire.close()


@pytest.fixture(autouse=True)
def connection(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The adapter publishes through the wire, and has not yet."""
    monkeypatch.setenv("PUBSUB_TOPIC", TOPIC)
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", wire.host)
    pubsub.topic.cache_clear()
    pubsub.disconnect()
    yield
    pubsub.disconnect()
    monkeypatch.undo()
    pubsub.topic.cache_clear()


def ids(count: int) -> list[str]:
    return [str(uuid.uuid4()) for _ in range(count)]


def publish(event_ids: list[str]) -> None:
    """Publish, and fail when that does not come to an end."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(pubsub.publish, event_ids).result(MUST_BE_OVER_S)


def test_all_events_of_a_call_are_one_request(server: PublishServer) -> None:
    events = ids(200)
    pubsub.publish(events)
    (request,) = server.requests
    assert request.topic == TOPIC
    assert server.event_ids() == events
    assert [dict(message.attributes) for message in request.messages] == [
        {"event_id": event_id} for event_id in events
    ]


def test_calls_after_one_another_use_one_connection(server: PublishServer, wire: Wire) -> None:
    pubsub.publish(ids(1))
    wire.is_silent = True
    pubsub.publish(ids(1))
    assert len(server.requests) == 2


def test_nothing_is_sent_for_no_events(server: PublishServer) -> None:
    pubsub.publish([])
    assert server.requests == []


def test_an_endpoint_that_never_answers_is_given_up_for_good_and_logged_once(
    server: PublishServer, wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    wire.is_silent = True
    publish(ids(50))
    (failure,) = caplog.records
    assert failure.__dict__["events"] == 50

    wire.is_silent = False
    after = ids(1)
    pubsub.publish(after)
    assert server.event_ids() == after
    assert not [t.name for t in threading.enumerate() if "PubSub" in t.name or "Commit" in t.name]


def test_a_connection_that_went_silent_is_replaced(
    server: PublishServer, wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    pubsub.publish(ids(1))
    wire.cut()
    publish(ids(1))
    assert len(caplog.records) == 1
    after = ids(1)
    pubsub.publish(after)
    assert server.event_ids()[1:] == after


def test_an_endpoint_that_was_down_is_used_as_soon_as_it_is_back(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", f"127.0.0.1:{port}")
    publish(ids(1))
    assert len(caplog.records) == 1
    server = PublishServer(port)
    try:
        after = ids(1)
        pubsub.publish(after)
        assert server.event_ids() == after
    finally:
        server.close()


def test_a_passing_failure_costs_nothing(
    server: PublishServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.refusals = [StatusCode.UNAVAILABLE]
    events = ids(1)
    publish(events)
    assert server.event_ids() == events
    assert caplog.records == []


def test_threads_whose_connection_another_one_closes_fail_as_quietly(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pubsub, "PUBLISH_TIMEOUT_S", 0.5)
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", f"127.0.0.1:{free_port()}")
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda _: pubsub.publish(ids(1)), range(64)))
    assert len(caplog.records) == 64


def test_a_refusal_is_not_fatal(server: PublishServer, caplog: pytest.LogCaptureFixture) -> None:
    server.refusals = [StatusCode.PERMISSION_DENIED]
    publish(ids(1))
    assert len(caplog.records) == 1
    pubsub.publish(ids(1))
    assert len(caplog.records) == 1


def test_missing_credentials_are_not_fatal_and_not_quoted(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("PUBSUB_EMULATOR_HOST")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    publish(ids(1))
    (failure,) = caplog.records
    assert "none.json" not in str(failure.__dict__)


def test_without_a_topic_nothing_of_googles_is_even_loaded() -> None:
    code = (
        "import sys; from lib.adapters import pubsub; pubsub.publish(['x']);"
        "print([m for m in sys.modules if m.startswith(('google.pubsub', 'google.api_core'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={}, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")
