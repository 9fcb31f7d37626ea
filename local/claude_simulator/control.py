"""What can be scripted and broken on purpose, and what was asked so far.

One POST may combine them; a key that is absent stays as it is:

    {"fail": "429" | "500" | "529" | "timeout_before" | "timeout_after" | "garbage" | null,
     "times": n}                         the next n calls
    {"rates": {kind: p, …}, "seed": s}   each call with these probabilities
    {"say": ["text" | {"content": [blocks…], "stop_reason"?} | {"fail": kind}, …]}
                                         the next answers or failures, in order
    {"delay_ms": n}                      every answer takes so long
    {"hang_ms": n}                       how long the timeouts hang
    {"reset": true}                      none of this, counters at 0, cache empty (applied first)
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from local.simulation.faults import Faults
from local.simulation.http import BadRequestError

Kind = Literal["429", "500", "529", "timeout_before", "timeout_after", "garbage"]
KINDS: frozenset[str] = frozenset(get_args(Kind))
_REMEMBERED = 100


class Saying(BaseModel):
    """A scripted answer, block by block, sent as it is, however odd; or a failure in its place."""

    model_config = ConfigDict(extra="forbid")

    content: list[dict[str, Any]] = []
    stop_reason: str | None = None
    fail: Kind | None = None


class Orders(BaseModel):
    """The body of `POST /_sim/control`."""

    model_config = ConfigDict(extra="forbid")

    fail: str | int | None = None
    times: Annotated[int, Field(ge=0)] = 1
    rates: dict[str, float] | None = None
    seed: int = 0
    say: list[str | Saying] | None = None
    delay_ms: Annotated[int, Field(ge=0)] | None = None
    hang_ms: Annotated[int, Field(ge=0)] | None = None
    reset: bool = False


@dataclass(slots=True)
class Control:
    """The simulator's present state; `hang_s` and `delay_s` in seconds.

    `calls` counts every POST to the API, `answered` those that were answered 200.
    """

    default_hang_s: float
    faults: Faults = field(default_factory=lambda: Faults(KINDS))
    sayings: deque[Saying] = field(default_factory=deque)
    delay_s: float = 0.0
    hang_s: float = field(init=False)
    calls: int = 0
    answered: int = 0
    requests: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))

    def __post_init__(self) -> None:
        self.hang_s = self.default_hang_s

    def obey(self, orders: Orders) -> None:
        """Apply what was asked for. Raises BadRequestError for what cannot be."""
        if orders.reset:
            self.faults.reset()
            self.sayings.clear()
            self.requests.clear()
            self.calls = self.answered = 0
            self.delay_s, self.hang_s = 0.0, self.default_hang_s
        try:
            if "fail" in orders.model_fields_set:
                self.faults.plan(None if orders.fail is None else str(orders.fail), orders.times)
            if orders.rates is not None:
                self.faults.plan_rates(orders.rates, orders.seed)
        except ValueError as error:
            raise BadRequestError(str(error)) from error
        for item in orders.say or []:
            self.sayings.append(
                Saying(content=[{"type": "text", "text": item}]) if isinstance(item, str) else item
            )
        if orders.delay_ms is not None:
            self.delay_s = orders.delay_ms / 1000
        if orders.hang_ms is not None:
            self.hang_s = orders.hang_ms / 1000

    def fault(self) -> str | None:
        """What the next call suffers, if anything."""
        if (fault := self.faults.take()) is not None:
            return fault
        if self.sayings and self.sayings[0].fail:
            return self.sayings.popleft().fail
        return None

    def state(self) -> dict[str, Any]:
        """As `GET /_sim/control` shows it; `requests` are the latest bodies, oldest first."""
        return {
            **self.faults.state(),
            "say": [saying.model_dump(exclude_none=True) for saying in self.sayings],
            "delay_ms": round(self.delay_s * 1000),
            "hang_ms": round(self.hang_s * 1000),
            "calls": self.calls,
            "answered": self.answered,
            "requests": list(self.requests),
        }
