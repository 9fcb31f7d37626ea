"""Apply sql/ to an empty or an existing database: ``python -m sql.migrate DATABASE_URL``.

Runs schema/, indexes/, functions/ and policies/ in this order, each folder's files by name. Each
file is one transaction, but for those in indexes/: each of them is one statement that builds one
index while others go on writing. Every file can be applied again, so nothing keeps a record of what
ran: a second run changes nothing. What a file reports about the database is printed in its own
words.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict, make_conninfo

ROOT: Final = Path(__file__).parent
FOLDERS: Final = ("schema", "indexes", "functions", "policies")

# One migration at a time per database; the number means nothing but "migrations of this project".
ADVISORY_LOCK: Final = 7_207_519_203
OTHER_MIGRATION_S: Final = 600

# A statement that waits for a lock holds up everybody who queues behind it, so it gives up soon,
# lets them pass and tries again.
LOCK_TIMEOUT_S: Final = 1
STATEMENT_TIMEOUT_S: Final = 600
# Building an index concurrently waits for every older transaction, but nobody waits for it.
INDEX_TIMEOUT_S: Final = 3600
CONNECT_TIMEOUT_S: Final = 10
WAITS_S: Final = (0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0)


class MigrationError(Exception):
    """A file could not be applied; the files before it stay applied, nothing of it is in use."""


class DatabaseUrlError(Exception):
    """The URL is missing or wrong, or nothing answers there. Never quotes the URL."""


@dataclass(frozen=True)
class Index:
    """One file of indexes/: a sentence that says what for, then one statement in this form."""

    PATTERN = re.compile(
        r"-- (?P<rule>[^\n.]+)\.[^\n]*\n(?:--[^\n]*\n)*"
        r"(?P<statement>create (?P<unique>unique )?index concurrently if not exists (?P<name>\w+)"
        r"\non public\.(?P<table>\w+) (?:using \w+ )?\((?P<keys>[^\n]+)\)"
        r"(?:\nwhere (?P<where>[^\n;]+))?);\n"
    )

    rule: str
    name: str
    table: str
    unique: bool
    keys: str
    where: str | None
    statement: str

    @classmethod
    def read(cls, path: Path) -> Index:
        """The index that the file makes. Raises MigrationError when it holds anything else."""
        match = cls.PATTERN.fullmatch(path.read_text(encoding="utf-8"))
        if match is None or match["name"] != path.stem:
            raise MigrationError(
                f"{path.parent.name}/{path.name} is not one statement that creates the index of "
                "its own name concurrently; nothing of it was applied."
            )
        return cls(
            match["rule"],
            match["name"],
            match["table"],
            bool(match["unique"]),
            match["keys"],
            match["where"],
            match["statement"],
        )

    @property
    def plain_name(self) -> str:
        """The name of its stand-in where rows break the rule: finds as fast, forbids nothing."""
        return f"{self.name}_not_unique"

    @property
    def plain_statement(self) -> str:
        """The statement that makes the stand-in."""
        return self.statement.replace("create unique index", "create index", 1).replace(
            self.name, self.plain_name, 1
        )

    @property
    def duplicates(self) -> str:
        """A query for how many keys occur more than once, and in how many rows."""
        counted = f"public.{self.table}{self._condition} group by {self.keys} having count(*) > 1"
        return f"select count(*), sum(d.n) from (select count(*) as n from {counted}) as d"  # noqa: S608

    @property
    def refusal(self) -> str:
        """What to say about them, with `rows` and `keys` to be filled in."""
        return (
            f'{self.table}: "{self.rule}" does not hold: {{keys}} values of ({self.keys})'
            f"{self._condition} occur more than once, in {{rows}} rows; they were left as they are"
            f" and the unique index {self.name} was not made."
        )

    @property
    def _condition(self) -> str:
        return f" where {self.where}" if self.where else ""


def sql_files(root: Path = ROOT) -> list[Path]:
    """Every file to apply, in order."""
    return [path for folder in FOLDERS for path in sorted((root / folder).glob("*.sql"))]


def migrate(database_url: str, report: Callable[[str], None] = print, root: Path = ROOT) -> None:
    """Bring the database at `database_url` up to date.

    `report` gets one line per file and one per remark that a file makes.
    Raises DatabaseUrlError or MigrationError, both with one sentence for a person.
    """
    with _connect(database_url) as connection:
        notices: list[str] = []
        connection.add_notice_handler(lambda diagnostic: _keep_ours(diagnostic, notices))
        _wait_for_others(connection, report)
        for path in sql_files(root):
            notices.clear()
            if path.parent.name == "indexes":
                _build(connection, path, notices)
            else:
                _apply(connection, path, notices)
            report(f"{path.parent.name}/{path.name}")
            for notice in notices:
                report(f"  {notice}")


def _connect(database_url: str) -> psycopg.Connection:
    # libpq quotes what it cannot parse, and a password with an unescaped character ends up in the
    # host, the port or the database's name: none of these is repeated unless it is well-formed.
    unreadable = DatabaseUrlError(
        "The database URL cannot be read. It looks like "
        "postgresql://user:password@host:5432/database, with special characters in the password "
        "percent-encoded."
    )
    if not database_url.startswith(("postgresql://", "postgres://")):
        raise unreadable
    try:
        parts = conninfo_to_dict(database_url)
    except psycopg.ProgrammingError:
        raise unreadable from None
    ports = str(parts.get("port") or "0").split(",")
    if not all(port.isdigit() for port in ports) or any(
        "@" in str(parts.get(name) or "") for name in ("host", "dbname")
    ):
        raise unreadable
    if "6543" in ports and ".supabase." in str(parts.get("host") or ""):
        raise DatabaseUrlError(
            "Port 6543 is Supabase's transaction pooler, which forgets a session's settings and "
            "locks; use port 5432 (the direct connection or the session pooler)."
        )
    conninfo = make_conninfo(database_url, connect_timeout=CONNECT_TIMEOUT_S)
    try:
        return psycopg.connect(conninfo, autocommit=True, prepare_threshold=None)
    except psycopg.OperationalError as error:
        reason = " ".join(str(error).split())
        password = str(parts.get("password") or "")
        if password:
            reason = reason.replace(password, "***")
        raise DatabaseUrlError(f"The database cannot be reached: {reason}") from None


def _keep_ours(diagnostic: errors.Diagnostic, notices: list[str]) -> None:
    """Keep what our files say with `raise notice`, drop the server's "already exists, skipping"."""
    if diagnostic.source_function == "exec_stmt_raise" and diagnostic.message_primary:
        notices.append(diagnostic.message_primary)


