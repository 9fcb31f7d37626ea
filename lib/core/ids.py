"""Deterministic row ids: the same source always makes the same rows (protocol.md, 5 and 12)."""

from datetime import UTC, datetime
from uuid import UUID, uuid5

#: Root of every id this system derives. Never change it: ids of recorded texts depend on it.
NAMESPACE = UUID("6f1d5c1e-6f0a-5d0b-9a51-6a2f8f0c7b11")


def inbound_message_id(sid: str) -> UUID:
    """The `messages.id` of an inbound text, from Twilio's MessageSid."""
    return uuid5(NAMESPACE, f"inbound:{sid}")


def derived_id(source: UUID, name: str | int) -> UUID:
    """The id of a row that `source` (an event, task or message) brings into being.

    `name` tells several rows of one source apart: an ordinal or a fixed word.
    """
    return uuid5(source, str(name))


def receipt_key(sid: str) -> UUID:
    """The `events.aggregate_id` under which receipts for a SID not yet recorded wait."""
    return uuid5(NAMESPACE, f"receipt:{sid}")


def receipt_event_id(sid: str, status: str) -> UUID:
    """The audit event of one receipt: the same SID and status is the same event."""
    return uuid5(NAMESPACE, f"receipt:{sid}:{status}")


def scheduled_event_id(event_type: str, scheduled_at: datetime) -> UUID:
    """The event that a schedule brings into being: once for each time at which it is due."""
    return uuid5(NAMESPACE, f"scheduled:{event_type}:{scheduled_at.astimezone(UTC).isoformat()}")
