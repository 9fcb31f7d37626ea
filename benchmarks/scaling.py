"""`make scaling`: which limit is met first with how many members, and what a month costs.

A day of texts is drawn at random, second by second, from the assumptions below; each limit is
compared with the busiest second or minute. The assumptions are guesses to be replaced with figures
of your own (the dashboard has them); the limits are those of the accounts as they come, and of
terraform/system.yaml. Prices are lib/core/prices.py's, and Google's and Supabase's published ones.
"""

import argparse
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import yaml

from lib.core.prices import BACKGROUND_MODEL, CONVERSATION_MODEL, price_of, sms_cost_usd

SYSTEM = yaml.safe_load(
    (Path(__file__).parents[1] / "terraform" / "system.yaml").read_text(encoding="utf-8")
)
DAY = date(2026, 11, 30)
SECONDS = 86_400
DAYS = 30


@dataclass(frozen=True)
class Assumptions:
    """Of an average day. `hours`: how the texts of a day fall on its hours, in one time zone."""

    texts_per_member: float = 0.8  # a fifth of them write four texts each
    segments_per_answer: float = 1.6
    proactive_segments_per_member: float = 0.15
    hours: tuple[float, ...] = (
        *(0.2, 0.1, 0.1, 0.1, 0.2, 0.5, 1.5, 3.5, 6.5, 8.0, 8.0, 7.5),
        *(7.0, 7.0, 7.5, 7.5, 7.5, 7.0, 5.5, 4.5, 4.0, 3.0, 2.0, 0.8),
    )

    model_calls_per_text: float = 1.6  # a tool is called in every second turn or so
    turn_s: float = 3.0
    input_tokens_per_call: int = 5_000
    cached_share: float = 0.7
    output_tokens_per_call: int = 250
    background_calls_per_text: float = 0.3

    round_trips_per_text: float = 9.0  # 5 until it is answered, 4 for receipts and audit events
    rows_written_per_text: float = 14.0
    round_trip_ms: float = 12.0  # of a core of the database


@dataclass(frozen=True)
class Limits:
    """Of the accounts as they come."""

    twilio_segments_per_s: float = 10.0  # TWILIO_SEGMENTS_PER_SECOND's default
    claude_calls_per_min: float = 4_000.0
    claude_uncached_input_tokens_per_min: float = 2_000_000.0
    claude_output_tokens_per_min: float = 400_000.0
    database_cores: float = 2.0  # Supabase's small and medium compute

    @property
    def turns_at_once(self) -> float:
        """What event_processor may do at the same time."""
        function = SYSTEM["functions"]["event_processor"]
        return float(function["max_instances"] * function["concurrency"])


def poisson(rng: random.Random, mean: float) -> int:
    """A Poisson-distributed count; beyond 50 by the normal distribution, which is as good."""
    if mean > 50:
        return max(0, round(rng.gauss(mean, math.sqrt(mean))))
    limit, product, count = math.exp(-mean), rng.random(), 0
    while product > limit:
        product *= rng.random()
        count += 1
    return count


def arrivals(members: int, given: Assumptions, rng: random.Random) -> Iterator[int]:
    """Texts in, for each second of a day."""
    total = sum(given.hours)
    for hour in given.hours:
        mean = members * given.texts_per_member * hour / total / 3600
        for _ in range(3600):
            yield poisson(rng, mean)


@dataclass(frozen=True)
class Demand:
    """What a day's busiest moments ask for, in each limit's unit."""

    texts: int
    peaks: dict[str, tuple[float, float]]  # by limit: the peak, and the limit
    longest_wait_s: float  # of an answer in Twilio's queue

    def use(self, limit: str) -> float:
        """The peak's share of a limit."""
        peak, allowed = self.peaks[limit]
        return peak / allowed


