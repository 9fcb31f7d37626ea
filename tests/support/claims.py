"""What a process does between a claim and a commit, in one line each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

from lib.engine.work import UnitOfWork
from tests.support.rpc import Rpc, without_notice

Fill = Callable[[UnitOfWork], object]


def claim(rpc: Rpc, event_id: str, **more: Any) -> dict[str, Any]:
    """What claim_event answers to a token of its own."""
    return rpc.call("claim_event", **{"event_id": event_id, "token": uuid4()} | more)


def turn(rpc: Rpc, phone: str = "+12125550142") -> dict[str, Any]:
    """A claimed turn about one text of this number."""
    claimed = claim(rpc, rpc.text(phone)["event_id"])
    assert claimed["outcome"] == "claimed"
    return claimed


def work(claimed: dict[str, Any], *fill: Fill, **more: Any) -> dict[str, Any]:
    """The arguments of commit_work for a claimed turn whose decision is made of `fill`."""
    unit = UnitOfWork(UUID(claimed["events"][0]), created_by="test")
    for part in fill:
        part(unit)
    return {
        "work": {"events": claimed["events"], "changes": unit.changes, **more},
        "token": claimed["token"],
    }


def commit(rpc: Rpc, claimed: dict[str, Any], *fill: Fill, **more: Any) -> dict[str, Any]:
    """What commit_work answers to it."""
    return rpc.call("commit_work", **work(claimed, *fill, **more))


def add_task(rpc: Rpc, user_id: UUID | None, **columns: Any) -> UUID:
    """A task of this member that is due."""
    values = {
        "task_type": "test",
        "agent_type": "test",
        "user_id": user_id,
        "scheduled_for": rpc.now,
        "context_json": "{}",
    } | columns
    query = (
        f"insert into agent_tasks ({', '.join(values)})"  # noqa: S608
        f" values ({', '.join(['%s'] * len(values))}) returning id"
    )
    (row,) = rpc.rows(query, *values.values())
    task_id: UUID = row["id"]
    return task_id


def claim_tasks(rpc: Rpc, token: UUID | None = None, **more: Any) -> list[str]:
    """The ids of the tasks that claim_tasks gives to a token, by default one of its own."""
    answer = rpc.call("claim_tasks", token=token or uuid4(), **more)
    return [task["id"] for task in answer["tasks"]]


def send(rpc: Rpc, token: UUID, user_id: UUID | None = None, **more: Any) -> list[str]:
    """The words that claim_texts hands out to this token, in order; they stay in flight."""
    answer = rpc.call("claim_texts", token=token, user_id=user_id, **more)
    return [without_notice(text["body"]) for text in answer["sends"]]


def settle(
    rpc: Rpc, token: UUID, text_id: UUID, user_id: UUID, outcome: str, **fields: Any
) -> dict[str, Any]:
    """What record_sends answers when this became of one text."""
    result = {"id": str(text_id), "user_id": str(user_id), "outcome": outcome} | fields
    if outcome == "accepted":
        taken = {"sid": f"SM{uuid4().hex}", "status": "queued", "receipt_key": str(uuid4())}
        result = taken | result
    return rpc.call("record_sends", token=token, results=[result])
