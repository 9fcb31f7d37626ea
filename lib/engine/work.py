"""The unit of work: all that one decision wants changed, applied in one transaction or not at all.

`decide` fills it, `commit_work` (sql/functions/commit_work.sql) applies it. Nothing is written
before; a crash leaves nothing. Ids come from the source's id and a running number, so deciding
twice about the same source proposes the same rows (protocol.md, 5).

>>> work = UnitOfWork(UUID(int=1), created_by="bouncer")
>>> work.update("users", UUID(int=2), {"company": "Acme"}, expect={"company": None})
>>> len(work.changes)
1
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel

from lib.core.ids import derived_id
from lib.core.model import JSON, ModelCall
from lib.engine import segments

Kind = Literal["reply", "proactive", "system"]
Priority = Literal["high", "medium", "low"]


@dataclass
class UnitOfWork:
    """An ordered list of row changes proposed by one decision about one source.

    `source` is the id of the event, task or queued text being decided; `created_by` names the
    deciding agent in the rows it makes. A change is plain JSON, see sql/functions/commit_work.sql.

    `meanwhile` is what the member is told, once, if a dependency keeps the decision waiting.
    """

    source: UUID
    created_by: str
    source_type: Literal["event", "task", "message_queue"] = "event"
    changes: list[JSON] = field(default_factory=list)
    calls: list[JSON] = field(default_factory=list)
    meanwhile: str | None = None
    _ordinal: int = 0

    def next_id(self) -> UUID:
        """The id of the next row of this unit: uuid5(source, ordinal)."""
        self._ordinal += 1
        return derived_id(self.source, self._ordinal)

    def insert(self, table: str, row: Mapping[str, Any], *, id: UUID | None = None) -> UUID:
        """Insert `row`; an existing row with this id is left as it is. Returns the row's id."""
        row_id = id or self.next_id()
        self._change("insert", table, {"row": {"id": row_id, **row}})
        return row_id

    def update(
        self,
        table: str,
        id: UUID,
        values: Mapping[str, Any],
        *,
        expect: Mapping[str, Any],
    ) -> None:
        """Set columns of one row if it has the `expect`ed values; else the commit is *conflict*."""
        self._change("update", table, {"id": id, "set": dict(values), "expect": dict(expect)})

    def add(self, table: str, id: UUID, **deltas: int) -> None:
        """Add to integer columns (null counts as 0): commutes with everyone else's."""
        self._change("add", table, {"id": id, "add": deltas})

    def append(self, table: str, id: UUID, **values: Sequence[Any]) -> None:
        """Append elements to array or jsonb-list columns (null counts as empty)."""
        self._change("append", table, {"id": id, "append": {k: list(v) for k, v in values.items()}})

    def emit(
        self,
        event_type: str,
        payload: BaseModel | None = None,
        *,
        aggregate_id: UUID,
        aggregate_type: str = "user",
        audit_only: bool = False,
        id: UUID | None = None,
    ) -> UUID:
        """Emit an event; an audit-only one needs no handler and is stored as processed."""
        return self.insert(
            "events",
            {
                "event_type": event_type,
                "aggregate_id": aggregate_id,
                "aggregate_type": aggregate_type,
                "payload": payload.model_dump(mode="json", exclude_none=True) if payload else {},
                "metadata": {},
                "processed": audit_only,
                "created_by": self.created_by,
            },
            id=id,
        )

    def schedule(
        self,
        task_type: str,
        payload: BaseModel,
        *,
        agent_type: str,
        user_id: UUID | None,
        scheduled_for: datetime | None = None,
        priority: Priority = "medium",
        id: UUID | None = None,
    ) -> UUID:
        """Schedule a task, due at the commit without `scheduled_for`. Returns the task's id.

        A task of a member (`user_id`) is decided under that member's lease. With an `id` of its
        own, scheduling it again changes nothing, whatever has become of it.
        """
        return self.insert(
            "agent_tasks",
            {
                "task_type": task_type,
                "agent_type": agent_type,
                "user_id": user_id,
                "context_json": payload.model_dump(mode="json", exclude_none=True),
                "priority": priority,
                "created_by": self.created_by,
                **({"scheduled_for": scheduled_for} if scheduled_for else {}),
            },
            id=id,
        )

    def say(
        self,
        user_id: UUID,
        texts: Sequence[str],
        *,
        kind: Kind,
        conversation_id: UUID | None = None,
        topic: str | None = None,
        items: Sequence[UUID] = (),
        priority: Priority = "medium",
        scheduled_for: datetime | None = None,
        id: UUID | None = None,
    ) -> list[UUID]:
        """Queue one text, or several as one sequence, in plain characters and not too long
        (lib/engine/segments.py). Without `scheduled_for`: due at the commit.

        `items` are the priorities (user_priorities.id) that the texts bring up.
        With an `id` of its own, queueing it again changes nothing. Returns the ids
        of the queue rows, which become the ids of the messages.
        """
        data: JSON = {"kind": kind} | ({"topic": topic} if topic else {})
        if items:
            data["items"] = [str(item) for item in items]
        parts = [part for text in texts for part in segments.split(segments.plain(text))]
        sequence = self.next_id() if len(parts) > 1 else None
        return [
            self.insert(
                "message_queue",
                {
                    "user_id": user_id,
                    "agent_id": self.created_by,
                    "message_data": data,
                    "final_message": text,
                    "priority": priority,
                    "conversation_context_id": conversation_id,
                    **({"scheduled_for": scheduled_for} if scheduled_for else {}),
                    **(
                        {
                            "sequence_id": sequence,
                            "sequence_position": position,
                            "sequence_total": len(parts),
                        }
                        if sequence
                        else {}
                    ),
                },
                id=derived_id(id, position) if id and position > 1 else id,
            )
            for position, text in enumerate(parts, start=1)
        ]

    def pay(
        self,
        user_id: UUID,
        amount: int,
        *,
        event_type: str,
        reference_type: str,
        reference_id: UUID,
        key: str,
        description: str | None = None,
    ) -> UUID:
        """Move `amount` credits to the member, or from them if negative. Returns the row's id.

        `key` names this movement for ever: under it, deciding again pays nothing more, and another
        amount, member or reference makes the commit *invalid*. Spending more than the member has
        makes it *conflict* with reason *overdraft*: a decision that spends reads the balance first.
        """
        return self.insert(
            "credit_events",
            {
                "user_id": user_id,
                "event_type": event_type,
                "amount": amount,
                "reference_type": reference_type,
                "reference_id": reference_id,
                "idempotency_key": key,
                "description": description,
            },
        )

    def log(
        self,
        call: ModelCall,
        *,
        action_type: str,
        agent_type: str,
        user_id: UUID | None,
        agent_instance_id: UUID | None = None,
        input_data: JSON | None = None,
        output_data: JSON | None = None,
    ) -> None:
        """Record a model call. Kept apart from the changes: it is logged whatever becomes of them.

        `input_data` and `output_data` must be redacted by the caller: counts, roles, tool names.
        """
        self.calls.append(
            _plain(
                {
                    "agent_type": agent_type,
                    "agent_instance_id": agent_instance_id,
                    "action_type": action_type,
                    "user_id": user_id,
                    "context_id": self.source,
                    "context_type": self.source_type,
                    "model_used": call.model,
                    "input_tokens": call.input_tokens,
                    "output_tokens": call.output_tokens,
                    "cost_usd": call.cost_usd,
                    "latency_ms": call.latency_ms,
                    "input_data": (input_data or {})
                    | {
                        "cache_read": call.cache_read_tokens,
                        "cache_write": call.cache_write_tokens,
                    },
                    "output_data": (output_data or {})
                    | {"stop_reason": call.stop_reason, "request_id": call.request_id},
                    "error": call.error,
                }
            )
        )

    def _change(self, op: str, table: str, body: JSON) -> None:
        self.changes.append({"op": op, "table": table} | _plain(body))


class DecisionFailed(Exception):
    """Deciding failed. `work` holds the model calls that were made; `__cause__` says why."""

    def __init__(self, work: UnitOfWork) -> None:
        super().__init__("decision failed")
        self.work = work


def _plain(value: Any) -> Any:
    """JSON as PostgreSQL takes it: ids and times as strings, times with their offset.

    Raises:
        ValueError: for a time without an offset.
    """
    match value:
        case UUID():
            return str(value)
        case datetime():
            if value.tzinfo is None:
                raise ValueError("a time needs an offset")
            return value.isoformat()
        case BaseModel():
            return value.model_dump(mode="json")
        case Mapping():
            return {str(k): _plain(v) for k, v in value.items()}
        case str():
            return value
        case Sequence():
            return [_plain(v) for v in value]
        case _:
            return value
