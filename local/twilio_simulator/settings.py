"""The variables the simulator is configured by; a missing one is named at start."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, StringConstraints
from pydantic_settings import BaseSettings, SettingsConfigDict

E164 = r"^\+[1-9]\d{6,14}$"


class Settings(BaseSettings):
    """Read from the environment; pydantic's ValidationError names what is missing or wrong."""

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore", frozen=True)

    port: int
    #: The SQLite file.
    sim_state: Path
    twilio_account_sid: Annotated[str, StringConstraints(pattern=r"^AC[0-9a-fA-F]{32}$")]
    twilio_auth_token: Annotated[str, StringConstraints(min_length=1)]
    #: The one number this account owns.
    twilio_number: Annotated[str, StringConstraints(pattern=E164)]
    twilio_messaging_service_sid: str | None = None
    #: Where inbound texts are posted. A fragment holds Twilio's connection overrides
    #: (`#rc=5&rp=all`); it is neither sent nor signed.
    twilio_webhook_url: Annotated[str, StringConstraints(pattern=r"^https?://")]
    #: Whether STOP, START and HELP are answered, and opted-out numbers blocked, by Twilio itself.
    twilio_handles_keywords: bool = True
    local_clock_file: Path | None = None
    #: From acceptance to delivery, milliseconds; `sent` comes at a quarter of it.
    sim_delivery_ms: Annotated[int, Field(ge=0)] = 400
    #: How long a call hangs that was asked to, milliseconds. Twilio's clients give up earlier.
    sim_hang_ms: Annotated[int, Field(ge=0)] = 15_000
    #: Retries of a webhook that could not be delivered, or was answered 5xx or not in time, unless
    #: its URL has overrides. Twilio's own default is 1, and only when no connection was made; a
    #: local function process needs about a second to come back.
    sim_webhook_retries: Annotated[int, Field(ge=0, le=10)] = 4
    #: The first wait between two attempts of a webhook, milliseconds; it doubles.
    sim_retry_ms: Annotated[int, Field(ge=1)] = 250
