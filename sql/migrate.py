"""Apply sql/ to an empty or an existing database: ``python -m sql.migrate DATABASE_URL``.

Runs schema/, functions/ and policies/ in this order, each folder's files by name, each file in one
transaction of its own. Every file can be applied again, so nothing keeps a record of what ran: a
second run changes nothing. What a file reports about the database is printed in its own words.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict, make_conninfo

ROOT: Final = Path(__file__).parent
FOLDERS: Final = ("schema", "functions", "policies")

# One migration at a time per database; the number means nothing but "migrations of this project".
ADVISORY_LOCK: Final = 7_207_519_203

# A statement that waits for a lock holds up everybody who queues behind it, so it gives up soon,
# lets them pass and tries again.
LOCK_TIMEOUT_S: Final = 3
STATEMENT_TIMEOUT_S: Final = 600
CONNECT_TIMEOUT_S: Final = 10
WAITS_S: Final = (0.5, 1.0, 2.0, 4.0, 8.0)


class MigrationError(Exception):
    """A file could not be applied; the files before it stay applied, of itself nothing is left."""


class DatabaseUrlError(Exception):
    """The URL is missing or wrong, or nothing answers there. Never quotes the URL."""


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
        for path in sql_files(root):
            notices.clear()
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
    conninfo = make_conninfo(database_url, connect_timeout=CONNECT_TIMEOUT_S)
    try:
        # Poolers hand out a different server connection each time: prepare nothing.
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
                connection.execute("select pg_advisory_xact_lock(%s)", (ADVISORY_LOCK,))
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
