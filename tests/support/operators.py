"""What operators do on the command line, for tests over a running stack."""

import os
import subprocess

from local.state import PROJECT_ROOT
from tests.support.stack import StackUnderTest


def operate(stack: StackUnderTest, target: str, **variables: str) -> tuple[int, str]:
    """`make TARGET NAME=value …` for this stack: its exit status, and all that it printed."""
    named = {n: v for n, v in os.environ.items() if not n.startswith(("SUPABASE_", "MAKE", "ARGS"))}
    done = subprocess.run(
        # The environment is not built again for a test.
        ["make", "--old-file=.venv/stamp", target, *(f"{n}={v}" for n, v in variables.items())],
        cwd=PROJECT_ROOT,
        env=named | {"YACHTPARTY_STATE_DIR": str(stack.directory)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr
