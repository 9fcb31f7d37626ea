"""Claude's adapter over real HTTP: a server that answers anything, and the Claude simulator."""

import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from lib.adapters.claude import ClaudeModel, connect
from lib.agents import bouncer, concierge
from lib.core.model import JSON, ModelError, ModelRejected, ModelUnavailable
from lib.core.prices import PRICES, Price, UnknownModelError, price_of
from lib.core.settings import SettingsError
from tests.support.scripted_model import (
    ADDRESSES,
    events,
    known_to,
    member_update,
    said,
    soon,
    turn,
)
from tests.support.sim_process import Simulator

REQUEST: JSON = {
    "model": "claude-sonnet-5-5",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "a secret word"}],
}
MESSAGE: JSON = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-5-5",
    "content": [
        {"type": "thinking", "thinking": "", "signature": "c2ln+/=", "new_field": [1]},
        {"type": "text", "text": "Hello."},
    ],
    "stop_reason": "end_turn",
    "usage": {
        "input_tokens": 100,
        "output_tokens": 50,
        "cache_read_input_tokens": 1000,
        "cache_creation_input_tokens": 200,
    },
}


#: Far more than the deadlines here, on any machine, and far less than a service that drips takes or
#: the SDK waits by itself.
MUST_BE_OVER_S = 20


class Service:
    """Answers every POST with what it was last told to."""

    def __init__(self) -> None:
        self.status = 200
        self.body = json.dumps(MESSAGE).encode()
        self.pause_s = 0.0  # before each byte, which drips the answer
        self.requests: list[tuple[dict[str, str], JSON]] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {k.lower(): v for k, v in self.headers.items()}
                service.requests.append((headers, json.loads(body)))
                self.send_response(service.status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(service.body)))
                self.send_header("request-id", "req_7")
                self.end_headers()
                step = 1 if service.pause_s else max(1, len(service.body))
                for n in range(0, len(service.body), step):
                    time.sleep(service.pause_s)
                    try:
                        self.wfile.write(service.body[n : n + step])
                    except OSError:
                        return  # the client had enough

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing: the lines would be noise between test results."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def service() -> Iterator[Service]:
    running = Service()
    yield running
    running.stop()


@pytest.fixture
def model(service: Service) -> ClaudeModel:
    return ClaudeModel("a-key", service.url)


def test_an_answer_comes_back_unchanged_with_tokens_cost_and_latency(
    service: Service, model: ClaudeModel
) -> None:
    reply = model.complete(REQUEST, 10)
    assert reply.content == MESSAGE["content"]
    assert reply.stop_reason == "end_turn"
    call = reply.call
    assert (call.input_tokens, call.output_tokens) == (1300, 50)
    assert (call.cache_read_tokens, call.cache_write_tokens) == (1000, 200)
    # dollars per million: 100 at 2, 50 at 10, 1000 at 0.10, 200 at 2.50
    assert call.cost_usd == pytest.approx(1300 / 1_000_000)
    assert call.latency_ms >= 0
    assert (call.request_id, call.error) == ("req_7", None)
    headers, sent = service.requests[0]
    assert sent == REQUEST
    assert headers["authorization"] == "Bearer a-key"
    assert "anthropic-version" in headers


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 529])
def test_a_service_in_trouble_is_unavailable_and_asked_once(
    service: Service, model: ClaudeModel, status: int
) -> None:
    service.status, service.body = status, b'{"type":"error","error":{"type":"x","message":"y"}}'
    with pytest.raises(ModelUnavailable) as raised:
        model.complete(REQUEST, 10)
    assert len(service.requests) == 1
    call = raised.value.call
    assert call is not None
    assert call.error
    assert call.request_id == "req_7"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
def test_a_refused_request_is_our_fault(service: Service, model: ClaudeModel, status: int) -> None:
    service.status, service.body = status, b'{"error":{"message":"bad: a secret word"}}'
    with pytest.raises(ModelRejected) as raised:
        model.complete(REQUEST, 10)
    assert "secret" not in str(raised.value)
    assert "secret" not in repr(raised.value.call)


@pytest.mark.parametrize(
    "body",
    [
        b"<html>garbage</html>",
        b"",
        b"[]",
        b"\xff\xfe",
        b"[" * 100_000,
        json.dumps(MESSAGE | {"content": "a secret word"}).encode(),
        json.dumps(MESSAGE | {"content": [{"text": "x"}]}).encode(),
        json.dumps(MESSAGE | {"stop_reason": None}).encode(),
        json.dumps(MESSAGE | {"usage": {"input_tokens": -1, "output_tokens": 0}}).encode(),
        json.dumps(MESSAGE | {"padding": "x" * 3_000_000}).encode(),
    ],
)
def test_an_answer_that_is_no_message_is_unavailable(
    service: Service, model: ClaudeModel, body: bytes
) -> None:
    service.body = body
    with pytest.raises(ModelUnavailable) as raised:
        model.complete(REQUEST, 10)
    assert raised.value.call is not None
    assert raised.value.call.error == "UnusableAnswer"
    assert "secret" not in str(raised.value)


