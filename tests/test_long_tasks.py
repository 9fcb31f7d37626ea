"""A task that takes long holds up no other one."""

import threading
from uuid import UUID, uuid4

import pytest

from lib.adapters.supabase import Database
from lib.core.settings import SupabaseSettings
from lib.engine import tasks
from lib.engine.outbox import Outbox
from lib.engine.registry import TASK_TYPES
from lib.engine.step import Claim
from lib.engine.work import UnitOfWork
from tests.conversations.world import Twilio
from tests.support.community import expert, now
from tests.support.stack import StackUnderTest, wait_for

PATIENCE_S = 20.0


def due(stack: StackUnderTest) -> UUID:
    """A task of a new member, due now."""
    task_id = uuid4()
    with stack.connect() as session:
        session.execute(
            "insert into agent_tasks (id, task_type, agent_type, user_id, scheduled_for,"
            " context_json) values (%s, 'account_manager_review', 'account_manager', %s, %s, '{}')",
            (task_id, expert(stack).user()["id"], now(stack)),
        )
    return task_id


def test_what_comes_due_while_a_task_takes_long_is_done_in_the_same_run(
    stack: StackUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "TICK_S", 0.2)
    supabase = stack.description["supabase"]
    database = Database(
        SupabaseSettings.model_validate(
            {"supabase_url": supabase["url"], "supabase_service_role_key": supabase["key"]}
        )
    )
    begun, ended, may_end = threading.Event(), set[UUID | None](), threading.Event()

    def decide(claim: Claim, _deadline: float) -> UnitOfWork:
        if claim.task_id == long:
            begun.set()
            assert may_end.wait(PATIENCE_S)
        ended.add(claim.task_id)
        return UnitOfWork(claim.source, "test")

    processor = tasks.TaskProcessor(
        database,
        dict.fromkeys(TASK_TYPES, decide),
        Outbox(database, Twilio(lambda _to, _body: None)),
        lambda _ids: None,
        follow=lambda _id: None,
    )
    long = due(stack)
    ran: list[tasks.Ran] = []
    run = threading.Thread(target=lambda: ran.append(processor.run(claim_for_s=PATIENCE_S)))
    run.start()
    assert begun.wait(PATIENCE_S)
    try:
        later = due(stack)
        wait_for(lambda: later in ended, "task", PATIENCE_S / 2)
        assert long not in ended
    finally:
        may_end.set()
        run.join(PATIENCE_S)
    assert ran[0].outcomes == {"applied": 2}
