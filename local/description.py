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


class Description(TypedDict):
    """The contract for black-box tests.

    `phones` is null in a headless stack; `database_url` is null when only the API of a real
    Supabase project is known.
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


def as_object(description: Description) -> dict[str, Any]:
    """The same as a plain dictionary, to be written as JSON."""
    return {**description}
