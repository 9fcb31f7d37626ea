"""What can be broken on purpose, and what is broken now.

One POST may combine them; a key that is absent stays as it is:

    {"fail": "429" | "500" | "500_after" | "timeout_before" | "timeout_after" | "garbage" | null,
     "times": n}                        the next n creates
    {"rates": {kind: p, …}, "seed": s}  each create with these probabilities
    {"deliver": "undelivered" | "failed" | null, "error_code": 30003, "times": n}
    {"callbacks": {"drop": p, "duplicate": p, "reorder": p, "seed": s}}
    {"webhook": {"drop": p, "duplicate": p, "seed": s}}
    {"hang_ms": n}                      how long the timeouts hang
    {"hold": true | false}              accepted texts wait in Twilio's queue until told otherwise,
                                        or until they are no longer valid
    {"reset": true}                     no faults (before the other keys apply)
    {"wipe": true}                      forget all messages and opt-outs
"""

from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from local.simulation.faults import Faults
from local.simulation.http import BadRequestError

KINDS = frozenset({"429", "500", "500_after", "timeout_before", "timeout_after", "garbage"})

Probability = Annotated[float, Field(ge=0, le=1)]


class Misfortune(BaseModel):
    """What happens to signed POSTs on their way, each with its probability."""

    model_config = ConfigDict(extra="forbid")

    drop: Probability = 0
    duplicate: Probability = 0
    #: Held back so long that the following ones overtake it.
    reorder: Probability = 0
    seed: int = 0


class Orders(BaseModel):
    """The body of `POST /_sim/control`."""

    model_config = ConfigDict(extra="forbid")

    fail: str | int | None = None
    times: Annotated[int, Field(ge=0)] = 1
    rates: dict[str, float] | None = None
    seed: int = 0
    deliver: Literal["undelivered", "failed"] | None = None
    error_code: Annotated[int, Field(ge=30000, lt=40000)] = 30003
    callbacks: Misfortune | None = None
    webhook: Misfortune | None = None
    hang_ms: Annotated[int, Field(ge=0)] | None = None
    hold: bool | None = None
    reset: bool = False
    wipe: bool = False


@dataclass(slots=True)
class Luck:
    """A misfortune being dealt out, the same way for the same seed; `dealt` counts it."""

    terms: Misfortune = field(default_factory=Misfortune)
    random: Random = field(default_factory=lambda: Random(0))  # noqa: S311 - repeatable, no secret
    dealt: Counter[str] = field(default_factory=Counter)

    def deal(self, terms: Misfortune) -> None:
        """Start again under new terms."""
        self.terms, self.random = terms, Random(terms.seed)  # noqa: S311
        self.dealt.clear()

    def copies(self) -> int:
        """How often this POST is made: 0, 1 or 2 times."""
        if self.random.random() < self.terms.drop:
            self.dealt["drop"] += 1
            return 0
        if self.random.random() < self.terms.duplicate:
            self.dealt["duplicate"] += 1
            return 2
        return 1

    def held_back(self) -> bool:
        """Whether later POSTs overtake this one."""
        held = self.random.random() < self.terms.reorder
        if held:
            self.dealt["reorder"] += 1
        return held

    def state(self) -> dict[str, Any]:
        """As `GET /_sim/control` shows it."""
        return self.terms.model_dump() | {"dealt": dict(self.dealt)}


@dataclass(slots=True)
class Control:
    """The simulator's present faults; `hang_s` in seconds."""

    default_hang_s: float
    faults: Faults = field(default_factory=lambda: Faults(KINDS))
    callbacks: Luck = field(default_factory=Luck)
    webhook: Luck = field(default_factory=Luck)
    hang_s: float = field(init=False)
    deliver: str | None = None
    error_code: int | None = None
    deliver_times: int = 0
    hold: bool = False

    def __post_init__(self) -> None:
        self.hang_s = self.default_hang_s

    def obey(self, orders: Orders) -> None:
        """Apply what was asked for. Raises BadRequestError for what cannot be."""
        given = orders.model_fields_set
        if orders.reset:
            self.faults.reset()
            self.callbacks.deal(Misfortune())
            self.webhook.deal(Misfortune())
            self.hang_s = self.default_hang_s
            self.deliver, self.error_code, self.deliver_times = None, None, 0
            self.hold = False
        try:
            if "fail" in given:
                self.faults.plan(None if orders.fail is None else str(orders.fail), orders.times)
            if orders.rates is not None:
                self.faults.plan_rates(orders.rates, orders.seed)
        except ValueError as error:
            raise BadRequestError(str(error)) from error
        if "deliver" in given:
            self.deliver, self.error_code = orders.deliver, orders.error_code
            self.deliver_times = orders.times if orders.deliver is not None else 0
        if orders.callbacks is not None:
            self.callbacks.deal(orders.callbacks)
        if orders.webhook is not None:
            self.webhook.deal(orders.webhook)
        if orders.hang_ms is not None:
            self.hang_s = orders.hang_ms / 1000
        if orders.hold is not None:
            self.hold = orders.hold

    def take_ending(self) -> tuple[str, int | None]:
        """How the delivery of the message just accepted ends: status and error code."""
        if self.deliver is None or self.deliver_times == 0:
            return "delivered", None
        self.deliver_times -= 1
        return self.deliver, self.error_code

    def state(self) -> dict[str, Any]:
        """As `GET /_sim/control` shows it."""
        return {
            **self.faults.state(),
            "deliver": self.deliver if self.deliver_times else None,
            "deliver_times": self.deliver_times,
            "callbacks": self.callbacks.state(),
            "webhook": self.webhook.state(),
            "hang_ms": round(self.hang_s * 1000),
            "hold": self.hold,
        }
