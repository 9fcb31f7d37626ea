"""`python -m sql.migrate` on an empty database, on an existing one, twice, and with a wrong URL."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from sql import migrate as migration
from sql.migrate import MigrationError, migrate, sql_files
from tests.support.database import installations
from tests.support.schema_document import ddl, relations

ROOT = Path(__file__).parents[1]
TABLES = [relation.name for relation in relations() if not relation.is_view]

OLD_WAYS = """
create or replace function notify_event() returns trigger language plpgsql as $$
begin perform pg_notify('events', left(row_to_json(new)::text, 7000)); return new; end $$;
create trigger events_notify after insert or update on events
for each row execute function notify_event();

create materialized view user_credit_balances as
select user_id, sum(amount) as balance, count(*) as transaction_count,
    max(created_at) as last_transaction_at from credit_events group by user_id;
create or replace function update_user_credit_cache() returns trigger language plpgsql as $$
begin
    update users set credit_balance =
        (select sum(amount) from credit_events where user_id = new.user_id)
    where id = new.user_id;
    return new;
end $$;
create trigger credit_cache before insert on credit_events
for each row execute function update_user_credit_cache();
create or replace function refresh_balances() returns trigger language plpgsql as $$
begin refresh materialized view user_credit_balances; return null; end $$;
create trigger refresh_balances after insert on credit_events
for each statement execute function refresh_balances();
create function say_hello() returns text language sql as $$ select 'hello' $$;
grant all on all tables in schema public to public;
"""

AWKWARD_ROWS = """
insert into users (id, phone_number, verified, email_verified, innovator, expert_connector,
    credit_balance, status_level, created_at, updated_at)
values ('00000000-0000-0000-0000-000000000001', '+15550000001', null, null, null, null,
    null, null, null, null);
insert into users (id, phone_number, credit_balance, verified, first_name)
values ('00000000-0000-0000-0000-000000000002', '+15550000002', 7, true,
    (select string_agg(md5(n::text), '') from generate_series(1, 500) as n));
insert into innovators (user_id, company_name, credits_balance)
values ('00000000-0000-0000-0000-000000000002', 'x', null);
insert into conversations (id, user_id, phone_number, status, messages_since_summary)
values
('00000000-0000-0000-0000-00000000000a',
    '00000000-0000-0000-0000-000000000001', '+1', 'active', null),
('00000000-0000-0000-0000-00000000000b',
    '00000000-0000-0000-0000-000000000001', '+1', 'active', 0),
('00000000-0000-0000-0000-00000000000c',
    '00000000-0000-0000-0000-000000000002', '+1', 'paused', 0),
('00000000-0000-0000-0000-00000000000d',
    '00000000-0000-0000-0000-000000000002', '+1', null, 0);
insert into messages
(conversation_id, user_id, role, content, direction, twilio_message_sid, created_at)
select '00000000-0000-0000-0000-00000000000a', '00000000-0000-0000-0000-000000000001',
    'user', 'text', 'inbound', 'SM1', null from generate_series(1, 3);
