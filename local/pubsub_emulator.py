"""Google's Pub/Sub emulator in the relay's place, where it is installed and asked for.

`python -m local.pubsub_emulator` is a process of the stack: it runs the emulator, unless
PUBSUB_EMULATOR_HOST names one that runs already, and sees to it that the topic, its push
subscription to event_processor and the dead letters are there.

Seen of version 0.8.20, and not to be expected of Pub/Sub: it keeps everything in memory, pushes two
messages at a time and waits for their answers without a limit, waits at least 1 s before it pushes
again, and sends no OIDC token and no `deliveryAttempt`.
"""

import contextlib
import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import grpc  # type: ignore[import-untyped]
from google.api_core.exceptions import AlreadyExists, GoogleAPIError, NotFound
from google.pubsub_v1 import (
    DeadLetterPolicy,
    PublisherClient,
    PushConfig,
    RetryPolicy,
    SubscriberClient,
    Subscription,
    Topic,
)
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

from local.description import Description, PubSub
from local.state import State

_log = logging.getLogger(__name__)

#: Longer than a turn: a push that is answered later is made again.
ACK_DEADLINE_S = 120
FIRST_WAIT_S = 1
LONGEST_WAIT_S = 10
MAX_DELIVERIES = 10

_CALL_TIMEOUT_S = 2.0
_LOOK_AGAIN_S = 2.0

_LAUNCHER = "platform/pubsub-emulator/bin/cloud-pubsub-emulator"
#: Where Google's packages and installers put the SDK when no gcloud on the PATH leads to it.
_SDKS = (
    "/usr/lib/google-cloud-sdk",
    "/usr/share/google-cloud-sdk",
    "/usr/local/share/google-cloud-sdk",
    "/opt/google-cloud-sdk",
    "/opt/homebrew/share/google-cloud-sdk",
    "/snap/google-cloud-cli/current",
    "~/google-cloud-sdk",
)


def find() -> Path | None:
    """The emulator's launcher; None where it is not installed, or no Java to run it."""
    java = os.environ.get("JAVA_HOME") or shutil.which("java")
    gcloud = shutil.which("gcloud")
    sdks = [Path(gcloud).resolve().parent.parent] if gcloud else []
    sdks += [Path(sdk).expanduser() for sdk in _SDKS]
    launchers = (sdk / _LAUNCHER for sdk in sdks)
    return next((path for path in launchers if java and os.access(path, os.X_OK)), None)


def named(emulator: str, topic: str) -> PubSub:
    """What is used at the emulator at `emulator` (host:port): `topic` and what hangs on it.

    >>> named("127.0.0.1:8085", "projects/p/topics/events")["dead_letters"]
    'projects/p/subscriptions/events-dead'
    """
    subscription = topic.replace("/topics/", "/subscriptions/")
    return PubSub(
        emulator=emulator,
        topic=topic,
        subscription=subscription,
        dead_letters=f"{subscription}-dead",
    )


class Emulator:
    """An emulator at `host` (host:port), with the clients of its owner. A context manager."""

    def __init__(self, host: str) -> None:
        # It may be started again: then it is back at once, and not in two minutes.
        self._channel = grpc.insecure_channel(host, [("grpc.max_reconnect_backoff_ms", 1000)])
        self.publisher = PublisherClient(transport=PublisherGrpcTransport(channel=self._channel))
        self.subscriber = SubscriberClient(transport=SubscriberGrpcTransport(channel=self._channel))

    def __enter__(self) -> "Emulator":
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()

    def provide(
        self,
        pubsub: PubSub,
        push_url: str,
        longest_wait_s: int = LONGEST_WAIT_S,
        max_deliveries: int = MAX_DELIVERIES,
    ) -> None:
        """Create what is not there: topic, push subscription, dead letters' topic and subscription.

        Raises:
            GoogleAPIError: the emulator does not answer or refuses.
        """
        dead_topic = f"{pubsub['topic']}-dead"
        for topic in (pubsub["topic"], dead_topic):
            with contextlib.suppress(AlreadyExists):
                self.publisher.create_topic(Topic(name=topic), retry=None, timeout=_CALL_TIMEOUT_S)
        for subscription in (
            # Without a subscription, what is published to a topic is lost.
            Subscription(name=pubsub["dead_letters"], topic=dead_topic),
            Subscription(
                name=pubsub["subscription"],
                topic=pubsub["topic"],
                push_config=PushConfig(push_endpoint=push_url),
                ack_deadline_seconds=ACK_DEADLINE_S,
                retry_policy=RetryPolicy(
                    minimum_backoff=timedelta(seconds=FIRST_WAIT_S),
                    maximum_backoff=timedelta(seconds=longest_wait_s),
                ),
                dead_letter_policy=DeadLetterPolicy(
                    dead_letter_topic=dead_topic, max_delivery_attempts=max_deliveries
                ),
            ),
        ):
            with contextlib.suppress(AlreadyExists):
                self.subscriber.create_subscription(
                    subscription, retry=None, timeout=_CALL_TIMEOUT_S
                )

    def stop_pushing(self, pubsub: PubSub) -> None:
        """Delete the push subscription, if it is there.

        Raises:
            GoogleAPIError: the emulator does not answer or refuses.
        """
        with contextlib.suppress(NotFound):
            self.subscriber.delete_subscription(
                subscription=pubsub["subscription"], retry=None, timeout=_CALL_TIMEOUT_S
            )


def launch(launcher: Path, host: str) -> "subprocess.Popen[bytes]":
    """Run the emulator at `host` (host:port); what it prints goes where our own output goes."""
    address, _, port = host.rpartition(":")
    return subprocess.Popen([str(launcher), f"--host={address}", f"--port={port}"])


def is_listening(host: str) -> bool:
    """Whether a connection to `host` (host:port) is taken."""
    address, _, port = host.rpartition(":")
    try:
        socket.create_connection((address, int(port)), timeout=1).close()
    except OSError:
        return False
    return True


def main() -> None:
    """Provide this stack's topic until terminated, and run the emulator if PUBSUB_EMULATOR is 1."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    addresses = State.from_environment().addresses
    description: Description = json.loads(addresses.read_text(encoding="utf-8"))
    pubsub, push_url = description["pubsub"], description["functions"]["event_processor"]
    process = None
    if os.environ.get("PUBSUB_EMULATOR") == "1":
        launcher = find()
        if launcher is None:
            raise SystemExit("The emulator is not there any more.")
        process = launch(launcher, pubsub["emulator"])
    try:
        _keep_provided(pubsub, push_url, process)
    finally:
        if process is not None:
            process.kill()
    raise SystemExit("The emulator has ended.")


def _keep_provided(
    pubsub: PubSub, push_url: str, process: "subprocess.Popen[bytes] | None"
) -> None:
    """Provide the topic again and again: an emulator started anew has forgotten it."""

    def is_over() -> bool:
        return process is not None and process.poll() is not None

    while not is_listening(pubsub["emulator"]) and not is_over():
        time.sleep(0.1)
    with Emulator(pubsub["emulator"]) as emulator:
        pushes_elsewhere = True
        try:
            while not is_over():
                try:
                    if pushes_elsewhere:  # to where an earlier stack was, maybe
                        emulator.stop_pushing(pubsub)
                        pushes_elsewhere = False
                    emulator.provide(pubsub, push_url)
                except GoogleAPIError as error:
                    _log.warning("emulator: %s", type(error).__name__)
                time.sleep(_LOOK_AGAIN_S)
        finally:
            with contextlib.suppress(GoogleAPIError):
                emulator.stop_pushing(pubsub)


if __name__ == "__main__":
    main()
