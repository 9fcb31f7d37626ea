"""A real browser on the phones page, and the page's server without a stack around it."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import uvicorn
from playwright.sync_api import Browser
from starlette.types import ASGIApp

from local.phones.config import PhonesConfig
from local.phones.screenshot import chromium, find_chromium
from tests.support.stack import StackUnderTest

START_TIMEOUT_S = 10.0


@contextmanager
def any_chromium() -> Iterator[Browser]:
    """Headless Chromium; skips the test where there is none, fails it if REQUIRE_BROWSER=1."""
    executable = find_chromium()
    if executable is None:
        sentence = "no Chromium on this machine (CHROMIUM may name one)"
        if os.environ.get("REQUIRE_BROWSER") == "1":
            pytest.fail(sentence)
        pytest.skip(sentence)
    with chromium(executable) as browser:
        yield browser


@contextmanager
def serving(app: ASGIApp, port: int = 0) -> Iterator[str]:
    """Serve an application on 127.0.0.1 in a thread; yields its URL with a slash at the end."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    config = uvicorn.Config(
        app, log_level="error", access_log=False, lifespan="off", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + START_TIMEOUT_S
    while not server.started:
        assert time.monotonic() < deadline, "the page's server did not start"
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def page_config(stack: StackUnderTest) -> PhonesConfig:
    """What the controller tells the page about a stack."""
    description = stack.description
    twilio, claude = description["twilio"], description["claude"]
    assert description["database_url"] is not None
    return PhonesConfig(
        database_url=description["database_url"],
        twilio_url=twilio["url"],
        claude_url=claude["url"],
        twilio_simulated=True,
        claude_simulated=claude["simulated"],
        number=twilio["number"],
        clock_url=description["clock"],
        schedules=description["schedules"],
        twilio_control=twilio.get("control"),
        claude_control=claude.get("control"),
        mail_url=description.get("email"),
    )
