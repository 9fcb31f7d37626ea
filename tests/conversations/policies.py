"""Who answers at the model's place: an oracle, one that does nothing, and a liar.

They are scripts behind a local server that speaks the Messages API, so the deployed adapter and
Anthropic's SDK are in use. The server refuses what the real one refuses, by the simulator's rules.
"""

import html
import json
import re
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any

from pydantic import ValidationError

from lib.core.model import JSON
from local.claude_simulator import validate
from local.claude_simulator.blocks import finished, new_id
from local.claude_simulator.prompt import text_of
from local.claude_simulator.usage import PromptCache, output_tokens
from tests.conversations.task import Job, Move, Use
from tests.support.sdk_types import check_request

#: The background jobs, by their prompts' files; anything else is a conversation.
JOBS = (
    "answer_score",
    "conversation_summary",
    "solution_recommendation",
    "solution_research",
    "text_judgement",
)


@cache
def _prompts() -> dict[str, str]:
    folder = files("lib.agents.prompts")
    return {
        file.read_text("utf-8"): file.name.removesuffix(".md")
        for file in folder.iterdir()
        if file.name.endswith(".md")
    }


def prompt_of(request: JSON) -> str:
    """The file of the prompt that a request was made with, without its ending."""
    return _prompts()[text_of(request["system"])]


class Policy(ABC):
    """Answers the requests of one task. `right` are the right answers of the step that is on."""

    def __init__(self) -> None:
        self.right: list[Move] = []

    def begin(self, right: Sequence[Move]) -> None:
        """A step of the script begins."""
        self.right = list(right)

    def end(self) -> list[str]:
        """What is wrong with the script itself, at its end."""
        return []

    @abstractmethod
    def answer(self, request: JSON) -> list[JSON]:
        """The blocks of an answer."""


def _say(words: str) -> list[JSON]:
    return [{"type": "text", "text": words}]


def _blocks(move: Move) -> list[JSON]:
    match move:
        case str():
            return _say(move)
        case Job():
            return _say(move.words)
        case Use():
            return [{"type": "tool_use", "name": move.tool, "input": dict(move.given)}]
        case tuple():
            return [block for one in move for block in _blocks(one)]


class Oracle(Policy):
    """Says what the task's script says that a right model says."""

    def __init__(self) -> None:
        super().__init__()
        self._wrong: list[str] = []

    def begin(self, right: Sequence[Move]) -> None:
        self._left_over()
        super().begin(right)

    def end(self) -> list[str]:
        self._left_over()
        return self._wrong

    def answer(self, request: JSON) -> list[JSON]:
        asked = prompt_of(request)
        for move in self.right:
            if (move.name if isinstance(move, Job) else None) == (asked if asked in JOBS else None):
                self.right.remove(move)
                return _blocks(move)
        self._wrong.append(f"the script has no answer to {_last_words(request)!r}")
        return _say("I do not know.")

    def _left_over(self) -> None:
        self._wrong += [f"nobody asked for {move}" for move in self.right]


class DoNothing(Policy):
    """Uses no tool and says next to nothing."""

    def answer(self, request: JSON) -> list[JSON]:
        match prompt_of(request):
            case "answer_score":
                return _say("0")
            case "conversation_summary":
                return _say("Nothing of note.")
            case "text_judgement":
                return _say('{"verdict": "send", "texts": [], "reason": ""}')
            case "solution_research":
                return _say(_researched("", ""))
            case "solution_recommendation":
                return _say('{"recommendation": "Nothing of note."}')
        return _say("(silence)" if '"silent"' in _last_words(request) else "OK.")


class Liar(Policy):
    """Uses every tool it is offered, with whatever fits the schema, and says that all is done.

    First with invented names; when that is refused, without.
    """

    def answer(self, request: JSON) -> list[JSON]:
        match prompt_of(request):
            case "answer_score":
                return _say("10")
            case "conversation_summary":
                return _say("The member is Sarah Chen and wants to be introduced to Stripe.")
            case "text_judgement":
                verdict = {"verdict": "rewrite", "texts": [self._promise], "reason": ""}
                return _say(json.dumps(verdict))
            case "solution_research":
                return _say(_researched("Does Sarah Chen recommend Stripe?", "Stripe"))
            case "solution_recommendation":
                return _say(json.dumps({"recommendation": self._promise}))
        if "was not sent" in _last_words(request):
            return _say(self._promise)
        if isinstance(request["messages"][-1]["content"], str) and request.get("tools"):
            words = _new_words(request)
            return [
                {
                    "type": "tool_use",
                    "name": tool["name"],
                    "input": _made_up(tool["input_schema"], tool["input_schema"], words),
                }
                for tool in request["tools"]
            ]
        return _say("Done. Sarah Chen at Stripe will call you on Friday, with 30% off.")

    _promise = "It is all arranged. I have introduced you and somebody will call you soon."


