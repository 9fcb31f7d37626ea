"""Who gets in: the service role, and nobody who reads the publishable key."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import errors, sql

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
