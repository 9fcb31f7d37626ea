"""Summaries of conversations: a turn needs only the latest texts (behaviour.md, "Numbers")."""

import re

from lib.agents.background import Job, tagged
from lib.core.ids import derived_id
from lib.core.model import Complete
from lib.domain import names
from lib.engine.documents import Summary
from lib.engine.registry import SummaryWanted
from lib.engine.step import Claim, Malformed
from lib.engine.turn import Turn
from lib.engine.work import DecisionFailed, UnitOfWork

#: Texts since the last summary that make a new one due.
DUE_AFTER = 50
MAX_WORDS = 200
#: What 200 words take at most, in characters: some languages put no space between them.
MAX_CHARS = 2000
JOB = Job("conversation_summary", "concierge")

_WRITERS = {"user": "member", "assistant": "agent"}


class EmptySummaryError(Exception):
    """The model wrote nothing, or nothing that was said."""


def schedule(work: UnitOfWork, turn: Turn) -> None:
    """Have the conversation of a turn summarised when it has grown long; once for each stretch."""
    conversation = turn.conversation
    if conversation.messages_since_summary < DUE_AFTER:
        return
    stretch = conversation.last_summary_message_id or "first"
    work.schedule(
        "create_conversation_summary",
        SummaryWanted(conversation_id=conversation.id),
        agent_type=work.created_by,
        user_id=turn.member.id,
        priority="low",
        id=derived_id(conversation.id, f"summary:{stretch}"),
    )


def summarise(claim: Claim, complete: Complete, deadline: float) -> UnitOfWork:
    """Summarise the texts since the last summary, together with it.

    Raises:
        Malformed: there is no such conversation.
        DecisionFailed: no summary; its cause is a ModelError or EmptySummaryError.
    """
    read = Summary.model_validate(claim.context)
    conversation = read.conversation
    if conversation is None:
        raise Malformed("the task names no conversation of its member")
    work = UnitOfWork(claim.source, created_by=JOB.agent_type, source_type="task")
    if not read.messages:
        return work
    content = "\n".join(
        [
            tagged("summary", conversation.conversation_summary or ""),
            *(tagged(_WRITERS[m.role], m.content) for m in read.messages),
        ]
    )
    try:
        said = JOB.ask(content, work=work, complete=complete, deadline=deadline, user_id=None)
        known = [conversation.conversation_summary or "", *(m.content for m in read.messages)]
        summary = _shortened(_without_inventions(said, "\n".join(known)))
        if not summary:
            raise EmptySummaryError
    except Exception as error:
        raise DecisionFailed(work) from error
    work.update(
        "conversations",
        conversation.id,
        {
            "conversation_summary": summary,
            "last_summary_message_id": read.messages[-1].id,
        },
        expect={"last_summary_message_id": conversation.last_summary_message_id},
    )
    work.add(
        "conversations",
        conversation.id,
        messages_since_summary=-conversation.messages_since_summary,
    )
    return work


def _without_inventions(said: str, known: str) -> str:
    """A summary without its sentences that name what nobody wrote: what stands in a summary counts
    as said from then on (lib/domain/voice.py)."""
    given = f"{known}\n{JOB.instructions}"
    sentences = re.split(r"(?<=[.?!\u3002\uff01\uff1f])\s+|\n+", said)
    return " ".join(s.strip() for s in sentences if not names.unknown(s, given=given))


def _shortened(said: str) -> str:
    return " ".join(said.split()[:MAX_WORDS])[:MAX_CHARS].strip()
