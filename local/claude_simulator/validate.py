"""What the real API refuses, refused the same way: status, error type, a sentence.

Only what can go wrong in a text conversation with tools is checked; images, documents and server
tools are refused with a sentence that says so, because this simulator has none.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local.claude_simulator.blocks import is_genuine

JSON = dict[str, Any]

MODELS = frozenset({"claude-sonnet-5-5", "claude-haiku-5-5"})
MAX_CACHE_MARKS = 4
_KNOWN = frozenset(
    [
        "model",
        "max_tokens",
        "messages",
        "system",
        "tools",
        "tool_choice",
        "thinking",
        "output_config",
        "metadata",
        "stream",
        "stop_sequences",
        "service_tier",
        "cache_control",
        "inference_geo",
    ]
)
_SAMPLING = ("temperature", "top_p", "top_k")
_EFFORTS = frozenset({"low", "medium", "high", "xhigh", "max"})
_MIN_BUDGET = 1024


@dataclass
class ApiError(Exception):
    """A refusal or failure in Anthropic's shape."""

    status: int
    kind: str
    message: str


def invalid(message: str) -> ApiError:
    """An invalid_request_error."""
    return ApiError(400, "invalid_request_error", message)


def check_headers(headers: Mapping[str, str]) -> None:
    """Raises ApiError unless a key and an API version are given."""
    bearer = headers.get("authorization", "").startswith("Bearer ")
    if not headers.get("x-api-key") and not bearer:
        raise ApiError(401, "authentication_error", "x-api-key header is required")
    if not headers.get("anthropic-version"):
        raise invalid("anthropic-version: header is required")


def check(request: JSON) -> None:
    """Raises ApiError naming the first thing that is wrong with a request's body."""
    for name in request:
        if name in _SAMPLING:
            raise invalid(f"`{name}` is not supported by this model.")
        if name not in _KNOWN:
            raise invalid(f"{name}: Extra inputs are not permitted")
    for name in ("model", "max_tokens", "messages"):
        if name not in request:
            raise invalid(f"{name}: Field required")
    if not isinstance(request["model"], str) or request["model"] not in MODELS:
        raise invalid(f"model: {request['model']}")
    if not _whole(request["max_tokens"]) or request["max_tokens"] < 1:
        raise invalid("max_tokens: Input should be a valid integer greater than or equal to 1")
    if request.get("stream"):
        raise invalid("stream: this simulator does not stream")
    _check_system(request.get("system"))
    names = _check_tools(request.get("tools"))
    _check_options(request, names)
    _check_messages(request["messages"])
    _check_tool_loop(request["messages"])
    _check_cache_marks(request)


def _check_system(system: Any) -> None:
    if system is None or isinstance(system, str):
        return
    if not isinstance(system, list):
        raise invalid("system: Input should be a valid string or list")
    for index, block in enumerate(system):
        _check_text(block, f"system.{index}")


def _check_tools(tools: Any) -> set[str]:
    if tools is None:
        return set()
    if not isinstance(tools, list):
        raise invalid("tools: Input should be a valid list")
    names: set[str] = set()
    for index, tool in enumerate(tools):
        where = f"tools.{index}"
        if not isinstance(tool, dict) or tool.get("type", "custom") != "custom":
            raise invalid(f"{where}: this simulator has only custom tools")
        name, schema = tool.get("name"), tool.get("input_schema")
        if not isinstance(name, str) or not re.fullmatch(r"[a-zA-Z0-9_-]{1,128}", name):
            raise invalid(f"{where}.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'")
        if name in names:
            raise invalid("tools: Tool names must be unique.")
        if not isinstance(schema, dict) or schema.get("type") != "object":
            raise invalid(f"{where}.input_schema.type: Input should be 'object'")
        names.add(name)
    return names


def _check_options(request: JSON, tools: set[str]) -> None:
    choice = request.get("tool_choice")
    if choice is not None:
        kind = choice.get("type") if isinstance(choice, dict) else None
        if kind in ("any", "tool"):
            raise invalid(f"tool_choice: `{kind}` is not supported by this model.")
        if kind not in ("auto", "none"):
            raise invalid("tool_choice.type: Input should be 'auto', 'any', 'tool' or 'none'")
        if not tools:
            raise invalid("tool_choice may only be specified while providing tools.")
    thinking = request.get("thinking")
    if thinking is not None:
        kind = thinking.get("type") if isinstance(thinking, dict) else None
        if kind == "disabled":
            raise invalid("thinking.type: `disabled` is not supported by this model.")
        if kind not in ("enabled", "adaptive", "between_tools"):
            raise invalid("thinking.type: Input should be 'enabled' or 'adaptive'")
        budget = thinking.get("budget_tokens")
        if kind == "enabled" and (not _whole(budget) or budget < _MIN_BUDGET):
            raise invalid("thinking.enabled.budget_tokens: Input should be at least 1024")
        if kind == "enabled" and budget >= request["max_tokens"]:
            raise invalid("`max_tokens` must be greater than `thinking.budget_tokens`.")
    config = request.get("output_config")
    if config is not None:
        if not isinstance(config, dict) or set(config) - {"effort", "format"}:
            raise invalid("output_config: Extra inputs are not permitted")
        if str(config.get("effort", "low")) not in _EFFORTS:
            raise invalid(f"output_config.effort: Input should be one of {sorted(_EFFORTS)}")
        if config.get("format") is not None:
            _check_format(config["format"])


def _check_format(form: Any) -> None:
    """A JSON schema whose objects name all that they may hold."""
    if not isinstance(form, dict) or form.get("type") != "json_schema":
        raise invalid("output_config.format.type: Input should be 'json_schema'")
    schema = form.get("schema")
    if not isinstance(schema, dict):
        raise invalid("output_config.format.schema: Field required")
    if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
        raise invalid(
            "output_config.format.schema: For 'object' type, 'additionalProperties' must be "
            "explicitly set to false"
        )


