"""Answers in the API's shape: blocks, ids and the signatures of thinking.

Ids are derived from the request, so the same request gets the same answer, byte for byte.
"""

import hashlib
import hmac
import json
from base64 import b64decode, b64encode
from typing import Any

JSON = dict[str, Any]

#: Not a secret: it only has to notice a changed thinking block.
_KEY = b"claude-simulator"
_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_NONCE_BYTES = 16


def new_id(prefix: str, *sources: object) -> str:
    """An id like `msg_01…` derived from its sources."""
    digest = hashlib.sha256(json.dumps(sources, default=str).encode()).digest()
    number, letters = int.from_bytes(digest[:18], "big"), ""
    for _ in range(22):
        number, rest = divmod(number, len(_ALPHABET))
        letters += _ALPHABET[rest]
    return f"{prefix}_01{letters}"


def thinking(thought: str, seed: str) -> JSON:
    """A signed thinking block."""
    nonce = hashlib.sha256(seed.encode()).digest()[:_NONCE_BYTES]
    signature = b64encode(nonce + _mac(nonce, thought)).decode()
    return {"type": "thinking", "thinking": thought, "signature": signature}


def is_genuine(block: JSON) -> bool:
    """Whether a thinking block is one of ours, unchanged."""
    signature, thought = block.get("signature"), block.get("thinking")
    if not isinstance(signature, str) or not isinstance(thought, str):
        return False
    try:
        signed = b64decode(signature, validate=True)
    except ValueError:
        return False
    nonce, mac = signed[:_NONCE_BYTES], signed[_NONCE_BYTES:]
    return hmac.compare_digest(mac, _mac(nonce, thought))


def finished(blocks: list[JSON], seed: str) -> list[JSON]:
    """Blocks as written by a script or a rule, made complete: ids, and a thought before them."""
    complete = [
        block | {"id": new_id("toolu", seed, index)}
        if block.get("type") == "tool_use" and not block.get("id")
        else block
        for index, block in enumerate(blocks)
    ]
    if complete and all(block.get("type") != "thinking" for block in complete):
        complete.insert(0, thinking("I answer.", seed))
    return complete


def _mac(nonce: bytes, thought: str) -> bytes:
    return hmac.digest(_KEY, nonce + thought.encode("utf-8", "surrogatepass"), "sha256")
