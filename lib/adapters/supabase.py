"""The database, through Supabase's API: one typed call per SQL function, nothing else.

PostgREST keeps no transaction between calls, so whatever must be atomic is one SQL function
(architecture.md). Every one of them may be repeated, so a dropped connection, a 5xx and the outcome
*retry* (a lock was not to be had) are tried again here.
"""

import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import httpx
from postgrest.exceptions import APIError
from pydantic import BaseModel
from supabase import ClientOptions, create_client
from tenacity import (
    RetryError,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_random_exponential,
)

from lib.core import clock, log, trace
from lib.core.model import JSON
from lib.core.settings import SupabaseSettings, as_url, load

_log = log.get("database")

_ATTEMPTS = 4
_TIMEOUT_S = 10.0
#: OpenTelemetry's name for what is called.
_POSTGRES = {"db.system.name": "postgresql"}


class DatabaseError(Exception):
    """A call failed. Its words are the function's name and a code, never a value."""


class DatabaseUnavailable(DatabaseError):
    """The database could not be reached, or a lock not be had, after several tries."""


class DatabaseRefused(DatabaseError):
    """The database refused a call as wrong: a bug of ours, not to be repeated."""


class _TryAgain(Exception):
    """One try failed in a way that the next may not."""


class Database:
    """The SQL functions of sql/functions, callable. Safe to share between threads.

    `round_trips` counts the calls made, tries included.
    """

    def __init__(self, settings: SupabaseSettings) -> None:
        self._client = create_client(
            as_url(settings.supabase_url),
            settings.supabase_service_role_key.get_secret_value(),
            ClientOptions(
                postgrest_client_timeout=httpx.Timeout(_TIMEOUT_S, connect=3.0),
                auto_refresh_token=False,
                persist_session=False,
            ),
        )
        self._postgrest = self._client.postgrest
        self.round_trips = 0

    def call(self, function: str, **arguments: Any) -> JSON:
        """Call one SQL function; returns its one jsonb value, an object with `outcome`.

        Raises:
            DatabaseUnavailable: after four tries over about two seconds.
            DatabaseRefused: the call itself is wrong.
        """
        body = {
            f"p_{name}": as_json(value) for name, value in arguments.items() if value is not None
        }
        moved = clock.moved_now()
        if moved is not None:
            body["p_now"] = moved.isoformat()
        started = time.perf_counter()
        tries = Retrying(
            retry=retry_if_exception_type(_TryAgain),
            stop=stop_after_attempt(_ATTEMPTS),
            wait=wait_random_exponential(multiplier=0.1, max=1.0),
        )
        with trace.call(f"database {function}", **_POSTGRES) as attributes:
            try:
                answer: JSON = tries(self._once, function, body)
            except RetryError as error:
                raise DatabaseUnavailable(f"{function} failed {_ATTEMPTS} times") from error
            attributes["outcome"] = answer.get("outcome")
            attributes["tries"] = tries.statistics.get("attempt_number", 1)
        _log.debug(
            "call",
            extra={
                "function": function,
                "outcome": answer.get("outcome"),
                "duration_ms": round((time.perf_counter() - started) * 1000, 1),
                "tries": tries.statistics.get("attempt_number", 1),
            },
        )
        return answer

    def _once(self, function: str, body: JSON) -> JSON:
        self.round_trips += 1
        trace.count_round_trip()
        try:
            data = self._postgrest.rpc(function, body).execute().data
        except httpx.HTTPError as error:
            raise _TryAgain(function) from error
        except UnicodeEncodeError:
            # A lone surrogate. Not chained: the error holds the whole call.
            raise DatabaseRefused(f"{function} was given text that is no Unicode") from None
        except APIError as error:
            # PostgREST's codes of its own: PGRST0xx is a lost or slow connection to the database;
            # 08xxx, 40xxx, 53xxx and 57xxx are the server's (connection, rollback, resources,
            # shutdown and statement timeout).
            code = str(error.code or "")
            if code in {"500", "502", "503", "504", "520"} or code.startswith(
                ("PGRST00", "53", "57", "08", "40")
            ):
                raise _TryAgain(function) from error
            # Not chained: the server's words may quote a value, and a traceback would show them.
            raise DatabaseRefused(f"{function} was refused with code {code or 'unknown'}") from None
        if not isinstance(data, dict):
            raise DatabaseRefused(f"{function} did not answer with an object")
        if data.get("outcome") == "retry":
            raise _TryAgain(function)
        return data


def connect() -> Database:
    """The database that the environment names.

    Raises:
        SettingsError: a variable is missing or malformed.
    """
    return Database(load(SupabaseSettings))


def as_json(value: Any) -> Any:
    """A value as JSON has it: ids and times as text."""
    match value:
        case UUID():
            return str(value)
        case datetime():
            return value.isoformat()
        case BaseModel():
            return value.model_dump(mode="json")
        case str():
            return value
        case Mapping():
            return {k: as_json(v) for k, v in value.items()}
        case Iterable():
            return [as_json(v) for v in value]
        case _:
            return value
