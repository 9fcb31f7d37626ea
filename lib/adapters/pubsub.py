"""Pub/Sub: waking the event processor. Only a wake-up: what is lost here, the sweeper finds.

One plain request with one deadline, and not the client that collects messages: that one sends from
threads of its own, which try for minutes after the caller has given up, while CPU stops after the
response. `google.pubsub_v1` (of google-cloud-pubsub) is imported at the first publish, so that the
webhook's start does not pay for it (architecture.md, "Layers").
"""

import json
import threading
from collections.abc import Callable, Iterable
from functools import cache
from typing import TYPE_CHECKING, Any

from lib.core import log, trace
from lib.core.settings import PubSubSettings, load

if TYPE_CHECKING:
    from google.pubsub_v1 import PublisherClient

_log = log.get("pubsub")

#: protocol.md, 16: publish with a 3 s timeout, never fatal.
PUBLISH_TIMEOUT_S = 3.0
#: Pauses between tries, while there is time: the first, and the longest.
_PAUSES_S = (0.1, 0.5)

_connecting = threading.Lock()
_connected: "PublisherClient | None" = None


@cache
def topic() -> str | None:
    """PUBSUB_TOPIC, read once.

    Raises:
        SettingsError: it is malformed.
    """
    return load(PubSubSettings).pubsub_topic


def connect() -> Callable[[Iterable[str]], None]:
    """`publish`, after a look at the settings: what is wrong with them ends a function's start.

    Raises:
        SettingsError: PUBSUB_TOPIC is malformed.
    """
    topic()
    return publish


def publish(event_ids: Iterable[str]) -> None:
    """Publish event ids to PUBSUB_TOPIC and wait for the result, 3 s at most for all of them.

    Does nothing without a topic (one machine: the relay hears of new rows from the database). A
    failure is logged and not raised: the event is recorded, and the sweeper will publish it.
    Pub/Sub takes 1,000 messages at a time; the most at once are the sweeper's 200. The first one
    also looks for credentials: at once on Google Cloud, but for 12 s where nobody has any.
    """
    to = topic()
    ids = list(event_ids)
    if to is None or not ids:
        return
    from google.api_core.exceptions import GoogleAPIError
    from google.auth.exceptions import GoogleAuthError

    try:
        with trace.call("pubsub publish", events=len(ids)):
            _send(to, ids)
    # ValueError: another thread, whose publish has failed too, closed the connection meanwhile.
    except (GoogleAPIError, GoogleAuthError, OSError, ValueError) as error:
        _log.warning(
            "publish failed; the sweeper will find the events",
            extra={"events": len(ids), "error": log.describe(error)},
        )


def disconnect() -> None:
    """Close the connection, if there is one; the next publish opens another."""
    if _connected is not None:
        _close(_connected)


def _send(topic: str, ids: list[str]) -> None:
    from google.api_core.retry import Retry
    from google.pubsub_v1 import PubsubMessage

    first, longest = _PAUSES_S
    publisher = _publisher()
    try:
        publisher.publish(
            topic=topic,
            messages=[
                PubsubMessage(data=json.dumps({"event_id": i}).encode(), attributes={"event_id": i})
                for i in ids
            ],
            retry=Retry(initial=first, maximum=longest, timeout=PUBLISH_TIMEOUT_S),
            timeout=PUBLISH_TIMEOUT_S,
        )
    except Exception:
        # A connection that has gone silent stays so, and a new client would share it until it is
        # closed; one that was refused waits longer and longer before it tries again.
        _close(publisher)
        raise


def _publisher() -> "PublisherClient":
    """The one client. PUBSUB_EMULATOR_HOST turns it to the emulator, without credentials."""
    global _connected
    import grpc  # type: ignore[import-untyped]
    from google.pubsub_v1 import PublisherClient
    from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport

    # gRPC shares a connection among all channels to an address, and one that was closed because it
    # went silent may still be shared for a moment. Each of ours has its own.
    own = ("grpc.use_local_subchannel_pool", 1)

    def channel(host: str, **given: Any) -> grpc.Channel:
        options = [*given.pop("options", ()), own]
        return PublisherGrpcTransport.create_channel(host, options=options, **given)

    with _connecting:
        if _connected is None:
            emulator = load(PubSubSettings).pubsub_emulator_host
            opened = grpc.insecure_channel(emulator, [own]) if emulator else channel
            _connected = PublisherClient(transport=PublisherGrpcTransport(channel=opened))
        return _connected


def _close(publisher: "PublisherClient") -> None:
    """Close a client; it is forgotten first, unless that has been done and another is in use."""
    global _connected
    with _connecting:
        if _connected is publisher:
            _connected = None
    publisher.transport.close()  # type: ignore[no-untyped-call]
