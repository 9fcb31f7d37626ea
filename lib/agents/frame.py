"""What every agent's turn has in common: its unit of work, its instance, what failing leaves."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal
from uuid import UUID

from lib.agents import context
from lib.agents.loop import Prompt
from lib.agents.tools import DeskT
from lib.core.ids import derived_id
from lib.core.model import JSON
from lib.domain import messaging
from lib.engine.turn import Member, Turn
from lib.engine.work import DecisionFailed, UnitOfWork


@contextmanager
def deciding(
    turn: Turn, agent_type: str, source_type: Literal["event", "task"] = "event"
) -> Iterator[UnitOfWork]:
    """A unit of work to fill. Whatever goes wrong meanwhile, the model calls made are not lost.

    Raises:
        DecisionFailed: with the work so far; its cause is the error.
    """
    work = UnitOfWork(turn.source, created_by=agent_type, source_type=source_type)
    work.meanwhile = messaging.OUTAGE_TEXT if turn.texts else None
    try:
        yield work
    except Exception as error:
        raise DecisionFailed(work) from error


def instance_of(turn: Turn, work: UnitOfWork, prompt: Prompt[DeskT]) -> UUID:
    """The member's active instance of this agent; the first turn makes it, a new prompt marks it.

    Its id comes from the turn's source, not from the member: after a hand-over there and back, a
    new instance must not collide with the terminated one.
    """
    known = turn.agent_instance
    if known is None or known.agent_type != prompt.agent_type:
        return work.insert(
            "agent_instances",
            {
                "agent_type": prompt.agent_type,
                "user_id": turn.member.id,
                "config_json": {},
                "prompt_version": prompt.version,
                "status": "active",
            },
            id=derived_id(turn.source, f"agent:{prompt.agent_type}"),
        )
    if known.prompt_version != prompt.version:
        work.update(
            "agent_instances",
            known.id,
            {"prompt_version": prompt.version},
            expect={"status": "active"},
        )
    return known.id


def update_member(work: UnitOfWork, member: Member, values: JSON) -> None:
    """Set columns of the member's row where they differ; all expected to be as they were read.

    `verified` and `poc_agent_type` too: whoever else may answer this member by now decides anew.
    """
    read = member.model_dump()
    changed = {column: value for column, value in values.items() if read[column] != value}
    if changed:
        expected = {"verified", "poc_agent_type", *changed}
        work.update("users", member.id, changed, expect={c: read[c] for c in sorted(expected)})


def reply(work: UnitOfWork, turn: Turn, texts: list[str], items: Sequence[UUID] = ()) -> None:
    """Queue the answer, due at once; `items` are the priorities it brings up."""
    work.say(
        turn.member.id,
        texts,
        kind="reply",
        conversation_id=turn.conversation.id,
        priority="high",
        items=items,
    )


def rest(turn: Turn, agent_type: str) -> UnitOfWork:
    """No answer today: says so once, then keeps silent until the member's tomorrow."""
    work = UnitOfWork(turn.source, created_by=agent_type)
    today = context.local_time(turn)[:10]
    work.say(
        turn.member.id,
        [messaging.REST_TEXT],
        kind="reply",
        conversation_id=turn.conversation.id,
        priority="high",
        id=derived_id(turn.member.id, f"rest:{today}"),
    )
    return work


def turn_away(turn: Turn, agent_type: str) -> UnitOfWork:
    """No answer while an operator wants this number not to be served: says so once a day."""
    work = UnitOfWork(turn.source, created_by=agent_type)
    status = turn.member.status_level or ""
    today = context.local_time(turn)[:10]
    work.say(
        turn.member.id,
        [messaging.UNSERVED_TEXTS[status]],
        kind="reply",
        conversation_id=turn.conversation.id,
        priority="high",
        id=derived_id(turn.member.id, f"{status}:{today}"),
    )
    return work
