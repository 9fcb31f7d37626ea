"""`python -m sql.migrate` on an empty database, on an existing one, twice, and with a wrong URL."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import psycopg
import pytest

from sql import migrate as migration
from sql.migrate import MigrationError, migrate, sql_files
from tests.support.database import installations, schema_dump

ROOT = Path(__file__).parents[1]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line, as an operator calls it."""
    return subprocess.run(
        [sys.executable, "-m", "sql.migrate", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_second_run_changes_nothing(empty_database: str, version: str) -> None:
    first = run(empty_database)
    assert (first.returncode, first.stderr) == (0, "")
    assert "schema/010_members.sql" in first.stdout
    after = schema_dump(empty_database, version)
    lines: list[str] = []
    migrate(empty_database, report=lines.append)
    assert schema_dump(empty_database, version) == after
    assert not any("created" in line or "replaced" in line for line in lines)


def psql(url: str, version: str, paths: list[Path]) -> str:
    """Apply files with plain psql, as docs/database.md says; what it reports."""
    said = ""
    for path in paths:
        whole = () if "concurrently" in path.read_text() else ("--single-transaction",)
        done = subprocess.run(
            [
                installations()[version] / "psql",
                "--no-psqlrc",
                *whole,
                "--set=ON_ERROR_STOP=1",
                f"--file={path}",
                url,
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        said += done.stderr
    return said


def test_plain_psql_makes_the_same_database(empty_database: str, version: str) -> None:
    psql(empty_database, version, sql_files())
    after = schema_dump(empty_database, version)
    migrate(empty_database, report=lambda _: None)
    assert schema_dump(empty_database, version) == after


def test_plain_psql_finds_uuid_generate_v4_where_supabase_keeps_it(
    empty_database: str, version: str
) -> None:
    with psycopg.connect(empty_database) as connection:
        connection.execute("create schema extensions")
        connection.execute(
            "create function extensions.uuid_generate_v4() returns uuid"
            " language sql as 'select gen_random_uuid()'"
        )
    # A server that lacks the extension: the function alone, not on the default search_path.
    psql(empty_database, version, [path for path in sql_files() if "001_server" not in path.name])
    with psycopg.connect(empty_database) as connection:
        default = connection.execute(
            "select pg_get_expr(adbin, adrelid) from pg_attrdef"
            " where adrelid = 'prospects'::regclass and adnum = 1"
        ).fetchone()
    assert default == ("extensions.uuid_generate_v4()",)


def test_an_undocumented_status_is_refused(any_database: str) -> None:
    with psycopg.connect(any_database) as connection, pytest.raises(psycopg.errors.CheckViolation):
        connection.execute(
            "insert into agent_tasks (task_type, agent_type, scheduled_for, context_json, status)"
            " values ('a', 'a', now(), '{}', 'stuck')"
        )


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


def test_a_file_among_the_indexes_that_is_no_single_index_is_refused(
    empty_database: str, tmp_path: Path
) -> None:
    (tmp_path / "indexes").mkdir()
    (tmp_path / "indexes" / "one.sql").write_text("create table whole (id int);")
    with pytest.raises(MigrationError, match=r"indexes/one\.sql is not one statement"):
        migrate(empty_database, report=lambda _: None, root=tmp_path)


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
        "postgresql://postgres.x:hunter2@aws-0-eu.pooler.supabase.com:6543/postgres",
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
