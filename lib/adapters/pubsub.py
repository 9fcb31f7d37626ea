"""Pub/Sub: waking the event processor. Only a wake-up: what is lost here, the sweeper finds.

`google.cloud.pubsub_v1` is imported at the first publish, so that the webhook's start does not pay
for it (architecture.md, "Layers").
"""

import json
from collections.abc import Iterable
from concurrent.futures import TimeoutError as FutureTimeoutError
from functools import cache
from typing import TYPE_CHECKING

from lib.core import log
from lib.core.settings import runtime

if TYPE_CHECKING:
    from google.cloud.pubsub_v1 import PublisherClient

_log = log.get("pubsub")

#: protocol.md, 16: publish with a 3 s timeout, never fatal.
PUBLISH_TIMEOUT_S = 3.0


@cache
def _publisher() -> "PublisherClient":
    from google.cloud.pubsub_v1 import PublisherClient
    from google.cloud.pubsub_v1.types import BatchSettings

    # CPU stops after the response: nothing may wait for a batch to fill.
    return PublisherClient(batch_settings=BatchSettings(max_messages=1))


def publish(event_ids: Iterable[str]) -> None:
    """Publish event ids to PUBSUB_TOPIC and wait for the result, 3 s at most for all of them.

    Does nothing without a topic (one machine: the relay hears of new rows from the database). A
    failure is logged and not raised: the event is recorded, and the sweeper will publish it.
    """
    topic = runtime().pubsub_topic
    ids = list(event_ids)
    if topic is None or not ids:
        return
    from google.api_core.exceptions import GoogleAPIError
    from google.auth.exceptions import GoogleAuthError

    try:
        futures = [
            _publisher().publish(topic, json.dumps({"event_id": i}).encode(), event_id=i)
            for i in ids
        ]
        for future in futures:
            future.result(timeout=PUBLISH_TIMEOUT_S)
    except (GoogleAPIError, GoogleAuthError, FutureTimeoutError, OSError) as error:
        _log.warning(
            "publish failed; the sweeper will find the events",
            extra={"events": len(ids), "error": log.describe(error)},
        )
