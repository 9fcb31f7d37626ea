"""Faults on demand: what the next calls of a simulated service suffer.

Two sources, the counted one first: "the next n calls fail like this" for a test of one case,
and rates with a seed for a test that wants many of them.
"""

from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Any


@dataclass(slots=True)
class Faults:
    """The plan of one service. `kinds` are the names it understands.

    `suffered` counts the calls that suffered each, since the last reset.
    """

    kinds: frozenset[str]
    kind: str | None = None
    times: int = 0
    rates: dict[str, float] = field(default_factory=dict)
    random: Random = field(default_factory=lambda: Random(0))  # noqa: S311 - repeatable, no secret
    suffered: Counter[str] = field(default_factory=Counter)

    def plan(self, kind: str | None, times: int) -> None:
        """Let the next `times` calls suffer `kind`; None cancels. Replaces an earlier plan.

        Raises ValueError for a kind this service does not know.
        """
        if kind is not None:
            self._known(kind)
        self.kind, self.times = (kind, times) if kind is not None and times > 0 else (None, 0)

    def plan_rates(self, rates: dict[str, float], seed: int) -> None:
        """Let each call suffer each kind with its probability, the same ones for the same seed.

        Raises ValueError for an unknown kind or probabilities that sum to more than 1.
        """
        for kind in rates:
            self._known(kind)
        if any(rate < 0 for rate in rates.values()) or sum(rates.values()) > 1:
            raise ValueError("rates must be between 0 and 1 and sum to at most 1")
        self.rates, self.random = dict(rates), Random(seed)  # noqa: S311

    def take(self) -> str | None:
        """What this call suffers, if anything."""
        kind = self._draw()
        if kind is not None:
            self.suffered[kind] += 1
        return kind

    def _draw(self) -> str | None:
        if self.kind is not None:
            kind = self.kind
            self.plan(kind, self.times - 1)
            return kind
        if self.rates:
            draw = self.random.random()
            for kind, rate in self.rates.items():
                if draw < rate:
                    return kind
                draw -= rate
        return None

    def reset(self) -> None:
        """No fault from here on, and none so far."""
        self.plan(None, 0)
        self.rates = {}
        self.suffered.clear()

    def state(self) -> dict[str, Any]:
        """As the control endpoint shows it."""
        return {
            "fail": self.kind,
            "times": self.times,
            "rates": self.rates,
            "suffered": dict(self.suffered),
        }

    def _known(self, kind: str) -> None:
        if kind not in self.kinds:
            raise ValueError(f"fail must be one of {', '.join(sorted(self.kinds))}")
