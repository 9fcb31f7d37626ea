"""The concierge: it answers, and acts on nothing but what is on the member's card."""

import json

import pytest

from lib.agents import concierge
from lib.agents.routing import agent_for
from lib.core.model import JSON, ModelUnavailable
from lib.engine.turn import Member
from lib.engine.work import DecisionFailed
from tests.support.scripted_model import (
    CALL,
    MEMBER,
    ScriptedModel,
    collect,
    events,
    member_update,
    said,
    soon,
    text,
    turn,
)

VERIFIED: JSON = {"verified": True, "first_name": "Ida", "email": "ida@fjord.no"}


def test_it_answers_and_knows_only_what_it_needs() -> None:
    model = ScriptedModel(text("That is not something I can do from here yet."))
    work = concierge.decide(turn("find me a CFO", member=VERIFIED), model, soon())
    assert said(work) == ["That is not something I can do from here yet."]
    request = model.requests[0]
    assert request["system"][0]["text"].startswith("You are the concierge of Yachtparty")
    assert "ida@fjord.no" not in json.dumps(request)
    assert events(work) == []
    assert work.calls[0]["agent_type"] == "concierge"


def test_a_tool_it_does_not_have_changes_nothing() -> None:
    model = ScriptedModel(collect(first_name="Mallory"))
    work = concierge.decide(turn("hi", member=VERIFIED), model, soon())
    assert member_update(work) == {}
    assert said(work) == ["I did not get that into words properly. Could you say it another way?"]


def test_its_update_expects_the_member_still_to_be_its_own() -> None:
    model = ScriptedModel(text("Hello."))
    work = concierge.decide(turn("hi", member=VERIFIED), model, soon())
    (update,) = [c for c in work.changes if c["table"] == "users"]
    assert update["expect"] == {"verified": True, "poc_agent_type": None, "poc_agent_id": None}


def test_a_failed_turn_keeps_its_calls() -> None:
    model = ScriptedModel(ModelUnavailable("down", CALL))
    with pytest.raises(DecisionFailed) as failed:
        concierge.decide(turn("hi", member=VERIFIED), model, soon())
    assert len(failed.value.work.calls) == 1


@pytest.mark.parametrize(
    ("member", "agent"),
    [
        ({}, "bouncer"),
        ({"verified": None}, "bouncer"),
        ({"poc_agent_type": "concierge"}, "bouncer"),
        ({"verified": True}, "concierge"),
        ({"verified": True, "poc_agent_type": "concierge"}, "concierge"),
        ({"verified": True, "poc_agent_type": "innovator"}, "concierge"),
    ],
)
def test_the_unverified_meet_the_bouncer_and_members_the_concierge(
    member: JSON, agent: str
) -> None:
    document = {"id": MEMBER, "phone_number": "+12125550123"} | member
    assert agent_for(Member.model_validate(document)) == agent
