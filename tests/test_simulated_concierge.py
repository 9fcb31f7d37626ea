"""The simulator's concierge: it understands free wording, and says nothing that no agent may."""

import json
from typing import Any

import pytest

from lib.agents import concierge
from lib.agents.context import words_of
from lib.domain import voice
from local.claude_simulator.concierge import next_move
from local.claude_simulator.prompt import JSON, NewText, Turn

ASKS = "A member asks: Which CRM suits a small team? Is that something you know about?"
CRM: JSON = {
    "item": 1, "what": "a question of another member", "brought_up": True, "open": True,
    "question": "Which CRM suits a small team?",
}  # fmt: skip
BANK: JSON = CRM | {"item": 2, "question": "Which bank is quick with foreign invoices?"}
TOLD = "There is an answer to your question: Take the plain one. Did that help?"
ANSWER: JSON = {"item": 3, "brought_up": True, "answer": "Take the plain one."}
OWN = [
    {"request": 1, "question": "Who knows payroll tools?", "answers": 0},
    {"request": 2, "question": "Who has moved offices in a week?", "answers": 1},
]


def turn(*texts: str, last: str | None = None, calls: JSON | None = None, **card: Any) -> Turn:
    return Turn(
        agent="concierge",
        card={"known": {}, "local_time": "2026-11-30T12:00"} | card,
        texts=[NewText(text, 0) for text in texts],
        last_said=last,
        tools=frozenset(concierge.PROMPT.toolbox.names),
        calls=calls or {},
    )


@pytest.mark.parametrize(
    ("words", "about"),
    [
        ("quick one: we're buried in invoices. has anyone automated invoice matching?", "invoice"),
        ("any tips on treasury?", "treasury"),
        ("looking for someone who has done a carve-out", "carve-out"),
        ("I could use some advice on pensions", "pensions"),
        ("find me a good ERP vendor", "erp"),
        ("how do others handle on-call rotas?", "rotas"),
        ("wondering if anybody switched from Oracle", "oracle"),
    ],
)  # fmt: skip
def test_a_question_for_others_is_asked_however_it_is_put(words: str, about: str) -> None:
    tool = next_move(turn(words)).tool
    assert tool is not None
    assert tool[0] == "ask_community"
    assert about in tool[1]["expertise"]
    assert tool[1]["question"] in words
    assert not {"re", "hey", "someone"} & set(tool[1]["expertise"])


@pytest.mark.parametrize(
    ("words", "tool", "arguments"),
    [
        ("please don't text me before 10am", "set_quiet_hours", {"start": "22:00", "end": "10:00"}),
        ("no messages after 7 pm", "set_quiet_hours", {"start": "19:00", "end": "08:00"}),
        ("keep it quiet from 9pm to 7:30am", "set_quiet_hours", {"start": "21:00", "end": "07:30"}),
        ("text me any time", "set_quiet_hours", {"start": "00:00", "end": "00:00"}),
        ("at most two texts a day please", "set_pace", {"per_day": 2}),
        ("one message per hour is plenty", "set_pace", {"per_hour": 1}),
        ("I moved to New York last month", "set_time_zone",
         {"place": "New York", "time_zone": "America/New_York"}),
        ("here: linkedin.com/in/lena-o", "set_linkedin", {"url": "linkedin.com/in/lena-o"}),
        ("my goal is to hire two analysts", "set_goal", {"goal": "hire two analysts"}),
        ("swamped this week, maybe later", "not_now", {}),
        ("I know a lot about treasury and hedging", "set_expertise",
         {"areas": ["treasury", "hedging"]}),
    ],
)  # fmt: skip
def test_what_members_wish_is_understood(words: str, tool: str, arguments: JSON) -> None:
    assert next_move(turn(words)).tool == (tool, arguments)


@pytest.mark.parametrize(
    ("words", "last", "expected"),
    [
        ("yes super useful", TOLD, ("report_outcome", {"item": 3})),
        ("not really tbh", TOLD, ("report_outcome", {"item": 3})),
        ("no", TOLD, ("report_outcome", {"item": 3})),
        ("nope", ASKS, ("decline_item", {"item": 1})),
        ("not my area, sorry", ASKS, ("decline_item", {"item": 1})),
    ],
)
def test_what_was_asked_last_says_what_a_short_text_means(
    words: str, last: str, expected: tuple[str, JSON]
) -> None:
    assert next_move(turn(words, last=last, items=[CRM, ANSWER])).tool == expected


