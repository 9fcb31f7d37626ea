"""A text that waits, from a plain document to a verdict: what a model says is not trusted."""

import json
from typing import Any
from uuid import UUID

import pytest

from lib.agents.judgement import REASONS, UNFIT, judge
from lib.core.model import JSON, ModelError, ModelRejected, ModelUnavailable
from lib.core.prices import CONVERSATION_MODEL
from lib.engine.render import Rendering, Verdict
from lib.engine.work import DecisionFailed, UnitOfWork
from tests.support.scripted_model import CALL, MEMBER, NOW, ScriptedModel, earlier, soon, text

TEXT = UUID(int=21)
BAD = "Great news!!! See https://example.org/offer"


def waiting(*drafts: str | None, **more: Any) -> Rendering:
    """A queued text, or the parts of a sequence."""
    document: JSON = {
        "source": TEXT,
        "now": NOW,
        "member": {"id": MEMBER, "phone_number": "+12125550123", "first_name": "Ida"},
        "history": [earlier("assistant", "Is there anything else?"), earlier("user", "not today")],
        "agent_id": "concierge",
        "drafts": [
            {"id": UUID(int=30 + n), "content": words, "created_at": NOW}
            for n, words in enumerate(drafts)
        ],
    }
    return Rendering.model_validate(document | more)


def answer(verdict: str, *texts: str, reason: str = "") -> Any:
    return text(json.dumps({"verdict": verdict, "texts": texts, "reason": reason}))


def judged(waits: Rendering, *answers: Any) -> tuple[Verdict, UnitOfWork, ScriptedModel]:
    model = ScriptedModel(*answers)
    verdict, work = judge(waits, model, soon())
    assert work.changes == []
    return verdict, work, model


def test_a_text_is_sent_as_it_is_written_anew_or_not_sent_with_a_reason() -> None:
    verdict, _, _ = judged(waiting("Dan can help."), answer("send"))
    assert verdict == Verdict(verdict="send")
    verdict, _, _ = judged(waiting("Dan can help."), answer("rewrite", " Dan could help!  "))
    assert verdict == Verdict(verdict="rewrite", texts=["Dan could help."])
    verdict, _, _ = judged(waiting("Dan can help."), answer("supersede", reason="settled"))
    assert verdict == Verdict(verdict="supersede", reason=REASONS["settled"])


def test_the_reason_of_what_never_leaves_fits_where_it_is_kept() -> None:
    assert all(len(reason) <= 100 for reason in [*REASONS.values(), UNFIT])


def test_the_model_reads_the_conversation_the_drafts_and_no_ids_and_answers_in_one_form() -> None:
    waits = waiting("<b>1</b>", None, topic=f"request:{MEMBER}", items=["intro_opportunity"])
    _, work, model = judged(waits, answer("rewrite", "One.", "Two."))
    (request,) = model.requests
    assert request["model"] == CONVERSATION_MODEL
    schema = request["output_config"]["format"]["schema"]
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["verdict", "texts", "reason"]
    content = request["messages"][0]["content"]
    assert "<agent>Is there anything else?</agent>\n<member>not today</member>" in content
    assert content.endswith("<draft>&lt;b&gt;1&lt;/b&gt;</draft>\n<draft></draft>")
    assert str(MEMBER) not in content
    assert '"about": ["request", "intro_opportunity"]' in content
    (call,) = work.calls
    assert (call["action_type"], call["agent_type"]) == ("text_judgement", "concierge")
    assert (call["context_type"], call["context_id"]) == ("message_queue", str(TEXT))
    assert "anything else" not in json.dumps(call)


@pytest.mark.parametrize(
    ("agent_id", "verified", "agent"),
    [
        ("bouncer", True, "bouncer"),
        ("concierge", False, "concierge"),
        ("account_manager", True, "concierge"),
        ("", False, "bouncer"),
    ],
)
def test_the_call_is_the_agents_whose_text_it_is_else_the_members(
    agent_id: str, verified: bool, agent: str
) -> None:
    member = {"id": MEMBER, "phone_number": "+12125550123", "verified": verified}
    _, work, _ = judged(waiting("x", agent_id=agent_id, member=member), answer("send"))
    assert work.calls[0]["agent_type"] == agent


@pytest.mark.parametrize(
    "unfit",
    [
        text("Sure, send it."),
        text("{}"),
        text('{"verdict": "send", "texts": [], "reason": "", "more": 1}'),
        answer("postpone"),
        answer("send"),
        answer("rewrite"),
        answer("rewrite", "  "),
        answer("rewrite", BAD),
        answer("rewrite", "One.", "Two."),
        answer("rewrite", '{"json": 1}'),
        answer("rewrite", "x" * 481),
        answer("supersede"),
        answer("supersede", reason="because"),
    ],
)
def test_an_answer_that_breaks_a_rule_is_asked_for_once_more_and_then_nothing_is_said(
    unfit: Any,
) -> None:
    verdict, work, model = judged(waiting(None), unfit, answer("rewrite", "Two."))
    assert verdict == Verdict(verdict="rewrite", texts=["Two."])
    assert len(work.calls) == 2
    assert "Your answer was not taken." in model.requests[1]["messages"][0]["content"]
    verdict, work, _ = judged(waiting(None), unfit)
    assert verdict == Verdict(verdict="supersede", reason=UNFIT)
    assert len(work.calls) == 2


def test_a_link_that_stood_in_the_text_may_stay() -> None:
    verdict, _, _ = judged(
        waiting("See https://example.org/offer"), answer("rewrite", "https://example.org/offer")
    )
    assert verdict.verdict == "rewrite"


@pytest.mark.parametrize("error", [ModelUnavailable("down", CALL), ModelRejected("no", CALL)])
def test_calls_of_a_failed_judgement_are_kept(error: ModelError) -> None:
    with pytest.raises(DecisionFailed) as failed:
        judge(waiting("x"), ScriptedModel(error), soon())
    assert len(failed.value.work.calls) == 1
    assert failed.value.__cause__ is error
