"""Which system a command is for: the deployment named by variables, else the local stack."""

import json
import os
from pathlib import Path
from typing import Any

from pydantic import HttpUrl, SecretStr

from lib.adapters.scheduler import GoogleJobs, Jobs, StackJobs
from lib.adapters.supabase import Database
from lib.core.settings import SupabaseSettings, load

_ROOT = Path(__file__).parents[2]


class NowhereError(Exception):
    """No system is named and none runs here; one clear sentence."""


def database() -> Database:
    """The deployment's if SUPABASE_URL is set, else the local stack's.

    Raises:
        NowhereError: neither is there.
        SettingsError: a variable is missing or malformed.
    """
    if os.environ.get("SUPABASE_URL"):
        return Database(load(SupabaseSettings))
    stack = _stack("SUPABASE_URL and SUPABASE_SERVICE_ROLE_KEY")
    # The stack's clock may have been moved; what is recorded has its time.
    os.environ.setdefault("LOCAL_CLOCK_FILE", str(_stack_file().with_name("clock")))
    return Database(
        SupabaseSettings(
            supabase_url=HttpUrl(stack["supabase"]["url"]),
            supabase_service_role_key=SecretStr(stack["supabase"]["key"]),
        )
    )


def jobs() -> Jobs:
    """Cloud Scheduler's if GOOGLE_CLOUD_PROJECT is set, else the local stack's.

    Raises:
        NowhereError: neither is there, or the region is not named.
        SchedulerError: there are no Google credentials.
    """
    if project := os.environ.get("GOOGLE_CLOUD_PROJECT"):
        region = os.environ.get("GOOGLE_CLOUD_REGION")
        if not region:
            raise NowhereError("GOOGLE_CLOUD_REGION is missing: the region of the jobs.")
        return GoogleJobs(project, region)
    return StackJobs(
        _stack("GOOGLE_CLOUD_PROJECT and GOOGLE_CLOUD_REGION")["clock"].removesuffix("/clock")
        + "/schedules"
    )


def _stack_file() -> Path:
    return _ROOT / os.environ.get("YACHTPARTY_STATE_DIR", ".local") / "stack.json"


def _stack(variables: str) -> dict[str, Any]:
    try:
        stack: dict[str, Any] = json.loads(_stack_file().read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NowhereError(
            f"No local stack is running (`make run`), and {variables} are not set."
        ) from None
    return stack
