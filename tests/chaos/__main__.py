"""`python -m tests.chaos --conversations N --seed S`: the long run (`make chaos`)."""

import argparse
import shutil
import sys
from pathlib import Path

from tests.chaos.plan import MOST
from tests.chaos.run import run
from tests.support.stack import running_stack


def main() -> int:
    """Run on a stack of its own, print the report; 1 if anything is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="Fault injection.")
    parser.add_argument("--conversations", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="where to copy the logs to if anything is wrong")
    arguments = parser.parse_args()
    if not 10 <= arguments.conversations <= MOST:
        parser.error(f"--conversations: from 10 to {MOST}")
    with running_stack() as stack:
        report = None
        try:
            report = run(
                stack,
                arguments.conversations,
                arguments.seed,
                say=lambda line: print(line, flush=True),
            )
        finally:
            if arguments.keep and (report is None or report.problems):
                shutil.copytree(stack.directory / "logs", arguments.keep, dirs_exist_ok=True)
    print("\n".join(report.lines()))
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main())
