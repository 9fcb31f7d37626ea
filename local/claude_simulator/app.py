"""The whole simulator as one Starlette application."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from local.claude_simulator import background, bouncer, concierge
from local.claude_simulator.blocks import finished, new_id, thinking
from local.claude_simulator.control import Control, Orders
from local.claude_simulator.prompt import read_turn
from local.claude_simulator.settings import Settings
from local.claude_simulator.usage import PromptCache, output_tokens, tokens
from local.claude_simulator.validate import ApiError, check, check_headers, invalid
from local.simulation.clock import Clock
from local.simulation.http import BadRequestError, hang, parsed, refuse

JSON = dict[str, Any]

_HONEST = (
    "This is a simulator of Claude that plays the agents of this product by rules; it has no "
    "answer to anything else."
)
_HEALTH = (
    "<!doctype html><meta charset=utf-8><title>Claude simulator</title>"
    "<p>This is a simulator of Anthropic's Messages API, not Claude: "
    "its answers come from rules in <code>local/claude_simulator</code>."
)
_FAILURES = {
    "429": ApiError(429, "rate_limit_error", "This request would exceed your rate limit."),
    "500": ApiError(500, "api_error", "Internal server error"),
    "529": ApiError(529, "overloaded_error", "Overloaded"),
}


@dataclass
class Api:
    """Handlers for the API and its control."""

    clock: Clock
    control: Control
    cache: PromptCache = field(default_factory=PromptCache)

    async def messages(self, request: Request) -> Response:
        """POST /v1/messages."""
        self.control.calls += 1
        request_id = new_id("req", self.control.calls)
        try:
            return await self._answer(request, request_id)
        except ApiError as error:
            body = {
                "type": "error",
                "error": {"type": error.kind, "message": error.message},
                "request_id": request_id,
            }
            headers = {"request-id": request_id}
            if error.status == 429:
                headers["retry-after"] = "1"
            return JSONResponse(body, error.status, headers)

    async def _answer(self, request: Request, request_id: str) -> Response:
        check_headers(request.headers)
        raw = await request.body()
        try:
            body = json.loads(raw)
            json.dumps(body, ensure_ascii=False).encode()  # a lone surrogate is no JSON text
        except (UnicodeError, json.JSONDecodeError, RecursionError) as error:
            raise invalid("The request body is not valid JSON.") from error
        if not isinstance(body, dict):
            raise invalid("The request body must be a JSON object.")
        self.control.requests.append(body)
        fault = self.control.fault()
        if fault in _FAILURES:
            raise _FAILURES[fault]
        if fault == "garbage":
            return Response("<html>upstream error</html>", 200, {"request-id": request_id})
        if fault == "timeout_before":
            await hang(request, self.control.hang_s)
            raise ApiError(504, "timeout_error", "Request timed out")
        check(body)
        message = self._message(body)
        self.control.answered += 1
        await asyncio.sleep(self.control.delay_s)
        if fault == "timeout_after":
            await hang(request, self.control.hang_s)
            raise ApiError(504, "timeout_error", "Request timed out")
        return JSONResponse(message, headers={"request-id": request_id})

    def _message(self, body: JSON) -> JSON:
        seed = json.dumps(body, sort_keys=True)
        stop_reason = None
        if self.control.sayings:
            saying = self.control.sayings.popleft()
            content, stop_reason = finished(saying.content, seed), saying.stop_reason
        else:
            content = _played(body, seed)
        if stop_reason is None:
            uses = any(block.get("type") == "tool_use" for block in content)
            stop_reason = "tool_use" if uses else _cut(content, body["max_tokens"])
        return {
            "id": new_id("msg", seed),
            "type": "message",
            "role": "assistant",
            "model": body["model"],
            "content": content,
            "stop_reason": stop_reason,
            "stop_sequence": None,
            "usage": self.cache.charge(body, self.clock.now())
            | {"output_tokens": output_tokens(content), "service_tier": "standard"},
        }

    async def show_control(self, _: Request) -> Response:
        """What is scripted and broken at present, and what was asked."""
        return JSONResponse(self.control.state())

    async def set_control(self, request: Request) -> Response:
        """Script answers, break things, or mend them."""
        orders = await parsed(request, Orders)
        self.control.obey(orders)
        if orders.reset:
            self.cache.clear()
        return JSONResponse(self.control.state())


def _played(body: JSON, seed: str) -> list[JSON]:
    """The answer of the agent that is asked, or an honest sentence."""
    turn = read_turn(body)
    if turn is None and (said := background.answer(body)) is not None:
        return [thinking("A background job.", seed), {"type": "text", "text": said}]
    if turn is None:
        return [thinking("Nobody I can play is asked.", seed), {"type": "text", "text": _HONEST}]
    move = (bouncer if turn.agent == "bouncer" else concierge).next_move(turn)
    blocks: list[JSON] = [thinking(move.thought, seed)]
    if move.tool is not None:
        name, given = move.tool
        blocks.append({"type": "tool_use", "name": name, "input": given})
    else:
        blocks.append({"type": "text", "text": move.text})
    return finished(blocks, seed)


def _cut(content: list[JSON], max_tokens: int) -> str:
    """Cut an answer's last text to the limit; why the answer ends."""
    if output_tokens(content) <= max_tokens:
        return "end_turn"
    last = content[-1]
    if last.get("type") == "text":
        room = max_tokens - sum(tokens(len(block.get("thinking", ""))) for block in content)
        last["text"] = last["text"][: max(room, 1) * 4]
    return "max_tokens"


async def _health(_: Request) -> Response:
    return HTMLResponse(_HEALTH)


async def _not_found(request: Request, _: Exception) -> Response:
    request_id = new_id("req", request.url.path)
    body = {
        "type": "error",
        "error": {"type": "not_found_error", "message": "Not found"},
        "request_id": request_id,
    }
    return JSONResponse(body, 404, {"request-id": request_id})


def create_app(settings: Settings) -> Starlette:
    """The application."""
    api = Api(Clock(settings.local_clock_file), Control(settings.sim_hang_ms / 1000))
    return Starlette(
        routes=[
            Route("/", _health),
            Route("/v1/messages", api.messages, methods=["POST"]),
            Route("/_sim/control", api.show_control, methods=["GET"]),
            Route("/_sim/control", api.set_control, methods=["POST"]),
        ],
        exception_handlers={BadRequestError: refuse, 404: _not_found},
    )
