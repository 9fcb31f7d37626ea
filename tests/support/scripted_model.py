"""A model that says what a test tells it to, and turns to decide.

Nothing of ours is replaced: `Complete` is the port that deciding uses. Claude's adapter is tested
over HTTP.
"""

import copy
import time
from typing import Any
from uuid import UUID

from pydantic import SecretStr

from lib.core.model import JSON, ModelCall, ModelError, ModelReply
from lib.domain.verification import Addresses
from lib.engine.turn import Turn
from lib.engine.work import UnitOfWork

MEMBER = UUID(int=1)
SOURCE = UUID(int=2)
CONVERSATION = UUID(int=3)
INSTANCE = UUID(int=4)
NOW = "2026-11-22T23:03:00+00:00"
ADDRESSES = Addresses(SecretStr("a secret of the tests"), "in.yachtparty.test")

CALL = ModelCall("claude-sonnet-5-5", 1200, 60, 1000, 0, 0.001, 800, "end_turn", "req_1")


def text(words: str) -> ModelReply:
    """A plain answer."""
    return ModelReply([{"type": "text", "text": words}], "end_turn", CALL)


def use(name: str, **arguments: Any) -> JSON:
    """A tool use block."""
    return {"type": "tool_use", "id": f"toolu_{name}", "name": name, "input": arguments}


def uses(*blocks: JSON) -> ModelReply:
    """A reply that thinks and uses tools."""
    thought = {"type": "thinking", "thinking": "", "signature": "c2lnbmVk"}
    return ModelReply([thought, *blocks], "tool_use", CALL)


def collect(**arguments: Any) -> ModelReply:
    """A reply that uses collect_user_info."""
    return uses(use("collect_user_info", **arguments))


class ScriptedModel:
    """Gives its replies in order (the last one for ever) and remembers the requests."""

    def __init__(self, *replies: ModelReply | ModelError) -> None:
        self._replies = list(replies)
        self.requests: list[JSON] = []

    def __call__(self, request: JSON, timeout_s: float) -> ModelReply:
        assert timeout_s > 0
        self.requests.append(copy.deepcopy(request))
        reply = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
        if isinstance(reply, ModelError):
            raise reply
        return reply

    def results(self, request: int = -1) -> list[JSON]:
        """The tool results in the last turn of a request."""
        content = self.requests[request]["messages"][-1]["content"]
        return [block for block in content if block["type"] == "tool_result"]


def turn(*texts: str | JSON, member: JSON | None = None, **context: Any) -> Turn:
    """A turn of someone unverified who wrote `texts`; `context` overrides parts of the document."""
    document: JSON = {
        "source": SOURCE,
        "now": NOW,
        "member": {"id": MEMBER, "phone_number": "+12125550123"} | (member or {}),
        "conversation": {"id": CONVERSATION},
        "history": [],
        "texts": [
            {
                "event_id": UUID(int=100 + n),
                "message_id": UUID(int=200 + n),
                "created_at": NOW,
                **({"content": t} if isinstance(t, str) else t),
            }
            for n, t in enumerate(texts)
        ],
    }
    return Turn.model_validate(document | context)


def known_to(agent: str) -> JSON:
    """The context of someone whom this agent has answered before."""
    return {"agent_instance": {"id": INSTANCE, "agent_type": agent, "status": "active"}}


def earlier(role: str, content: str, status: str | None = None) -> JSON:
    """An earlier text."""
    return {"role": role, "content": content, "status": status, "created_at": NOW}


def soon() -> float:
    """A deadline well ahead."""
    return time.monotonic() + 45


def said(work: UnitOfWork) -> list[str]:
    """The texts that a unit of work queues."""
    return [c["row"]["final_message"] for c in work.changes if c["table"] == "message_queue"]


def member_update(work: UnitOfWork) -> JSON:
    """What a unit of work sets on the member's row, without the agent's id; {} for nothing."""
    updates = [c for c in work.changes if c["table"] == "users"]
    assert len(updates) <= 1
    assert all(c["op"] == "update" and c["id"] == str(MEMBER) for c in updates)
    return {k: v for c in updates for k, v in c["set"].items() if k != "poc_agent_id"}


def events(work: UnitOfWork) -> list[tuple[str, JSON]]:
    """The events that a unit of work emits: type and payload."""
    return [
        (c["row"]["event_type"], c["row"]["payload"])
        for c in work.changes
        if c["table"] == "events"
    ]
