"""Putting off the look after a member who may fall silent (behaviour.md, "Numbers").

Every turn puts it off; lib/agents/re_engagement.py is what happens when it comes.
"""

from datetime import timedelta

from lib.core.ids import derived_id
from lib.engine.registry import Reason, SilenceCheck
from lib.engine.turn import Turn
from lib.engine.work import UnitOfWork

NUDGE_AFTER = timedelta(hours=24)
WRITE_AFTER = timedelta(days=7)
NOT_NOW = timedelta(days=30)


def put_off(work: UnitOfWork, turn: Turn, *, not_now: bool = False) -> None:
    """The member wrote: look after them a day (in onboarding) or a week from now.

    Who said "not now" is left in peace for its 30 days, whatever else they write in them.
    """
    after = (NOT_NOW if not_now else WRITE_AFTER) if turn.member.verified else NUDGE_AFTER
    reason: Reason = "not now" if not_now else "silence" if turn.member.verified else "onboarding"
    payload = SilenceCheck(attempt=1, reason=reason)
    if turn.re_engagement is None:
        schedule(work, turn, payload, after)
        return
    waits = turn.re_engagement.context_json.get("reason") == "not now"
    if waits and turn.re_engagement.scheduled_for > turn.now + after:
        return
    work.update(
        "agent_tasks",
        turn.re_engagement.id,
        {
            "scheduled_for": turn.now + after,
            "context_json": payload.model_dump(mode="json"),
            "agent_type": work.created_by,
        },
        expect={"status": "pending"},
    )


def schedule(work: UnitOfWork, turn: Turn, payload: SilenceCheck, after: timedelta) -> None:
    """Look after the member `after` this decision; once for each source."""
    work.schedule(
        "re_engagement_check",
        payload,
        agent_type=work.created_by,
        user_id=turn.member.id,
        scheduled_for=turn.now + after,
        priority="low",
        id=derived_id(work.source, "re_engagement"),
    )
