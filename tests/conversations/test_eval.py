"""`make eval`, pointed at the local simulator: the real command, SDK and reports."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from lib.core.model import JSON, ModelRejected, ModelReply, ModelUnavailable
from tests.conversations.purse import Purse
from tests.support.scripted_model import CALL, text
from tests.support.sim_process import ROOT, Simulator


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator("local.claude_simulator", {}) as running:
        yield running


def evaluate(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """What the command ends with."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("ANTHROPIC_")}
    return subprocess.run(
        [sys.executable, "-m", "tests.conversations", "--threads", "2", *arguments],
        cwd=ROOT,
        env=clean | variables,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )


def test_tasks_are_tried_several_times_and_reported(simulator: Simulator) -> None:
    done = evaluate(
        "--tasks=terse newcomer|Spanish",
        "--trials=2",
        "--transcripts",
        ANTHROPIC_API_KEY="a-key",
        ANTHROPIC_BASE_URL=simulator.url,
    )
    assert done.returncode == 0, done.stderr
    assert "2 tasks: pass^1 0.500, pass^2 0.500" in done.stdout
    lines = done.stdout.splitlines()
    worst, best = (next(line for line in lines if f"{n}/2" in line) for n in (0, 2))
    assert lines.index(worst) < lines.index(best)
    assert "member: por favor" in done.stdout
    assert " US dollars" in lines[-1]


def test_without_a_key_nothing_is_asked() -> None:
    done = evaluate()
    assert done.returncode == 2
    assert done.stderr.startswith("ANTHROPIC_API_KEY is missing.")
    assert done.stdout == ""


def test_it_ends_at_the_cap_with_what_it_has(simulator: Simulator) -> None:
    one_task = ["--tasks=terse chatter", "--trials=40"]
    key = {"ANTHROPIC_API_KEY": "a-key", "ANTHROPIC_BASE_URL": simulator.url}
    done = evaluate("--cap=0.02", *one_task, **key)
    assert done.returncode == 3, done.stderr
    assert "The cap of 0.02 US dollars was reached." in done.stderr
    assert "per trial" in done.stdout
    done = evaluate("--cap=0.0001", *one_task, **key)
    assert done.returncode == 3, done.stderr
    assert "No trial was finished." in done.stdout


class Service:
    """Fails so many times, then answers at 0.001 US dollars a call."""

    def __init__(self, *failures: ModelUnavailable | ModelRejected) -> None:
        self.failures = list(failures)
        self.asked = 0

    def __call__(self, _request: JSON, _timeout_s: float) -> ModelReply:
        self.asked += 1
        if self.failures:
            raise self.failures.pop(0)
        return text("Hello.")


def test_a_busy_service_is_asked_again_and_a_refusal_is_final() -> None:
    busy = Service(ModelUnavailable("529"))
    purse = Purse(1.0, busy)
    assert purse.ask({}, 1).stop_reason == "end_turn"
    assert (busy.asked, purse.spent_usd) == (2, CALL.cost_usd)
    strict = Service(ModelRejected("Claude answered 401"))
    purse = Purse(1.0, strict)
    with pytest.raises(ModelRejected):
        purse.ask({}, 1)
    with pytest.raises(ModelUnavailable):
        purse.ask({}, 1)
    assert (strict.asked, purse.refused) == (1, "Claude answered 401")


def test_nothing_is_asked_beyond_the_cap() -> None:
    service = Service()
    purse = Purse(CALL.cost_usd, service)
    purse.ask({}, 1)
    with pytest.raises(ModelUnavailable):
        purse.ask({}, 1)
    assert service.asked == 1
