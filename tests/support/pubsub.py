"""Pub/Sub from both sides: what takes publishes, what is pushed to, and the relay and the emulator
between them.
"""

import asyncio
import base64
import contextlib
import json
import os
import socket
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol
from unittest.mock import patch

import grpc  # type: ignore[import-untyped]
import psycopg
import pytest
from google.api_core.exceptions import DeadlineExceeded
from google.pubsub_v1 import PublishRequest, PublishResponse, PubsubMessage

from lib.adapters import pubsub
from local.description import PubSub
from local.pubsub_emulator import Emulator, find, is_listening, launch
from local.relay import Relay
from tests.support.sim_process import free_port
from tests.support.stack import StackUnderTest, wait_for

#: For parameters that need the emulator.
needs_emulator = pytest.mark.skipif(
    find() is None, reason="the Pub/Sub emulator, or Java for it, is not on this machine"
)


@dataclass(frozen=True)
class Push:
    """One push as it arrived."""

    body: dict[str, Any]

    @property
    def data(self) -> bytes:
        """What was published."""
        return base64.b64decode(self.body["message"]["data"])

    @property
    def event_id(self) -> str | None:
        """The event it names, if it names one."""
        with contextlib.suppress(ValueError):
            return str(json.loads(self.data)["event_id"])
        return None


class Subscriber:
    """An endpoint at `url` that remembers its pushes and answers them as it was told to.

    `answers` has by event id what is answered, one after another and then 204: a status, "hang up"
    (no answer, as from a process that dies), or an Event that is waited for before a 204.
    """

    def __init__(self) -> None:
        self.pushes: list[Push] = []
        self.answers: dict[str | None, list[int | str | threading.Event]] = {}
        subscriber = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = subscriber._take(Push(json.loads(body)))
                if status is None:
                    return
                self.send_response(status)
                self.end_headers()

            def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
                """Print nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def count(self, event_id: str | None) -> int:
        """How often an event has been pushed; None: pushes that name none."""
        return [push.event_id for push in self.pushes].count(event_id)

    def wait_for(self, *event_ids: str, times: int = 1) -> None:
        """Wait until each of the events has been pushed so often."""
        for event_id in event_ids:
            wait_for(lambda e=event_id: self.count(e) >= times, "push", 30)  # type: ignore[misc]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _take(self, push: Push) -> int | None:
        self.pushes.append(push)
        answers = self.answers.get(push.event_id)
        answer = answers.pop(0) if answers else 204
        if isinstance(answer, threading.Event):
            answer.wait()
            return 204
        return answer if isinstance(answer, int) else None


class WakeUps(Protocol):
    """What tells the event processor that there are events."""

    def wake(self, *event_ids: str) -> None:
        """Let these events be pushed."""

    def wake_with_nonsense(self) -> None:
        """Let something be pushed that names no event."""


class RelayWakeUps:
    """Rows of a database that the relay follows, announced as our trigger announces them."""

    def __init__(self, database_url: str) -> None:
        self.url = database_url
        self._session = psycopg.connect(database_url, autocommit=True)

    def insert(self, event_id: str) -> None:
        """An event that nobody announces."""
        self._session.execute("insert into events (id) values (%s)", (event_id,))

    def announce(self, payload: str) -> None:
        """What the trigger does at an insert, and the sweeper again."""
        self._session.execute("select pg_notify('events', %s)", (payload,))

    def wake(self, *event_ids: str) -> None:
        for event_id in event_ids:
            self.insert(event_id)
            self.announce(event_id)

    def wake_with_nonsense(self) -> None:
        self.announce("nonsense")


@contextlib.contextmanager
def relayed_database(stack: StackUnderTest) -> Iterator[RelayWakeUps]:
    """A database of its own, with just enough of `events`, that the stack's relay does not hear."""
    name = f"relay_{uuid.uuid4().hex[:8]}"
    with stack.connect() as session:
        session.execute(f"create database {name}")
        url = str(stack.description["database_url"]).replace("@/postgres", f"@/{name}")
        wake_ups = RelayWakeUps(url)
        wake_ups._session.execute(
            "create table events (id uuid, processed boolean, metadata jsonb,"
            " created_at timestamptz default now())"
        )
        yield wake_ups
        session.execute(f"drop database {name} with (force)")


