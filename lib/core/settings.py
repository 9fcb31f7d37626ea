"""Every setting of a deployed function: typed, validated at start, one place.

A missing or malformed variable is one clear sentence that names it, never its value.
"""

from functools import cache
from pathlib import Path
from typing import TypeVar

from pydantic import Field, HttpUrl, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict


class SettingsError(Exception):
    """The environment does not configure this function; the message names the variables."""


class SupabaseSettings(BaseSettings):
    """The database, reached through Supabase's API with the service role's key."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    supabase_url: HttpUrl
    supabase_service_role_key: SecretStr


class TwilioSettings(BaseSettings):
    """The Twilio account.

    `twilio_webhook_url` and `twilio_status_url` are the public addresses of our webhooks, exactly
    as Twilio calls them: signatures are made over them, so they are kept as they are written.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    twilio_account_sid: str = Field(pattern=r"^AC[0-9a-fA-F]{32}$")
    twilio_auth_token: SecretStr
    twilio_number: str = Field(pattern=r"^\+[1-9][0-9]{6,14}$")
    twilio_messaging_service_sid: str | None = Field(default=None, pattern=r"^MG[0-9a-fA-F]{32}$")
    twilio_webhook_url: str = Field(pattern=r"^https?://[^\s#]+$")
    twilio_status_url: str = Field(pattern=r"^https?://[^\s#?]+$")
    #: Twilio itself answers STOP, START and HELP on most numbers; then we keep quiet.
    twilio_handles_keywords: bool = True
    #: What the sender may send, in segments a second; a registered US long code has 3 to 75.
    twilio_segments_per_second: float = Field(default=10.0, gt=0)
    #: Another address for Twilio's API: the local simulator's.
    twilio_api_url: HttpUrl | None = None


class ModelSettings(BaseSettings):
    """Access to Claude."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    anthropic_api_key: SecretStr
    anthropic_base_url: HttpUrl | None = None
    #: US dollars of all calls together since midnight UTC; then nobody is answered until tomorrow.
    daily_spend_cap_usd: float = Field(default=50.0, gt=0)


class EmailSettings(BaseSettings):
    """The addresses to which members write to prove an e-mail: verify+TOKEN@`email_domain`.

    With another `email_token_secret`, the addresses given out before are worth nothing.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    email_token_secret: SecretStr = Field(min_length=32)
    email_domain: str = Field(pattern=r"^(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,63}$")


class MailProviderSettings(BaseSettings):
    """SendGrid, which takes the mail for our domain: the key its calls are signed with, as SendGrid
    shows it (base64)."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    sendgrid_public_key: str = Field(pattern=r"^[A-Za-z0-9+/]{80,300}={0,2}$")


class RuntimeSettings(BaseSettings):
    """What every function may be told and none needs."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    #: projects/P/topics/T of the events topic; without it the relay or the sweeper finds events.
    pubsub_topic: str | None = Field(default=None, pattern=r"^projects/[^/]+/topics/[^/]+$")
    #: Names the trace of each line of the log in full, so that Cloud Logging links the two.
    google_cloud_project: str | None = Field(default=None, pattern=r"^[a-z0-9.:-]+$")
    log_level: str = Field(default="INFO", pattern=r"^(DEBUG|INFO|WARNING|ERROR)$")
    #: A file that holds the local clock's offset in seconds; never set in a deployment.
    local_clock_file: Path | None = None
    #: Seconds that one run of the event sweeper works (its schedule: every minute).
    sweep_for_s: int = Field(default=50, ge=0, le=540)


T = TypeVar("T", bound=BaseSettings)


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