def test_not_even_the_sdks_debug_log_holds_what_was_said(
    service: Service, model: ClaudeModel, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        model.complete(REQUEST, 10)
        service.status = 500
        with pytest.raises(ModelUnavailable):
            model.complete(REQUEST, 10)
    assert "secret" not in caplog.text
    assert "a-key" not in caplog.text


def test_the_whole_answer_has_one_deadline_even_if_it_drips(
    service: Service, model: ClaudeModel
) -> None:
    service.pause_s = 0.2  # the whole of it takes more than a minute
    started = time.monotonic()
    with pytest.raises(ModelUnavailable):
        model.complete(REQUEST, 0.5)
    assert time.monotonic() - started < MUST_BE_OVER_S


def test_a_silent_or_absent_service_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, never answers
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        started = time.monotonic()
        with pytest.raises(ModelUnavailable) as raised:
            ClaudeModel("a-key", url).complete(REQUEST, 0.3)
        assert time.monotonic() - started < MUST_BE_OVER_S
        assert raised.value.call is not None
        assert raised.value.call.error == "APITimeoutError"
    with pytest.raises(ModelUnavailable):
        ClaudeModel("a-key", url).complete(REQUEST, 5)


def test_an_unknown_model_is_an_error_before_anything_is_asked(
    service: Service, model: ClaudeModel
) -> None:
    with pytest.raises(UnknownModelError, match="claude-nine"):
        model.complete(REQUEST | {"model": "claude-nine"}, 10)
    assert service.requests == []


def test_prices_are_the_newest_in_force_on_the_day() -> None:
    assert all(p.cache_write == pytest.approx(1.25 * p.input) for p in PRICES)
    assert price_of("claude-haiku-5-5", date(2026, 11, 22)) == Price(
        "claude-haiku-5-5", date(2026, 11, 1), input=0.10, output=0.50, cache_read=0.01
    )
    assert price_of("claude-haiku-5-5", date(2020, 1, 1)).input > 0


def test_the_environment_names_the_service_and_a_missing_key_is_said(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", service.url)
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    with pytest.raises(SettingsError, match="ANTHROPIC_API_KEY is missing"):
        connect()
    monkeypatch.setenv("ANTHROPIC_API_KEY", "a-key")
    assert connect().complete(REQUEST, 10).content == MESSAGE["content"]


# The simulator: the same adapter and the real agents against it.


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    clock: Path = tmp_path_factory.mktemp("claude") / "clock"
    with Simulator("local.claude_simulator", {"LOCAL_CLOCK_FILE": str(clock)}) as running:
        yield running


@pytest.fixture
def simulated(simulator: Simulator) -> ClaudeModel:
    simulator.control(reset=True)
    return ClaudeModel("a-key", simulator.url)


def test_the_simulator_takes_the_bouncers_requests_and_plays_its_part(
    simulated: ClaudeModel,
) -> None:
    words = "I'm Ida Berg, CTO at Fjord. ida@fjord.no"
    work = bouncer.decide(turn("nobody sent me", words), simulated.complete, soon(), ADDRESSES)
    assert member_update(work) == {
        "first_name": "Ida",
        "last_name": "Berg",
        "company": "Fjord",
        "title": "CTO",
        "email": "ida@fjord.no",
    }
    completed = {payload["step"] for _, payload in events(work)}
    assert completed == {"referrer", "name", "company_title", "email"}
    assert "address is yours" in said(work)[0]
    assert "verify+" in said(work)[1]
    assert all(call["error"] is None and call["cost_usd"] > 0 for call in work.calls)


def test_the_static_prefix_is_read_from_the_cache_by_the_next_turn(
    simulated: ClaudeModel,
) -> None:
    first = bouncer.decide(turn("hi"), simulated.complete, soon(), ADDRESSES)
    second = bouncer.decide(turn("what is this?"), simulated.complete, soon(), ADDRESSES)
    assert first.calls[0]["input_data"]["cache_write"] > 0
    assert second.calls[0]["input_data"]["cache_read"] > 0
    assert second.calls[0]["input_data"]["cache_write"] == 0


def test_the_simulator_answers_a_member_as_the_concierge(simulated: ClaudeModel) -> None:
    member = turn("can you find me a CFO?", member={"verified": True, "first_name": "Ida"})
    assert said(concierge.decide(member, simulated.complete, soon()))


def test_a_picture_alone_is_answered_honestly(simulated: ClaudeModel) -> None:
    picture = {"content": "", "media": [{"url": "https://x", "content_type": "image/png"}]}
    work = bouncer.decide(
        turn(picture, **known_to("bouncer")), simulated.complete, soon(), ADDRESSES
    )
    assert "can't open" in said(work)[0]
    assert len(work.calls) == 1


def test_a_rewrite_is_taken_by_the_simulator_too(
    simulator: Simulator, simulated: ClaudeModel
) -> None:
    simulator.control(say=["See https://example.org", "Who told you about us?"])
    work = bouncer.decide(turn("hi"), simulated.complete, soon(), ADDRESSES)
    assert said(work) == ["Who told you about us?"]
    assert len(work.calls) == 2


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("429", ModelUnavailable),
        ("500", ModelUnavailable),
        ("529", ModelUnavailable),
        ("garbage", ModelUnavailable),
        ("timeout_before", ModelUnavailable),
    ],
)
def test_the_simulators_faults_are_classified(
    simulator: Simulator, simulated: ClaudeModel, fault: str, kind: type[ModelError]
) -> None:
    simulator.control(fail=fault, times=1)
    with pytest.raises(kind):
        simulated.complete(REQUEST, 2 if fault == "timeout_before" else 10)
    assert simulated.complete(REQUEST, 10).content


def test_what_the_models_reject_the_simulator_rejects(simulated: ClaudeModel) -> None:
    for wrong in (
        {"temperature": 0.2},
        {"model": "claude-haiku-5-5", "tool_choice": {"type": "any"}},
        {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]},
    ):
        with pytest.raises((ModelRejected, TypeError)):
            simulated.complete(REQUEST | wrong, 10)
