"""Asking the model something outside of a turn: a score, a summary, a verdict on a text."""

import hashlib
import json
import time
from dataclasses import dataclass
from functools import cached_property
from html import escape
from importlib.resources import files
from uuid import UUID

from lib.core.model import JSON, Complete, ModelError, ModelUnavailable
from lib.core.prices import BACKGROUND_MODEL
from lib.engine.work import UnitOfWork

#: Thinking counts into it.
MAX_TOKENS = 2048
#: Seconds one call may take; a task has minutes, but a hung call should be tried again sooner.
CALL_S = 60.0


@dataclass(frozen=True)
class Job:
    """One kind of question. `name` is its prompt's file and what the log calls it.

    `schema` is the JSON schema (as text) that the answer is to have, if it is not free.
    """

    name: str
    agent_type: str
    model: str = BACKGROUND_MODEL
    schema: str | None = None

    @cached_property
    def instructions(self) -> str:
        """What the model is told of the job."""
        return files("lib.agents.prompts").joinpath(f"{self.name}.md").read_text("utf-8")

    @cached_property
    def prefix(self) -> JSON:
        """A request without its messages: the same bytes every time, so that it is cached."""
        text = self.instructions
        return {
            "model": self.model,
            "max_tokens": MAX_TOKENS,
            "system": [{"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}],
            "output_config": {"effort": "low"}
            | (
                {"format": {"type": "json_schema", "schema": json.loads(self.schema)}}
                if self.schema
                else {}
            ),
        }

    @cached_property
    def version(self) -> str:
        """Changes whenever the prefix does."""
        return hashlib.sha256(json.dumps(self.prefix).encode()).hexdigest()[:12]

    def ask(
        self,
        content: str,
        *,
        work: UnitOfWork,
        complete: Complete,
        deadline: float,
        user_id: UUID | None,
    ) -> str:
        """The model's words; none if it refused or was cut short. `deadline` in time.monotonic()
        seconds; the call is logged in `work`.

        Raises:
            ModelUnavailable: the service failed, or the time is used up.
            ModelRejected: the request is at fault.
        """
        remaining = min(deadline - time.monotonic(), CALL_S)
        seen: JSON = {"prompt_version": self.version, "chars": len(content)}
        if remaining < 1:
            raise ModelUnavailable("the time of the task is used up")
        request = {**self.prefix, "messages": [{"role": "user", "content": content}]}
        try:
            reply = complete(request, remaining)
        except ModelError as error:
            if error.call:
                work.log(
                    error.call,
                    action_type=self.name,
                    agent_type=self.agent_type,
                    user_id=user_id,
                    input_data=seen,
                )
            raise
        work.log(
            reply.call,
            action_type=self.name,
            agent_type=self.agent_type,
            user_id=user_id,
            input_data=seen,
            output_data={"blocks": [str(block.get("type")) for block in reply.content]},
        )
        if reply.stop_reason not in ("end_turn", "stop_sequence"):
            return ""
        return reply.words.strip()


def tagged(tag: str, words: str) -> str:
    """Somebody's words as data: escaped, so that they cannot close their tag."""
    clean = words.encode("utf-8", "ignore").decode("utf-8").replace("\x00", "")
    return f"<{tag}>{escape(clean, quote=False).strip()}</{tag}>"