def _researched(question: str, about: str) -> str:
    found = {"findings": [], "question": question, "about": about, "fitting_offers": []}
    return json.dumps(found | {"expertise": ["advice"]})


def _made_up(schema: JSON, root: JSON, words: list[str]) -> Any:
    """Arguments that fit a tool's schema: the first of everything, and the member's own words in
    the wrong places."""
    if "$ref" in schema:
        return _made_up(root["$defs"][schema["$ref"].rsplit("/", 1)[-1]], root, words)
    if "anyOf" in schema:
        return _made_up(schema["anyOf"][0], root, words)
    if "enum" in schema:
        return schema["enum"][-1]
    match schema.get("type"):
        case "object":
            return {
                name: _made_up(part, root, words[nth:] + words[:nth])
                for nth, (name, part) in enumerate(schema.get("properties", {}).items())
            }
        case "array":
            return [_made_up(schema["items"], root, words)]
        case "integer" | "number":
            return max(1, schema.get("minimum", 1))
        case "boolean":
            return True
    if schema.get("format") == "time":
        return "03:00"
    made = " ".join(words[:2]).ljust(schema.get("minLength", 0), "x")
    return made[: schema.get("maxLength", 60)]


def _new_words(request: JSON) -> list[str]:
    """The words of the new texts; some anyway."""
    texts = re.findall(r"<text(?: [^>]*)?>(.*?)</text>", _last_words(request), re.DOTALL)
    return re.findall(r"[^\W\d_]+", html.unescape(" ".join(texts))) or ["Sarah", "Chen"]


def _last_words(request: JSON) -> str:
    content = request["messages"][-1]["content"]
    if isinstance(content, str):
        return content
    return "\n".join(str(block.get("text") or block.get("content") or "") for block in content)


class MessagesApi:
    """A local server that speaks the Messages API and answers by `policy`; a context manager."""

    def __init__(self) -> None:
        self.policy: Policy = DoNothing()
        self.cache = PromptCache()
        self.now = 0.0
        #: What was refused as no request that the real service, or the SDK by its types, takes.
        self.refused: list[str] = []
        #: The static parts of all requests, by prompt and whether it came with tools.
        self.prefixes: dict[tuple[str, bool], set[str]] = {}
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # An answer in two packets would wait 40 ms for the acknowledgement of the first.
            disable_nagle_algorithm = True
            wbufsize = -1

            def do_POST(self) -> None:
                request = json.loads(self.rfile.read(int(self.headers["content-length"])))
                status, answer = api._answer(request)
                body = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing: the lines would be noise between test results."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def _answer(self, request: JSON) -> tuple[int, JSON]:
        try:
            validate.check(request)
            check_request(request)
        except (validate.ApiError, ValidationError, AssertionError) as error:
            self.refused.append(str(error))
            said = {"type": "invalid_request_error", "message": str(error)}
            return 400, {"type": "error", "error": said}
        # Their order counts: the cache compares bytes.
        static = json.dumps({key: part for key, part in request.items() if key != "messages"})
        kind = prompt_of(request), bool(request.get("tools"))
        self.prefixes.setdefault(kind, set()).add(static)
        seed = json.dumps(request, sort_keys=True)
        content = finished(self.policy.answer(request), seed)
        uses = any(block["type"] == "tool_use" for block in content)
        return 200, {
            "id": new_id("msg", seed),
            "type": "message",
            "role": "assistant",
            "model": request["model"],
            "content": content,
            "stop_reason": "tool_use" if uses else "end_turn",
            "stop_sequence": None,
            "usage": self.cache.charge(request, self.now)
            | {"output_tokens": output_tokens(content)},
        }

    def __enter__(self) -> "MessagesApi":
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
