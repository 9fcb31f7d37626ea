"""What Pub/Sub pushes: the id of an event, wrapped in one of two envelopes."""

import base64
import binascii
import json
from typing import Any
from uuid import UUID


class BadPush(Exception):
    """A body that names no event; its words are one fixed sentence."""


def read(body: bytes) -> Any:
    """A body as JSON, whatever it is said to be: Cloud Scheduler sends application/octet-stream
    unless its job names another type.

    Raises:
        BadPush: it is none.
    """
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise BadPush("The body is no JSON.") from None


def event_id_of(body: Any) -> UUID:
    """The event id of a push body: raw Pub/Sub push, or a CloudEvent's data (the same shape).

    >>> data = base64.b64encode(b'{"event_id": "00000000-0000-0000-0000-000000000001"}').decode()
    >>> event_id_of({"message": {"data": data}, "subscription": "projects/p/subscriptions/s"}).int
    1

    Raises:
        BadPush: the body is neither.
    """
    if isinstance(body, dict) and isinstance(body.get("data"), dict):
        body = body["data"]  # a structured CloudEvent
    try:
        data = body["message"]["data"]
        return UUID(json.loads(base64.b64decode(data, validate=True))["event_id"])
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError, binascii.Error):
        raise BadPush("The body is no Pub/Sub push that names an event.") from None
