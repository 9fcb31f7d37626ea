"""The tasks tell a right model from one that is good for nothing."""

import pytest

from tests.conversations.conftest import Outcome
from tests.conversations.policies import DoNothing, Liar, Policy
from tests.conversations.task import Task
from tests.conversations.tasks import ALL

#: Tasks that a policy which is good for nothing may pass.
PASSED_BY_BAD_MOST = 0.1


@pytest.mark.parametrize("task", ALL, ids=lambda task: task.name)
def test_what_one_that_does_nothing_passes_a_liar_fails(task: Task, outcome: Outcome) -> None:
    idle, liar = outcome(task, DoNothing), outcome(task, Liar)
    assert idle.problems or liar.problems


@pytest.mark.parametrize("kind", [DoNothing, Liar])
def test_a_model_that_is_good_for_nothing_scores_low(kind: type[Policy], outcome: Outcome) -> None:
    passed = [task.name for task in ALL if outcome(task, kind).passed]
    assert len(passed) <= PASSED_BY_BAD_MOST * len(ALL), passed