def _wait_for_others(connection: psycopg.Connection, report: Callable[[str], None]) -> None:
    """Take the lock on migrating, which lasts as long as the connection.

    Asked for again and again: a statement that waits for it would hold a snapshot, and the other
    migration's index builds wait for those.
    """
    query = "select pg_try_advisory_lock(%s)"
    deadline = time.monotonic() + OTHER_MIGRATION_S
    told = False
    while connection.execute(query, (ADVISORY_LOCK,)).fetchone() != (True,):
        if not told:
            report("Another migration of this database is running; waiting for it.")
            told = True
        if time.monotonic() > deadline:
            raise MigrationError("Another migration has not ended yet; nothing was applied.")
        time.sleep(0.2)


def _apply(connection: psycopg.Connection, path: Path, notices: list[str]) -> None:
    text = path.read_bytes()
    for wait_s in (*WAITS_S, None):
        try:
            with connection.transaction():
                connection.execute(
                    "select set_config('search_path', 'public, extensions', true),"
                    " set_config('lock_timeout', %s, true),"
                    " set_config('statement_timeout', %s, true)",
                    (f"{LOCK_TIMEOUT_S}s", f"{STATEMENT_TIMEOUT_S}s"),
                )
                connection.execute(text)
            return
        except (errors.LockNotAvailable, errors.DeadlockDetected) as error:
            notices.clear()
            if wait_s is None:
                raise MigrationError(
                    f"{path.parent.name}/{path.name} gave up waiting for others that hold its"
                    " tables; nothing of it was applied. Run it again when there is less traffic."
                ) from error
            time.sleep(wait_s)
        except psycopg.Error as error:
            raise MigrationError(
                f"{path.parent.name}/{path.name} failed and nothing of it was applied: "
                f"{error.diag.message_primary or error}"
                f"{_line(text, error.diag.statement_position)}"
            ) from error


def _build(connection: psycopg.Connection, path: Path, notices: list[str]) -> None:
    """Make the file's index, or say what is in its way and make a plain one that helps to find."""
    index = Index.read(path)
    try:
        connection.execute(f"set statement_timeout = '{INDEX_TIMEOUT_S}s'".encode())
        connection.execute("set lock_timeout = 0")
        for wait_s in (*WAITS_S, None):
            try:
                _make(connection, index, notices)
                return
            except (errors.UniqueViolation, errors.DeadlockDetected):
                # A row slipped in between the question and the build, or others were in the way.
                _drop(connection, index.name)
                if wait_s is None:
                    raise
                time.sleep(wait_s)
    except psycopg.Error as error:
        raise MigrationError(
            f"{path.parent.name}/{path.name} was not finished: "
            f"{error.diag.message_primary or error}; perhaps somebody's transaction has been open"
            " for long. Run it again: what is left of the index is not used, and replaced then."
        ) from error


def _make(connection: psycopg.Connection, index: Index, notices: list[str]) -> None:
    if not _exists(connection, index.name):
        if index.unique:
            keys, rows = connection.execute(index.duplicates.encode()).fetchone() or (0, 0)
            if keys:
                notices.append(index.refusal.format(rows=rows, keys=keys))
                if not _exists(connection, index.plain_name):
                    connection.execute(index.plain_statement.encode())
                return
        connection.execute(index.statement.encode())
    if index.unique and _exists(connection, index.plain_name):
        _drop(connection, index.plain_name)


def _exists(connection: psycopg.Connection, name: str) -> bool:
    """Is there a working index of this name? What an interrupted build left is removed."""
    row = connection.execute(
        "select indisvalid from pg_index where indexrelid = to_regclass(%s)", (f"public.{name}",)
    ).fetchone()
    if row == (False,):
        _drop(connection, name)
    return row == (True,)


def _drop(connection: psycopg.Connection, name: str) -> None:
    connection.execute(f"drop index concurrently if exists public.{name}".encode())


def _line(text: bytes, position: str | None) -> str:
    if position is None:
        return ""
    return f" (line {text.decode()[: int(position)].count(chr(10)) + 1})"


def main(arguments: list[str]) -> int:
    """The command line: 0 done, 1 a file failed, 2 no usable DATABASE_URL."""
    if len(arguments) != 1 or not arguments[0].strip():
        print("Say which database: python -m sql.migrate DATABASE_URL", file=sys.stderr)
        return 2
    try:
        migrate(arguments[0].strip())
    except DatabaseUrlError as error:
        print(error, file=sys.stderr)
        return 2
    except MigrationError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
