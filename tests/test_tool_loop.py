"""The conversation with the model in one turn, whatever the model does."""

import json
import time
from typing import ClassVar

import pytest

from lib.agents.loop import MAX_ROUNDS, Exchange, Prompt
from lib.agents.tools import Tool, Toolbox, ToolError
from lib.core.model import JSON, ModelCall, ModelRejected, ModelReply, ModelUnavailable
from lib.engine.work import UnitOfWork
from tests.support.scripted_model import (
    CALL,
    INSTANCE,
    SOURCE,
    ScriptedModel,
    soon,
    text,
    turn,
    use,
    uses,
)


class Note(Tool[list[str]]):
    """Note a word."""

    tool_name: ClassVar[str] = "note_word"

    word: str
    twice: bool | None = None

    def effect(self, desk: list[str]) -> JSON:
        if self.word == "bad":
            raise ToolError("That word is bad.")
        desk.append(self.word)
        return {"noted": len(desk)}


PROMPT: Prompt[list[str]] = Prompt("bouncer", Toolbox(Note))
GOOD = "Noted. What else?"


def converse(
    model: ScriptedModel, deadline: float | None = None, words: str = "hello"
) -> tuple[list[str], list[str], UnitOfWork]:
    """The texts, the desk and the work of one exchange."""
    work = UnitOfWork(SOURCE, created_by="bouncer")
    desk: list[str] = []
    exchange = Exchange(PROMPT, turn(words), work, desk, model, deadline or soon(), INSTANCE)
    return exchange.answer({"known": {}}, lambda: ["A safe sentence."]), desk, work


def test_a_tool_is_used_and_its_result_goes_back_with_the_thinking_unchanged() -> None:
    reply = uses(use("note_word", word="one"), use("note_word", word="two"))
    model = ScriptedModel(reply, text(GOOD))
    texts, desk, _ = converse(model)
    assert (texts, desk) == ([GOOD], ["one", "two"])
    *_, assistant, user = model.requests[1]["messages"]
    assert assistant == {"role": "assistant", "content": reply.content}
    assert [json.loads(r["content"]) for r in user["content"]] == [{"noted": 1}, {"noted": 2}]
    assert [r["tool_use_id"] for r in user["content"]] == ["toolu_note_word"] * 2


@pytest.mark.parametrize(
    ("block", "sentence"),
    [
        (use("drop_tables", word="x"), "There is no tool of that name."),
        (use("note_word"), "The argument word is not usable: Field required."),
        (use("note_word", word="x", extra=1), "The argument extra is not usable"),
        (use("note_word", word="bad"), "That word is bad."),
    ],
)
def test_a_wrong_use_is_answered_with_one_sentence_and_changes_nothing(
    block: JSON, sentence: str
) -> None:
    model = ScriptedModel(uses(block), text(GOOD))
    texts, desk, _ = converse(model)
    assert (texts, desk) == ([GOOD], [])
    (result,) = model.results()
    assert result["is_error"] is True
    assert sentence in result["content"]


def test_endless_tool_use_ends_after_four_rounds_with_a_safe_sentence() -> None:
    model = ScriptedModel(uses(use("note_word", word="again")))
    texts, desk, work = converse(model)
    assert texts == ["A safe sentence."]
    assert len(model.requests) == len(work.calls) == MAX_ROUNDS == 4
    assert desk == ["again"] * 4


def test_a_flood_of_tool_uses_is_cut() -> None:
    model = ScriptedModel(uses(*[use("note_word", word="x")] * 50), text(GOOD))
    _, desk, _ = converse(model)
    assert len(desk) == 8
    assert len(model.results()) == 50  # each use needs its result


def test_what_a_tool_found_may_be_said_and_what_it_refused_may_not() -> None:
    model = ScriptedModel(uses(use("note_word", word="one")), text("Noted, 41 in all."), text(GOOD))
    assert converse(model)[0] == [GOOD]
    desk = ["x"] * 40
    exchange = Exchange(
        PROMPT,
        turn("hello"),
        UnitOfWork(SOURCE, created_by="bouncer"),
        desk,
        ScriptedModel(uses(use("note_word", word="one")), text("Noted, 41 in all.")),
        soon(),
        INSTANCE,
    )
    assert exchange.answer({}, lambda: ["A safe sentence."]) == ["Noted, 41 in all."]
    model = ScriptedModel(uses(use("note_word")), text("Is a Field required?"), text(GOOD))
    assert converse(model)[0] == [GOOD]


