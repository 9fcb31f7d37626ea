"""`python -m terraform.smoke`: a signed text in, its answer out, here or on a deployment.

Posts to the webhook what Twilio posts for a text, signed with the account's token, and looks at
Twilio for a text to that number since. On a deployment the answer is really sent, to the number
that PHONE names: it must be one of your own, and becomes a member's if it is none yet.

Exit status: 0 answered, 1 not (one sentence says why), 2 a variable is missing.
"""

import json
import os
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import httpx
from twilio.request_validator import RequestValidator

ROOT = Path(__file__).resolve().parent.parent

#: Fictional (555-01xx), for the simulator only.
_LOCAL_PHONE = "+12125550199"
_TEXT = "What can you do for me?"
_NEEDED = ("PHONE", "TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_NUMBER")


class SmokeError(Exception):
    """What did not work; one clear sentence."""


@dataclass(frozen=True)
class System:
    """Where a text goes in, and where its answer comes out."""

    webhook: str
    twilio: str
    account_sid: str
    auth_token: str
    number: str
    phone: str


def smoke(system: System, within_s: float = 60.0) -> float:
    """Send one text and wait for the answer; the seconds between.

    Raises:
        SmokeError: it was not taken, or there was no answer within `within_s` seconds.
    """
    before = _texts_to(system)
    sid = f"SM{uuid4().hex}"
    form = {
        "MessageSid": sid,
        "SmsSid": sid,
        "AccountSid": system.account_sid,
        "From": system.phone,
        "To": system.number,
        "Body": _TEXT,
        "NumMedia": "0",
        "ApiVersion": "2010-04-01",
    }
    signature = RequestValidator(system.auth_token).compute_signature(system.webhook, form)
    started = time.monotonic()
    try:
        answer = httpx.post(
            system.webhook, data=form, headers={"X-Twilio-Signature": signature}, timeout=30
        )
    except httpx.HTTPError as error:
        raise SmokeError(f"The webhook cannot be reached: {type(error).__name__}.") from error
    if answer.status_code != httpx.codes.OK:
        raise SmokeError(f"The webhook answered {answer.status_code}: {answer.text[:200]}")
    while time.monotonic() - started < within_s:
        if _texts_to(system) - before:
            return time.monotonic() - started
        time.sleep(0.5)
    raise SmokeError(
        f"The text was taken, and not answered within {within_s:.0f} s: see `make logs`."
    )


def _texts_to(system: System) -> set[str]:
    """The SIDs of the newest texts from us to the phone."""
    try:
        answer = httpx.get(
            f"{system.twilio}/2010-04-01/Accounts/{system.account_sid}/Messages.json",
            params={"To": system.phone, "PageSize": 100},
            auth=(system.account_sid, system.auth_token),
            timeout=30,
        )
    except httpx.HTTPError as error:
        raise SmokeError(f"Twilio cannot be reached: {type(error).__name__}.") from error
    if answer.is_error:
        raise SmokeError(f"Twilio answered {answer.status_code} to the listing of texts.")
    return {
        message["sid"]
        for message in answer.json()["messages"]
        if message["direction"].startswith("outbound")
    }


def _deployed() -> System | None:
    """The deployment that variables name, if they do; None: they name none.

    Raises:
        KeyError: this one is missing.
    """
    if not os.environ.get("TWILIO_WEBHOOK_URL"):
        return None
    for name in _NEEDED:
        if not os.environ.get(name):
            raise KeyError(name)
    return System(
        # What follows the # is Twilio's, and not part of what it signs.
        webhook=os.environ["TWILIO_WEBHOOK_URL"].split("#")[0],
        twilio=os.environ.get("TWILIO_API_URL", "https://api.twilio.com"),
        account_sid=os.environ["TWILIO_ACCOUNT_SID"],
        auth_token=os.environ["TWILIO_AUTH_TOKEN"],
        number=os.environ["TWILIO_NUMBER"],
        phone=os.environ["PHONE"],
    )


def _local() -> System | None:
    """The running local stack, if there is one."""
    file = ROOT / os.environ.get("YACHTPARTY_STATE_DIR", ".local") / "stack.json"
    try:
        stack = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    twilio = stack["twilio"]
    return System(
        webhook=stack["functions"]["twilio_webhook"],
        twilio=twilio["url"],
        account_sid=twilio["account_sid"],
        auth_token=twilio["auth_token"],
        number=twilio["number"],
        phone=os.environ.get("PHONE", _LOCAL_PHONE),
    )


def main() -> int:
    """Run it; the exit status."""
    try:
        system = _deployed() or _local()
    except KeyError as missing:
        print(f"{missing.args[0]} is missing: docs/operations.md, “Smoke test”.", file=sys.stderr)
        return 2
    if system is None:
        print(
            "No local stack is running (`make run`), and TWILIO_WEBHOOK_URL is not set.",
            file=sys.stderr,
        )
        return 2
    started = datetime.now(UTC).isoformat(timespec="seconds")
    try:
        seconds = smoke(system)
    except SmokeError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{started}: a signed text was taken and answered after {seconds:.1f} s.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
