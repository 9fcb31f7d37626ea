"""What the Twilio simulator took from us."""

from typing import Any

import httpx

from tests.support.stack import StackUnderTest


def taken_by_twilio(stack: StackUnderTest) -> list[dict[str, Any]]:
    """Every text that Twilio took, oldest first."""
    url = f"{stack.description['twilio']['url']}/_sim/messages"
    answer = httpx.get(url, params={"after": 0}, timeout=60).raise_for_status()
    texts = (m for m in answer.json()["messages"] if m["direction"] == "outbound")
    return sorted(texts, key=lambda message: str(message["date_created"]))