class EmulatorWakeUps:
    """The adapter, publishing to the emulator."""

    def __init__(self, emulator: Emulator, names: PubSub) -> None:
        self.emulator, self.names = emulator, names

    def wake(self, *event_ids: str) -> None:
        pubsub.publish(event_ids)

    def wake_with_nonsense(self) -> None:
        self.emulator.publisher.publish(
            topic=self.names["topic"], messages=[PubsubMessage(data=b"nonsense")]
        )


@contextlib.contextmanager
def publishing_to(names: PubSub | None) -> Iterator[None]:
    """The adapter in this process publishes there; None: nowhere."""
    wanted = (
        {"PUBSUB_EMULATOR_HOST": names["emulator"], "PUBSUB_TOPIC": names["topic"]} if names else {}
    )
    pubsub.topic.cache_clear()
    try:
        with patch.dict(os.environ, wanted):
            yield
    finally:
        pubsub.disconnect()
        pubsub.topic.cache_clear()


@contextlib.contextmanager
def running_relay(database_url: str, push_url: str) -> Iterator[None]:
    """A relay between a database and an endpoint."""
    loop = asyncio.new_event_loop()
    running = loop.create_task(Relay(database_url, push_url).run_forever())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield
    loop.call_soon_threadsafe(running.cancel)
    wait_for(running.done, "end of the relay")
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@contextlib.contextmanager
def running_emulator() -> Iterator[str]:
    """An emulator's address (host:port)."""
    launcher = find()
    assert launcher is not None
    host = f"127.0.0.1:{free_port()}"
    process = launch(launcher, host)
    try:
        wait_for(lambda: is_listening(host), "emulator", 60)
        yield host
    finally:
        process.kill()
        process.wait()


def dead_letters(emulator: Emulator, names: PubSub) -> list[PubsubMessage]:
    """What has been given up, taken from its subscription; waits for some for 2 s."""
    subscription = names["dead_letters"]
    try:
        pulled = emulator.subscriber.pull(
            subscription=subscription, max_messages=100, retry=None, timeout=2.0
        )
    except DeadlineExceeded:
        return []
    return [received.message for received in pulled.received_messages]


class PublishServer:
    """Pub/Sub as a publisher sees it, at a port: remembers requests; the first get `refusals`."""

    def __init__(self, port: int = 0) -> None:
        self.requests: list[PublishRequest] = []
        self.refusals: list[grpc.StatusCode] = []
        publish = grpc.unary_unary_rpc_method_handler(
            self._publish, PublishRequest.deserialize, PublishResponse.serialize
        )
        service = "google.pubsub.v1.Publisher"
        self._server = grpc.server(ThreadPoolExecutor(4))
        self._server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler(service, {"Publish": publish})]
        )
        self.port = int(self._server.add_insecure_port(f"127.0.0.1:{port}"))
        self._server.start()

    def event_ids(self) -> list[str]:
        """The events published, in their order."""
        return [
            json.loads(message.data)["event_id"]
            for request in self.requests
            for message in request.messages
        ]

    def close(self) -> None:
        self._server.stop(None).wait()

    def _publish(self, request: PublishRequest, context: Any) -> PublishResponse:
        if self.refusals:
            context.abort(self.refusals.pop(0), "no")
        self.requests.append(request)
        return PublishResponse(message_ids=[str(n) for n, _ in enumerate(request.messages)])


class Wire:
    """A line to a port, at `host`, whose connections can go silent without being closed.

    `cut` silences those there are; `is_silent` those that are made from then on.
    """

    def __init__(self, port: int) -> None:
        self.is_silent = False
        self._port = port
        self._cut = threading.Event()
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """What is connected hears nothing any more."""
        self._cut.set()
        self._cut = threading.Event()

    def close(self) -> None:
        for each in (self._listener, *self._open):
            each.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                self._open.append(near)
                if self.is_silent:
                    continue
                far = socket.create_connection(("127.0.0.1", self._port))
                self._open.append(far)
                for pair in ((near, far), (far, near)):
                    threading.Thread(
                        target=self._carry, args=(*pair, self._cut), daemon=True
                    ).start()

    def _carry(self, source: socket.socket, sink: socket.socket, cut: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if not cut.is_set():
                    sink.sendall(data)
