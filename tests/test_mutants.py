"""The mutants still fit the SQL and the tests that they name: `make mutants` runs them."""

import pytest

from tests.mutants import ROOT, Mutant, node_ids
from tests.mutants.catalogue import MUTANTS

PLACES = node_ids()

#: The rules that were reproduced, marked (P) in protocol.md, as far as the SQL keeps them.
REPRODUCED = {1, 2, 6, 7, 9, 11, 13, 15, 17, 20, 23, 24}


def test_every_reproduced_rule_has_a_mutant_and_no_two_have_one_name() -> None:
    assert {mutant.rule for mutant in MUTANTS} >= REPRODUCED
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_takes_out_what_is_there_and_names_tests_that_exist(mutant: Mutant) -> None:
    text = (ROOT / "sql" / mutant.file).read_text(encoding="utf-8")
    assert mutant.applied_to(text) != text
    assert mutant.tests
    assert [len(PLACES[test]) for test in mutant.tests] == [1] * len(mutant.tests)
