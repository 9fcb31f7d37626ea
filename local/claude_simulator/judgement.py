"""What becomes of a text that waits: a verdict by simple signs in the latest texts.

Sent as it is unless there is a sign. What the member says of it ("never mind", "sorted") supersedes
it; a greeting in the middle of a conversation, or no words yet, has it written anew.
"""

import html
import json
import re
from typing import Any

JSON = dict[str, Any]

_SETTLED = re.compile(
    r"\b(?:never ?mind|no longer|sorted|solved|found (?:one|it|someone|somebody)|all set"
    r"|not needed)\b",
    re.I,
)
_UNWANTED = re.compile(r"\b(?:not interested|no thanks|not now|leave it|stop asking)\b", re.I)
_GREETING = re.compile(
    r"^(?:hi|hello|hey|good (?:morning|afternoon|evening))\b[^,.:]*[,.:]\s*", re.I
)
_SAID = re.compile(r"<(member|agent)>(.*?)</\1>", re.S)


def answer(content: str) -> str:
    """The answer to a request for a verdict."""
    said = [(who, html.unescape(words)) for who, words in _SAID.findall(content)]
    drafts = [html.unescape(d) for d in re.findall("<draft>(.*?)</draft>", content, re.S)]
    latest = next((words for who, words in reversed(said) if who == "member"), "")
    if _SETTLED.search(latest):
        return _verdict("supersede", reason="settled")
    if _UNWANTED.search(latest):
        return _verdict("supersede", reason="unwanted")
    if not all(drafts):
        return _verdict(
            "rewrite", texts=[draft or "I have news for you. Shall I go on?" for draft in drafts]
        )
    bare = [_GREETING.sub("", draft) for draft in drafts]
    if said and bare != drafts and all(bare):
        return _verdict("rewrite", texts=[words[0].upper() + words[1:] for words in bare])
    return _verdict("send")


def _verdict(verdict: str, *, texts: list[str] | None = None, reason: str = "") -> str:
    return json.dumps({"verdict": verdict, "texts": texts or [], "reason": reason})