@pytest.mark.parametrize(
    "bad",
    [
        text(""),
        text("x" * 600),
        text('{"known": {"first_name": "x"}}'),
        text("I used note_word for you."),
        text("See https://example.org"),
        text("a\n\nb\n\nc\n\nd"),
        ModelReply([{"type": "text", "text": "Cut sho"}], "max_tokens", CALL),
        ModelReply([use("note_word", word="half")], "max_tokens", CALL),
        ModelReply([], "end_turn", CALL),
        ModelReply([{"type": "text", "text": None}], "end_turn", CALL),
        ModelReply([{"type": "text", "text": "Hello."}], "pause_turn", CALL),
        ModelReply([{"type": "text", "text": "Hello."}, {"type": "odd"}], "tool_use", CALL),
        ModelReply(
            [{"type": "tool_use", "id": "t", "name": "note_word", "input": "x"}], "tool_use", CALL
        ),
        ModelReply(
            [{"type": "tool_use", "name": "note_word", "input": {"word": "x"}}], "tool_use", CALL
        ),
        ModelReply([{"type": "thinking", "thinking": "hm", "signature": "c2ln"}], "end_turn", CALL),
    ],
)
def test_an_unfit_answer_is_written_once_more_then_replaced(bad: ModelReply) -> None:
    model = ScriptedModel(bad, text(GOOD))
    texts, desk, work = converse(model)
    assert (texts, desk) == ([GOOD], [])
    assert model.requests[1]["messages"][-1]["role"] == "user"
    assert "was not sent" in json.dumps(model.requests[1]["messages"][-1])
    assert work.calls[1]["action_type"] == "rewrite"
    assert work.calls[1]["input_data"]["reasons"]

    stubborn = ScriptedModel(bad)
    assert converse(stubborn)[0] == ["A safe sentence."]
    assert len(stubborn.requests) == 2


def test_what_the_service_would_not_take_is_not_sent_back() -> None:
    odd: list[JSON] = [{"type": "text", "text": "**Hello.**"}, {"type": "odd", "x": 1}]
    model = ScriptedModel(ModelReply(odd, "end_turn", CALL), text(GOOD))
    assert converse(model)[0] == [GOOD]
    assert [message["role"] for message in model.requests[1]["messages"]] == ["user"]


def test_a_refusal_is_not_argued_with() -> None:
    model = ScriptedModel(ModelReply([{"type": "text", "text": "No."}], "refusal", CALL))
    assert converse(model)[0] == ["A safe sentence."]
    assert len(model.requests) == 1


def test_a_service_that_fails_at_the_rewrite_still_leaves_an_answer() -> None:
    model = ScriptedModel(text(""), ModelUnavailable("down", CALL))
    texts, _, work = converse(model)
    assert texts == ["A safe sentence."]
    assert len(work.calls) == 2


@pytest.mark.parametrize("kind", [ModelUnavailable, ModelRejected])
def test_a_service_that_fails_ends_the_turn_and_every_call_is_logged(
    kind: type[ModelUnavailable] | type[ModelRejected],
) -> None:
    failed = ModelCall("claude-sonnet-5-5", 0, 0, 0, 0, 0.0, 5, error="OverloadedError")
    model = ScriptedModel(uses(use("note_word", word="one")), kind("down", failed))
    work = UnitOfWork(SOURCE, created_by="bouncer")
    exchange = Exchange(PROMPT, turn("hello"), work, [], model, soon(), INSTANCE)
    with pytest.raises(kind):
        exchange.answer({}, lambda: ["A safe sentence."])
    assert [call["error"] for call in work.calls] == [None, "OverloadedError"]


def test_without_time_left_nothing_is_asked() -> None:
    model = ScriptedModel(text(GOOD))
    with pytest.raises(ModelUnavailable):
        converse(model, deadline=time.monotonic() + 0.5)
    assert model.requests == []


def test_a_logged_call_holds_counts_and_fixed_words_but_nothing_anyone_wrote() -> None:
    secret = "Zanzibar"  # written by the member, used as argument, as tool name and in the answer
    model = ScriptedModel(
        uses(use("note_word", word=secret), use(secret, word=secret)), text(f"{secret}, noted.")
    )
    _, desk, work = converse(model, words=f"I am {secret} <{secret}@example.com>")
    assert desk == [secret]
    assert secret.casefold() not in json.dumps(work.calls).casefold()
    first = work.calls[0]
    assert first["output_data"]["tools"] == ["note_word", "?"]
    assert first["input_data"]["roles"] == "u"
    assert first["cost_usd"] == CALL.cost_usd
    assert first["agent_instance_id"] == str(INSTANCE)


def test_the_schema_is_plain_and_what_may_be_left_out_is_optional() -> None:
    (schema,) = PROMPT.toolbox.schemas()
    assert schema == {
        "name": "note_word",
        "description": "Note a word.",
        "input_schema": {
            "type": "object",
            "additionalProperties": False,
            "properties": {"word": {"type": "string"}, "twice": {"type": "boolean"}},
            "required": ["word"],
        },
    }
