"""One signed POST to the back end: its signature, its retries, and a place to run it in.

The signature is computed by Twilio's own validator over exactly the URL that is called and the
form that is sent. A fragment of a URL is never sent; it holds Twilio's connection overrides, of
which `rc` (retry count) and `rp` (retry policy: a list of `ct`, `rt`, `4xx`, `5xx`, or `all`) are
honoured. As at Twilio, a URL that overrides the count alone is tried again when no connection was
made (`ct`), and never after an answer:
https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides
"""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any
from urllib.parse import parse_qs, urldefrag
from uuid import uuid4

import httpx
from twilio.request_validator import RequestValidator

_log = logging.getLogger("local.twilio_simulator")

#: How long Twilio waits for a webhook's answer, seconds.
TIMEOUT_S = 15.0
_MAX_WAIT_S = 5.0
#: What is tried again of a URL without overrides: more than at Twilio, see settings.py.
_RETRIED = frozenset({"ct", "rt", "5xx"})
_KINDS = frozenset({"ct", "rt", "4xx", "5xx"})
_AT_ONCE = 64


class Background:
    """Work that outlives the request that caused it, ended with the process."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` on its own; a failure of it is a bug and is logged with its trace."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    async def stop(self) -> None:
        """Cancel what is left; the store knows what was unfinished."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("background work failed", exc_info=error)


class Webhooks:
    """The HTTP client of Twilio's side."""

    def __init__(self, auth_token: str, retries: int, first_wait_s: float) -> None:
        """`retries` and `first_wait_s` (seconds, doubling) hold unless a URL overrides them."""
        self._validator = RequestValidator(auth_token)
        self._retries, self._first_wait_s = retries, first_wait_s
        # A queue of our own: the client's pool takes time quadratic in what waits for it.
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self._http = httpx.AsyncClient(
            timeout=httpx.Timeout(TIMEOUT_S, pool=None),
            limits=httpx.Limits(max_connections=_AT_ONCE, max_keepalive_connections=_AT_ONCE),
            headers={"User-Agent": "TwilioProxy/1.1", "Accept": "*/*"},
            trust_env=False,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def post(self, url: str, form: dict[str, str], sid: str) -> bool:
        """Deliver `form`, trying again as the URL's fragment says; whether it was accepted.

        Every attempt carries the same idempotency token, as Twilio's do.
        """
        target, fragment = urldefrag(url)
        retries, retried = self._overrides(fragment)
        headers = {
            "X-Twilio-Signature": self._validator.compute_signature(target, form),
            "I-Twilio-Idempotency-Token": str(uuid4()),
        }
        wait_s = self._first_wait_s
        for attempt in range(retries + 1):
            if attempt:
                await asyncio.sleep(wait_s)
                wait_s = min(wait_s * 2, _MAX_WAIT_S)
            try:
                async with self._turn:
                    answer = await self._http.post(target, data=form, headers=headers)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                outcome, kind = type(error).__name__, "ct"
            except httpx.TransportError as error:
                outcome, kind = type(error).__name__, "rt"
            else:
                outcome, kind = str(answer.status_code), f"{answer.status_code // 100}xx"
                if answer.status_code < 300:
                    return True
            if kind not in retried:
                _log.warning("webhook for %s refused: %s", sid, outcome)
                return False
            _log.info("webhook for %s, attempt %d: %s", sid, attempt + 1, outcome)
        _log.warning("webhook for %s given up after %d attempts: %s", sid, retries + 1, outcome)
        return False

    def _overrides(self, fragment: str) -> tuple[int, frozenset[str]]:
        """How often a URL is tried again, and after what."""
        given = parse_qs(fragment)
        if not given:
            return self._retries, _RETRIED
        policy = frozenset(given.get("rp", ["ct"])[0].split(","))
        return int(given.get("rc", ["1"])[0]), _KINDS if "all" in policy else policy
