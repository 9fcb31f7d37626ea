"""The simulation behind docs/operations.md, "Scaling", and the figures that stand there."""

import random
import re
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.scaling import Assumptions, Limits, arrivals, demand, monthly_cost, poisson

DOCUMENT = (Path(__file__).parents[1] / "docs" / "operations.md").read_text(encoding="utf-8")
GIVEN = Assumptions()


@pytest.mark.parametrize("mean", [0.3, 7.0, 400.0])
def test_counts_have_the_mean_and_the_variance_of_poissons_distribution(mean: float) -> None:
    rng = random.Random(1)
    counts = [poisson(rng, mean) for _ in range(20_000)]
    average = sum(counts) / len(counts)
    assert average == pytest.approx(mean, rel=0.03)
    variance = sum((count - average) ** 2 for count in counts) / len(counts)
    assert variance == pytest.approx(mean, rel=0.05)


def test_a_day_has_the_texts_of_its_members() -> None:
    texts = list(arrivals(10_000, GIVEN, random.Random(1)))
    assert len(texts) == 86_400
    assert sum(texts) == pytest.approx(8_000, rel=0.05)


def test_nothing_waits_below_twilios_pace_and_much_does_above_it() -> None:
    few = demand(10_000, GIVEN, Limits())
    assert few.use("Twilio, segments a second") < 1
    slow = demand(10_000, GIVEN, replace(Limits(), twilio_segments_per_s=0.1))
    assert slow.use("Twilio, segments a second") > 1
    assert few.longest_wait_s < 10 < slow.longest_wait_s


def test_twice_the_members_cost_twice_at_whoever_is_paid_by_the_text() -> None:
    one, two = (monthly_cost(members, GIVEN) for members in (1_000, 2_000))
    assert two["Claude"] == pytest.approx(2 * one["Claude"])
    assert two["Twilio"] - one["Twilio"] == pytest.approx(one["Twilio"], rel=0.01)


@pytest.mark.parametrize("whom", ["Twilio", "Claude", "Google", "Supabase"])
def test_the_document_says_what_the_formula_gives(whom: str) -> None:
    row = re.search(rf"^\| {whom} \| (.+?) \|$", DOCUMENT, re.MULTILINE)
    assert row
    said = [int(figure.replace(",", "")) for figure in row[1].split(" | ")]
    assert said == [round(monthly_cost(members, GIVEN)[whom]) for members in (100, 1_000, 10_000)]


def test_the_document_says_which_limit_is_met_first() -> None:
    day = demand(1_000_000, GIVEN, Limits())
    shares = {f"{day.use(limit):.0%}".replace("%", " %") for limit in day.peaks}
    rows = re.findall(r"^\| .+? \| \d+ % \| \d+ % \| (\d+ %) \|", DOCUMENT, re.MULTILINE)
    assert set(rows) == shares
    assert max(day.peaks, key=day.use).startswith("Twilio")
    assert rows[0] == max(shares, key=lambda share: int(share.split()[0]))