def _check_messages(messages: Any) -> None:
    if not isinstance(messages, list) or not messages:
        raise invalid("messages: at least one message is required")
    for index, message in enumerate(messages):
        where = f"messages.{index}"
        if not isinstance(message, dict) or message.get("role") not in ("user", "assistant"):
            raise invalid(f"{where}.role: Input should be 'user' or 'assistant'")
        content = message.get("content")
        if isinstance(content, str):
            if not content.strip():
                raise invalid(f"{where}: text content must be non-empty")
        elif not isinstance(content, list):
            raise invalid(f"{where}.content: Input should be a valid string or list")
        elif not content:
            raise invalid(f"{where}: all messages must have non-empty content")
        else:
            for number, block in enumerate(content):
                _check_block(block, message["role"], f"{where}.content.{number}")
    if messages[0]["role"] != "user":
        raise invalid('messages: first message must use the "user" role')
    if messages[-1]["role"] != "user":
        raise invalid(
            "This model does not support assistant message prefill. The conversation must end with "
            "a user message."
        )


def _check_block(block: Any, role: str, where: str) -> None:
    kind = block.get("type") if isinstance(block, dict) else None
    if kind == "text":
        _check_text(block, where)
    elif kind == "tool_result" and role == "user":
        if not isinstance(block.get("tool_use_id"), str):
            raise invalid(f"{where}.tool_result.tool_use_id: Field required")
        content = block.get("content", "")
        if not isinstance(content, str | list):
            raise invalid(f"{where}.tool_result.content: Input should be a valid string or list")
        for number, part in enumerate(content if isinstance(content, list) else []):
            _check_text(part, f"{where}.tool_result.content.{number}")
    elif kind == "tool_use" and role == "assistant":
        if not isinstance(block.get("id"), str) or not isinstance(block.get("name"), str):
            raise invalid(f"{where}.tool_use.id: Field required")
        if not isinstance(block.get("input"), dict):
            raise invalid(f"{where}.tool_use.input: Input should be a valid dictionary")
    elif kind == "thinking" and role == "assistant":
        if not is_genuine(block):
            raise invalid(f"{where}: Invalid `signature` in `thinking` block")
    elif kind in ("tool_result", "tool_use", "thinking"):
        raise invalid(f"{where}: `{kind}` blocks are not permitted in `{role}` messages")
    else:
        raise invalid(f"{where}.type: this simulator reads only text and custom tools")


def _check_text(block: Any, where: str) -> None:
    if not isinstance(block, dict) or block.get("type") != "text":
        raise invalid(f"{where}.type: this simulator reads only text here")
    if not isinstance(block.get("text"), str):
        raise invalid(f"{where}.text: Field required")
    if not block["text"].strip():
        raise invalid(f"{where}: text content blocks must be non-empty")


def _check_tool_loop(messages: list[JSON]) -> None:
    """Each tool use answered by the next message, each result to a use, thinking left in place."""
    # Thinking may be left out of finished turns, never of the tool loop that is under way.
    current = max(
        (
            index
            for index, message in enumerate(messages)
            if message["role"] == "user" and not _ids(message, "tool_result", "tool_use_id")
        ),
        default=0,
    )
    due: list[str] = []
    for index, message in enumerate(messages):
        results = _ids(message, "tool_result", "tool_use_id")
        for number, block in enumerate(_blocks(message)):
            if block["type"] == "tool_result" and block["tool_use_id"] not in due:
                raise invalid(
                    f"messages.{index}.content.{number}: unexpected `tool_use_id` found in "
                    f"`tool_result` blocks: {block['tool_use_id']}. Each `tool_result` block must "
                    "have a corresponding `tool_use` block in the previous message."
                )
        unanswered = [use for use in due if use not in results]
        first = [block["type"] for block in _blocks(message)][: len(results)]
        if unanswered or first != ["tool_result"] * len(results):
            raise invalid(
                f"messages.{index - 1}: `tool_use` ids were found without `tool_result` blocks "
                f"immediately after: {', '.join(unanswered or due)}. Each `tool_use` block must "
                "have a corresponding `tool_result` block in the next message."
            )
        if len(set(results)) != len(results):
            raise invalid(f"messages.{index}: each tool_use must have a single result")
        due = _ids(message, "tool_use", "id")
        if due and index > current and _blocks(message)[0]["type"] != "thinking":
            raise invalid(
                f"messages.{index}.content.0.type: Expected `thinking`, but found "
                f"`{_blocks(message)[0]['type']}`. A final `assistant` message must start with a "
                "thinking block, as it was returned."
            )


def _check_cache_marks(request: JSON) -> None:
    blocks = [*(request.get("tools") or [])]
    for content in [request.get("system"), *(m["content"] for m in request["messages"])]:
        blocks += content if isinstance(content, list) else []
    marks = [block["cache_control"] for block in blocks if block.get("cache_control") is not None]
    if any(not isinstance(mark, dict) or mark.get("type") != "ephemeral" for mark in marks):
        raise invalid("cache_control.type: Input should be 'ephemeral'")
    if len(marks) > MAX_CACHE_MARKS:
        raise invalid(
            f"A maximum of {MAX_CACHE_MARKS} blocks with cache_control may be provided. "
            f"Found {len(marks)}."
        )


def _blocks(message: JSON) -> list[JSON]:
    content = message["content"]
    return content if isinstance(content, list) else [{"type": "text", "text": content}]


def _ids(message: JSON, kind: str, key: str) -> list[str]:
    return [block[key] for block in _blocks(message) if block["type"] == kind]


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
