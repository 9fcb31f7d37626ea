"""Token counts and the prompt cache. A token is taken to be four characters.

The cache works as the real one is documented: a prefix that ends at a `cache_control` mark (tools
first, then system, then messages) is written at first sight, and read by whatever repeats it for
the same model within five minutes; each read keeps it for another five. The real one ignores
short prefixes; this one does not, so that small tests see it work.
"""

import hashlib
import json
from typing import Any

JSON = dict[str, Any]
LIFETIME_S = 300.0
_CHARS_PER_TOKEN = 4


def tokens(characters: int) -> int:
    """Approximately, rounded up."""
    return -(-characters // _CHARS_PER_TOKEN)


def output_tokens(content: list[JSON]) -> int:
    """Of an answer: its words, thoughts and tool inputs; never 0."""
    size = sum(
        len(block.get("text") or block.get("thinking") or "")
        + (len(_dump(block["input"])) + len(block["name"]) if "input" in block else 0)
        for block in content
    )
    return max(tokens(size), 1)


class PromptCache:
    """Which prefixes were seen, and until when (epoch seconds) they are remembered."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def clear(self) -> None:
        """Forget everything."""
        self._until.clear()

    def charge(self, request: JSON, now: float) -> JSON:
        """The input part of this request's `usage`."""
        size, marks = 0, list[tuple[str, int]]()
        prefix = hashlib.sha256(str(request["model"]).encode())
        for block in _blocks(request):
            plain = _dump({key: value for key, value in block.items() if key != "cache_control"})
            size += len(plain)
            prefix.update(plain.encode())
            if block.get("cache_control"):
                marks.append((prefix.hexdigest(), size))
        total = tokens(size)
        read = max((tokens(at) for key, at in marks if self._until.get(key, 0) > now), default=0)
        cached = max((tokens(at) for _, at in marks), default=0)
        self._until = {key: until for key, until in self._until.items() if until > now}
        self._until.update({key: now + LIFETIME_S for key, _ in marks})
        return {
            "input_tokens": total - cached,
            "cache_creation_input_tokens": cached - read,
            "cache_read_input_tokens": read,
            "cache_creation": {
                "ephemeral_5m_input_tokens": cached - read,
                "ephemeral_1h_input_tokens": 0,
            },
        }


def _blocks(request: JSON) -> list[JSON]:
    """Everything that is read, in the order of the cache's prefix."""
    blocks: list[JSON] = list(request.get("tools") or [])
    parts = [("system", request.get("system") or [])]
    parts += [(message["role"], message["content"]) for message in request["messages"]]
    for role, content in parts:
        if isinstance(content, str):
            blocks.append({"role": role, "text": content})
        else:
            blocks += [block | {"role": role} for block in content]
    return blocks


def _dump(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
