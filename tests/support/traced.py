"""Running functions whose logs and spans are read, and the services that they talk to."""

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal

import httpx
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.mail import PUBLIC_KEY
from tests.support.sim_process import ROOT, free_port
from tests.support.stack import wait_for

Mode = Literal["ok", "hang", "trickle", "unavailable"]


@dataclass(frozen=True)
class Span:
    """One span as it arrived; ids in hexadecimal digits, `parent_id` empty for a first span."""

    name: str
    kind: int
    trace_id: str
    span_id: str
    parent_id: str
    attributes: dict[str, Any]
    is_error: bool
    service: str


class Collector:
    """Receives spans at `url`; `mode` says how it answers. A context manager."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.mode: Mode = "ok"
        self._released = threading.Event()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                collector.bodies.append(self.rfile.read(int(self.headers["content-length"])))
                with contextlib.suppress(ConnectionError):
                    collector._answer(self)

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing: the lines would be noise between test results."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def spans(self, count: int = 0) -> list[Span]:
        """What has arrived so far, once it is so many: an answer waits for a busy receiver for no
        more than a second."""

        def enough() -> bool:
            return len(self._spans()) >= count

        wait_for(enough, f"{count} spans")
        return self._spans()

    def _spans(self) -> list[Span]:
        return [span for body in list(self.bodies) for span in _read(body)]

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        if self.mode == "hang":
            self._released.wait(60)
        handler.send_response(503 if self.mode == "unavailable" else 200)
        if self.mode == "trickle":
            handler.send_header("content-length", "1000")
            handler.end_headers()
            while not self._released.wait(0.2):
                handler.wfile.write(b"x")
                handler.wfile.flush()
            return
        handler.send_header("content-length", "0")
        handler.end_headers()

    def __enter__(self) -> "Collector":
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._released.set()
        self._server.shutdown()
        self._server.server_close()


class Refusing:
    """A service that answers everything with `status` and `says`. A context manager."""

    def __init__(self, status: int, says: str) -> None:
        self.headers: list[dict[str, str]] = []
        refusing = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("content-length", 0)))
                refusing.headers.append({k.lower(): v for k, v in self.headers.items()})
                body = says.encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self) -> None:
                self.do_POST()

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing: the lines would be noise between test results."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def variables(self) -> dict[str, str]:
        """An environment in which this is every service of ours."""
        return {
            "SUPABASE_URL": self.url,
            "SUPABASE_SERVICE_ROLE_KEY": "eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl",
            "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
            "TWILIO_AUTH_TOKEN": "token",
            "TWILIO_NUMBER": "+12125550147",
            "TWILIO_WEBHOOK_URL": f"{self.url}/webhook",
            "TWILIO_STATUS_URL": f"{self.url}/status",
            "TWILIO_API_URL": self.url,
            "ANTHROPIC_API_KEY": "sk-ant-a1b2c3",
            "EMAIL_TOKEN_SECRET": "s" * 32,
            "EMAIL_DOMAIN": "in.yachtparty.test",
            "SENDGRID_PUBLIC_KEY": PUBLIC_KEY,
            "ANTHROPIC_BASE_URL": self.url,
        }

    def __enter__(self) -> "Refusing":
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


@dataclass(frozen=True)
class Function:
    """A running function. `variables` are its own environment's."""

    url: str
    log: Path

    def call(self, within_s: float = 30, **headers: str) -> httpx.Response:
        """One call, which is answered within that time or fails."""
        return httpx.post(self.url, headers=headers, timeout=within_s, trust_env=False)

    def printed(self) -> str:
        """All that the process has written."""
        return self.log.read_text(encoding="utf-8")

    def lines(self) -> list[dict[str, Any]]:
        """Its log; every line of it is an object."""
        lines = [json.loads(line) for line in self.printed().splitlines()]
        assert all(isinstance(line, dict) for line in lines)
        return lines


@contextlib.contextmanager
def running_function(target: str, log: Path, **variables: str) -> Iterator[Function]:
    """One of tests/support/traced_functions.py under functions-framework, ready to be called."""
    port = free_port()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "functions_framework", "--target", target),
                *("--source", "tests/support/traced_functions.py"),
                *("--host", "127.0.0.1", "--port", str(port)),
            ],
            cwd=ROOT,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(ROOT),
                "PYTHONUNBUFFERED": "1",
                "XDG_RUNTIME_DIR": str(log.parent),
                **variables,
            },
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_for_port(port, process)
        yield Function(f"http://127.0.0.1:{port}/", log)
    finally:
        process.terminate()
        process.wait(timeout=20)


def _wait_for_port(port: int, process: "subprocess.Popen[bytes]") -> None:
    # A busy machine takes its time to import; a function that fails ends by itself.
    deadline = time.monotonic() + 120
    while True:
        assert process.poll() is None, "the function ended at its start"
        # The framework answers this path itself: the function is not called.
        with contextlib.suppress(httpx.TransportError):
            httpx.get(f"http://127.0.0.1:{port}/robots.txt", trust_env=False)
            return
        assert time.monotonic() < deadline, "the function did not start"
        time.sleep(0.05)


def _read(body: bytes) -> Iterator[Span]:
    request = ExportTraceServiceRequest()
    request.ParseFromString(body)
    for resource in request.resource_spans:
        names = {a.key: a.value.string_value for a in resource.resource.attributes}
        for scope in resource.scope_spans:
            for span in scope.spans:
                assert not span.events  # an exception's words would stand there
                assert not span.status.message
                yield Span(
                    name=span.name,
                    kind=span.kind,
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    parent_id=span.parent_span_id.hex(),
                    attributes={
                        a.key: getattr(a.value, a.value.WhichOneof("value") or "string_value")
                        for a in span.attributes
                    },
                    is_error=span.status.code == 2,
                    service=names["service.name"],
                )
