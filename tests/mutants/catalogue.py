"""Every mutant there is, by rule."""

from typing import Final

from tests.mutants import Mutant, commits, locks, texts

MUTANTS: Final[tuple[Mutant, ...]] = tuple(
    sorted((*locks.MUTANTS, *commits.MUTANTS, *texts.MUTANTS), key=lambda mutant: mutant.rule)
)
