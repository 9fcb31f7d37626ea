"""A migration while others read and write: they go on, it waits, tries again and succeeds."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from sql import migrate as migration
from sql.migrate import migrate, sql_files
from tests.support.existing_database import build

EVENT = "insert into events (event_type, payload) values ('a', '{}')"
MESSAGE = (
    "insert into messages (conversation_id, user_id, role, content, direction, twilio_message_sid)"
    " select c.id, c.user_id, 'user', 'text', 'inbound', %s from conversations as c limit 1"
)


@contextmanager
def migrating(url: str) -> Iterator[list[str]]:
    """A migration in the background; joined at the end, its report is complete then."""
    lines: list[str] = []
    failures: list[BaseException] = []

    def go() -> None:
        try:
            migrate(url, report=lines.append)
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    thread = threading.Thread(target=go)
    thread.start()
    try:
        yield lines
    finally:
        thread.join(60)
    assert not thread.is_alive()
    assert failures == []


def wait_for(connection: psycopg.Connection, condition: str) -> None:
    """Wait until another session is as described."""
    deadline = time.monotonic() + 60
    query = f"select from pg_stat_activity where pid <> pg_backend_pid() and {condition}"
    while not connection.execute(query.encode()).fetchall():
        assert time.monotonic() < deadline, condition
        time.sleep(0.01)


def with_a_conversation(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("insert into users (phone_number) values ('+12125550001')")
        connection.execute(
            "insert into conversations (user_id, phone_number) select id, 'x' from users"
        )


def test_others_write_while_an_index_is_built(any_database: str) -> None:
    with_a_conversation(any_database)
    with (
        psycopg.connect(any_database) as older,
        psycopg.connect(any_database, autocommit=True) as writer,
    ):
        writer.execute("drop index messages_sending")
        older.execute(MESSAGE, ("SM1",))
        with migrating(any_database):
            wait_for(writer, "query like 'create index concurrently%' and wait_event_type = 'Lock'")
            writer.execute("set lock_timeout = '5s'")
            # The build waits for the older transaction, for as long as that is open; nobody waits
            # for the build.
            writer.execute(MESSAGE, ("SM2",))
            writer.execute("update messages set status = 'sending'")
            older.commit()
        valid = writer.execute(
            "select indisvalid from pg_index where indexrelid = 'messages_sending'::regclass"
        ).fetchone()
    assert valid == (True,)


def test_a_writer_that_keeps_a_table_delays_it_and_holds_nobody_up(
    empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migration, "LOCK_TIMEOUT_S", 0.3)
    build(empty_database)
    with (
        psycopg.connect(empty_database) as holder,
        psycopg.connect(empty_database, autocommit=True) as writer,
        psycopg.connect(empty_database, autocommit=True) as watcher,
    ):
        holder.execute(EVENT)
        writer.execute("set lock_timeout = '20s'")
        with migrating(empty_database) as lines:
            for _ in range(2):
                wait_for(watcher, "wait_event_type = 'Lock'")
                # It queues behind the migration at most, which lets it pass before the holder ends.
                writer.execute(EVENT)
            holder.commit()
    assert f"policies/{sql_files()[-1].name}" in lines


def test_what_an_interrupted_build_left_is_replaced(any_database: str) -> None:
    query = (
        "select indexrelid, indisvalid from pg_index where indexrelid = 'events_waiting'::regclass"
    )
    with psycopg.connect(any_database, autocommit=True) as connection:
        old = connection.execute(query).fetchone()
        connection.execute(
            "update pg_index set indisvalid = false where indexrelid = 'events_waiting'::regclass"
        )
        migrate(any_database, report=lambda _: None)
        new = connection.execute(query).fetchone()
    assert old is not None
    assert new is not None
    assert new[1]
    assert new[0] != old[0]


def test_a_duplicate_that_slips_in_during_the_build_is_reported_like_any_other(
    any_database: str,
) -> None:
    with_a_conversation(any_database)
    with (
        psycopg.connect(any_database) as older,
        psycopg.connect(any_database, autocommit=True) as writer,
    ):
        writer.execute("drop index messages_one_per_twilio_sid")
        writer.execute(MESSAGE, ("SM1",))
        older.execute(MESSAGE, ("SM1",))
        with migrating(any_database) as lines:
            wait_for(writer, "query like 'create unique index%' and wait_event_type = 'Lock'")
            older.commit()
        made = writer.execute(
            "select to_regclass('messages_one_per_twilio_sid'),"
            " (select indisvalid from pg_index"
            " where indexrelid = 'messages_one_per_twilio_sid_not_unique'::regclass)"
        ).fetchone()
    assert made == (None, True)
    assert any("messages_one_per_twilio_sid was not made" in line for line in lines)


def test_an_index_build_that_never_gets_its_turn_ends_in_plain_words_and_is_made_up_for(
    any_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_a_conversation(any_database)
    with (
        psycopg.connect(any_database) as older,
        psycopg.connect(any_database, autocommit=True) as other,
    ):
        other.execute("drop index messages_sending")
        older.execute(MESSAGE, ("SM1",))
        with monkeypatch.context() as patch:
            patch.setattr(migration, "INDEX_TIMEOUT_S", 0.2)
            with pytest.raises(migration.MigrationError, match="transaction has been open"):
                migrate(any_database, report=lambda _: None)
        older.commit()
        migrate(any_database, report=lambda _: None)
        valid = other.execute(
            "select indisvalid from pg_index where indexrelid = 'messages_sending'::regclass"
        ).fetchone()
    assert valid == (True,)
