"""A run ends when nothing is due any more, and no task that takes long holds up others."""

import threading
from collections.abc import Iterator
from uuid import UUID

import pytest

from lib.engine import tasks
from lib.engine.outbox import Outbox
from lib.engine.registry import TASK_TYPES
from lib.engine.step import Claim, Decide
from lib.engine.work import UnitOfWork
from tests.conversations.world import DirectDatabase, Twilio
from tests.support.claims import add_task
from tests.support.rpc import Rpc
from tests.support.stack import wait_for

ADA, BOB = "+12125550101", "+12125550102"
PATIENCE_S = 20.0


@pytest.fixture
def rpc(database: str) -> Iterator[Rpc]:
    session = Rpc(database)
    yield session
    session.close()


def due(rpc: Rpc, user_id: UUID) -> UUID:
    return add_task(rpc, user_id, task_type="account_manager_review")


def processor(rpc: Rpc, decide: Decide) -> tasks.TaskProcessor:
    database = DirectDatabase(rpc)
    return tasks.TaskProcessor(
        database,
        dict.fromkeys(TASK_TYPES, decide),
        Outbox(database, Twilio(lambda _to, _body: None)),
        lambda _ids: None,
        follow=lambda _id: None,
    )


def test_all_that_is_due_for_one_member_is_done_in_one_run(rpc: Rpc) -> None:
    ada = rpc.member(ADA)
    for _ in range(3):
        due(rpc, ada)
    ran = processor(rpc, lambda claim, _: UnitOfWork(claim.source, "test")).run(PATIENCE_S)
    assert (ran.outcomes, ran.more) == ({"applied": 3}, False)


def test_what_comes_due_while_a_task_takes_long_is_done_in_the_same_run(
    rpc: Rpc, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "TICK_S", 0.2)
    begun, ended, may_end = threading.Event(), set[UUID | None](), threading.Event()

    def decide(claim: Claim, _deadline: float) -> UnitOfWork:
        if claim.task_id == long:
            begun.set()
            assert may_end.wait(PATIENCE_S)
        ended.add(claim.task_id)
        return UnitOfWork(claim.source, "test")

    long = due(rpc, rpc.member(ADA))
    ran: list[tasks.Ran] = []
    run = threading.Thread(target=lambda: ran.append(processor(rpc, decide).run(PATIENCE_S)))
    run.start()
    assert begun.wait(PATIENCE_S)
    try:
        later = due(rpc, rpc.member(BOB))
        wait_for(lambda: later in ended, "task", PATIENCE_S / 2)
        assert long not in ended
    finally:
        may_end.set()
        run.join(PATIENCE_S)
    assert ran[0].outcomes == {"applied": 2}


def test_tasks_that_take_long_leave_the_threads_beside_them_to_others(
    rpc: Rpc, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "TICK_S", 0.2)
    all_begun = threading.Barrier(tasks.THREADS - tasks.BATCH_LEAST + 2)
    done, may_end = threading.Event(), threading.Event()

    def decide(claim: Claim, _deadline: float) -> UnitOfWork:
        if claim.task_id in long:
            all_begun.wait(PATIENCE_S)
            assert may_end.wait(PATIENCE_S)
        else:
            done.set()
        return UnitOfWork(claim.source, "test")

    # One more than leaves room for a whole batch.
    members = [rpc.member(f"+121255502{n:02}") for n in range(all_begun.parties - 1)]
    long = {due(rpc, member) for member in members}
    run = threading.Thread(target=lambda: processor(rpc, decide).run(PATIENCE_S))
    run.start()
    all_begun.wait(PATIENCE_S)
    try:
        due(rpc, rpc.member(BOB))
        assert done.wait(PATIENCE_S / 2)
    finally:
        may_end.set()
        run.join(PATIENCE_S)
