"""`gcloud logging read --format=json | python -m terraform.lines`: each entry on a line."""

import json
import sys
from typing import Any

#: Shown first and without their names, or not at all.
_KNOWN = {"message", "logger", "stack_trace"}


def shown(entry: dict[str, Any]) -> str:
    """One entry of Cloud Logging: when, where, how severe, what, and its fields.

    >>> shown({"timestamp": "2026-11-30T20:31:14.123Z", "severity": "INFO",
    ...     "resource": {"labels": {"service_name": "event-processor"}},
    ...     "jsonPayload": {"message": "event", "outcome": "applied", "duration_ms": 812}})
    '2026-11-30T20:31:14 INFO    event-processor      event outcome=applied duration_ms=812'
    """
    payload = entry.get("jsonPayload", {})
    service = entry.get("resource", {}).get("labels", {}).get("service_name", "")
    fields = " ".join(f"{name}={value}" for name, value in payload.items() if name not in _KNOWN)
    when, severity = entry.get("timestamp", "")[:19], entry.get("severity", "")
    line = f"{when} {severity:7} {service:20} {payload.get('message', '')} {fields}".rstrip()
    trace = payload.get("stack_trace")
    return f"{line}\n{trace}" if trace else line


def main() -> int:
    """Read a list of entries from stdin."""
    text = sys.stdin.read()
    for entry in json.loads(text) if text.strip() else []:
        print(shown(entry))
    return 0


if __name__ == "__main__":
    sys.exit(main())
