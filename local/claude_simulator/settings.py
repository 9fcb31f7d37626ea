"""The variables the simulator is configured by; a missing one is named at start."""

from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Read from the environment; pydantic's ValidationError names what is missing or wrong."""

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore", frozen=True)

    port: int
    local_clock_file: Path | None = None
    #: How long a call hangs that was asked to, milliseconds: longer than any turn may take.
    sim_hang_ms: Annotated[int, Field(ge=0)] = 60_000
