"""A simulator as its own process, and a local web server in the back end's place."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs

import httpx

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Simulator:
    """`python -m module` with `variables`, ready when its address answers; a context manager."""

    module: str
    variables: dict[str, str]
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", self.module],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "PORT": str(self.port), **self.variables},
        )
        deadline = time.monotonic() + 20
        while True:
            try:
                httpx.get(self.url, trust_env=False)
            except httpx.TransportError:
                assert self.process.poll() is None, f"{self.module} ended at start"
                assert time.monotonic() < deadline, f"{self.module} did not start"
                time.sleep(0.05)
            else:
                return

    def stop(self, sign: signal.Signals = signal.SIGTERM) -> None:
        if self.process is not None:
            self.process.send_signal(sign)
            self.process.wait(timeout=10)
            self.process = None

    def control(self, **orders: Any) -> dict[str, Any]:
        """POST to the simulator's control; its state afterwards."""
        answer = httpx.post(f"{self.url}/_sim/control", json=orders, trust_env=False)
        assert answer.status_code == 200, answer.text
        state: dict[str, Any] = answer.json()
        return state

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


@dataclass(frozen=True)
class Call:
    """One POST as it arrived."""

    path: str
    headers: dict[str, str]
    form: dict[str, str]


class Receiver:
    """A web server that records every form posted to it; a context manager.

    `answers` are status codes for the next calls in order, then 200.
    """

    def __init__(self, port: int | None = None) -> None:
        self.calls: list[Call] = []
        self.answers: list[int] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                fields = parse_qs(body, keep_blank_values=True)
                receiver.calls.append(
                    Call(
                        self.path,
                        {name.lower(): value for name, value in self.headers.items()},
                        {name: values[0] for name, values in fields.items()},
                    )
                )
                self.send_response(receiver.answers.pop(0) if receiver.answers else 200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing: the lines would be noise between test results."""

        class Server(ThreadingHTTPServer):
            request_queue_size = 512

        self._server = Server(("127.0.0.1", port or 0), Handler)
        self.port = int(self._server.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}"

    def wait(self, count: int, timeout_s: float = 10) -> list[Call]:
        """The calls so far, once there are `count` of them."""
        deadline = time.monotonic() + timeout_s
        while len(self.calls) < count:
            assert time.monotonic() < deadline, f"{len(self.calls)} calls of {count}"
            time.sleep(0.01)
        return list(self.calls)

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
