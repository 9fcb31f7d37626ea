"""Who gets in: the service role, and nobody who reads the publishable key."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import errors, sql
from psycopg.conninfo import conninfo_to_dict

from sql.migrate import migrate
from tests.support.existing_database import build
from tests.support.schema_document import relations

PUBLISHABLE = ("anon", "authenticated")
TABLES = [relation.name for relation in relations() if not relation.is_view]
RELATIONS = [relation.name for relation in relations()]


def as_role(connection: psycopg.Connection, role: str) -> None:
    connection.execute(sql.SQL("set role {}").format(sql.Identifier(role)))


@pytest.mark.parametrize("role", PUBLISHABLE)
def test_a_publishable_role_reads_and_writes_no_relation(shared_database: str, role: str) -> None:
    with psycopg.connect(shared_database, autocommit=True) as connection:
        as_role(connection, role)
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute("select from user_credit_balances")
        for name in TABLES:
            relation = sql.Identifier(name)
            for statement in (
                sql.SQL("select from {}").format(relation),
                sql.SQL("insert into {} default values").format(relation),
                sql.SQL("delete from {}").format(relation),
                sql.SQL("truncate {}").format(relation),
            ):
                with pytest.raises(errors.InsufficientPrivilege):
                    connection.execute(statement)
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute("update users set verified = true")
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute("create table mine ()")


@pytest.mark.parametrize("role", PUBLISHABLE)
def test_a_publishable_role_calls_no_function(shared_database: str, role: str) -> None:
    with psycopg.connect(shared_database) as connection:
        callable_ones = connection.execute(
            "select p.oid::regprocedure::text from pg_proc as p"
            " where p.pronamespace = 'public'::regnamespace"
            " and has_function_privilege(%s, p.oid, 'execute')",
            (role,),
        ).fetchall()
        assert callable_ones == []
        as_role(connection, role)
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute("select notify_event()")


def test_what_is_created_later_starts_closed(any_database: str) -> None:
    with psycopg.connect(any_database) as connection:
        connection.execute("create table later (id int)")
        connection.execute("create function later() returns int language sql return 1")
        for role in PUBLISHABLE:
            row = connection.execute(
                "select has_table_privilege(%(role)s, 'later', 'select'),"
                " has_function_privilege(%(role)s, 'later()', 'execute')",
                {"role": role},
            ).fetchone()
            assert row == (False, False)


@pytest.fixture
def hosted_database(empty_database: str) -> Iterator[str]:
    """A URL as Supabase gives it: of a role that owns the database and is no superuser."""
    name = conninfo_to_dict(empty_database)["dbname"]
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute("create role hosted login createrole bypassrls")
        connection.execute("create role stranger")
        for role in (*PUBLISHABLE, "service_role"):
            connection.execute(
                f"do $$ begin create role {role} nologin noinherit;"
                " exception when duplicate_object then null; end $$".encode()
            )
        connection.execute("alter role service_role bypassrls")
        connection.execute("grant anon, authenticated, service_role to hosted with admin option")
        connection.execute(f"alter database {name} owner to hosted".encode())
        connection.execute("grant create on schema public to stranger")
    yield empty_database.replace("postgres@", "hosted@")
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute("reassign owned by hosted, stranger to postgres")
        connection.execute("drop owned by hosted, stranger")
        connection.execute("drop role hosted, stranger")


def test_what_somebody_else_keeps_open_is_reported_every_time(
    empty_database: str, hosted_database: str
) -> None:
    build(hosted_database)
    with psycopg.connect(empty_database) as connection:
        connection.execute("set role stranger")
        connection.execute("create table theirs (id int)")
        connection.execute("create function they_do() returns int language sql return 1")
        connection.execute("grant select on theirs to anon")
    lines: list[str] = []
    for _ in range(2):
        lines.clear()
        migrate(hosted_database, report=lines.append)
        said = [line.strip() for line in lines if "Still open" in line]
        assert said == [
            "Still open to anon or authenticated, by grants that hosted may not revoke"
            " (the owner is stranger): theirs, they_do()."
        ]


def test_a_grant_that_was_passed_on_ends_with_the_others(hosted_database: str) -> None:
    build(hosted_database)
    with psycopg.connect(hosted_database, autocommit=True) as connection:
        connection.execute("grant select on users to service_role with grant option")
        as_role(connection, "service_role")
        connection.execute("grant select on users to anon")
    lines: list[str] = []
    migrate(hosted_database, report=lines.append)
    with psycopg.connect(hosted_database) as connection:
        row = connection.execute(
            "select has_table_privilege('anon', 'users', 'select'),"
            " has_table_privilege('service_role', 'users', 'select')"
        ).fetchone()
    assert row == (False, True)
    assert "Still open" not in "".join(lines)


def test_a_table_opened_by_mistake_still_shows_no_row(any_database: str) -> None:
    with psycopg.connect(any_database) as connection:
        connection.execute("insert into users (phone_number) values ('+15550000001')")
        for name in RELATIONS:
            connection.execute(sql.SQL("grant select on {} to anon").format(sql.Identifier(name)))
        as_role(connection, "anon")
        for name in RELATIONS:
            shown = connection.execute(
                sql.SQL("select count(*) from {}").format(sql.Identifier(name))
            ).fetchone()
            assert shown == (0,), name


def test_the_service_role_works_on_every_table(any_database: str) -> None:
    with psycopg.connect(any_database) as connection:
        connection.execute("insert into users (phone_number) values ('+15550000001')")
        as_role(connection, "service_role")
        assert connection.execute("select count(*) from users").fetchone() == (1,)
        for name in TABLES:
            granted = connection.execute(
                "select array_agg(p order by p) from unnest(%s::text[]) as p"
                " where has_table_privilege(%s, p)",
                (["select", "insert", "update", "delete", "truncate"], name),
            ).fetchone()
            expected = ["delete", "insert", "select", "update"]
            assert granted == (["insert", "select"] if name == "credit_events" else expected,), name
        closed = connection.execute(
            "select count(*) from pg_proc where pronamespace = 'public'::regnamespace"
            " and not has_function_privilege(oid, 'execute')"
        ).fetchone()
        assert closed == (0,)
