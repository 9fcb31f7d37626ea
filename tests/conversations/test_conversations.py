"""The conversation suite with an oracle at the model's place, which passes every task; and what the
runner must notice. `make eval` runs the same tasks with the real model."""

from collections.abc import Sequence

import pytest

from benchmarks.tokens import JOURNEYS
from lib.adapters.claude import ClaudeModel
from tests.conversations.conftest import Outcome
from tests.conversations.policies import JOBS, MessagesApi, Oracle
from tests.conversations.report import pass_hat
from tests.conversations.rows import queued
from tests.conversations.run import run
from tests.conversations.task import (
    BEGIN,
    AnyOf,
    Check,
    Passes,
    Row,
    Step,
    Task,
    Texts,
    Told,
    Writes,
    known,
    member,
    none,
    use,
)
from tests.conversations.tasks import ALL
from tests.conversations.world import Place


def test_there_are_sixty_tasks_of_different_names() -> None:
    assert len({task.name for task in ALL}) == len(ALL) >= 60


@pytest.mark.parametrize("task", ALL, ids=lambda task: task.name)
def test_a_right_model_passes(task: Task, outcome: Outcome) -> None:
    result = outcome(task, Oracle)
    assert result.problems == [], "\n".join(result.transcript)


@pytest.mark.parametrize("journey", JOURNEYS, ids=lambda journey: journey.name)
def test_the_journeys_whose_tokens_are_counted_go_as_scripted(
    journey: Task, outcome: Outcome
) -> None:
    assert outcome(journey, Oracle).problems == []


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


def problems(
    place: Place, *script: Step, grade: Sequence[Check] = (), rows: Sequence[Row] = ()
) -> str:
    """What is found wrong with a conversation of a member, with another one there."""
    cast = {"member": member(), "other": member(first_name="Zora", company="Quell")}
    task = Task("a task", cast=cast, rows=rows, script=script, grade=grade)
    with MessagesApi() as api:
        api.policy = policy = Oracle()
        found = run(task, place, ClaudeModel("a-key", api.url).complete, policy).problems
    return "; ".join(found)


def test_a_conversation_without_fault_has_no_problem(place: Place) -> None:
    assert problems(place, Writes("thanks", right=["You're welcome."])) == ""


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ("Somebody at Quell can help, ask Zora.", "was told of other: 'quell'"),
        ("I have introduced you to somebody.", "claim of what nobody did"),
        ("You will hear from me soon.", "a promise"),
        ("Here it is: {}", "machinery"),
        ("Great!", "an exclamation mark"),
    ],
)
def test_what_may_never_be_said_is_found(place: Place, said: str, problem: str) -> None:
    # What a model says so is refused before it leaves; here it was queued by somebody else.
    due = {"requires_fresh_context": False, "scheduled_for": BEGIN}
    row = Row("message_queue", dict(queued("text", said).columns) | due)
    assert problem in problems(place, Passes(hours=1), rows=[row])


def test_what_nobody_asked_for_is_found(place: Place) -> None:
    quiet = use("set_quiet_hours", start="20:00", end="08:00")
    step = Writes("hi", right=[(quiet, use("set_pace", per_day=1), use("not_now")), "Hello."])
    found = problems(place, step)
    assert "quiet_hours_start became" in found
    assert "how often we may write was changed" in found
    assert "not to write for a month" in found
    asked = use("ask_community", question="Who can help?", about="some help", expertise=["help"])
    assert "community_requests changed" in problems(place, Writes("hi", right=[asked, "Hello."]))


def test_words_that_had_to_be_replaced_are_no_answer(place: Place) -> None:
    unfit = ["See https://example.org", "See https://example.com"]
    assert "fit to be sent in step 1" in problems(place, Writes("hi", right=unfit))


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
