"""Run the mutants and print what caught each: ``python -m tests.mutants [rule or name …]``.

Exit status 0 if every mutant was caught; 1 if one survived, or broke the SQL so that no test ran; 2
if the tests fail without any mutant, or nothing is called so.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from tests.mutants import ROOT, Mutant, node_ids
from tests.mutants.catalogue import MUTANTS

NOT_COPIED = (".venv", ".git", ".local", "node_modules", "__pycache__", ".*_cache")
#: A test that hangs for so many seconds has failed.
HUNG_S = 60
PASSED, FAILED = 0, 1
#: Failures that say nothing about the rule: of a fixture, or of SQL that makes no sense.
BROKEN = re.compile(
    r"^(?:ERROR .*|FAILED .* - psycopg\.errors\.(?:Undefined|Ambiguous|Syntax|Datatype).*)$",
    re.MULTILINE,
)


class NothingRan(Exception):
    """pytest could not even run the tests; its last words say why."""


class Copies:
    """Copies of the project, one for each that runs at a time."""

    def __init__(self, folder: Path, count: int) -> None:
        self._free: SimpleQueue[Path] = SimpleQueue()
        for nth in range(count):
            copy = folder / str(nth)
            shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*NOT_COPIED))
            self._free.put(copy)

    def failures(self, tests: Iterable[str], mutant: Mutant | None = None) -> list[str]:
        """The names of those `tests` that fail, with `mutant` applied for that long.

        Raises:
            NothingRan: when the mutant is no valid SQL, or a test does not exist.
            ValueError: when its snippet is not there exactly once.
        """
        copy = self._free.get()
        try:
            if mutant is None:
                return _failures(copy, tests)
            path = copy / "sql" / mutant.file
            text = path.read_text(encoding="utf-8")
            path.write_text(mutant.applied_to(text), encoding="utf-8")
            try:
                return _failures(copy, tests)
            finally:
                path.write_text(text, encoding="utf-8")
        finally:
            self._free.put(copy)


def _failures(copy: Path, tests: Iterable[str]) -> list[str]:
    places = node_ids()
    selected = sorted({place for test in tests for place in places[test]})
    command = [sys.executable, "-m", "pytest", "-q", "--tb=no", "-rfE", f"--timeout={HUNG_S}"]
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", *selected],
        cwd=copy,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "500"},
        capture_output=True,
        text=True,
        check=False,
    )
    if broken := BROKEN.search(done.stdout):
        raise NothingRan(broken[0])
    if done.returncode not in (PASSED, FAILED):
        raise NothingRan((done.stdout + done.stderr).strip().rpartition("\n")[2])
    failed = re.findall(r"^FAILED \S+?::(\w+)", done.stdout, re.MULTILINE)
    return list(dict.fromkeys(failed))


def main(wanted: Sequence[str]) -> int:
    """Run the mutants `wanted` by rule or name, or all; the exit status."""
    names = {name for m in MUTANTS for name in (m.name, str(m.rule))}
    if unknown := sorted(set(wanted) - names):
        print(f"No mutant and no rule is called {', '.join(unknown)}.", file=sys.stderr)
        return 2
    mutants = [m for m in MUTANTS if not wanted or {m.name, str(m.rule)} & set(wanted)]
    at_a_time = max(1, (os.cpu_count() or 2) // 2)
    with (
        tempfile.TemporaryDirectory(prefix="yp-mutants-") as folder,
        ThreadPoolExecutor(at_a_time) as pool,
    ):
        copies = Copies(Path(folder), at_a_time)

        def verdict(mutant: Mutant) -> tuple[bool, str]:
            try:
                failed = copies.failures(mutant.tests, mutant)
            except (NothingRan, ValueError) as error:
                return False, f"NOTHING RAN: {error}"
            return bool(failed), ", ".join(failed) or "SURVIVED"

        try:
            failed = copies.failures(test for m in mutants for test in m.tests)
        except NothingRan as error:
            failed = [str(error)]
        if failed:
            print(f"Without any mutant these fail: {', '.join(failed)}", file=sys.stderr)
            return 2
        width = max(len(m.name) for m in mutants)
        print(f"rule  {'mutant':{width}}  caught by")
        caught = 0
        for mutant, (is_caught, said) in zip(mutants, pool.map(verdict, mutants), strict=True):
            caught += is_caught
            print(f"{mutant.rule:>4}  {mutant.name:{width}}  {said}", flush=True)
    print(f"{caught} of {len(mutants)} mutants were caught.")
    return 0 if caught == len(mutants) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
