"""The relay in Pub/Sub's place: every event is pushed until it is acknowledged."""

import asyncio
import base64
import json
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psycopg
import pytest

from local.relay import Relay, envelope
from tests.support.stack import StackUnderTest, wait_for


class Subscriber:
    """An endpoint that answers the statuses it is given, then 204, and remembers the pushes."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.pushed: list[str] = []
        subscriber = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                data = json.loads(base64.b64decode(body["message"]["data"]))
                subscriber.pushed.append(data["event_id"])
                status = subscriber.statuses.pop(0) if subscriber.statuses else 204
                self.send_response(status)
                self.end_headers()

            def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
                """Print nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def subscriber() -> Iterator[Subscriber]:
    subscriber = Subscriber()
    yield subscriber
    subscriber.close()


@pytest.fixture
def database(stack: StackUnderTest) -> Iterator[str]:
    """A database of its own, with just enough of `events`, that the stack's relay does not hear."""
    name = f"relay_{uuid.uuid4().hex[:8]}"
    with stack.connect() as session:
        session.execute(f"create database {name}")
    url = str(stack.description["database_url"]).replace("@/postgres", f"@/{name}")
    with psycopg.connect(url, autocommit=True) as session:
        session.execute(
            "create table events (id uuid, processed boolean, created_at timestamptz default now())"
        )
    yield url
    with stack.connect() as session:
        session.execute(f"drop database {name} with (force)")


@pytest.fixture
def relay(database: str, subscriber: Subscriber) -> Iterator[None]:
    loop = asyncio.new_event_loop()
    running = loop.create_task(Relay(database, subscriber.url).run_forever())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield
    loop.call_soon_threadsafe(running.cancel)
    wait_for(running.done, "end of the relay")
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def _insert(database: str, *, announce: bool) -> str:
    event_id = str(uuid.uuid4())
    with psycopg.connect(database, autocommit=True) as session:
        session.execute("insert into events (id) values (%s)", (event_id,))
        if announce:
            session.execute("select pg_notify('events', %s)", (event_id,))
    return event_id


@pytest.mark.usefixtures("relay")
def test_an_event_that_was_announced_to_nobody_is_pushed(
    database: str, subscriber: Subscriber
) -> None:
    event_id = _insert(database, announce=False)

    wait_for(lambda: event_id in subscriber.pushed, "push")


@pytest.mark.usefixtures("relay")
def test_a_refused_push_is_repeated_until_it_is_acknowledged(
    database: str, subscriber: Subscriber
) -> None:
    wait_until_listening(database, subscriber)
    subscriber.statuses = [503, 500]
    event_id = _insert(database, announce=True)

    wait_for(lambda: subscriber.pushed.count(event_id) == 3, "third push")


@pytest.mark.usefixtures("relay")
def test_an_acknowledged_event_is_pushed_again_only_when_announced_again(
    database: str, subscriber: Subscriber
) -> None:
    event_id = _insert(database, announce=False)
    wait_for(lambda: event_id in subscriber.pushed, "push")
    later = _insert(database, announce=False)
    wait_for(lambda: later in subscriber.pushed, "push of the next poll")
    assert subscriber.pushed.count(event_id) == 1

    with psycopg.connect(database, autocommit=True) as session:
        session.execute("select pg_notify('events', %s)", (event_id,))

    wait_for(lambda: subscriber.pushed.count(event_id) == 2, "second push")


def wait_until_listening(database: str, subscriber: Subscriber) -> None:
    """The first poll comes after LISTEN, so its push proves that announcements are heard."""
    first = _insert(database, announce=False)
    wait_for(lambda: first in subscriber.pushed, "first push")


def test_a_push_looks_like_pubsubs() -> None:
    event_id = str(uuid.uuid4())

    body = envelope(event_id)

    assert json.loads(base64.b64decode(body["message"]["data"])) == {"event_id": event_id}
    assert set(body["message"]) == {"data", "messageId", "publishTime", "attributes"}
