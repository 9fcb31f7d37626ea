"""The concierge: it answers, and acts on nothing but what is on the member's card."""

import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from lib.agents import concierge
from lib.agents.routing import agent_for
from lib.core.model import JSON, ModelUnavailable
from lib.engine.turn import Member
from lib.engine.work import DecisionFailed, UnitOfWork
from tests.support.scripted_model import (
    CALL,
    MEMBER,
    NOW,
    ScriptedModel,
    collect,
    earlier,
    events,
    known_to,
    member_update,
    said,
    soon,
    text,
    turn,
    use,
    uses,
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


QUESTION: JSON = {
    "question": "Who knows freight tools for a small team?",
    "about": "freight tools",
    "expertise": ["freight"],
}


@pytest.mark.parametrize(
    "change",
    [
        {"question": "Ida asks: who knows freight tools?"},
        {"question": "Who knows freight tools that Acme recommends?"},
        {"question": "Who knows freight tools for Fjord?"},
        {"question": "Who knows freight tools? Write to me: ida.j@mail.example"},
        {"question": "Who knows freight tools? Call +1 (212) 555-0100."},
        {"situation": "They have 40 offices."},
        {"about": "freight at Globex"},
    ],
)
def test_a_question_to_others_names_nobody_and_invents_nothing(change: JSON) -> None:
    asked = turn("who knows freight tools for a small team?", member=VERIFIED)
    model = ScriptedModel(
        uses(use("ask_community", **QUESTION | change)), text("I can't ask that.")
    )
    assert events(concierge.decide(asked, model, soon())) == []
    assert model.results()[0]["is_error"] is True
    fine = ScriptedModel(uses(use("ask_community", **QUESTION)), text("I'll ask."))
    assert [e for e, _ in events(concierge.decide(asked, fine, soon()))] == [
        "community.request_needed"
    ]


RESPONSE: JSON = {
    "id": UUID(int=60),
    "item_type": "community_response",
    "item_id": UUID(int=61),
    "status": "presented",
    "value_score": 90,
    "shown": 1,
    "request": {"id": UUID(int=62), "question": "Which tool?", "status": "open"},
    "response": {
        "id": UUID(int=61),
        "user_id": UUID(int=63),
        "response_text": "Take the small one.\nOskar at Acme sells it.",
        "status": "provided",
    },
}


def asking(nth: int, score: float, **columns: Any) -> JSON:
    """Another member's question on the list."""
    return {
        "id": UUID(int=80 + nth),
        "item_type": "community_request",
        "item_id": UUID(int=90 + nth),
        "status": "active",
        "value_score": score,
        "request": {"id": UUID(int=90 + nth), "question": f"Which tool, {nth}?", "status": "open"},
    } | columns


@pytest.mark.parametrize(
    ("items", "due", "brought_up"),
    [
        ([asking(1, 80)], [1], [1]),
        ([asking(1, 85), asking(2, 80)], [2], [1]),  # one a morning, the best
        ([asking(1, 95), asking(2, 90)], [2], [2]),  # worth too much to wait for a morning
        ([asking(1, 65), asking(2, 70)], [1, 2], [2]),
        ([asking(1, 85, status="presented"), asking(2, 80)], [1, 2], [2]),
        ([asking(1, 85, status="presented")], [1], []),
        ([], [1], []),
    ],
)
def test_one_item_is_brought_up_at_a_time(
    items: list[JSON], due: list[int], brought_up: list[int]
) -> None:
    model = ScriptedModel(text("A member asks which tool. Do you know?"))
    silent = turn(member=VERIFIED, items=items)
    work = concierge.present(silent, [UUID(int=80 + nth) for nth in due], model, soon())
    queued = [c["row"]["message_data"] for c in work.changes if c["table"] == "message_queue"]
    assert [row["items"] for row in queued] == [[str(UUID(int=80 + n))] for n in brought_up]


OFFICE = "Which broker clears customs for small offices in Norway?"


@pytest.mark.parametrize(
    ("texts", "columns", "uses_tool", "sent"),
    [
        ("no calls after nine please", {}, False, False),
        ("no calls after nine please", {}, True, True),
        ("no calls after nine please", {"status": "presented"}, False, True),
        ("is there anything new for me?", {}, False, True),
        ("Which broker clears customs for small offices in Norway", {}, False, True),
    ],
)
def test_an_item_is_brought_up_with_its_tool_or_not_at_all(
    texts: str, columns: JSON, uses_tool: bool, sent: bool
) -> None:
    question = {"id": UUID(int=91), "question": OFFICE, "status": "open"}
    item = asking(1, 80, request=question, **columns)
    answer = f"Noted. A member asks: {OFFICE}"
    tool = [uses(use("mention_item", item=1))] if uses_tool else []
    model = ScriptedModel(*tool, text(answer), text("Noted."))
    work = concierge.decide(turn(texts, member=VERIFIED, items=[item]), model, soon())
    assert said(work) == [answer if sent else "Noted."]


def test_whether_an_answer_helped_is_asked_once() -> None:
    bad = ScriptedModel(text("Maria says **yes**."))
    for shown, asks in ((0, True), (1, False)):
        answered = RESPONSE | {"status": "active", "shown": shown}
        work = concierge.present(
            turn(member=VERIFIED, items=[answered]), [RESPONSE["id"]], bad, soon()
        )
        assert said(work)[0].endswith("Did that help?") is asks


@pytest.mark.parametrize(("attached", "closed"), [(False, True), (True, False)])
def test_a_cancelled_question_goes_on_for_others_who_wait_for_its_answers(
    attached: bool, closed: bool
) -> None:
    own = {"id": UUID(int=70), "question": "Which?", "status": "open", "attached": attached}
    model = ScriptedModel(uses(use("cancel_request", request=1)), text("OK."))
    work = concierge.decide(turn("never mind", member=VERIFIED, requests=[own]), model, soon())
    (change,) = [c for c in work.changes if c["table"] == "community_requests"]
    assert change["expect"] == {"status": "open", "requesting_user_id": str(MEMBER)}
    assert (change["set"].get("status") == "closed") is closed
    assert ("requesting_user_id" in change["set"]) is not closed


def later(seconds: float) -> str:
    return (datetime.fromisoformat(NOW) + timedelta(seconds=seconds)).isoformat()


def answering(
    words: str, at: float, *before: JSON, **item: Any
) -> tuple[list[JSON], ScriptedModel]:
    """What becomes of the answer to a question that was brought up, given `at` seconds later."""
    asked = asking(1, 80, status="presented", shown=1) | item
    model = ScriptedModel(
        uses(use("record_answer", item=1, summary="We use the small one.")), text("Thanks.")
    )
    new = {"content": words, "created_at": later(at)}
    work = concierge.decide(
        turn(new, member=VERIFIED, items=[asked], history=list(before), now=later(at)),
        model,
        soon(),
    )
    return [c for c in work.changes if c["table"] == "community_responses"], model


def test_an_answer_is_all_of_a_thought_and_nothing_before_it() -> None:
    before = [
        earlier("user", "Good morning"),
        earlier("assistant", "Hi."),
        earlier("user", "We use the small one") | {"created_at": later(90)},
        earlier("assistant", "Which question is that about?") | {"created_at": later(95)},
    ]
    ((change,), _) = answering("the first one", 140, *before)
    assert change["row"]["verbatim_answer"] == "We use the small one\nthe first one"
    ((change,), _) = answering("the first one", 151, *before)
    assert change["row"]["verbatim_answer"] == "the first one"


def test_what_is_added_within_a_minute_belongs_to_the_answer() -> None:
    given = {"id": UUID(int=77), "verbatim_answer": "We use the small one", "created_at": NOW}
    done = {"status": "actioned", "has_answered": True, "own_answer": given}
    ((change,), model) = answering("it paid off at once", 59, **done)
    assert (change["op"], change["id"]) == ("update", str(UUID(int=77)))
    assert change["set"]["verbatim_answer"] == "We use the small one\nit paid off at once"
    assert change["expect"] == {"usefulness_score": None}
    assert "may_add" in json.dumps(model.requests[0])
    (late, model) = answering("it paid off at once", 61, **done)
    assert (late, model.results()[0]["is_error"]) == ([], True)
    scored = done | {"own_answer": None}
    assert answering("it paid off at once", 59, **scored)[0] == []


def test_what_an_item_says_on_any_of_its_lines_may_be_repeated() -> None:
    model = ScriptedModel(text("Take the small one, Oskar at Acme sells it."))
    work = concierge.decide(turn("and?", member=VERIFIED, items=[RESPONSE]), model, soon())
    assert said(work) == ["Take the small one, Oskar at Acme sells it."]


@pytest.mark.parametrize(
    ("words", "passed_on"),
    [
        ("it saved us a week", "it saved us a week"),
        ("it helped, mail me: ida@fjord.no", ""),
        ("it helped, mail me: somewhere@else.example", ""),
        ("it helped, call me on 212-555-0100", ""),
        ("it helped, thanks, Ida", ""),
        ("it helped us at fjord", ""),
        ("it helped, see https://elsewhere.example/us", ""),
    ],
)
def test_an_outcome_is_passed_on_without_who_reported_it(words: str, passed_on: str) -> None:
    model = ScriptedModel(uses(use("report_outcome", item=1)), text("Thanks."))
    work = concierge.decide(turn(words, member=VERIFIED, items=[RESPONSE]), model, soon())
    ((_, payload),) = events(work)
    assert payload["impact"] == passed_on


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


def limits(work: UnitOfWork) -> list[JSON]:
    """What is done to the member's budgets."""
    return [c for c in work.changes if c["table"] == "user_message_budget"]


def configured(work: UnitOfWork) -> list[JSON]:
    """The configurations that the member's agent gets."""
    return [
        c["set"]["config_json"]
        for c in work.changes
        if c["table"] == "agent_instances" and "config_json" in c.get("set", {})
    ]


def decided(*blocks: JSON, said: str, **context: Any) -> tuple[UnitOfWork, ScriptedModel]:
    """A turn of a member who wrote `said`, in which the model uses these tools at once."""
    model = ScriptedModel(uses(*blocks), text("Fine."))
    member = VERIFIED | context.pop("member", {})
    return concierge.decide(turn(said, member=member, **context), model, soon()), model


BUDGET: JSON = {"id": UUID(int=60), "date": "2026-11-22", "daily_limit": 5, "hourly_limit": 2}


def test_a_pace_changes_today_s_limits_and_leaves_what_was_not_named() -> None:
    work, model = decided(
        use("set_pace", per_day=1), said="not more than one a day", budgets=[BUDGET]
    )
    (update,) = limits(work)
    assert (update["op"], update["id"]) == ("update", str(BUDGET["id"]))
    assert (update["set"], update["expect"]) == ({"daily_limit": 1}, {"daily_limit": 5})
    assert json.loads(model.results()[0]["content"]) == {"per_day": 1, "per_hour": 2}


def test_a_pace_without_figures_is_the_usual_one_again() -> None:
    slow = BUDGET | {"daily_limit": 1, "hourly_limit": None}
    work, _ = decided(use("set_pace"), said="as often as before again", budgets=[slow])
    assert [u["set"] for u in limits(work)] == [{"daily_limit": 5, "hourly_limit": 2}]


def test_a_day_without_a_budget_gets_one_that_copies_the_latest() -> None:
    old = BUDGET | {"date": "2026-10-01", "hourly_limit": 1, "quiet_hours_enabled": False}
    work, _ = decided(use("set_pace", per_day=2), said="two a day at most", budgets=[old])
    (insert,) = limits(work)
    row = {key: value for key, value in insert["row"].items() if key != "id"}
    assert row == {
        "user_id": str(MEMBER),
        "date": "2026-11-22",
        "messages_sent": 0,
        "daily_limit": 2,
        "hourly_limit": 1,
        "quiet_hours_enabled": False,
    }


def test_a_pace_holds_on_every_day_that_has_begun_somewhere() -> None:
    days = [BUDGET | {"id": UUID(int=n), "date": f"2026-11-{n}"} for n in (23, 22, 21, 20)]
    work, _ = decided(use("set_pace", per_day=1), said="once a day", budgets=days)
    assert [u["id"] for u in limits(work)] == [str(UUID(int=n)) for n in (23, 22, 21)]


@pytest.mark.parametrize("wanted", [{"per_day": 0}, {"per_day": 11}, {"per_hour": 9}])
def test_a_pace_out_of_bounds_changes_nothing(wanted: JSON) -> None:
    work, model = decided(use("set_pace", **wanted), said="a hundred a day", budgets=[BUDGET])
    assert model.results()[0]["is_error"]
    assert limits(work) == []


def test_quiet_hours_are_kept_also_where_they_were_switched_off() -> None:
    off = BUDGET | {"quiet_hours_enabled": False}
    work, _ = decided(
        use("set_quiet_hours", start="21:00", end="07:30"), said="not after nine", budgets=[off]
    )
    assert member_update(work) == {"quiet_hours_start": "21:00:00", "quiet_hours_end": "07:30:00"}
    assert [u["set"] for u in limits(work)] == [{"quiet_hours_enabled": True}]


def test_a_place_that_they_named_sets_their_clock() -> None:
    work, model = decided(
        use("set_time_zone", place="Oslo", time_zone="Europe/Oslo"), said="I'm in Oslo this year"
    )
    assert member_update(work) == {"timezone": "Europe/Oslo"}
    result = json.loads(model.results()[0]["content"])
    assert result == {"time_zone": "Europe/Oslo", "local_time": "00:03"}


@pytest.mark.parametrize(
    ("place", "zone"),
    [
        ("Tokyo", "Asia/Tokyo"),  # they did not say so
        ("Oslo", "Europe/Nowhere"),
        ("Oslo", "CET"),
        ("Oslo", "Etc/GMT-1"),
        ("Oslo", "../../etc/passwd"),
    ],
)
def test_a_place_they_did_not_name_or_a_zone_that_is_none_is_not_taken(
    place: str, zone: str
) -> None:
    work, model = decided(
        use("set_time_zone", place=place, time_zone=zone), said="I'm in Oslo this year"
    )
    assert model.results()[0]["is_error"]
    assert member_update(work) == {}


def test_a_profile_is_taken_as_they_wrote_it_and_no_other() -> None:
    said = "here: linkedin.com/in/ida-berg"
    work, _ = decided(use("set_linkedin", url="linkedin.com/in/ida-berg"), said=said)
    assert member_update(work) == {"linkedin_url": "https://www.linkedin.com/in/ida-berg"}
    work, model = decided(use("set_linkedin", url="linkedin.com/in/somebody"), said=said)
    assert model.results()[0]["is_error"]
    assert member_update(work) == {}


def test_a_goal_is_kept_beside_whatever_else_the_agent_was_configured_with() -> None:
    known = known_to("concierge")
    known["agent_instance"]["config_json"] = {"tone": "dry"}
    goal = "Open an office in Bergen"
    work, _ = decided(
        use("set_goal", goal=goal), said="I want to open an office in Bergen", **known
    )
    assert configured(work) == [{"tone": "dry", "goal": goal}]


def test_a_goal_is_on_the_card_and_can_be_given_up() -> None:
    known = known_to("concierge")
    known["agent_instance"]["config_json"] = {"goal": "Open an office"}
    work, model = decided(use("set_goal"), said="we dropped the office", **known)
    assert '"goal": "Open an office"' in model.requests[0]["messages"][-1]["content"]
    assert configured(work) == [{}]


def test_a_goal_with_a_name_they_never_said_is_not_taken() -> None:
    work, model = decided(use("set_goal", goal="Sell to Northwind"), said="I want to sell more")
    assert model.results()[0]["is_error"]
    assert configured(work) == []


@pytest.mark.parametrize("stored", [None, [], "x", {"goal": 3}, {"goal": None}])
def test_a_configuration_that_anybody_may_have_written_disturbs_no_turn(stored: Any) -> None:
    known = known_to("concierge")
    known["agent_instance"]["config_json"] = stored
    work, model = decided(use("set_goal", goal="Hire well"), said="I want to hire well", **known)
    assert '"goal"' not in model.requests[0]["messages"][-1]["content"]
    assert [config["goal"] for config in configured(work)] == ["Hire well"]


def test_a_new_instance_takes_the_goal_of_its_first_turn() -> None:
    work, _ = decided(use("set_goal", goal="Hire well"), said="I want to hire well")
    (update,) = [c for c in work.changes if c["table"] == "agent_instances" and c["op"] == "update"]
    assert update["expect"] == {"config_json": {}, "status": "active"}


def test_what_a_tool_did_may_be_said_and_what_it_refused_may_not() -> None:
    zone = use("set_time_zone", place="Oslo", time_zone="Europe/Oslo")
    model = ScriptedModel(uses(zone), text("Noted, it is 00:03 for you in Oslo."))
    work = concierge.decide(turn("I'm in Oslo", member=VERIFIED), model, soon())
    assert said(work) == ["Noted, it is 00:03 for you in Oslo."]
    goal = use("set_goal", goal="Sell to Northwind")
    model = ScriptedModel(uses(goal), text("I noted Northwind."))
    work = concierge.decide(turn("I want to sell", member=VERIFIED), model, soon())
    assert "Northwind" not in said(work)[0]


NEED = "We need a simpler way to reconcile invoices"


def looking_into(need: str = NEED, **arguments: Any) -> Any:
    return uses(use("research_solution", need=need, **arguments))


def test_what_they_want_looked_into_is_handed_on_in_their_words() -> None:
    model = ScriptedModel(looking_into(urgency="high"), text("OK, that is being looked into."))
    work = concierge.decide(turn(NEED, member=VERIFIED), model, soon())
    ((event, payload),) = events(work)
    assert event == "user.inquiry.solution_needed"
    assert (payload["request_description"], payload["urgency"]) == (NEED, "high")


def test_a_need_with_what_they_never_said_is_refused() -> None:
    model = ScriptedModel(looking_into("A way to reconcile invoices at Globex"), text("OK."))
    work = concierge.decide(turn(NEED, member=VERIFIED), model, soon())
    assert events(work) == []
    assert model.results()[0]["is_error"]


def test_at_most_three_needs_are_looked_into_at_a_time() -> None:
    under_way = [{"id": str(UUID(int=50 + n)), "request_description": NEED} for n in range(2)]
    model = ScriptedModel(looking_into(), looking_into(), text("OK."))
    work = concierge.decide(turn(NEED, member=VERIFIED, researches=under_way), model, soon())
    assert len(events(work)) == 1
    assert model.results()[0]["is_error"]


def test_a_recommendation_is_brought_up_in_plain_words_when_the_models_are_not_fit() -> None:
    item = {
        "id": str(UUID(int=60)),
        "item_type": "solution_update",
        "item_id": str(UUID(int=61)),
        "status": "active",
        "value_score": 80,
        "solution": {
            "id": str(UUID(int=61)),
            "request_description": NEED,
            "recommendation": "Start with one supplier.",
        },
    }
    model = ScriptedModel(text("Ask Tom Baker at Globex."))
    work = concierge.present(turn(member=VERIFIED, items=[item]), [UUID(int=60)], model, soon())
    assert said(work) == ["On what you wanted looked into: Start with one supplier."]
