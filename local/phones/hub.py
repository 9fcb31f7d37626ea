"""What the page shows, kept up to date while someone is watching.

One `Hub` reads for all open pages: the Twilio simulator's stream, the database, the clock and the
faults asked for. The readers start with the first viewer and stop with the last one, so an
unwatched page costs nothing. Each viewer has an inbox of what changed since its last update, one
entry per message or row whatever number of changes, so a slow browser never makes it grow.

A part that is away (restarting, not migrated yet) makes its `health` false and is tried again.
"""

import asyncio
import json
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import httpx
import psycopg

from local.phones.config import PhonesConfig
from local.phones.database import read_members, read_messages, read_rows

Json = dict[str, Any]

#: Seconds between two looks at the database without a wake-up, and at least, with wake-ups.
POLL_S = 0.5
MIN_POLL_S = 0.1
#: Seconds between two looks at the clock and the faults.
CLOCK_POLL_S = 2.0
#: Seconds to wait for the first picture before a page is shown what is there.
FIRST_PICTURE_S = 2.0
#: Seconds between two attempts to reach a part that is away.
RETRY_S = 1.0
#: The simulator's stream says at least every 15 s that it is alive.
SILENCE_S = 40.0
MAX_PHONES = 50
MAX_MESSAGES_PER_PHONE = 50
#: The simulator's latest changes that a page starts from; a text makes about four.
MAX_CHANGES = 4000
#: A change number that is never reached.
NEVER = 2**53

HTTP_TIMEOUT = httpx.Timeout(10, connect=2)
#: What "away" looks like: no connection, an answer that is not what was agreed, a lost connection.
AWAY = (httpx.HTTPError, httpx.StreamError, psycopg.Error, OSError, ValueError, KeyError, TypeError)


