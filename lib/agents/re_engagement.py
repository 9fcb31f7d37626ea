"""Members who have fallen silent: whether to write first, and when again (behaviour.md, "Numbers").

Every turn puts the member's next check off (lib/agents/silence.py): one that is due means that
they were silent.
"""

from datetime import timedelta

from lib.agents import bouncer, concierge, concierge_desk
from lib.agents.frame import deciding
from lib.agents.loop import Exchange, Prompt
from lib.agents.silence import NUDGE_AFTER, WRITE_AFTER, schedule
from lib.core.model import Complete
from lib.domain import voice
from lib.engine.documents import Silence
from lib.engine.registry import SilenceCheck
from lib.engine.turn import Turn
from lib.engine.work import UnitOfWork

TOPIC = "re_engagement"

NUDGES = 2
#: Unanswered ones in 90 days after which we stop.
UNANSWERED = 3

_BOUNCER: Prompt[None] = Prompt(bouncer.AGENT_TYPE)


def check(
    turn: Turn, payload: SilenceCheck, silence: Silence, complete: Complete, deadline: float
) -> UnitOfWork:
    """Write to a member who has been silent, or keep silent, too.

    Raises:
        DecisionFailed: no answer; its cause is ModelUnavailable, ModelRejected or an error of ours.
    """
    if turn.member.verified:
        return _member(turn, payload, silence, complete, deadline)
    return _newcomer(turn, payload, silence, complete, deadline)


def _newcomer(
    turn: Turn, payload: SilenceCheck, silence: Silence, complete: Complete, deadline: float
) -> UnitOfWork:
    with deciding(turn, bouncer.AGENT_TYPE, source_type="task") as work:
        if turn.onboarding_completed or payload.attempt > NUDGES:
            return work
        if wait := _too_early(turn, silence, NUDGE_AFTER):
            schedule(work, turn, payload, wait)
            return work
        desk = bouncer.Desk(turn)
        card = desk.card() | {"silent": payload.attempt}
        exchange = Exchange(_BOUNCER, turn, work, None, complete, deadline, None)
        texts = exchange.answer(card, lambda: [desk.safe_text()])
        _say(work, turn, texts)
        if payload.attempt < NUDGES:
            schedule(work, turn, _next(payload), NUDGE_AFTER)
    return work


def _member(
    turn: Turn, payload: SilenceCheck, silence: Silence, complete: Complete, deadline: float
) -> UnitOfWork:
    with deciding(turn, concierge.AGENT_TYPE, source_type="task") as work:
        if payload.reason == "onboarding":
            # They have become a member since.
            schedule(work, turn, SilenceCheck(attempt=1, reason="silence"), WRITE_AFTER)
            return work
        if silence.unanswered >= UNANSWERED or payload.attempt > UNANSWERED:
            return work
        if wait := _too_early(turn, silence, WRITE_AFTER):
            schedule(work, turn, payload, wait)
            return work
        # What is on their list is brought up by the account manager.
        card = concierge_desk.Desk(turn.model_copy(update={"items": []}), work).card()
        card["silent"] = payload.attempt
        exchange = Exchange(
            concierge.SPEAKING, turn, work, None, complete, deadline, None, may_be_silent=True
        )
        texts = exchange.answer(card, lambda: [voice.SILENCE])
        if texts != [voice.SILENCE]:
            _say(work, turn, texts)
        schedule(work, turn, _next(payload), WRITE_AFTER)
    return work


def _too_early(turn: Turn, silence: Silence, apart: timedelta) -> timedelta | None:
    """How long the last text of this kind forbids another, as it may have left late."""
    if silence.last_written_at is None or silence.last_written_at + apart <= turn.now:
        return None
    return silence.last_written_at + apart - turn.now


def _next(payload: SilenceCheck) -> SilenceCheck:
    return SilenceCheck(attempt=payload.attempt + 1, reason=payload.reason)


def _say(work: UnitOfWork, turn: Turn, texts: list[str]) -> None:
    work.say(
        turn.member.id,
        texts[:1],
        kind="proactive",
        conversation_id=turn.conversation.id,
        topic=TOPIC,
        priority="low",
    )
