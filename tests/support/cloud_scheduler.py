"""A simulator of Cloud Scheduler: its REST interface, as far as the console uses it.

It is stricter than it must be where Google's documentation is: only an enabled job is paused, only
a paused one resumed, and a list comes in pages of two.
"""

import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from google.auth.credentials import AnonymousCredentials
from google.cloud.scheduler_v1 import CloudSchedulerClient
from google.cloud.scheduler_v1.services.cloud_scheduler.transports import (
    CloudSchedulerRestTransport,
)

from local.schedules import JOBS

PROJECT, REGION = "party", "us-east1"
_JOBS = f"/v1/projects/{PROJECT}/locations/{REGION}/jobs"
_PAGE = 2
_NEEDED = {"pause": "ENABLED", "resume": "PAUSED"}


@dataclass
class CloudScheduler:
    """A running simulator. `states`, `runs` and `refuse` may be set while it runs."""

    states: dict[str, str] = field(default_factory=lambda: dict.fromkeys(sorted(JOBS), "ENABLED"))
    runs: list[str] = field(default_factory=list)
    #: Answers every request with this status.
    refuse: int | None = None

    def __post_init__(self) -> None:
        simulator = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(*simulator.read(self.path))

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self._answer(*simulator.act(urlsplit(self.path).path))

            def _answer(self, status: int, body: dict[str, object]) -> None:
                if simulator.refuse:
                    status, body = simulator.refuse, _error(simulator.refuse)
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
                """Print nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def client(self) -> CloudSchedulerClient:
        """The real client library, speaking to this simulator."""
        return CloudSchedulerClient(
            transport=CloudSchedulerRestTransport(
                credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]
                host=f"127.0.0.1:{self._server.server_port}",
                url_scheme="http",
            )
        )

    def read(self, target: str) -> tuple[int, dict[str, object]]:
        """Answers a GET: a page of all jobs, or one job."""
        url = urlsplit(target)
        if url.path == _JOBS:
            start = int(parse_qs(url.query).get("pageToken", ["0"])[0])
            names = list(reversed(self.states))
            rest = {"nextPageToken": str(start + _PAGE)} if start + _PAGE < len(names) else {}
            return 200, {"jobs": [self._job(n) for n in names[start : start + _PAGE]], **rest}
        name = url.path.removeprefix(f"{_JOBS}/")
        return (200, self._job(name)) if name in self.states else (404, _error(404))

    def act(self, path: str) -> tuple[int, dict[str, object]]:
        """Answers a POST: pause, resume or run."""
        found = re.fullmatch(rf"{_JOBS}/([\w-]+):(pause|resume|run)", path)
        if found is None or found[1] not in self.states:
            return 404, _error(404)
        name, verb = found[1], found[2]
        if verb == "run":
            self.runs.append(name)
        elif self.states[name] != _NEEDED[verb]:
            return 400, _error(400, "FAILED_PRECONDITION")
        else:
            self.states[name] = "PAUSED" if verb == "pause" else "ENABLED"
        return 200, self._job(name)

    def _job(self, name: str) -> dict[str, object]:
        """A job as Google describes it; the last attempt of one that was called has failed."""
        called = (
            {"lastAttemptTime": "2026-11-22T10:00:00Z", "status": {"code": 13}}
            if name in self.runs
            else {}
        )
        path = _JOBS.removeprefix("/v1/")
        state = self.states[name]
        return {"name": f"{path}/{name}", "schedule": "*/2 * * * *", "state": state, **called}

    def close(self) -> None:
        """Stop; a client is then refused the connection."""
        self._server.shutdown()
        self._server.server_close()


def _error(status: int, name: str = "UNKNOWN") -> dict[str, object]:
    return {"error": {"code": status, "status": name, "message": "no"}}
