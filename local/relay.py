"""`python -m local.relay`: Pub/Sub's stand-in. New events are pushed to event_processor.

It learns of events by LISTEN, and by a poll for those announced while it was not listening. Each
is pushed as Pub/Sub pushes: at least once, several at a time, again with growing waits until a
2xx. What was answered 2xx is not pushed again unless it is announced again; the rest is the
sweeper's.
"""

import asyncio
import base64
import json
import logging
import uuid
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import psycopg

from local.description import Description
from local.state import State

_log = logging.getLogger(__name__)

CHANNEL = "events"
MAX_CONCURRENT = 16
MAX_ATTEMPTS = 30
REMEMBERED = 10_000
POLL_S = 2.0
POLL_LIMIT = 1_000
ACK_DEADLINE_S = 120.0
FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 5.0

#: What waits for a retry is the sweeper's.
_UNPROCESSED = """
select id::text from events
where processed is not true and (metadata ? 'retry_at') is not true
order by created_at desc limit %s
"""


@dataclass
class Relay:
    """Pushes the events of one database to one URL."""

    database_url: str
    push_url: str
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MAX_CONCURRENT))
    _under_way: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _announced_again: set[str] = field(default_factory=set)
    _answered: OrderedDict[str, None] = field(default_factory=OrderedDict)

    async def run_forever(self) -> None:
        """Relay until cancelled; a lost database connection is opened again."""
        limits = httpx.Limits(max_connections=MAX_CONCURRENT)
        async with httpx.AsyncClient(timeout=ACK_DEADLINE_S, limits=limits) as http:
            while True:
                try:
                    await self._follow(http)
                except psycopg.Error as error:
                    _log.warning("database: %s", type(error).__name__)
                    await asyncio.sleep(0.2)

    async def _follow(self, http: httpx.AsyncClient) -> None:
        async with await psycopg.AsyncConnection.connect(
            self.database_url, autocommit=True
        ) as session:
            await session.execute(f"listen {CHANNEL}")
            while True:
                rows = await session.execute(_UNPROCESSED, (POLL_LIMIT,))
                for (event_id,) in await rows.fetchall():
                    if event_id not in self._answered:
                        self._push_soon(http, event_id)
                async for notice in session.notifies(timeout=POLL_S):
                    if notice.payload in self._under_way:
                        self._announced_again.add(notice.payload)
                    self._push_soon(http, notice.payload)

    def _push_soon(self, http: httpx.AsyncClient, event_id: str) -> None:
        if event_id not in self._under_way:
            push = asyncio.create_task(self._push(http, event_id))
            self._under_way[event_id] = push
            push.add_done_callback(lambda _: self._finish(http, event_id))

    def _finish(self, http: httpx.AsyncClient, event_id: str) -> None:
        del self._under_way[event_id]
        if event_id in self._announced_again:
            self._announced_again.discard(event_id)
            self._push_soon(http, event_id)

    async def _push(self, http: httpx.AsyncClient, event_id: str) -> None:
        wait_s = FIRST_WAIT_S
        for _ in range(MAX_ATTEMPTS):
            async with self._slots:
                problem = await self._push_once(http, event_id)
            if problem is None:
                break
            _log.info("%s: %s, again in %.1f s", event_id, problem, wait_s)
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, LONGEST_WAIT_S)
        else:
            _log.warning("%s: given up after %s attempts", event_id, MAX_ATTEMPTS)
        self._answered[event_id] = None
        while len(self._answered) > REMEMBERED:
            self._answered.popitem(last=False)

    async def _push_once(self, http: httpx.AsyncClient, event_id: str) -> str | None:
        """None when the push was acknowledged, else what happened."""
        try:
            response = await http.post(self.push_url, json=envelope(event_id))
        except httpx.HTTPError as error:
            return type(error).__name__
        return None if response.is_success else f"status {response.status_code}"


def envelope(event_id: str) -> dict[str, Any]:
    """The body of a Pub/Sub push request for one event."""
    data = json.dumps({"event_id": event_id}).encode()
    return {
        "message": {
            "data": base64.b64encode(data).decode("ascii"),
            "messageId": str(uuid.uuid4().int)[:16],
            "publishTime": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
            "attributes": {},
        },
        "subscription": "projects/local/subscriptions/events",
    }


def main() -> None:
    """Relay this stack's events until terminated."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    addresses = State.from_environment().addresses
    description: Description = json.loads(addresses.read_text(encoding="utf-8"))
    if description["database_url"] is None:
        raise SystemExit("The relay needs the database's URL.")
    relay = Relay(description["database_url"], description["functions"]["event_processor"])
    asyncio.run(relay.run_forever())


if __name__ == "__main__":
    main()
