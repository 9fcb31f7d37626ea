"""`gcloud logging read --format=json | python -m terraform.lines`: each entry on a line.

gcloud gives the newest first, since a limit would cut those off otherwise; they end up last here.
"""

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

    What Cloud Run itself says of a function, which has no fields of ours:

    >>> shown({"timestamp": "2026-11-30T20:31:15Z", "severity": "ERROR",
    ...     "resource": {"labels": {"service_name": "event-processor"}},
    ...     "textPayload": "The request has been terminated.", "httpRequest": {"status": 504}})
    '2026-11-30T20:31:15 ERROR   event-processor      The request has been terminated. status=504'
    """
    payload = entry.get("jsonPayload", {})
    message = payload.get("message", entry.get("textPayload", ""))
    status = entry.get("protoPayload", {}).get("status", {})
    message = message or status.get("message", "")
    if (answered := entry.get("httpRequest", {}).get("status")) is not None:
        message = f"{message} status={answered}".lstrip()
    service = entry.get("resource", {}).get("labels", {}).get("service_name", "")
    fields = " ".join(f"{name}={value}" for name, value in payload.items() if name not in _KNOWN)
    when, severity = entry.get("timestamp", "")[:19], entry.get("severity", "")
    line = f"{when} {severity:7} {service:20} {message} {fields}".rstrip()
    trace = payload.get("stack_trace")
    return f"{line}\n{trace}" if trace else line


def main() -> int:
    """Read a list of entries from stdin, the newest first; print them, the newest last."""
    text = sys.stdin.read()
    for entry in reversed(json.loads(text) if text.strip() else []):
        print(shown(entry))
    return 0


if __name__ == "__main__":
    sys.exit(main())