def test_an_answer_goes_to_the_question_it_is_about_and_is_asked_for_when_unclear() -> None:
    both: JSON = {"items": [CRM, BANK]}
    just = next_move(turn("we tried three and kept the plain one", last=ASKS, **both)).tool
    named = next_move(turn("our bank does foreign invoices within a day", **both)).tool
    assert just is not None
    assert named is not None
    assert (just[0], just[1]["item"]) == ("record_answer", 1)
    assert (named[0], named[1]["item"]) == ("record_answer", 2)
    unclear = next_move(turn("we tried three and kept the plain one", **both))
    assert (unclear.tool, unclear.text) == (None, "Which of the questions is that about?")
    assert next_move(turn("yes", last=ASKS, items=[CRM])).text == "Good. What would you tell them?"


def test_the_question_that_is_meant_is_cancelled() -> None:
    moved = next_move(turn("forget about the offices question", requests=OWN)).tool
    assert moved == ("cancel_request", {"request": 2})


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("so whats new", "nothing new"),
        ("who else is in here?", "can't say anything about who"),
        ("is Sam Lee a member?", "can't say anything about who"),
        ("remind me tomorrow to call Sarah", "can't set reminders"),
        ("can you introduce me to the CFO of Maersk?", "can't introduce"),
        ("what can you do for me?", "I ask members who may know"),
        ("thanks for having me", "You're welcome."),
    ],
)
def test_what_it_cannot_do_is_said_plainly(words: str, says: str) -> None:
    move = next_move(turn(words))
    assert move.tool is None
    assert says in move.text


def test_it_brings_one_thing_up_after_it_has_answered() -> None:
    new: JSON = {"items": [CRM | {"brought_up": False}], "may_mention": 1}
    first = next_move(turn("what can you do for me?", **new))
    assert first.tool == ("mention_item", {"item": 1})
    calls = {"mention_item": {"noted": True}}
    answer, aside = next_move(turn("what can you do for me?", calls=calls, **new)).text.split(
        "\n\n"
    )
    assert answer.startswith("Write what you want to know")
    assert aside == f"By the way, a{ASKS[1:]}"
    refused = {"mention_item": {"error": "no"}}
    assert "By the way" not in next_move(turn("hello", calls=refused, **new)).text
    done = {"record_answer": {"recorded": True}}
    assert "By the way" not in next_move(turn("one two", calls=done, **new)).text


@pytest.mark.parametrize(
    "words",
    [
        "hi", "thanks for having me", "yes", "can you introduce me to the CFO of Maersk?", "???",
        "what's your budget?", "promise me an answer by friday", "who is a member?",
        "are you a bot?",
        "We have 40 offices and will move next week.", "SAY THAT MARIA KNOWS",
        "buy at acme.example",
        "write me at ida@fjord.no", "\u4f60\u597d", "so {\"a\": 1}", "it costs $5,000 a month",
        "my system prompt is better", "our tool_use is amazing!", "I need a vendor",
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "items", [[], [CRM], [CRM, BANK, ANSWER]], ids=lambda items: str(len(items))
)
def test_whatever_it_says_no_rule_of_the_agents_is_broken(words: str, items: list[JSON]) -> None:
    asked = turn(words, items=items, may_mention=1 if items else None)
    move = next_move(asked)
    if move.tool is not None:
        done = {move.tool[0]: {"done": True}}
        move = next_move(
            turn(words, items=items, may_mention=asked.card["may_mention"], calls=done)
        )
    problems = voice.problems(
        voice.split(move.text),
        given="\n".join([words, json.dumps(asked.card)]),
        relayed=words_of(items),
        instructions=concierge.PROMPT.instructions,
        secret_words=concierge.PROMPT.toolbox.names,
    )
    assert move.tool is None
    assert problems == []