insert into events (event_type, payload, metadata, processed, created_at, version) values
('a', 'null', 'null', null, null, null), ('b', '[]', '"text"', false, now(), 1);
insert into agent_tasks (task_type, agent_type, scheduled_for, context_json, status, retry_count)
values ('a', 'a', 'infinity', 'null', 'stuck', null), ('a', 'a', now(), '{}', null, 0);
insert into message_queue (user_id, agent_id, message_data, scheduled_for, status, priority)
values ('00000000-0000-0000-0000-000000000001', 'a', 'null', '-infinity', null, null);
insert into credit_events
(user_id, event_type, amount, reference_type, reference_id, idempotency_key)
values ('00000000-0000-0000-0000-000000000002', 'a', 50, 'a', gen_random_uuid(), 'k');
"""


def dump(url: str, version: str) -> list[str]:
    """Everything in the catalog that pg_dump knows, grants and defaults included."""
    done = subprocess.run(
        [installations()[version] / "pg_dump", "--schema-only", f"--dbname={url}"],
        capture_output=True,
        text=True,
        check=True,
    )
    # Each dump guards itself with a new random word.
    return [
        line
        for line in done.stdout.splitlines()
        if not line.startswith(("\\restrict", "\\unrestrict"))
    ]


def contents(url: str) -> dict[str, list[str]]:
    """Every row of every table."""
    with psycopg.connect(url) as connection:
        return {
            name: [
                row[0]
                for row in connection.execute(
                    sql.SQL("select to_jsonb(t)::text from {} as t order by id").format(
                        sql.Identifier(name)
                    )
                )
            ]
            for name in TABLES
        }


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line, as an operator calls it."""
    return subprocess.run(
        [sys.executable, "-m", "sql.migrate", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def existing_database(empty_database: str) -> str:
    """A database as documented, with the old triggers and rows that nobody expects."""
    with psycopg.connect(empty_database) as connection:
        for statement in [*ddl(), OLD_WAYS, AWKWARD_ROWS]:
            connection.execute(statement.encode())
        # The old balance trigger ran; now the cache disagrees.
        connection.execute("update users set credit_balance = 7 where first_name is not null")
    return empty_database


def test_a_second_run_changes_nothing(empty_database: str, version: str) -> None:
    first = run(empty_database)
    assert (first.returncode, first.stderr) == (0, "")
    assert "schema/010_members.sql" in first.stdout
    after = dump(empty_database, version)
    lines: list[str] = []
    migrate(empty_database, report=lines.append)
    assert dump(empty_database, version) == after
    assert not any("created" in line or "replaced" in line for line in lines)


def test_plain_psql_makes_the_same_database(empty_database: str, version: str) -> None:
    psql = installations()[version] / "psql"
    for path in sql_files():
        subprocess.run(
            [
                psql,
                "--single-transaction",
                "--set=ON_ERROR_STOP=1",
                f"--file={path}",
                empty_database,
            ],
            capture_output=True,
            check=True,
        )
    after = dump(empty_database, version)
    migrate(empty_database, report=lambda _: None)
    assert dump(empty_database, version) == after


def test_an_existing_database_keeps_every_row_and_hears_what_is_in_the_way(
    existing_database: str, version: str
) -> None:
    before = contents(existing_database)
    assert sum(len(rows) for rows in before.values()) == 16
    lines: list[str] = []
    migrate(existing_database, report=lines.append)
    assert contents(existing_database) == before

    said = "\n".join(lines)
    for remark in (
        "messages: 1 Twilio SIDs are stored more than once (in 3 rows)",
        "conversations: 1 members have more than one active conversation",
        "conversations: 1 rows have a status other than active, archived",
        "agent_tasks: 1 rows have a status other than",
        "users: some names are too long for an index",
        "users: 1 have a credit_balance other than the sum of their credit_events",
        "innovators: 1 have a credits_balance other than",
        "events: the trigger events_notify was replaced by notify_event.",
        "credit_events: the trigger credit_cache was replaced by update_user_credit_cache.",
        "credit_events: the trigger refresh_balances was replaced by update_user_credit_cache.",
        "user_credit_balances: the materialized view was replaced",
    ):
        assert remark in said
    assert "+1555" not in said

    after = dump(existing_database, version)
    migrate(existing_database, report=lambda _: None)
    assert dump(existing_database, version) == after
    assert contents(existing_database) == before


def test_an_existing_database_works_like_a_new_one(existing_database: str) -> None:
    migrate(existing_database, report=lambda _: None)
    with psycopg.connect(existing_database) as connection:
        connection.execute("set role service_role")
        connection.execute("update conversations set last_message_at = now()")
        connection.execute(
            "insert into credit_events"
            " (user_id, event_type, amount, reference_type, reference_id, idempotency_key)"
            " select id, 'a', 3, 'a', gen_random_uuid(), id::text from users"
        )
        assert connection.execute(
            "select u.credit_balance, b.balance, b.transaction_count"
            " from users as u inner join user_credit_balances as b on b.user_id = u.id"
            " order by u.id"
        ).fetchall() == [(3, 3, 1), (10, 53, 2)]
        connection.execute("reset role")
        connection.execute("set role anon")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("select say_hello()")


def test_a_documented_index_is_not_made_twice_under_another_name(existing_database: str) -> None:
    migrate(existing_database, report=lambda _: None)
    with psycopg.connect(existing_database) as connection:
        doubled = connection.execute(
            "select indrelid::regclass::text from pg_index where indrelid = any (%s::regclass[])"
            " group by indrelid, indkey, indpred::text, indexprs::text, indoption::text"
            " having count(*) > 1",
            (TABLES,),
        ).fetchall()
    assert doubled == []


def test_rows_mended_since_get_their_constraints(existing_database: str) -> None:
    migrate(existing_database, report=lambda _: None)
    with psycopg.connect(existing_database) as connection:
        connection.execute("update messages set twilio_message_sid = id::text")
        connection.execute("update conversations set status = 'archived'")
    migrate(existing_database, report=lambda _: None)
    with psycopg.connect(existing_database) as connection:
        made = connection.execute(
            "select to_regclass('messages_one_per_twilio_sid') is not null,"
            " to_regclass('conversations_one_active_per_user') is not null,"
            " (select convalidated from pg_constraint"
            " where conname = 'conversations_status_documented')"
        ).fetchone()
    assert made == (True, True, True)


def test_an_undocumented_status_is_refused(any_database: str) -> None:
    with psycopg.connect(any_database) as connection, pytest.raises(psycopg.errors.CheckViolation):
        connection.execute(
            "insert into agent_tasks (task_type, agent_type, scheduled_for, context_json, status)"
            " values ('a', 'a', now(), '{}', 'stuck')"
        )


def test_it_waits_for_whoever_holds_a_table(
    any_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migration, "LOCK_TIMEOUT_S", 0.1)
    with psycopg.connect(any_database) as holder:
        holder.execute("lock table events in access exclusive mode")
        release = threading.Timer(0.5, holder.commit)
        release.start()
        migrate(any_database, report=lambda _: None)
        release.join()


def test_it_gives_up_in_plain_words(any_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migration, "LOCK_TIMEOUT_S", 0.05)
    monkeypatch.setattr(migration, "WAITS_S", (0.01,))
    with psycopg.connect(any_database) as holder:
        holder.execute("lock table events in access exclusive mode")
        with pytest.raises(MigrationError, match="gave up waiting"):
            migrate(any_database, report=lambda _: None)


def test_two_at_once_both_succeed(empty_database: str) -> None:
    failures: list[BaseException] = []

    def go() -> None:
        try:
            migrate(empty_database, report=lambda _: None)
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=go) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_file_that_fails_leaves_nothing_of_itself(empty_database: str, tmp_path: Path) -> None:
    (tmp_path / "schema").mkdir()
    (tmp_path / "schema" / "1.sql").write_text("create table whole (id int);")
    (tmp_path / "schema" / "2.sql").write_text("create table half (id int);\n\nselect 1 / 0;")
    with pytest.raises(MigrationError, match=r"schema/2\.sql failed .* division by zero"):
        migrate(empty_database, report=lambda _: None, root=tmp_path)
    with psycopg.connect(empty_database) as connection:
        found = connection.execute("select to_regclass('whole'), to_regclass('half')").fetchone()
    assert found == ("whole", None)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mysql://user:hunter2@host/database",
        "postgresql://user:hunter%2@host/database",
        "postgresql://user:hun@hunter2@host/database",
        "postgresql://user:hun/hunter2@host/database",
        "postgresql://user:12/hunter2@host/database",
        "postgresql://user:hun?hunter2@host/database",
        "postgresql://user:hunter2@127.0.0.1:1/database",
    ],
)
def test_a_wrong_url_is_one_sentence_without_the_password(url: str) -> None:
    done = run(url)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "hun" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_url_is_one_sentence() -> None:
    done = run()
    assert done.returncode == 2
    assert done.stderr == "Say which database: python -m sql.migrate DATABASE_URL\n"
