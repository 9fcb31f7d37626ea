"""The agents over the real SQL functions: claim, decide by the real handlers, commit.

As a process does it, without HTTP, by the session's own clock; only the model is scripted.
"""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from lib.agents.handlers import event_handlers, task_handlers
from lib.core.model import JSON, ModelReply
from lib.engine.registry import EVENT_TYPES, TASK_TYPES
from lib.engine.step import Claim, Decide, check_payload
from lib.engine.work import UnitOfWork
from tests.support.rpc import Rpc
from tests.support.scripted_model import ADDRESSES, ScriptedModel, soon, text


@dataclass
class Agents:
    """All agents. `said` are the texts that have left, by member, in their order."""

    rpc: Rpc
    model: ScriptedModel = field(default_factory=lambda: ScriptedModel(text("Fine.")))
    said: dict[UUID, list[str]] = field(default_factory=dict)

    def hear(self, phone: str, words: str, *replies: ModelReply) -> None:
        """A text of a member is answered by the model's replies, and all that follows happens."""
        self.model = ScriptedModel(*replies or [text("Fine.")])
        event_id = self.rpc.text(phone, words)["event_id"]
        assert self.run_event(event_id) == "applied"
        self.settle()

    def settle(self) -> None:
        """Handle open events and send what is due, until nothing follows any more."""
        while True:
            waiting = self.rpc.rows(
                "select id from events where processed is not true"
                " and coalesce((metadata ->> 'retry_at')::timestamptz <= %s, true)"
                " order by created_at, id",
                self.rpc.now,
            )
            for event in waiting:
                assert self.run_event(event["id"]) == "applied"
            if not self._send() and not waiting:
                return

    def run_tasks(self) -> list[str]:
        """Run the tasks that are due, and what follows; their types."""
        done = []
        while tasks := self.rpc.call("claim_tasks", token=(token := uuid4()))["tasks"]:
            for task in tasks:
                claim = Claim(
                    token=token,
                    type=task["task_type"],
                    payload=task["context_json"],
                    context=task["context"],
                    task_id=UUID(task["id"]),
                    user_id=task["user_id"],
                )
                work = self.decide(claim)
                answer = self._commit({"task": task["id"], "changes": work.changes}, token)
                assert answer["outcome"] == "applied", answer
                done.append(claim.type)
            self.settle()
        return done

    def run_event(self, event_id: Any) -> str:
        """Claim, decide and commit one event; the outcome."""
        claim = self.claim_event(event_id)
        return self.commit(claim, self.decide(claim))

    def claim_event(self, event_id: Any) -> Claim:
        """The claim on an open event."""
        answer = self.rpc.call("claim_event", event_id=event_id, token=(token := uuid4()))
        assert answer["outcome"] == "claimed", answer
        return Claim(
            token=token,
            type=answer["event"]["event_type"],
            payload=answer["event"]["payload"],
            context=answer["context"],
            event_ids=[UUID(i) for i in answer["events"]],
            user_id=answer["event"]["aggregate_id"],
        )

    def decide(self, claim: Claim) -> UnitOfWork:
        """What the handler of its type decides."""
        registered = (TASK_TYPES if claim.task_id else EVENT_TYPES)[claim.type]
        check_payload(claim, registered.payload)
        return self._handlers(claim)[claim.type](claim, soon())

    def commit(self, claim: Claim, work: UnitOfWork) -> str:
        """Commit what was decided about an event; the outcome."""
        events: list[Any] = [str(i) for i in claim.event_ids]
        answer = self._commit({"events": events, "changes": work.changes}, claim.token)
        return str(answer["outcome"])

    def _handlers(self, claim: Claim) -> dict[str, Decide]:
        if claim.task_id:
            return task_handlers(self.model)
        return event_handlers(
            self.model, addresses=ADDRESSES, answer_help=False, is_spent=lambda: False
        )

    def _commit(self, work: JSON, token: UUID) -> JSON:
        return self.rpc.call("commit_work", work=work, token=token)

    def _send(self) -> bool:
        members = self.rpc.rows(
            "select distinct user_id from message_queue where status = 'queued'"
            " and final_message is not null and scheduled_for <= %s",
            self.rpc.now,
        )
        sent = False
        for member in members:
            while words := self.rpc.claim_texts(member["user_id"]):
                self.said.setdefault(member["user_id"], []).extend(words)
                sent = True
        return sent
