"""Which system a command is for: the deployment named by variables, else the local stack."""

import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
from pydantic import HttpUrl, SecretStr

from lib.adapters.scheduler import GoogleJobs, Jobs, StackJobs
from lib.adapters.supabase import Database
from lib.console.dead_letters import DeadLetters
from lib.console.held import HeldTexts
from lib.console.members import Members
from lib.core.settings import SupabaseSettings, load

_ROOT = Path(__file__).parents[2]


class NowhereError(Exception):
    """No system is named and none runs here; one clear sentence."""


def dead_letters(*, local: bool) -> DeadLetters:
    """Those of the database that `_database` finds, and its errors."""
    return DeadLetters(*_database(local=local))


def held_texts(*, local: bool) -> HeldTexts:
    """Those of the database that `_database` finds, and its errors."""
    return HeldTexts(*_database(local=local))


def members(*, local: bool) -> Members:
    """Those of the database that `_database` finds, and its errors."""
    return Members(*_database(local=local))


def jobs(*, local: bool, project: str | None, region: str | None) -> Jobs:
    """Cloud Scheduler's if GOOGLE_CLOUD_PROJECT is set, else, or if asked for, the local stack's.

    Raises:
        NowhereError: neither is there, or the region is not named.
        SchedulerError: there are no Google credentials.
    """
    project = project or os.environ.get("GOOGLE_CLOUD_PROJECT")
    if project and not local:
        region = region or os.environ.get("GOOGLE_CLOUD_REGION")
        if not region:
            raise NowhereError("GOOGLE_CLOUD_REGION is missing: the region of the jobs.")
        return GoogleJobs(project, region)
    clock: str = _stack("GOOGLE_CLOUD_PROJECT and GOOGLE_CLOUD_REGION")["clock"]
    return StackJobs(clock.removesuffix("/clock") + "/schedules")


def _database(*, local: bool) -> tuple[Database, datetime | None]:
    """The deployment's if SUPABASE_URL is set, else, or if asked for, the local stack's; its time.

    Raises:
        NowhereError: neither is there.
        SettingsError: a variable is missing or malformed.
    """
    if os.environ.get("SUPABASE_URL") and not local:
        return Database(load(SupabaseSettings)), None
    stack = _stack("SUPABASE_URL and SUPABASE_SERVICE_ROLE_KEY")
    database = Database(
        SupabaseSettings(
            supabase_url=HttpUrl(stack["supabase"]["url"]),
            supabase_service_role_key=SecretStr(stack["supabase"]["key"]),
        )
    )
    return database, _moved_now(stack["clock"])


def _stack(variables: str) -> dict[str, Any]:
    file = _ROOT / os.environ.get("YACHTPARTY_STATE_DIR", ".local") / "stack.json"
    try:
        stack: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NowhereError(
            f"No local stack is running (`make run`), and {variables} are not set."
        ) from None
    return stack


def _moved_now(clock_url: str) -> datetime | None:
    """The stack's time if its clock was moved: what is recorded has that time."""
    try:
        clock = httpx.get(clock_url).raise_for_status().json()
    except httpx.HTTPError as error:
        raise NowhereError("The local stack does not answer: is it running?") from error
    return datetime.fromisoformat(clock["now"]) if clock["offset_s"] else None
