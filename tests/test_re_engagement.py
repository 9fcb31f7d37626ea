"""Whether and when a silent member is written to first (behaviour.md, "Numbers")."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from lib.agents import concierge, re_engagement
from lib.core.model import JSON
from lib.engine.documents import Silence
from lib.engine.registry import SilenceCheck
from lib.engine.work import UnitOfWork
from tests.support.scripted_model import (
    NOW,
    ScriptedModel,
    earlier,
    known_to,
    said,
    soon,
    text,
    turn,
    use,
    uses,
)

MEMBER: JSON = {"verified": True, "first_name": "Ida"}
NUDGE = "Did that work out?"


def check(
    model: ScriptedModel, *, attempt: int = 1, silence: JSON | None = None, **context: Any
) -> UnitOfWork:
    """What becomes of a check that is due for a member (or, `member={}`, a newcomer)."""
    verified = context.setdefault("member", MEMBER).get("verified")
    payload = SilenceCheck(attempt=attempt, reason="silence" if verified else "onboarding")
    silent = turn(history=[earlier("user", "I need a bank")], **context)
    return re_engagement.check(
        silent, payload, Silence.model_validate(silence or {}), model, soon()
    )


def checks(work: UnitOfWork) -> list[tuple[int, timedelta]]:
    """The checks that follow: attempt, and how long from now."""
    return [
        (
            c["row"]["context_json"]["attempt"],
            datetime.fromisoformat(c["row"]["scheduled_for"]) - datetime.fromisoformat(NOW),
        )
        for c in work.changes
        if c["table"] == "agent_tasks"
    ]


def ago(**delta: float) -> str:
    return (datetime.fromisoformat(NOW) - timedelta(**delta)).isoformat()


def test_a_silent_member_is_written_to_and_looked_after_again_in_a_week() -> None:
    work = check(ScriptedModel(text(NUDGE)))
    assert said(work) == [NUDGE]
    (queued,) = [c["row"] for c in work.changes if c["table"] == "message_queue"]
    assert queued["message_data"] == {"kind": "proactive", "topic": "re_engagement"}
    assert checks(work) == [(2, timedelta(days=7))]


@pytest.mark.parametrize("words", ["(silence)", "(Silence).", "silence", "*(silence)*"])
def test_the_agent_may_choose_silence_and_is_understood(words: str) -> None:
    model = ScriptedModel(text(words))
    work = check(model)
    assert said(work) == []
    assert len(model.requests) == 1
    assert checks(work) == [(2, timedelta(days=7))]


def test_words_that_break_a_rule_twice_are_silence() -> None:
    assert said(check(ScriptedModel(text("Maria Lopez can help you by Friday.")))) == []


@pytest.mark.parametrize(("attempt", "unanswered"), [(4, 0), (1, 3), (2, 7)])
def test_after_three_it_is_over(attempt: int, unanswered: int) -> None:
    model = ScriptedModel(text(NUDGE))
    work = check(model, attempt=attempt, silence={"unanswered": unanswered})
    assert (work.changes, model.requests) == ([], [])


@pytest.mark.parametrize(
    ("member", "apart"), [(MEMBER, timedelta(days=7)), ({}, timedelta(hours=24))]
)
def test_a_text_that_left_late_puts_the_next_one_off(member: JSON, apart: timedelta) -> None:
    last = {"last_written_at": ago(hours=20)}
    model = ScriptedModel(text("Who told you about us?"))
    work = check(model, attempt=2, silence=last, member=member)
    assert model.requests == []
    assert checks(work) == [(2, apart - timedelta(hours=20))]
    just = {"last_written_at": (datetime.fromisoformat(NOW) - apart).isoformat()}
    assert len(said(check(model, attempt=2, silence=just, member=member))) == 1


def test_a_newcomer_is_asked_twice() -> None:
    model = ScriptedModel(text("Who told you about us?"))
    assert checks(check(model, member={})) == [(2, timedelta(hours=24))]
    last = check(model, attempt=2, member={})
    assert (len(said(last)), checks(last)) == (1, [])
    assert said(check(model, attempt=3, member={})) == []
    assert said(check(model, member={}, onboarding_completed=True)) == []


def put_off(words: str, *replies: Any, **context: Any) -> list[JSON]:
    """The changes of re-engagement checks in a turn."""
    model = ScriptedModel(*replies, text("OK."))
    work = concierge.decide(
        turn(words, member=MEMBER, **known_to("concierge"), **context), model, soon()
    )
    return [
        c.get("set") or c["row"]
        for c in work.changes
        if c["table"] == "agent_tasks"
        and (c["op"] == "update" or c["row"]["task_type"] == "re_engagement_check")
    ]


def pending(days: float, reason: str) -> JSON:
    due = datetime.fromisoformat(NOW) + timedelta(days=days)
    context = {"attempt": 1, "reason": reason}
    return {"id": UUID(int=70), "scheduled_for": due, "context_json": context}


def test_every_turn_puts_the_check_off_by_a_week_and_not_now_by_thirty_days() -> None:
    in_a_week = (datetime.fromisoformat(NOW) + timedelta(days=7)).isoformat()
    in_a_month = (datetime.fromisoformat(NOW) + timedelta(days=30)).isoformat()
    (first,) = put_off("hi")
    (later,) = put_off("hi", re_engagement=pending(2, "silence"))
    assert first["scheduled_for"] == later["scheduled_for"] == in_a_week
    (rest,) = put_off("not now", uses(use("not_now")), re_engagement=pending(2, "silence"))
    assert rest["scheduled_for"] == in_a_month
    assert rest["context_json"]["reason"] == "not now"


def test_who_said_not_now_is_left_in_peace_whatever_they_write_then() -> None:
    assert put_off("ok thanks", re_engagement=pending(29.9, "not now")) == []
    (ended,) = put_off("hi again", re_engagement=pending(5, "not now"))
    assert ended["context_json"]["reason"] == "silence"
