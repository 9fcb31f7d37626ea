"""Where the suite's tasks are run, and what came of each."""

from collections.abc import Callable, Iterator

import pytest

from lib.adapters.claude import ClaudeModel
from tests.conversations.policies import MessagesApi, Policy
from tests.conversations.run import Result, a_place, run
from tests.conversations.task import Task
from tests.conversations.world import Place
from tests.support.database import Servers

#: A task under a policy, run once however many tests ask.
Outcome = Callable[[Task, type[Policy]], Result]


@pytest.fixture(scope="module")
def place(servers: Servers) -> Iterator[Place]:
    with a_place(servers) as opened:
        yield opened


@pytest.fixture(scope="module")
def api() -> Iterator[MessagesApi]:
    with MessagesApi() as running:
        yield running


@pytest.fixture(scope="module")
def outcome(place: Place, api: MessagesApi) -> Outcome:
    results: dict[tuple[str, type[Policy]], Result] = {}
    claude = ClaudeModel("a-key", api.url)

    def of(task: Task, kind: type[Policy]) -> Result:
        if (task.name, kind) not in results:
            api.policy = policy = kind()
            results[task.name, kind] = run(task, place, claude.complete, policy)
            assert api.refused == []
        return results[task.name, kind]

    return of
