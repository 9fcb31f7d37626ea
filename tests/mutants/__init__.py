"""Rules of the protocol taken out of the SQL one at a time, to see which test says so.

A rule that no test misses is a rule that the next change may lose. `python -m tests.mutants` runs
each mutant's tests on a copy of the project to which the mutant was applied; `python -m
tests.mutants 2 sweepers-wait` takes those of rule 2 and that one. Rules are those of protocol.md.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Mutant:
    """One rule taken out: `old`, found exactly once in `file` (below sql/), replaced by `new`.

    At least one of `tests`, named by their functions, fails if they are any good.
    """

    rule: int
    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def applied_to(self, text: str) -> str:
        """The file's text without the rule.

        Raises:
            ValueError: `old` is not there exactly once, so nobody knows what would be tested.
        """
        if (found := text.count(self.old)) != 1:
            raise ValueError(f"{self.name}: its snippet is found {found} times in sql/{self.file}")
        return text.replace(self.old, self.new)


def node_ids() -> dict[str, list[str]]:
    """Where the tests are, as pytest names it, by the name of their function."""
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for name in re.findall(
            r"^def (test_\w+)\(", path.read_text(encoding="utf-8"), re.MULTILINE
        ):
            found.setdefault(name, []).append(f"{path.relative_to(ROOT).as_posix()}::{name}")
    return found
