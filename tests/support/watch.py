"""terraform/watch.yaml over lines of a log, as Cloud Logging applies the filters made of it."""

import json
from pathlib import Path
from typing import Any

import yaml

METRICS: dict[str, dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parents[2] / "terraform" / "watch.yaml").read_text(encoding="utf-8")
)["metrics"]


def parsed(log: str) -> list[dict[str, Any]]:
    """The lines of a function's log."""
    return [json.loads(line) for line in log.splitlines() if line.startswith("{")]


def counts(metric: dict[str, Any], line: dict[str, Any]) -> bool:
    """Whether a line is one that a metric counts."""
    return any(
        line.get("logger") == wanted["logger"]
        and line.get("message") == wanted["message"]
        and all(line.get(field) in values for field, values in wanted["fields"].items())
        for wanted in metric["lines"]
    )


def measured(name: str, lines: list[dict[str, Any]]) -> list[Any]:
    """What a metric reads out of the lines it counts: values, labels, or the messages."""
    metric = METRICS[name]
    reads = metric.get("value") or metric.get("label") or "message"
    return [line.get(reads) for line in lines if counts(metric, line)]
