"""How SQL is written here: one function per file, headers that are contracts, nothing open."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg
import pytest

from sql.migrate import ROOT

FILES = sorted((ROOT / "functions").glob("*.sql"))
HEADER = re.compile(r"(?:--[^\n]*\n)+")


def by_stem(path: Path) -> str:
    return path.stem


def header(path: Path) -> str:
    match = HEADER.match(path.read_text(encoding="utf-8"))
    assert match, f"{path.name} begins with a comment"
    return match[0]


@pytest.mark.parametrize("path", FILES, ids=by_stem)
def test_a_file_holds_the_one_function_that_it_is_named_after(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    made = re.findall(r"^create or replace function (\w+)", text, re.MULTILINE)
    assert made == [path.stem]
    assert not re.search(r"^(?:do|grant|revoke|alter|drop|comment) ", text, re.MULTILINE)


@pytest.mark.parametrize("path", FILES, ids=by_stem)
def test_its_header_says_what_it_does_takes_gives_and_locks(path: Path) -> None:
    said = header(path)
    assert re.match(rf"-- {path.stem}: [A-Za-z].*\S", said)
    wanted = ["arguments", "locks"]
    if "returns void" not in path.read_text(encoding="utf-8"):
        wanted.append("result")
    assert [word for word in wanted if not re.search(rf"^-- {word} +\S", said, re.MULTILINE)] == []


@pytest.mark.parametrize("path", FILES, ids=by_stem)
def test_its_header_speaks_of_every_argument(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    signature = re.search(r"function \w+\s*\((.*?)\)\s*returns", text, re.DOTALL)
    assert signature
    said = header(path)
    names = set(re.findall(r"\b(p_\w+) ", signature[1]))
    # The time that only tests and the local clock pass may go without saying.
    assert {name for name in names if name not in said} <= {"p_now"}


def test_every_function_file_is_one_live_function_and_every_live_function_has_its_source(
    shared_database: str,
) -> None:
    with psycopg.connect(shared_database) as connection:
        live = connection.execute(
            "select proname from pg_proc where pronamespace = 'public'::regnamespace"
            " and prorettype <> 'trigger'::regtype and proname <> 'uuid_generate_v4'"
        ).fetchall()
    assert sorted(row[0] for row in live) == [path.stem for path in FILES]


def test_functions_pin_their_search_path_and_run_with_the_rights_of_the_caller(
    shared_database: str,
) -> None:
    with psycopg.connect(shared_database) as connection:
        loose = connection.execute(
            "select proname from pg_proc as p where pronamespace = 'public'::regnamespace"
            " and (prosecdef or not exists"
            " (select from unnest(p.proconfig) as c where c in"
            " ('search_path=public, pg_temp', 'search_path=pg_catalog, pg_temp')))"
        ).fetchall()
    assert loose == []


def test_only_the_owner_and_the_service_role_may_call_a_function(shared_database: str) -> None:
    with psycopg.connect(shared_database) as connection:
        granted = connection.execute(
            "select p.proname, array_agg(distinct coalesce(r.rolname, 'public')::text)"
            " from pg_proc as p"
            " cross join lateral aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as a"
            " left join pg_roles as r on r.oid = a.grantee"
            " where p.pronamespace = 'public'::regnamespace and a.grantee <> p.proowner"
            " group by p.oid, p.proname"
        ).fetchall()
        (count,) = connection.execute(
            "select count(*) from pg_proc where pronamespace = 'public'::regnamespace"
        ).fetchone() or (0,)
    assert {tuple(roles) for _, roles in granted} == {("service_role",)}
    assert len(granted) == count


def test_a_call_gives_one_jsonb_value_and_takes_a_time_for_the_local_clock(
    shared_database: str,
) -> None:
    """What the code calls over HTTP: the functions that other functions do not call."""
    sources = {path.stem: path.read_text(encoding="utf-8") for path in FILES}
    inner = {
        name
        for name in sources
        if any(
            re.search(rf"\b{name}\(", HEADER.sub("", text))
            for other, text in sources.items()
            if other != name
        )
    }
    with psycopg.connect(shared_database) as connection:
        live = connection.execute(
            "select proname, prorettype::regtype::text, 'p_now' = any (proargnames) from pg_proc"
            " where pronamespace = 'public'::regnamespace and proname = any (%s)",
            (sorted(set(sources) - inner),),
        ).fetchall()
    assert live
    assert [row for row in live if row[1:] != ("jsonb", True)] == []
