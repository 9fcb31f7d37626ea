"""The conversation suite over its scripted policies: an oracle passes every task, one that does
nothing and a liar do not. `make eval` runs the same tasks with the real model."""

from collections.abc import Callable, Iterator, Sequence

import pytest

from lib.adapters.claude import ClaudeModel
from tests.conversations.policies import JOBS, DoNothing, Liar, MessagesApi, Oracle, Policy
from tests.conversations.report import pass_hat
from tests.conversations.run import Result, a_place, run
from tests.conversations.task import (
    AnyOf,
    Check,
    Task,
    Texts,
    Told,
    Writes,
    known,
    member,
    none,
)
from tests.conversations.tasks import ALL
from tests.conversations.world import Place
from tests.support.database import Servers

#: Tasks that a policy which is good for nothing may pass.
PASSED_BY_BAD_MOST = 0.15

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


def test_there_are_sixty_tasks_of_different_names() -> None:
    assert len({task.name for task in ALL}) == len(ALL) >= 60


@pytest.mark.parametrize("task", ALL, ids=lambda task: task.name)
def test_a_right_model_passes(task: Task, outcome: Outcome) -> None:
    result = outcome(task, Oracle)
    assert result.problems == [], "\n".join(result.transcript)


@pytest.mark.parametrize("task", ALL, ids=lambda task: task.name)
def test_what_one_that_does_nothing_passes_a_liar_fails(task: Task, outcome: Outcome) -> None:
    idle, liar = outcome(task, DoNothing), outcome(task, Liar)
    assert idle.problems or liar.problems


@pytest.mark.parametrize("kind", [DoNothing, Liar])
def test_a_model_that_is_good_for_nothing_scores_low(kind: type[Policy], outcome: Outcome) -> None:
    passed = [task.name for task in ALL if outcome(task, kind).passed]
    assert len(passed) <= PASSED_BY_BAD_MOST * len(ALL), passed


def test_each_agents_static_prefix_is_the_same_bytes_for_all_members_turns_and_days(
    outcome: Outcome, api: MessagesApi
) -> None:
    """Otherwise caching fails, silently. Every prompt is asked for, with its tools and without."""
    for task in ALL:
        outcome(task, Oracle)
    assert {kind: len(seen) for kind, seen in api.prefixes.items()} == dict.fromkeys(
        [
            ("bouncer", True),
            ("bouncer", False),
            ("concierge", True),
            ("concierge", False),
            *((job, False) for job in JOBS),
        ],
        1,
    )


# The runner itself: what it must notice.


def problems(place: Place, *script: Writes, grade: Sequence[Check] = ()) -> str:
    """What is found wrong with a conversation of a member, with another one there."""
    cast = {"member": member(), "other": member(first_name="Zora", company="Quell")}
    task = Task("a task", cast=cast, script=script, grade=grade)
    with MessagesApi() as api:
        api.policy = policy = Oracle()
        found = run(task, place, ClaudeModel("a-key", api.url).complete, policy).problems
    return "; ".join(found)


def test_a_conversation_without_fault_has_no_problem(place: Place) -> None:
    assert problems(place, Writes("thanks", right=["You're welcome."])) == ""


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ("somebody at quell can help, ask zora.", "was told of other: 'quell'"),
        ("I have introduced you to somebody.", "claim of what nobody did"),
        ("You will hear from me soon.", "a promise"),
    ],
)
def test_what_may_never_be_said_is_found(place: Place, said: str, problem: str) -> None:
    assert problem in problems(place, Writes("who can help?", right=[said]))


def test_a_script_that_says_too_little_or_too_much_is_found(place: Place) -> None:
    assert "has no answer to" in problems(place, Writes("hi"))
    assert "nobody asked for" in problems(place, Writes("hi", right=["Hello.", "Hello again."]))


def test_a_check_says_what_it_missed(place: Place) -> None:
    step = Writes("hi", right=["Hello."])
    assert problems(place, step, grade=[known(title="CTO"), Told("hello")]) == ""
    assert problems(place, step, grade=[none("users", title="CTO")]).startswith("2 rows of users")
    found = problems(place, step, grade=[known(title="CEO"), Told("bye"), Texts(2, 3)])
    assert "there: [{'title': 'CTO'}]" in found
    assert "not told /bye/" in found
    assert "got 1 texts" in found
    assert problems(place, step, grade=[AnyOf(Told("bye"), Told("hello"))]) == ""


def test_a_text_without_an_answer_is_found(place: Place) -> None:
    assert "got no answer" in problems(place, Writes("STOP"))
    assert problems(place, Writes("STOP", quiet=True)) == ""


def test_pass_k_is_the_chance_that_k_trials_of_a_task_all_pass() -> None:
    assert pass_hat(1, [(4, 4), (0, 4)]) == 0.5
    assert pass_hat(2, [(2, 4)]) == pytest.approx(1 / 6)
    assert pass_hat(4, [(4, 4), (3, 4)]) == 0.5
