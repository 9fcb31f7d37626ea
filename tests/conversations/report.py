"""What is said of many trials: pass^k, tokens and cost, the worst tasks first."""

from collections.abc import Iterable, Sequence
from math import comb

from tests.conversations.run import Result


def pass_hat(k: int, counts: Iterable[tuple[int, int]]) -> float:
    """pass^k, as tau-bench has it: the chance that k trials of a task all pass, over all tasks.

    `counts` are (passed, trials) of each task, each with at least k trials.
    """
    chances = [comb(passed, k) / comb(trials, k) for passed, trials in counts]
    return sum(chances) / len(chances)


def report(results: Sequence[Result], transcripts: bool = False) -> list[str]:
    """The lines of a report."""
    if not results:
        return ["No trial was finished."]
    by_task: dict[str, list[Result]] = {}
    for result in results:
        by_task.setdefault(result.task.name, []).append(result)
    counts = {name: (sum(r.passed for r in rs), len(rs)) for name, rs in by_task.items()}
    lines = [f"{'passed':>6} {'calls':>6} {'in':>7} {'cached':>6} {'out':>6} {'USD':>8}  task"]
    worst = sorted(by_task, key=lambda name: (counts[name][0] / counts[name][1], name))
    for name in worst:
        passed, trials = counts[name]
        lines.append(f"{f'{passed}/{trials}':>6} {_use(by_task[name], trials)}  {name}")
        problems = dict.fromkeys(p for r in by_task[name] for p in r.problems)
        lines += [f"{'':>45}- {problem}" for problem in problems]
        failed = next((r for r in by_task[name] if not r.passed), None)
        if transcripts and failed:
            lines += [f"{'':>47}{line}" for said in failed.transcript for line in said.split("\n")]
    lines += ["", f"{'':>6} {_use(results, len(results))}  per trial"]
    lines += [f"{'':>6} {_use(results, 1)}  in all"]
    most = min(trials for _, trials in counts.values())
    chances = [f"pass^{k} {pass_hat(k, counts.values()):.3f}" for k in range(1, most + 1)]
    return [*lines, f"{len(counts)} tasks: " + ", ".join(chances)]


def _use(results: Sequence[Result], parts: int) -> str:
    """Calls, input tokens, the share of them read from the cache, output tokens and cost."""
    calls = [call for result in results for call in result.calls]
    given = sum(call.input_tokens for call in calls)
    cached = sum(call.cache_read_tokens for call in calls) / given if given else 0.0
    said = sum(call.output_tokens for call in calls)
    cost = sum(call.cost_usd for call in calls)
    return (
        f"{len(calls) / parts:6.1f} {given / parts:7.0f} {cached:6.0%} {said / parts:6.0f} "
        f"{cost / parts:8.5f}"
    )
