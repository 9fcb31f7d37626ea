"""The event types this system knows: typed payloads, who emits them, who handles them.

A type is registered by the work that builds both ends (behaviour.md, "Events"); anything else that
is found in the events table is a dead letter.
"""

from dataclasses import dataclass
from uuid import UUID

from pydantic import BaseModel, ConfigDict


class Payload(BaseModel):
    """The payload of one event type. Unknown keys are refused: they are a typing mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class MediaRef(Payload):
    """A picture or file that came with a text."""

    url: str
    content_type: str = ""


class MessageReceived(Payload):
    """user.message.received"""

    message_id: UUID
    conversation_id: UUID
    media: list[MediaRef] = []


class OptChanged(Payload):
    """user.opted_out and user.opted_in: the keyword, or Twilio's error code, that did it."""

    keyword: str


class DeliveryUpdated(Payload):
    """message.delivery_updated"""

    sid: str
    status: str
    error_code: str | None = None


class OnboardingStepCompleted(Payload):
    """user.onboarding_step.completed"""

    step: str
    value: str


class OnboardingCompleted(Payload):
    """user.onboarding_completed: has no payload."""


@dataclass(frozen=True)
class EventType:
    """One row of the registry; `audit_only` types are recorded to be read, not handled."""

    payload: type[Payload]
    producers: tuple[str, ...]
    audit_only: bool = False


EVENT_TYPES: dict[str, EventType] = {
    "user.message.received": EventType(MessageReceived, ("twilio_webhook", "event_sweeper")),
    "user.opted_out": EventType(
        OptChanged, ("twilio_webhook", "message_orchestrator"), audit_only=True
    ),
    "user.opted_in": EventType(OptChanged, ("twilio_webhook",), audit_only=True),
    "message.delivery_updated": EventType(DeliveryUpdated, ("twilio_status",), audit_only=True),
    "user.onboarding_step.completed": EventType(
        OnboardingStepCompleted, ("bouncer",), audit_only=True
    ),
    "user.onboarding_completed": EventType(OnboardingCompleted, ("bouncer",), audit_only=True),
}
