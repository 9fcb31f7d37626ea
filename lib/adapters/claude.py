"""Claude, through the official SDK: one request in, one reply with its price out.

The SDK's own retries are off: a failed call ends the turn and the event is retried with backoff,
because a member's turn has one deadline that hidden retries would eat. The answer is read as raw
JSON, so that thinking blocks and their signatures go back exactly as they came.
"""

import json
import logging
import time
from datetime import UTC, date, datetime
from typing import Any

import anthropic
import httpx2
from pydantic import BaseModel, Field

from lib.core import trace
from lib.core.model import JSON, ModelCall, ModelRejected, ModelReply, ModelUnavailable
from lib.core.prices import BACKGROUND_MODEL, CONVERSATION_MODEL, price_of
from lib.core.settings import ModelSettings, as_url, load

# At debug level the SDK logs whole requests: what members wrote would reach the logs.
logging.getLogger("anthropic").setLevel(logging.WARNING)

#: Seconds to reach the service; waiting for its answer has the rest of the turn.
CONNECT_TIMEOUT_S = 5.0
#: Bytes of an answer that are read at most: a few texts, some thinking, a few tool calls.
MAX_ANSWER_BYTES = 2_000_000
#: 4xx answers that are the service's trouble, not our request's.
_UNAVAILABLE_STATUS = frozenset({408, 409, 429})


class _Usage(BaseModel):
    input_tokens: int = Field(ge=0)
    output_tokens: int = Field(ge=0)
    cache_creation_input_tokens: int | None = Field(default=None, ge=0)
    cache_read_input_tokens: int | None = Field(default=None, ge=0)


class _Block(BaseModel):
    type: str


class _Answer(BaseModel):
    """What must be in an answer for us to use it; the blocks are kept as they came."""

    content: list[_Block]
    stop_reason: str
    usage: _Usage


class ClaudeModel:
    """The Messages API behind the `Complete` port (lib/core/model.py)."""

    def __init__(self, api_key: str, base_url: str | None = None) -> None:
        """`base_url` is the simulator's on one machine; None is Anthropic's.

        Raises:
            UnknownModelError: when a configured model has no price.
        """
        for model in (CONVERSATION_MODEL, BACKGROUND_MODEL):
            price_of(model, _today())
        self._client = anthropic.Anthropic(
            api_key=api_key,
            base_url=base_url,
            max_retries=0,
            # The SDK's own spans may hold what members wrote, and its requests our trace's id.
            open_telemetry={"traces": False, "propagation": False},
        )

    def complete(self, request: JSON, timeout_s: float) -> ModelReply:
        """Ask once and wait at most `timeout_s` seconds for the whole answer.

        Raises:
            ModelUnavailable: connection errors, timeouts, 429, 5xx, unusable answers.
            ModelRejected: the other 4xx; the request itself is at fault.
            UnknownModelError: when the model has no price; nothing was asked.
        """
        model = str(request["model"])
        price_of(model, _today())
        with trace.call(f"claude {model}", **_asked(model)) as attributes:
            reply = self._ask(model, request, timeout_s)
            attributes |= _answered(reply.call)
            return reply

    def _ask(self, model: str, request: JSON, timeout_s: float) -> ModelReply:
        started = time.monotonic()
        try:
            body, request_id = self._post(request, timeout_s, started + timeout_s)
        except anthropic.APIStatusError as error:
            status = error.status_code
            kind = (
                ModelUnavailable
                if status >= 500 or status in _UNAVAILABLE_STATUS
                else ModelRejected
            )
            raise kind(
                f"Claude answered {status}",
                _failed_call(model, started, type(error).__name__, error.request_id),
            ) from error
        except (anthropic.AnthropicError, httpx2.HTTPError, TimeoutError) as error:
            name = type(error).__name__
            raise ModelUnavailable(
                f"Claude gave no answer: {name}", _failed_call(model, started, name)
            ) from error
        return _reply(model, body, request_id, started)

    def _post(self, request: JSON, timeout_s: float, until: float) -> tuple[bytes, str | None]:
        """The answer's bytes. The SDK's timeout is per read, so a trickling answer is cut here.

        Raises:
            TimeoutError: when the whole answer is not there at `until` (monotonic seconds).
        """
        timeout = httpx2.Timeout(timeout_s, connect=min(CONNECT_TIMEOUT_S, timeout_s))
        chunks: list[bytes] = []
        size = 0
        with self._client.messages.with_streaming_response.create(
            **request, timeout=timeout
        ) as response:
            for chunk in response.iter_bytes():
                chunks.append(chunk)
                size += len(chunk)
                if time.monotonic() > until:
                    raise TimeoutError
                if size > MAX_ANSWER_BYTES:
                    break  # cut short it is no JSON, hence unusable
            return b"".join(chunks), response.request_id


def connect() -> ClaudeModel:
    """Claude as the environment names it.

    Raises:
        SettingsError: a variable is missing or malformed.
        UnknownModelError: a configured model has no price.
    """
    settings = load(ModelSettings)
    base_url = settings.anthropic_base_url
    return ClaudeModel(
        settings.anthropic_api_key.get_secret_value(), as_url(base_url) if base_url else None
    )


def _reply(model: str, body: bytes, request_id: str | None, started: float) -> ModelReply:
    try:
        raw: Any = json.loads(body)
        answer = _Answer.model_validate(raw)
    except (ValueError, RecursionError):
        # The error would quote the answer, and what it quotes might be logged: leave it behind.
        raise ModelUnavailable(
            "Claude's answer is not a message",
            _failed_call(model, started, "UnusableAnswer", request_id),
        ) from None
    usage = answer.usage
    written = usage.cache_creation_input_tokens or 0
    read = usage.cache_read_input_tokens or 0
    return ModelReply(
        content=raw["content"],
        stop_reason=answer.stop_reason,
        call=ModelCall(
            model=model,
            input_tokens=usage.input_tokens + written + read,
            output_tokens=usage.output_tokens,
            cache_read_tokens=read,
            cache_write_tokens=written,
            cost_usd=price_of(model, _today()).cost_usd(
                uncached_tokens=usage.input_tokens,
                output_tokens=usage.output_tokens,
                cache_read=read,
                cache_write=written,
            ),
            latency_ms=_elapsed_ms(started),
            stop_reason=answer.stop_reason,
            request_id=request_id,
        ),
    )


def _asked(model: str) -> JSON:
    """A span's attributes, by OpenTelemetry's names for models."""
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "anthropic",
        "gen_ai.request.model": model,
    }


def _answered(call: ModelCall) -> JSON:
    return {
        "gen_ai.usage.input_tokens": call.input_tokens,
        "gen_ai.usage.output_tokens": call.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": call.cache_read_tokens,
        "gen_ai.usage.cache_write.input_tokens": call.cache_write_tokens,
        "cost_usd": call.cost_usd,
        "stop_reason": call.stop_reason,
        "request_id": call.request_id,
    }


def _failed_call(
    model: str, started: float, error: str, request_id: str | None = None
) -> ModelCall:
    """A call without an answer: the service reports no tokens for it and bills none."""
    return ModelCall(
        model=model,
        input_tokens=0,
        output_tokens=0,
        cache_read_tokens=0,
        cache_write_tokens=0,
        cost_usd=0.0,
        latency_ms=_elapsed_ms(started),
        request_id=request_id,
        error=error,
    )


def _elapsed_ms(started: float) -> int:
    return round((time.monotonic() - started) * 1000)


def _today() -> date:
    return datetime.now(UTC).date()
