"""What is asked of Claude, read by the SDK's own types, and the prefix that is cached.

tests/conversations holds every request of whole conversations to the same two.
"""

import json
import os
import subprocess
import sys

import pytest
from pydantic import ValidationError

from lib.agents import bouncer, concierge
from lib.core.model import JSON
from tests.support.scripted_model import (
    ADDRESSES,
    ScriptedModel,
    collect,
    earlier,
    known_to,
    soon,
    text,
    turn,
    use,
    uses,
)
from tests.support.sdk_types import check_request
from tests.support.sim_process import ROOT

GOOD = "What is your first and last name?"
MEMBER: JSON = {"verified": True, "first_name": "Ida"}

_VERSIONS = """
import json
from lib.agents import agent_of_humans, bouncer, concierge, judgement, re_engagement
from lib.agents import solution_saga, summary
print(json.dumps([
    json.dumps(prompt.prefix) for prompt in (
        bouncer.PROMPT, concierge.PROMPT, concierge.SPEAKING, re_engagement._BOUNCER,
        agent_of_humans.SCORE, summary.JOB, solution_saga.RESEARCH, solution_saga.RECOMMEND,
        judgement._job("concierge"),
    )
]))
"""


def loop_of_the_bouncer() -> list[JSON]:
    """A tool loop, a refused tool and an answer that is written again."""
    model = ScriptedModel(
        collect(first_name="Ida"),
        uses(use("complete_onboarding"), use("no_such_tool", x=1)),
        text("See https://example.org"),
        text(GOOD),
    )
    history = [earlier("user", "hi"), earlier("assistant", "Who?", "failed")]
    told = turn("I'm Ida <b>", "\ud83d\ude00", history=history, **known_to("bouncer"))
    bouncer.decide(told, model, soon(), ADDRESSES)
    return model.requests


def loop_of_the_concierge() -> list[JSON]:
    """A tool loop with a summary before it, and an answer that cannot be sent back."""
    model = ScriptedModel(
        uses(use("set_expertise", areas=["freight"])), text(""), text("Thanks, noted.")
    )
    picture = {"content": "freight", "media": [{"url": "https://x.test", "content_type": "a/b"}]}
    conversation = {"id": "00000000-0000-0000-0000-000000000003", "conversation_summary": "Short."}
    told = turn(picture, member=MEMBER, conversation=conversation)
    concierge.decide(told, model, soon())
    return model.requests


@pytest.mark.parametrize("requests", [loop_of_the_bouncer(), loop_of_the_concierge()])
def test_every_request_of_a_tool_loop_is_one_that_the_sdk_knows(requests: list[JSON]) -> None:
    assert len(requests) >= 3
    assert [m["role"] for m in requests[-1]["messages"]][-2:] == ["assistant", "user"]
    for request in requests:
        check_request(request)


@pytest.mark.parametrize(
    "wrong",
    [
        {"temprature": 1},
        {"max_tokens": "many"},
        {"output_config": {"effort": "tiny"}},
        {"system": [{"type": "text", "text": "x", "cached": True}]},
        {"messages": [{"role": "robot", "content": "x"}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "txt": "x"}]}]},
        {"messages": [{"role": "user", "content": [{"type": "tool_result", "content": "x"}]}]},
    ],
)
def test_a_request_that_the_sdk_does_not_know_is_noticed(wrong: JSON) -> None:
    (request, *_) = loop_of_the_bouncer()
    with pytest.raises((ValidationError, AssertionError)):
        check_request(request | wrong)


def test_the_static_prefix_is_the_same_bytes_in_every_process() -> None:
    """Functions are many processes, whose hashes, and so the order of their sets, differ."""
    seen = {
        subprocess.run(
            [sys.executable, "-c", _VERSIONS],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    (prefixes,) = seen
    assert len(json.loads(prefixes)) == 9


def test_what_differs_between_members_turns_and_days_is_no_part_of_the_prefix() -> None:
    for agent in (loop_of_the_bouncer, loop_of_the_concierge):
        one, *_ = agent()
        other = agent()[-1]
        assert one["messages"] != other["messages"]
        rest = [{k: v for k, v in r.items() if k != "messages"} for r in (one, other)]
        assert json.dumps(rest[0]) == json.dumps(rest[1])
        assert one["system"][-1]["cache_control"] == {"type": "ephemeral"}
