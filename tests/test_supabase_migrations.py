"""`make supabase-migrations`: the same database through files that are each applied once."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from sql.migrate import ROOT, Index, migrate, sql_files
from sql.supabase_migrations import main, write
from tests.support.database import schema_dump
from tests.support.existing_database import build
from tests.test_existing_database import contents


def push(url: str, folder: Path) -> list[str]:
    """Apply every file as the CLI does, each in a transaction but for an index; what they say."""
    notices: list[str] = []
    with psycopg.connect(url, autocommit=True) as connection:
        connection.add_notice_handler(
            lambda diagnostic: notices.append(str(diagnostic.message_primary))
        )
        for path in sorted(folder.glob("*.sql")):
            connection.execute("reset all")
            text = path.read_text(encoding="utf-8")
            if text.startswith("create index concurrently"):
                connection.execute(text.encode())
            else:
                with connection.transaction():
                    connection.execute(text.encode())
    return notices


def copy(root: Path, to: Path) -> Path:
    """A copy of sql/ that a test may change."""
    for path in sql_files(root):
        target = to / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    return to


def test_it_writes_every_file_in_order_and_the_same_every_time(tmp_path: Path) -> None:
    first = write(tmp_path / "a")
    second = write(tmp_path / "b")
    assert [path.name for path in first] == [path.name for path in second]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert [path.name[15:-4] for path in first] == [
        f"{path.parent.name}_{path.stem}" for path in sql_files()
    ]
    assert first == sorted(first)
    assert write(tmp_path / "a") == []


def test_pushed_it_makes_the_same_database(
    empty_database: str, version: str, tmp_path: Path
) -> None:
    write(tmp_path)
    push(empty_database, tmp_path)
    after = schema_dump(empty_database, version)
    migrate(empty_database, report=lambda _: None)
    assert schema_dump(empty_database, version) == after


def test_pushed_to_an_existing_database_it_loses_nothing_and_says_the_same(
    empty_database: str, version: str, tmp_path: Path
) -> None:
    build(empty_database)
    before = contents(empty_database)
    write(tmp_path)
    pushed = push(empty_database, tmp_path)
    assert contents(empty_database) == before
    after = schema_dump(empty_database, version)
    lines: list[str] = []
    migrate(empty_database, report=lines.append)
    assert schema_dump(empty_database, version) == after
    refused = [line.strip() for line in lines if "does not hold" in line]
    assert len(refused) == 4
    assert set(refused) <= set(pushed)


def test_an_index_that_was_left_unfinished_is_reported(any_database: str, tmp_path: Path) -> None:
    write(tmp_path)
    unfinished = "messages: the index messages_sending was not built to its end and is not used"
    assert unfinished not in "".join(push(any_database, tmp_path))
    with psycopg.connect(any_database) as connection:
        connection.execute(
            "update pg_index set indisvalid = false where indexrelid = 'messages_sending'::regclass"
        )
    assert unfinished in "".join(push(any_database, tmp_path))
    # Here it is replaced, and there is nothing to report.
    lines: list[str] = []
    migrate(any_database, report=lines.append)
    assert "not built to its end" not in "".join(lines)


def test_a_change_is_added_behind_what_was_pushed_and_the_policies_look_again(
    tmp_path: Path,
) -> None:
    root = copy(ROOT, tmp_path / "sql")
    folder = tmp_path / "migrations"
    before = write(folder, root)
    # The project's own migrations stand between ours.
    (folder / "20270101000000_their_own.sql").write_text("select 1;")
    changed = root / "functions" / "as_object.sql"
    changed.write_text(changed.read_text() + "-- changed\n")
    added = write(folder, root)
    assert [path.name for path in added] == [
        "20270101000001_functions_as_object.sql",
        *(
            f"2027010100000{number}_policies_{path.stem}.sql"
            for number, path in enumerate(sorted((root / "policies").glob("*.sql")), 2)
        ),
    ]
    assert all(path.exists() for path in before)
    assert write(folder, root) == []


def test_an_index_is_a_file_of_one_statement(tmp_path: Path) -> None:
    for path in write(tmp_path):
        if "_indexes_" in path.name:
            text = path.read_text()
            if text.startswith("create index concurrently"):
                assert text.count(";") == 1
            else:
                assert "unique_violation" in text
                assert "concurrently" not in text


def test_the_command_names_what_it_wrote(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(sql_files())
    assert main([str(tmp_path)]) == 0
    assert capsys.readouterr().out == "Everything is there already.\n"
    assert main([]) == 2


@pytest.mark.parametrize(
    "path", sorted((ROOT / "indexes").glob("*.sql")), ids=lambda path: path.stem
)
def test_every_file_of_an_index_says_what_it_is_for(path: Path) -> None:
    index = Index.read(path)
    assert index.name == path.stem
    assert len(index.plain_name) < 64
    assert index.rule[0].isupper()