class Inbox:
    """What one viewer has not seen yet: the newest version of each changed thing."""

    def __init__(self) -> None:
        self._pending: dict[str, dict[str, Any]] = {}
        self._wake = asyncio.Event()

    def put(self, section: str, key: str, value: Any) -> None:
        """Replace what is pending for this key."""
        self._pending.setdefault(section, {})[key] = value
        self._wake.set()

    async def take(self, timeout_s: float) -> Json | None:
        """What changed, by section, or None when nothing did for `timeout_s` seconds."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._wake.wait()
        except TimeoutError:
            return None
        self._wake.clear()
        pending, self._pending = self._pending, {}
        return {
            section: values if section in {"health", "faults"} else list(values.values())
            for section, values in pending.items()
        }


class Hub:
    """The current picture of one stack, and those who watch it."""

    def __init__(self, config: PhonesConfig) -> None:
        self._config = config
        self._inboxes: set[Inbox] = set()
        self._readers: list[asyncio.Task[None]] = []
        self._lock = asyncio.Lock()
        self._forget()

    def _forget(self) -> None:
        self._threads: OrderedDict[str, OrderedDict[str, Json]] = OrderedDict()
        self._rows: dict[str, Json] = {}
        self._members: dict[str, Json] = {}
        self._faults: dict[str, Json | None] = {}
        self._clock: Json | None = None
        self._health: dict[str, bool] = {}
        self._order = 0
        self._seq = 0

    # Viewers

    @asynccontextmanager
    async def watch(self) -> AsyncIterator[Inbox]:
        """An inbox that fills while the context is open; `picture` is complete on entry."""
        inbox = Inbox()
        self._inboxes.add(inbox)
        try:
            async with self._lock:
                if not self._readers:
                    await self._start()
            yield inbox
        finally:
            self._inboxes.discard(inbox)
            if not self._inboxes:
                await self._stop()

    def picture(self) -> Json:
        """Everything a page needs to start from."""
        config = self._config
        return {
            "config": {
                "number": config.number,
                "twilio_simulated": config.twilio_simulated,
                "claude_simulated": config.claude_simulated,
                "can_text": config.twilio_url is not None,
                "can_mail": config.mail_url is not None,
                "schedules": sorted(config.schedules),
                "controls": {
                    "twilio": config.twilio_control is not None,
                    "claude": config.claude_control is not None,
                },
            },
            "clock": self._clock,
            "health": self._health,
            "faults": self._faults,
            "messages": [m for thread in self._threads.values() for m in thread.values()],
            "rows": list(self._rows.values()),
            "members": list(self._members.values()),
        }

    # Readers

    async def _start(self) -> None:
        self._forget()
        readers: list[Callable[[asyncio.Event], Coroutine[Any, Any, None]]] = [
            self._read_database,
            self._read_clock,
        ]
        if self._config.twilio_url is not None:
            readers.append(self._read_texts)
        firsts = []
        for reader in readers:
            first = asyncio.Event()
            firsts.append(first.wait())
            self._readers.append(asyncio.create_task(reader(first)))
        try:
            async with asyncio.timeout(FIRST_PICTURE_S):
                await asyncio.gather(*firsts)
        except TimeoutError:
            return  # what is away shows as such in `health`

    async def _stop(self) -> None:
        readers, self._readers = self._readers, []
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)

    async def _read_database(self, first: asyncio.Event) -> None:
        """LISTEN wakes at once; the poll finds what nobody announces (updates, LLM calls)."""
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(
                    self._config.database_url, autocommit=True, connect_timeout=3
                ) as connection:
                    await connection.execute("listen events")
                    while True:
                        await self._look(connection)
                        first.set()
                        await asyncio.sleep(MIN_POLL_S)
                        async for _ in connection.notifies(timeout=POLL_S, stop_after=1):
                            pass
                        async for _ in connection.notifies(timeout=0):
                            pass  # a burst of wake-ups is one look
            except AWAY:
                self._report("database", healthy=False)
                first.set()
                await asyncio.sleep(RETRY_S)

    async def _look(self, connection: psycopg.AsyncConnection[Any]) -> None:
        if self._config.twilio_url is None:
            for message in await read_messages(connection, self._config.number):
                self._text(message)
        rows = {str(row["id"]): row for row in await read_rows(connection)}
        for row_id in self._rows.keys() - rows.keys():
            # No longer among the newest: what was known of it would only grow stale.
            del self._rows[row_id]
            self._publish("rows", row_id, {"id": row_id, "gone": True})
        for row in rows.values():
            self._row(row)
        for member in await read_members(connection, list(self._threads)):
            if self._members.get(member["phone"]) != member:
                self._members[member["phone"]] = member
                self._publish("members", member["phone"], member)
        self._report("database", healthy=True)

    async def _read_texts(self, first: asyncio.Event) -> None:
        """What was there before, newest changes first of all, then the stream from there on."""
        url = f"{self._config.twilio_url}/_sim"
        while True:
            try:
                async with httpx.AsyncClient(timeout=HTTP_TIMEOUT) as client:
                    # Nothing changed after that number; the answer says how far changes go.
                    seq = (await _messages(client, url, NEVER))["seq"]
                    known = self._seq if self._seq <= seq else 0
                    listing = await _messages(client, url, max(known, seq - MAX_CHANGES))
                    for message in listing["messages"]:
                        self._text(message)
                    self._report("twilio", healthy=True)
                    first.set()
                    async with client.stream(
                        "GET",
                        f"{url}/stream",
                        params={"after": listing["seq"]},
                        timeout=httpx.Timeout(SILENCE_S, connect=2),
                    ) as stream:
                        stream.raise_for_status()
                        async for line in stream.aiter_lines():
                            if line.startswith("data:"):
                                self._text(json.loads(line.removeprefix("data:")))
            except AWAY:
                first.set()
            self._report("twilio", healthy=False)
            await asyncio.sleep(RETRY_S)

    async def _read_clock(self, first: asyncio.Event) -> None:
        async with httpx.AsyncClient(timeout=HTTP_TIMEOUT) as client:
            while True:
                try:
                    clock = (await client.get(self._config.clock_url)).raise_for_status().json()
                    self.set_clock(clock)
                    self._report("clock", healthy=True)
                except AWAY:
                    self._report("clock", healthy=False)
                await self._read_faults(client)
                first.set()
                await asyncio.sleep(CLOCK_POLL_S)

    async def _read_faults(self, client: httpx.AsyncClient) -> None:
        controls = {"twilio": self._config.twilio_control, "claude": self._config.claude_control}
        for service, url in controls.items():
            if url is None:
                continue
            try:
                state = (await client.get(url)).raise_for_status().json()
                fault = {
                    "fail": state.get("fail") or (state.get("deliver") and "undelivered"),
                    "times": state.get("times") or state.get("deliver_times") or 0,
                }
            except AWAY:
                fault = None
            if self._faults.get(service) != fault:
                self._faults[service] = fault
                self._publish("faults", service, fault)

    # Changes

    def set_clock(self, clock: Json) -> None:
        """The stack's time, as `GET` on the clock answers it: {"offset_s", "now"}."""
        moved = self._clock is None or self._clock.get("offset_s") != clock.get("offset_s")
        self._clock = clock
        if moved:
            self._publish("clock", "clock", clock)

    def _text(self, message: Json) -> None:
        """Record one text as the simulator shows it; the newest version of a SID wins."""
        inbound = message["direction"] == "inbound"
        phone = str(message["from"] if inbound else message["to"])
        thread = self._threads.setdefault(phone, OrderedDict())
        known = thread.get(message["sid"])
        seq = int(message.get("seq", 0))
        self._seq = max(self._seq, seq)
        if known is not None and (seq < known["seq"] or {**known, **message} == known):
            return
        shown = {**message, "phone": phone, "seq": seq}
        thread[message["sid"]] = shown
        self._threads.move_to_end(phone)
        while len(thread) > MAX_MESSAGES_PER_PHONE:
            thread.popitem(last=False)
        while len(self._threads) > MAX_PHONES:
            self._threads.popitem(last=False)
        self._publish("messages", message["sid"], shown)

    def _row(self, row: Json) -> None:
        """Record one pipeline row; `order` is the order in which rows were first seen, because
        the clock may be moved between two of them."""
        known = self._rows.get(row["id"])
        if known is not None and {**known, **row} == known:
            return
        if known is None:
            self._order += 1
        shown = {**row, "order": self._order if known is None else known["order"]}
        self._rows[row["id"]] = shown
        self._publish("rows", row["id"], shown)

    def _report(self, part: str, *, healthy: bool) -> None:
        if self._health.get(part) is not healthy:
            self._health[part] = healthy
            self._publish("health", part, healthy)

    def _publish(self, section: str, key: str, value: object) -> None:
        for inbox in self._inboxes:
            inbox.put(section, key, value)


async def _messages(client: httpx.AsyncClient, url: str, after: int) -> Json:
    """The simulator's listing of what changed after `after`. Raises httpx.HTTPError, ValueError."""
    answer = await client.get(f"{url}/messages", params={"after": after})
    listing: Json = answer.raise_for_status().json()
    return listing
