"""Every setting of a deployed function: typed, validated at start, one place.

A missing or malformed variable is one clear sentence that names it, never its value. The settings
are grouped by what reads them, so that a function asks for what it needs and nothing else: it
starts without the secrets of the others, and is deployed without them.
"""

from functools import cache
from pathlib import Path
from typing import TypeVar

from pydantic import Field, HttpUrl, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict


class SettingsError(Exception):
    """The environment does not configure this function; the message names the variables."""


class Settings(BaseSettings):
    """One group; each field is the environment variable of its name in capitals."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)


class SupabaseSettings(Settings):
    """The database, reached through Supabase's API with the service role's key."""

    supabase_url: HttpUrl
    supabase_service_role_key: SecretStr


class TwilioTokenSettings(Settings):
    """What signs Twilio's calls, and ours to Twilio."""

    twilio_auth_token: SecretStr


class TwilioWebhookSettings(TwilioTokenSettings):
    """Inbound texts: the webhook's public address exactly as Twilio calls it, since signatures are
    made over it."""

    twilio_webhook_url: str = Field(pattern=r"^https?://[^\s#]+$")


class TwilioStatusSettings(TwilioTokenSettings):
    """Delivery receipts: the address that we give Twilio with each text, and are called at."""

    twilio_status_url: str = Field(pattern=r"^https?://[^\s#?]+$")


class TwilioAccountSettings(TwilioTokenSettings):
    """The account and the number that members write to."""

    twilio_account_sid: str = Field(pattern=r"^AC[0-9a-fA-F]{32}$")
    twilio_number: str = Field(pattern=r"^\+[1-9][0-9]{6,14}$")
    #: Another address for Twilio's API: the local simulator's.
    twilio_api_url: HttpUrl | None = None


class TwilioSenderSettings(TwilioAccountSettings, TwilioStatusSettings):
    """What sending a text takes."""

    twilio_messaging_service_sid: str | None = Field(default=None, pattern=r"^MG[0-9a-fA-F]{32}$")


class PaceSettings(Settings):
    """How fast the sender may send."""

    #: Segments a second; a registered US long code has 3 to 75.
    twilio_segments_per_second: float = Field(default=10.0, gt=0)


class KeywordSettings(Settings):
    """Who answers the keywords."""

    #: Twilio itself answers STOP, START and HELP on most numbers; then we keep quiet.
    twilio_handles_keywords: bool = True


class ModelSettings(Settings):
    """Access to Claude."""

    anthropic_api_key: SecretStr
    anthropic_base_url: HttpUrl | None = None
    #: US dollars of all calls together since midnight UTC; then nobody is answered until tomorrow.
    daily_spend_cap_usd: float = Field(default=50.0, gt=0)


class EmailSettings(Settings):
    """The addresses to which members write to prove an e-mail: verify+TOKEN@`email_domain`.

    With another `email_token_secret`, the addresses given out before are worth nothing.
    """

    email_token_secret: SecretStr = Field(min_length=32)
    email_domain: str = Field(pattern=r"^(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,63}$")


class MailProviderSettings(Settings):
    """SendGrid, which takes the mail for our domain: the key its calls are signed with, as SendGrid
    shows it (base64)."""

    sendgrid_public_key: str = Field(pattern=r"^[A-Za-z0-9+/]{80,300}={0,2}$")


class PubSubSettings(Settings):
    """Where events are published."""

    #: projects/P/topics/T of the events topic; without it the relay or the sweeper finds events.
    pubsub_topic: str | None = Field(default=None, pattern=r"^projects/[^/]+/topics/[^/]+$")
    #: host:port of Google's emulator; never set in a deployment.
    pubsub_emulator_host: str | None = None


class SweepSettings(Settings):
    """How the event sweeper works."""

    #: Seconds that one run works (its schedule: every minute).
    sweep_for_s: int = Field(default=50, ge=0, le=540)


class RuntimeSettings(Settings):
    """What every function may be told and none needs."""

    #: Names the trace of each line of the log in full, so that Cloud Logging links the two.
    google_cloud_project: str | None = Field(default=None, pattern=r"^[a-z0-9.:-]+$")
    log_level: str = Field(default="INFO", pattern=r"^(DEBUG|INFO|WARNING|ERROR)$")
    #: A file that holds the local clock's offset in seconds; never set in a deployment.
    local_clock_file: Path | None = None


T = TypeVar("T", bound=Settings)


def load(kind: type[T]) -> T:
    """Read one group of settings.

    Raises:
        SettingsError: one sentence that names every variable that is missing or malformed.
    """
    try:
        return kind()
    except ValidationError as error:
        problems = sorted(
            f"{str(e['loc'][0]).upper()} is {'missing' if e['type'] == 'missing' else 'malformed'}"
            for e in error.errors(include_input=False, include_context=False, include_url=False)
        )
        raise SettingsError("; ".join(problems) + ".") from None


@cache
def runtime() -> RuntimeSettings:
    """The settings that every function shares, read once."""
    return load(RuntimeSettings)


def as_url(url: HttpUrl) -> str:
    """A URL as its owner wrote it, without the slash that validation appends to a bare host."""
    text = str(url)
    return text.rstrip("/") if url.path == "/" else text
