"""The jobs that call our functions by the clock: Cloud Scheduler's, or the local stack's.

`google.cloud.scheduler_v1` is imported when it is first asked for: only operators need it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

import httpx

if TYPE_CHECKING:
    from google.cloud.scheduler_v1 import CloudSchedulerClient
    from google.cloud.scheduler_v1 import Job as GoogleJob

_TIMEOUT_S = 30.0
#: A local run answers when its function has; a function has its own deadline.
_RUN_TIMEOUT_S = 600.0


class SchedulerError(Exception):
    """A job could not be listed or changed; one clear sentence."""


@dataclass(frozen=True)
class Job:
    """One job. Times are UTC; `last_outcome` is ok, a code or a status.

    `state` is on, paused, or the state that Cloud Scheduler put it into by itself.
    """

    name: str
    schedule: str
    state: str
    last_run: datetime | None = None
    last_outcome: str | None = None


class Jobs(Protocol):
    """What operators do with jobs; every call raises SchedulerError when it fails."""

    @property
    def place(self) -> str:
        """Whose jobs these are, for people."""

    def list(self) -> list[Job]:
        """All jobs, by name."""

    def pause(self, name: str) -> None:
        """Do not call it until it is resumed; nothing if it is paused already."""

    def resume(self, name: str) -> None:
        """Call it again at its times; nothing if it is not paused."""

    def run(self, name: str) -> None:
        """Call it now, also when it is paused."""


class GoogleJobs:
    """The jobs of one project and region in Cloud Scheduler."""

    def __init__(
        self, project: str, region: str, client: "CloudSchedulerClient | None" = None
    ) -> None:
        """`client` is one with other credentials or another endpoint than the environment's.

        Raises:
            SchedulerError: there are no credentials.
        """
        from google.auth.exceptions import GoogleAuthError
        from google.cloud.scheduler_v1 import CloudSchedulerClient

        self.place = f"Project {project}, region {region}"
        self._parent = f"projects/{project}/locations/{region}"
        try:
            self._client = client or CloudSchedulerClient(transport="rest")
        except GoogleAuthError as error:
            raise SchedulerError(
                "There are no Google credentials: run `gcloud auth application-default login`."
            ) from error

    def list(self) -> list[Job]:
        """All jobs, by name."""
        with _google_errors(f"There is no {self.place.lower()}."):
            # The client's own repeats would go on for ten minutes; an operator is waiting.
            found = self._client.list_jobs(parent=self._parent, timeout=_TIMEOUT_S, retry=None)
            return sorted((_google_job(job) for job in found), key=lambda job: job.name)

    def pause(self, name: str) -> None:
        """Do not call it until it is resumed; nothing if it is paused already."""
        # Google refuses to pause what is not enabled, and to resume what is not paused.
        with _google_errors(_no_job(name)):
            if self._state(name) != "PAUSED":
                self._client.pause_job(name=self._path(name), timeout=_TIMEOUT_S)

    def resume(self, name: str) -> None:
        """Call it again at its times; nothing if it is not paused."""
        with _google_errors(_no_job(name)):
            if self._state(name) != "ENABLED":
                self._client.resume_job(name=self._path(name), timeout=_TIMEOUT_S)

    def run(self, name: str) -> None:
        """Call it now, also when it is paused."""
        with _google_errors(_no_job(name)):
            self._client.run_job(name=self._path(name), timeout=_TIMEOUT_S)

    def _state(self, name: str) -> str:
        job = self._client.get_job(name=self._path(name), timeout=_TIMEOUT_S, retry=None)
        return str(job.state.name)

    def _path(self, name: str) -> str:
        return f"{self._parent}/jobs/{name}"


class StackJobs:
    """The schedules of the local stack (local/controller.py)."""

    place = "The local stack"

    def __init__(self, url: str) -> None:
        """`url` is that of the schedules, without a slash at its end."""
        self._url = url

    def list(self) -> list[Job]:
        """All schedules, by name."""
        return [
            Job(
                name=row["name"],
                schedule=f"every {row['period_s']} s",
                state="paused" if row["paused"] else "on",
                last_run=datetime.fromisoformat(row["last_run"]) if row["last_run"] else None,
                last_outcome=row["last_outcome"],
            )
            for row in self._ask("GET", "").json()["schedules"]
        ]

    def pause(self, name: str) -> None:
        """Do not call it until it is resumed."""
        self._ask("POST", f"/{name}/pause")

    def resume(self, name: str) -> None:
        """Call it again at its times."""
        self._ask("POST", f"/{name}/resume")

    def run(self, name: str) -> None:
        """Call it now, also when it is paused."""
        self._ask("POST", f"/{name}")

    def _ask(self, method: str, path: str) -> httpx.Response:
        try:
            answer = httpx.request(method, f"{self._url}{path}", timeout=_RUN_TIMEOUT_S)
        except httpx.HTTPError as error:
            raise SchedulerError("The local stack does not answer: is it running?") from error
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise SchedulerError(_no_job(path.split("/")[1]))
        if answer.is_error:
            raise SchedulerError(f"The job was answered {answer.status_code}.")
        return answer


@contextmanager
def _google_errors(if_not_found: str) -> Iterator[None]:
    """Turns what the client raises into one sentence."""
    from google.api_core import exceptions
    from google.auth.exceptions import GoogleAuthError
    from requests import RequestException

    try:
        yield
    except exceptions.NotFound as error:
        raise SchedulerError(if_not_found) from error
    except exceptions.PermissionDenied as error:
        raise SchedulerError("These credentials may not do this in this project.") from error
    except exceptions.GoogleAPIError as error:
        raise SchedulerError(f"Cloud Scheduler refused: {type(error).__name__}.") from error
    except (RequestException, GoogleAuthError) as error:
        # Also when a token cannot be fetched.
        raise SchedulerError(
            f"Cloud Scheduler cannot be reached: {type(error).__name__}."
        ) from error


def _no_job(name: str) -> str:
    return f"There is no job {name!r}."


def _google_job(job: "GoogleJob") -> Job:
    ran = job.last_attempt_time
    state = job.state.name
    return Job(
        name=job.name.rsplit("/", 1)[1],
        schedule=job.schedule,
        state="on" if state == "ENABLED" else state.lower().replace("_", " "),
        last_run=ran or None,
        last_outcome=(f"code {job.status.code}" if job.status.code else "ok") if ran else None,
    )
