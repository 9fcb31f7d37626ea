"""The simulator's state: one SQLite file in WAL mode, one connection, short transactions.

Two tables tell the story. `messages` holds each message as it is now; `changes` holds one row per
change of one, numbered by `seq`, so that a stream which reads from a `seq` on misses nothing, not
even a status that lasted for milliseconds. Calls take microseconds and run on the event loop.
Listings go by the time of creation, which never changes, so that pages stay what they were; the
indexes hold `sent_at` too, so that a filter on it reads no row that it does not return.
"""

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

_SCHEMA = """
create table if not exists messages (
    id integer primary key,
    sid text not null unique,
    direction text not null,
    from_number text not null,
    to_number text not null,
    body text not null,
    media text not null,
    status text not null,
    error_code integer,
    auto integer not null,
    messaging_service_sid text,
    status_callback text,
    webhook_due integer not null,
    created_at real not null,
    updated_at real not null,
    sent_at real,
    valid_until real,
    seq integer not null
);
create unique index if not exists messages_by_seq on messages (seq);
create index if not exists messages_by_time on messages (auto, created_at, id, sent_at);
create index if not exists messages_to on messages (auto, to_number, created_at, id, sent_at);
create index if not exists messages_from on messages (auto, from_number, created_at, id, sent_at);
create index if not exists messages_between
    on messages (auto, to_number, from_number, created_at, id, sent_at);
create index if not exists messages_sent on messages (auto, sent_at);
create index if not exists messages_sent_to on messages (auto, to_number, sent_at);
create index if not exists messages_sent_from on messages (auto, from_number, sent_at);
create index if not exists messages_unfinished on messages (status)
    where status in ('accepted', 'queued', 'sending', 'sent') or webhook_due = 1;
create table if not exists changes (
    seq integer primary key autoincrement,
    message_id integer not null,
    status text not null,
    error_code integer,
    at real not null
);
create table if not exists opt_outs (
    our_number text not null,
    their_number text not null,
    primary key (our_number, their_number)
) without rowid;
"""

_COLUMNS = (
    "sid, direction, from_number, to_number, body, media, status, error_code, auto, "
    "messaging_service_sid, status_callback, webhook_due, created_at, updated_at, sent_at, "
    "valid_until, seq"
)


@dataclass(frozen=True, slots=True)
class Message:
    """One text. Times are seconds since the epoch (UTC); `media` is [{url, content_type}].

    `auto`: one of Twilio's own answers to a keyword, absent from the REST resource.
    `webhook_due`: an inbound text whose webhook has not been answered yet.
    `valid_until`: when an outbound text that still waits is given up; null for ever.
    """

    sid: str
    direction: str
    from_number: str
    to_number: str
    body: str
    status: str
    created_at: float
    updated_at: float
    media: tuple[dict[str, str], ...] = ()
    error_code: int | None = None
    auto: bool = False
    messaging_service_sid: str | None = None
    status_callback: str | None = None
    webhook_due: bool = False
    sent_at: float | None = None
    valid_until: float | None = None
    seq: int = 0


@dataclass(frozen=True, slots=True)
class Query:
    """What a listing asks for. `sent_from` is inclusive, `sent_before` exclusive (epoch s)."""

    to: str | None = None
    sender: str | None = None
    sent_from: float | None = None
    sent_before: float | None = None


