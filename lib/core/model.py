"""What deciding code and the model's adapter say to each other, free of any SDK.

A request is the plain JSON of the Messages API (`model`, `system`, `tools`, `messages`,
`max_tokens`, …), so prompts can be compared byte for byte and tests need no SDK objects.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

JSON = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ModelCall:
    """One call of the model, as `agent_actions_log` records it.

    Tokens are counts, `cost_usd` US dollars at the published price of the day, `latency_ms`
    milliseconds of wall clock. `error` is None for a call that answered. `input_tokens` counts
    all of the prompt: uncached, written to and read from the cache.
    """

    model: str
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    cost_usd: float
    latency_ms: int
    stop_reason: str | None = None
    request_id: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class ModelReply:
    """A model's answer: its content blocks as plain JSON, unchanged, and what it cost."""

    content: list[JSON]
    stop_reason: str
    call: ModelCall

    @property
    def words(self) -> str:
        """What it says, whatever else it holds."""
        said = [block.get("text") for block in self.content if block.get("type") == "text"]
        return "".join(words for words in said if isinstance(words, str))


#: `complete(request, timeout_s)` → reply; raises `ModelUnavailable` or `ModelRejected`.
Complete = Callable[[JSON, float], ModelReply]


@dataclass
class ModelError(Exception):
    """A call that brought no answer; `call` still belongs into the log."""

    message: str
    call: ModelCall | None = field(default=None)

    def __str__(self) -> str:
        return self.message


class ModelUnavailable(ModelError):
    """The service failed (network, timeout, 429, 5xx, 529): a dependency's failure, retried."""


class ModelRejected(ModelError):
    """The service refused our request (400, 401, 403, 404, 413): our fault, and counted."""
