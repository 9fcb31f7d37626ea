"""The shape of stack.json: where everything is while the stack is ready."""

from typing import Any, NotRequired, TypedDict


class Supabase(TypedDict):
    """The API and its two keys: `key` is the service role's, `publishable_key` anon's."""

    url: str
    key: str
    publishable_key: str


class Twilio(TypedDict):
    """`control` is there only when Twilio is simulated."""

    url: str
    account_sid: str
    auth_token: str
    number: str
    control: NotRequired[str]


class Claude(TypedDict):
    """`control` is there only when Claude is simulated."""

    url: str
    simulated: bool
    control: NotRequired[str]


class PubSub(TypedDict):
    """The emulator's address (host:port), and what is used there, by the names Pub/Sub gives.

    `subscription` pushes to event_processor; `dead_letters` is the subscription to pull what was
    given up from.
    """

    emulator: str
    topic: str
    subscription: str
    dead_letters: str


class Description(TypedDict):
    """The contract for black-box tests.

    `phones` is null in a headless stack; `database_url` is null when only the API of a real
    Supabase project is known. `email` takes a mail {"from", "to", "subject", "text"} and delivers
    it to email_webhook as the provider would; it is there only when that is simulated. `pubsub` is
    there only when the emulator is used, not the relay.
    """

    phones: str | None
    functions: dict[str, str]
    pids: dict[str, int]
    schedules: dict[str, str]
    supabase: Supabase
    database_url: str | None
    twilio: Twilio
    claude: Claude
    clock: str
    email: NotRequired[str]
    pubsub: NotRequired[PubSub]


def as_object(description: Description) -> dict[str, Any]:
    """The same as a plain dictionary, to be written as JSON."""
    return {**description}
