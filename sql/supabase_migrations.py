"""Write sql/ as files for `supabase db push`: ``python -m sql.supabase_migrations FOLDER``.

The CLI applies each file once, in the order of the number in its name, and wants every file that
it ever applied to stay. So a first run writes everything under fixed numbers; a later one leaves
what is there alone and adds, behind everything, what has changed since, followed by the policies,
which look at every table and function. The same sql/ and the same folder always give the same
files.

An index is a file of one statement, as in sql/. A unique one cannot be built like that here, since
rows that break it would end the push: it is tried in a transaction and reported if it does not fit.
"""

from __future__ import annotations

import re
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from sql.migrate import ROOT, Index, MigrationError, sql_files

FIRST: Final = datetime(2026, 11, 1)  # noqa: DTZ001 - a number in a file's name, in no zone
NUMBER: Final = "%Y%m%d%H%M%S"
NAME: Final = re.compile(r"(\d{14})_(.+)\.sql")


def write(folder: Path, root: Path = ROOT) -> list[Path]:
    """Add to `folder` what it lacks; the files written, in order.

    Raises MigrationError when a file of indexes/ is not a single index.
    """
    folder.mkdir(parents=True, exist_ok=True)
    latest: dict[str, str] = {}
    number = FIRST
    for path in sorted(folder.glob("*.sql")):
        if match := NAME.fullmatch(path.name):
            latest[match[2]] = path.read_text(encoding="utf-8")
            number = max(number, datetime.strptime(match[1], NUMBER))  # noqa: DTZ007
    written: list[Path] = []
    for source in sql_files(root):
        name = f"{source.parent.name}_{source.stem}"
        text = _for_push(source)
        if latest.get(name) == text and not (written and source.parent.name == "policies"):
            continue
        number += timedelta(seconds=1)
        target = folder / f"{number.strftime(NUMBER)}_{name}.sql"
        target.write_text(text, encoding="utf-8")
        written.append(target)
    return written


def _for_push(source: Path) -> str:
    if source.parent.name != "indexes":
        return source.read_text(encoding="utf-8")
    index = Index.read(source)
    if not index.unique:
        # Nothing before the statement: the CLI knows by its beginning that it needs no transaction.
        return f"{index.statement};\n"
    make, make_plain = (
        statement.replace(" concurrently", "", 1)
        for statement in (index.statement, index.plain_statement)
    )
    refusal = index.refusal.format(rows="%", keys="%").replace("'", "''")
    body = [
        "declare",
        "    v_keys bigint;",
        "    v_rows bigint;",
        "begin",
        *_indented(1, f"{make};"),
        f"    drop index if exists public.{index.plain_name};",
        "exception",
        "    when unique_violation then",
        *_indented(2, f"{index.duplicates.replace(' from', ' into v_keys, v_rows from', 1)};"),
        *_indented(2, f"raise notice '{refusal}', v_keys, v_rows;"),
        *_indented(2, f"{make_plain};"),
        "end;",
    ]
    return "\n".join(["do $$", *body, "$$;", ""])


def _indented(depth: int, text: str) -> list[str]:
    return [" " * 4 * depth + line for line in text.splitlines()]


def main(arguments: list[str]) -> int:
    """The command line: 0 done, 1 not done, 2 no folder given."""
    if len(arguments) != 1 or not arguments[0].strip():
        print("Say where: python -m sql.supabase_migrations FOLDER", file=sys.stderr)
        return 2
    try:
        written = write(Path(arguments[0].strip()))
    except (MigrationError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    for path in written:
        print(path)
    if not written:
        print("Everything is there already.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
