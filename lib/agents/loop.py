"""The conversation with the model in one turn: tools, the answer, the check of the answer.

At most `MAX_ROUNDS` calls with tools. The answer is checked by lib/domain/voice.py; one that
breaks a rule is written again once with the reason, then a safe sentence takes its place. What
the tools took stays taken: it was validated on its own.
"""

import hashlib
import json
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.resources import files
from typing import Generic
from uuid import UUID

from lib.agents import context
from lib.agents.tools import DeskT, Toolbox
from lib.core.model import JSON, Complete, ModelCall, ModelError, ModelReply, ModelUnavailable
from lib.core.prices import CONVERSATION_MODEL
from lib.domain import voice
from lib.engine.turn import Turn
from lib.engine.work import UnitOfWork

MAX_ROUNDS = 4
#: Tool uses carried out of one reply.
MAX_TOOL_USES = 8
#: Thinking counts into it; the texts themselves are a tenth.
MAX_TOKENS = 4096
#: Seconds below which a call is not worth beginning.
MIN_CALL_S = 1.0


@dataclass(frozen=True)
class Prompt(Generic[DeskT]):
    """What never changes between turns of an agent: its instructions and its tools.

    It is the cached prefix of every request, so it must be the same bytes each time.
    """

    agent_type: str
    toolbox: Toolbox[DeskT] = field(default_factory=Toolbox)
    model: str = CONVERSATION_MODEL

    @cached_property
    def instructions(self) -> str:
        """What the agent is told of its task."""
        return files("lib.agents.prompts").joinpath(f"{self.agent_type}.md").read_text("utf-8")

    @cached_property
    def prefix(self) -> JSON:
        """A request without its messages. A text is waiting, hence the low effort."""
        text = self.instructions
        tools = self.toolbox.schemas()
        cached = {"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}
        return {
            "model": self.model,
            "max_tokens": MAX_TOKENS,
            "system": [cached],
            **({"tools": tools} if tools else {}),
            "output_config": {"effort": "low"},
        }

    @cached_property
    def version(self) -> str:
        """Changes whenever the prefix does, so that a log row shows what was asked."""
        return hashlib.sha256(json.dumps(self.prefix).encode()).hexdigest()[:12]


@dataclass
class Exchange(Generic[DeskT]):
    """One turn's conversation with the model. `deadline` is in seconds of time.monotonic()."""

    prompt: Prompt[DeskT]
    turn: Turn
    work: UnitOfWork
    desk: DeskT
    complete: Complete
    deadline: float
    instance_id: UUID | None
    #: Whether to say nothing is an answer, too: [voice.SILENCE].
    may_be_silent: bool = False
    #: What else is wrong with the texts, by the agent's own rules.
    check: Callable[[Sequence[str]], list[voice.Problem]] | None = None

    def answer(self, card: JSON, safe: Callable[[], Sequence[str]]) -> list[str]:
        """The texts to send, 1 to 3. `safe` gives those that are sent when the model's are not
        fit to be; it is asked last, when the tools have done their work.

        Raises:
            ModelUnavailable: the service failed, or the time is used up.
            ModelRejected: the request is at fault.
        """
        shown = [context.given(self.turn, card)]
        messages = context.messages(self.turn, card)
        for round_ in range(1, MAX_ROUNDS + 1):
            reply = self._ask(messages, purpose="answer", round_=round_)
            uses = _tool_uses(reply)
            if not uses:
                break
            messages = [*messages, *self._use_tools(reply, uses)]
            # What was done may be said; a refusal may repeat what was not taken.
            results = messages[-1]["content"]
            shown += [result["content"] for result in results if not result.get("is_error")]
        else:
            return list(safe())
        given = ("\n".join(shown), context.words_of(card.get("items")))
        texts, problems = self._judge(reply, given)
        if problems and reply.stop_reason != "refusal":
            texts, problems = self._again(messages, reply, problems, given)
        return list(safe()) if problems else texts

    def _use_tools(self, reply: ModelReply, uses: list[JSON]) -> list[JSON]:
        results = [self.prompt.toolbox.run(use, self.desk) for use in uses[:MAX_TOOL_USES]]
        results += [
            {
                "type": "tool_result",
                "tool_use_id": use["id"],
                "content": "Too many tools at once.",
                "is_error": True,
            }
            for use in uses[MAX_TOOL_USES:]
        ]
        # The reply goes back as it came: thinking blocks are signed.
        return [
            {"role": "assistant", "content": reply.content},
            {"role": "user", "content": results},
        ]

    def _again(
        self,
        messages: list[JSON],
        reply: ModelReply,
        problems: list[voice.Problem],
        given: tuple[str, str],
    ) -> tuple[list[str], list[voice.Problem]]:
        """The answer written once more; without one (no time, no service) the old problems."""
        reason = (
            "(This is not from the member.) Your answer was not sent. "
            + " ".join(problem.advice for problem in problems)
            + " Write the text to the member again, nothing else."
        )
        try:
            second = self._ask(
                _with_reason(messages, reply, reason),
                purpose="rewrite",
                round_=1,
                reasons=[problem.code for problem in problems],
            )
        except ModelError:
            return [], problems  # the call is in the log; the member still gets an answer
        return self._judge(second, given)

    def _judge(
        self, reply: ModelReply, given: tuple[str, str]
    ) -> tuple[list[str], list[voice.Problem]]:
        """The texts of a reply and what is wrong with them; `given` is what the model was shown,
        and the part of it that other members said."""
        if reply.stop_reason not in ("end_turn", "stop_sequence"):
            return [], [voice.Problem(reply.stop_reason, "Write one short text to the member.")]
        texts = voice.split(reply.words)
        if self.may_be_silent and voice.is_silence(texts):
            return [voice.SILENCE], []
        shown, relayed = given
        problems = voice.problems(
            texts,
            given=shown,
            relayed=relayed,
            instructions=self.prompt.instructions,
            secret_words=self.prompt.toolbox.names,
            media=any(text.media for text in self.turn.texts),
            only_media=context.only_media(self.turn),
        )
        return texts, problems + (self.check(texts) if self.check else [])

    def _ask(
        self, messages: list[JSON], *, purpose: str, round_: int, reasons: Sequence[str] = ()
    ) -> ModelReply:
        seen: JSON = {
            "prompt_version": self.prompt.version,
            "round": round_,
            "roles": "".join(str(message["role"])[0] for message in messages),
            "texts": len(self.turn.texts),
            **({"reasons": list(reasons)} if reasons else {}),
        }
        remaining = self.deadline - time.monotonic()
        try:
            if remaining < MIN_CALL_S:
                raise ModelUnavailable("the time of the turn is used up")
            reply = self.complete({**self.prompt.prefix, "messages": messages}, remaining)
        except ModelError as error:
            if error.call:
                self._log(purpose, error.call, seen, {})
            raise
        known = self.prompt.toolbox.names
        done: JSON = {
            "blocks": [str(block.get("type")) for block in reply.content],
            "tools": [u["name"] if u.get("name") in known else "?" for u in _tool_uses(reply)],
        }
        self._log(purpose, reply.call, seen, done)
        return reply

    def _log(self, purpose: str, call: ModelCall, seen: JSON, done: JSON) -> None:
        """Record a call: counts, roles and fixed words; never what anyone wrote."""
        self.work.log(
            call,
            action_type=purpose,
            agent_type=self.prompt.agent_type,
            user_id=self.turn.member.id,
            agent_instance_id=self.instance_id,
            input_data=seen,
            output_data=done,
        )


def _blocks(reply: ModelReply, kind: str) -> list[JSON]:
    return [block for block in reply.content if block.get("type") == kind]


def _tool_uses(reply: ModelReply) -> list[JSON]:
    """The complete tool uses of a reply; one cut short by the token limit is none."""
    return _blocks(reply, "tool_use") if reply.stop_reason == "tool_use" and _sound(reply) else []


def _sound(reply: ModelReply) -> bool:
    """Whether a reply can be sent back: the service refuses blocks that it would not have made."""
    return all(
        block["type"] in ("thinking", "redacted_thinking")
        or (
            block["type"] == "text" and isinstance(block.get("text"), str) and block["text"].strip()
        )
        or (
            block["type"] == "tool_use"
            and isinstance(block.get("id"), str)
            and isinstance(block.get("input"), dict)
            and re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", str(block.get("name")))
        )
        for block in reply.content
    )


def _with_reason(messages: list[JSON], reply: ModelReply, reason: str) -> list[JSON]:
    """The conversation with the answer and why it was not sent.

    An answer without text, with an unanswered tool use or of odd blocks cannot be sent back; then
    the reason joins the last user's turn.
    """
    if reply.words.strip() and _sound(reply) and not _blocks(reply, "tool_use"):
        return [
            *messages,
            {"role": "assistant", "content": reply.content},
            {"role": "user", "content": reason},
        ]
    *earlier, last = messages
    content = last["content"]
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else list(content)
    return [*earlier, {"role": "user", "content": [*blocks, {"type": "text", "text": reason}]}]
