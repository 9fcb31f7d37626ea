"""One task from its first text to its grade."""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from lib.core.model import Complete, ModelCall
from tests.conversations import grading
from tests.conversations.policies import Policy
from tests.conversations.task import Answers, If, Mails, Move, Passes, Step, Task, Writes
from tests.conversations.world import Place, World
from tests.support.database import SHIPPED, Servers

#: Called where a step begins, with its right answers.
Begin = Callable[[Sequence[Move]], None]


@dataclass
class Result:
    """What came of one task: `problems` is empty if it was passed."""

    task: Task
    problems: list[str]
    calls: list[ModelCall] = field(default_factory=list)
    transcript: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether everything was as it must be."""
        return not self.problems

    @property
    def cost_usd(self) -> float:
        """What the model's calls cost."""
        return sum(call.cost_usd for call in self.calls)


def run(task: Task, place: Place, complete: Complete, policy: Policy | None = None) -> Result:
    """Run a task where nothing else happens and grade it. `policy` hears where its steps begin.

    An error of a step is a problem of this task; what the model's service does is not ours to hide,
    so errors of `complete` are recorded by the engine as in production.
    """
    started = time.monotonic()
    world = World(task, place, complete)
    _play(world, task.script, policy.begin if policy else lambda _: None)
    problems = (policy.end() if policy else []) + grading.problems(world)
    seconds = time.monotonic() - started
    return Result(task, problems, world.calls, world.transcript, seconds)


def _play(world: World, script: Sequence[Step], begin: Begin) -> None:
    for step in script:
        if isinstance(step, If):
            holds = grading.failed(step.check, world) is None
            _play(world, step.then if holds else step.otherwise, begin)
            continue
        world.step += 1
        begin(step.right)
        _happen(world, step)


def _happen(world: World, step: Writes | Answers | Mails | Passes) -> None:
    match step:
        case Writes():
            if not step.quiet:
                world.wrote.append((world.step, step.by))
            if step.meanwhile is not None:
                later = step.meanwhile
                world.meanwhile = lambda: world.write(step.by, [later])
            world.write(step.by, step.texts, step.media)
            world.settle()
        case Answers():
            _converse(world, step)
        case Mails():
            world.mail(step.by, step.sender)
            world.settle()
        case Passes():
            world.pass_time(timedelta(days=step.days, hours=step.hours))


def _converse(world: World, step: Answers) -> None:
    """Answer what is asked, until nothing is asked that the member has a line for."""
    left = dict(step.lines)
    heard = len(world.texts_to(step.by))
    asked = "\n".join(world.texts_to(step.by, world.step - 1))
    for _ in range(step.most):
        fitting = next((p for p in left if re.search(p, asked, re.IGNORECASE)), None)
        if fitting is None:
            return
        world.rpc.pass_time(minutes=2)
        world.wrote.append((world.step, step.by))
        world.write(step.by, [left.pop(fitting)])
        world.settle()
        asked = "\n".join(world.texts_to(step.by)[heard:])
        heard = len(world.texts_to(step.by))


@contextmanager
def a_place(servers: Servers) -> Iterator[Place]:
    """A database for tasks, one at a time."""
    server = servers.server(SHIPPED)
    name = server.create(servers.template(SHIPPED))
    place = Place(server.url(name))
    try:
        yield place
    finally:
        place.close()
        server.drop(name)
