"""What each function costs to start: import time, memory, and the heavy packages it loads.

Each figure is of a fresh process that imports main.py and asks for one entry point, as
functions-framework does; the baseline has imported functions-framework and Flask only.
"""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import main

RUNS = 5
HEAVY = ("anthropic", "google.cloud", "twilio.rest", "supabase", "phonenumbers")

_PROBE = """
import json, resource, sys, time
import functions_framework, flask
before = set(sys.modules)
base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
started = time.perf_counter()
import main
name = sys.argv[1]
name == "-" or getattr(main, name)
print(json.dumps({
    "ms": (time.perf_counter() - started) * 1000,
    "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    "modules": len(set(sys.modules) - before),
    "loaded": [m for m in sys.argv[2:] if m in sys.modules],
}))
"""


def measure(environment: Mapping[str, str]) -> None:
    """Print one line for each function; `environment` configures them."""
    print(f"\nStart of each function (median of {RUNS} fresh processes)\n")
    print(f"  {'function':<22}{'import ms':>10}{'memory MB':>11}{'modules':>9}  heavy packages")
    for name in ("-", *main.FUNCTIONS):
        runs = [_once(name, environment) for _ in range(RUNS)]
        print(
            f"  {'(framework alone)' if name == '-' else name:<22}"
            f"{statistics.median(r['ms'] for r in runs):>10.0f}"
            f"{statistics.median(r['mb'] for r in runs):>11.0f}"
            f"{runs[0]['modules']:>9}  {', '.join(runs[0]['loaded']) or '-'}"
        )


def _once(name: str, environment: Mapping[str, str]) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", _PROBE, name, *HEAVY],
        env={**os.environ, **environment},
        check=True,
        capture_output=True,
        text=True,
    )
    result: dict[str, Any] = json.loads(done.stdout)
    return result