class Store:
    """All reads and writes. Made and used on one thread, the event loop's."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = normal")
        self._db.executescript(_SCHEMA)
        self._add_what_older_files_lack()
        self._changed = asyncio.Event()

    def close(self) -> None:
        """Leave the file as one piece."""
        self._db.close()

    def add(self, message: Message) -> Message:
        """Record a new message; its `seq` is in the answer."""
        with self._transaction():
            cursor = self._db.execute(
                f"insert into messages ({_COLUMNS}) values ({', '.join('?' * 17)})",  # noqa: S608
                (
                    message.sid,
                    message.direction,
                    message.from_number,
                    message.to_number,
                    message.body,
                    json.dumps(message.media),
                    message.status,
                    message.error_code,
                    message.auto,
                    message.messaging_service_sid,
                    message.status_callback,
                    message.webhook_due,
                    message.created_at,
                    message.updated_at,
                    message.sent_at,
                    message.valid_until,
                    -1,
                ),
            )
            row_id = cursor.lastrowid
            seq = self._record_change(
                row_id, message.status, message.error_code, message.updated_at
            )
        self._wake()
        return replace(message, seq=seq)

    def move(self, sid: str, status: str, now: float, error_code: int | None = None) -> Message:
        """Give a message its next status; the first `sent` or `failed` sets its sending time."""
        with self._transaction():
            (row_id,) = self._db.execute(
                "update messages set status = ?, error_code = ?, updated_at = ?,"
                " sent_at = coalesce(sent_at, ?) where sid = ? returning id",
                (status, error_code, now, now if status != "queued" else None, sid),
            ).fetchone()
            self._record_change(row_id, status, error_code, now)
        self._wake()
        message = self.get(sid)
        if message is None:
            raise LookupError(sid)
        return message

    def webhook_settled(self, sid: str) -> None:
        """The webhook of this inbound text was answered or given up; not a visible change."""
        self._db.execute("update messages set webhook_due = 0 where sid = ?", (sid,))

    def get(self, sid: str) -> Message | None:
        """The message with this SID."""
        rows = self._select("where sid = ?", (sid,))
        return rows[0] if rows else None

    def page(self, query: Query, limit: int, skip: int, after_sid: str | None) -> list[Message]:
        """Newest first: `limit` messages after `after_sid`, or after the first `skip`."""
        clauses, values = ["auto = 0"], list[Any]()
        for clause, value in (
            ("to_number = ?", query.to),
            ("from_number = ?", query.sender),
            ("sent_at >= ?", query.sent_from),
            ("sent_at < ?", query.sent_before),
        ):
            if value is not None:
                clauses.append(clause)
                values.append(value)
        # A "+" keeps SQLite from walking back through time where few rows are recent enough.
        at, row = ("created_at", "id") if query.sent_from is None else ("+created_at", "+id")
        if after_sid is not None:
            clauses.append(
                f"({at}, {row}) < (select created_at, id from messages where sid = ?)"  # noqa: S608
            )
            values.append(after_sid)
        where = " and ".join(clauses)
        return self._select(
            f"where {where} order by {at} desc, {row} desc limit ? offset ?",
            (*values, limit, 0 if after_sid is not None else skip),
        )

    def unfinished(self) -> list[Message]:
        """What an earlier process left under way: deliveries and webhooks."""
        return self._select(
            "where status in ('accepted', 'queued', 'sending', 'sent') or webhook_due = 1"
            " order by id",
            (),
        )

    def changed_since(self, seq: int, number: str | None, limit: int | None) -> list[Message]:
        """Messages that changed after `seq`, each once and as it is now, in order of `seq`."""
        clause, values = "", list[Any]()
        if number is not None:
            clause, values = " and ? in (from_number, to_number)", [number]
        return self._select(
            f"where seq > ?{clause} order by seq limit ?",
            (seq, *values, -1 if limit is None else limit),
        )

    def changes(self, seq: int, limit: int) -> list[Message]:
        """Every change after `seq` in order: the message with the status it had then."""
        rows = self._db.execute(
            f"select {', '.join('m.' + name for name in _COLUMNS.split(', '))},"  # noqa: S608
            " c.status, c.error_code, c.at, c.seq"
            " from changes c join messages m on m.id = c.message_id"
            " where c.seq > ? order by c.seq limit ?",
            (seq, limit),
        ).fetchall()
        return [
            replace(
                _message(row[:17]),
                status=row[17],
                error_code=row[18],
                updated_at=row[19],
                seq=row[20],
            )
            for row in rows
        ]

    def seq(self) -> int:
        """The number of the latest change, wiped ones included; 0 before the first."""
        found = self._db.execute("select seq from sqlite_sequence where name = 'changes'")
        latest = found.fetchone()
        return 0 if latest is None else int(latest[0])

    async def wait(self, seq: int, timeout_s: float) -> bool:
        """Wait for a change after `seq`; False when none came in time."""
        try:
            async with asyncio.timeout(timeout_s):
                while self.seq() <= seq:
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True

    def opted_out(self, ours: str, theirs: str) -> bool:
        """Whether `theirs` told `ours` to stop."""
        found = self._db.execute(
            "select 1 from opt_outs where our_number = ? and their_number = ?", (ours, theirs)
        )
        return found.fetchone() is not None

    def set_opted_out(self, ours: str, theirs: str, value: bool) -> None:
        """Remember STOP, or forget it."""
        self._db.execute(
            "insert or ignore into opt_outs values (?, ?)"
            if value
            else "delete from opt_outs where our_number = ? and their_number = ?",
            (ours, theirs),
        )

    def wipe(self) -> None:
        """Forget every message and opt-out. `seq` goes on counting, so streams stay right."""
        with self._transaction():
            for table in ("changes", "messages", "opt_outs"):
                self._db.execute(f"delete from {table}")  # noqa: S608

    def _add_what_older_files_lack(self) -> None:
        columns = {row[1] for row in self._db.execute("pragma table_info(messages)")}
        if "valid_until" not in columns:
            self._db.execute("alter table messages add column valid_until real")

    def _record_change(
        self, row_id: int | None, status: str, error_code: int | None, at: float
    ) -> int:
        cursor = self._db.execute(
            "insert into changes (message_id, status, error_code, at) values (?, ?, ?, ?)",
            (row_id, status, error_code, at),
        )
        seq = cursor.lastrowid or 0
        self._db.execute("update messages set seq = ? where id = ?", (seq, row_id))
        return seq

    def _select(self, where: str, values: tuple[Any, ...]) -> list[Message]:
        rows = self._db.execute(f"select {_COLUMNS} from messages {where}", values)  # noqa: S608
        return [_message(row) for row in rows.fetchall()]

    def _wake(self) -> None:
        """Wake every waiting stream; each reads on from its own `seq`."""
        self._changed.set()
        self._changed = asyncio.Event()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("begin immediate")
        try:
            yield
        except BaseException:
            self._db.execute("rollback")
            raise
        self._db.execute("commit")


def _message(row: tuple[Any, ...]) -> Message:
    sid, direction, sender, to, body, media, status, error, auto, service, callback = row[:11]
    due, created, updated, sent, valid_until, seq = row[11:]
    return Message(
        sid=sid,
        direction=direction,
        from_number=sender,
        to_number=to,
        body=body,
        media=tuple(json.loads(media)),
        status=status,
        error_code=error,
        auto=bool(auto),
        messaging_service_sid=service,
        status_callback=callback,
        webhook_due=bool(due),
        created_at=created,
        updated_at=updated,
        sent_at=sent,
        valid_until=valid_until,
        seq=seq,
    )