def demand(members: int, given: Assumptions, limits: Limits, seed: int = 1) -> Demand:
    """Draw one day of that many members."""
    rng = random.Random(seed)
    texts = list(arrivals(members, given, rng))
    minutes = [sum(texts[n : n + 60]) for n in range(0, SECONDS, 60)]
    # A turn that begins in one second is under way for the next ones, too.
    span = max(1, math.ceil(given.turn_s))
    at_once = max(sum(texts[n : n + span]) for n in range(SECONDS))
    proactive_per_s = members * given.proactive_segments_per_member / (14 * 3600)
    waiting = longest = 0.0
    for count in texts:
        waiting += count * given.segments_per_answer + proactive_per_s
        waiting = max(0.0, waiting - limits.twilio_segments_per_s)
        longest = max(longest, waiting / limits.twilio_segments_per_s)
    minute = max(minutes)
    calls = minute * given.model_calls_per_text
    uncached = calls * given.input_tokens_per_call * (1 - given.cached_share)
    busy_cores = minute / 60 * given.round_trips_per_text * given.round_trip_ms / 1000
    peaks = {
        "Twilio, segments a second": (
            minute / 60 * given.segments_per_answer + proactive_per_s,
            limits.twilio_segments_per_s,
        ),
        "Claude, calls a minute": (calls, limits.claude_calls_per_min),
        "Claude, uncached input tokens a minute": (
            uncached,
            limits.claude_uncached_input_tokens_per_min,
        ),
        "Claude, output tokens a minute": (
            calls * given.output_tokens_per_call,
            limits.claude_output_tokens_per_min,
        ),
        "event_processor, turns at once": (float(at_once), limits.turns_at_once),
        "PostgreSQL, cores": (busy_cores, limits.database_cores),
    }
    return Demand(sum(texts), peaks, longest)


def monthly_cost(members: int, given: Assumptions) -> dict[str, float]:
    """US dollars of 30 days, by who is paid. Taxes and free tiers are left out."""
    texts = members * given.texts_per_member * DAYS
    segments_out = (
        texts * given.segments_per_answer + members * given.proactive_segments_per_member * DAYS
    )
    segment = sms_cost_usd("+12125550100", 1, DAY)
    conversation, background = price_of(CONVERSATION_MODEL, DAY), price_of(BACKGROUND_MODEL, DAY)
    cached = round(given.input_tokens_per_call * given.cached_share)
    call = {
        "uncached_tokens": given.input_tokens_per_call - cached,
        "output_tokens": given.output_tokens_per_call,
        "cache_read": cached,
        "cache_write": 0,
    }
    # Cloud Run, tier 1: a vCPU-second, a GiB-second, and both of an instance that only waits.
    vcpu_s, gib_s, idle_s = 0.000024, 0.0000025, 0.0000025
    month_s = DAYS * SECONDS
    clockwork_s = month_s * (50 / 60) + month_s / 60 * 1.5 + month_s / 120 * 1.5
    waiting = sum(f["min_instances"] for f in SYSTEM["functions"].values()) * month_s * 2 * idle_s
    # A turn takes an eighth of an instance, its receipts and webhooks a tenth of a second each.
    serving_s = texts * (given.turn_s / 8 + 0.5)
    return {
        "Twilio": (texts + segments_out) * segment + 1.15,
        "Claude": texts
        * (
            given.model_calls_per_text * conversation.cost_usd(**call)
            + given.background_calls_per_text * background.cost_usd(**call)
        ),
        "Google": (clockwork_s + serving_s) * (vcpu_s + gib_s) + waiting + 10.0,
        "Supabase": 25.0 if members <= 10_000 else 25.0 + 110.0,
    }


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__)
    parser.add_argument("--segments-per-second", type=float, default=10.0, help="default 10")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    given, limits = Assumptions(), Limits(twilio_segments_per_s=asked.segments_per_second)
    sizes = (10_000, 100_000, 1_000_000)
    days = {members: demand(members, given, limits, asked.seed) for members in sizes}
    print("Share of each limit in the busiest minute (of turns: second) of a simulated day\n")
    print(
        f"  {'members':<40}" + "".join(f"{members:>12,}" for members in sizes) + f"{'met at':>12}"
    )
    for limit in days[sizes[0]].peaks:
        uses = [days[members].use(limit) for members in sizes]
        met_at = sizes[-1] / uses[-1]
        print(f"  {limit:<40}" + "".join(f"{use:>12.0%}" for use in uses) + f"{met_at:>12,.0f}")
    waits = "".join(f"{days[members].longest_wait_s:>10,.0f} s" for members in sizes)
    print(f"  {'longest wait of an answer at Twilio':<40}{waits}")
    print("\nUS dollars a month\n")
    few = (100, 1_000, 10_000)
    print(f"  {'members':<40}" + "".join(f"{members:>12,}" for members in few))
    costs = {members: monthly_cost(members, given) for members in few}
    for whom in costs[few[0]]:
        print(f"  {whom:<40}" + "".join(f"{costs[members][whom]:>12,.0f}" for members in few))
    print(f"  {'together':<40}" + "".join(f"{sum(costs[m].values()):>12,.0f}" for m in few))
    print(f"  {'each member':<40}" + "".join(f"{sum(costs[m].values()) / m:>12.2f}" for m in few))


if __name__ == "__main__":
    main()
