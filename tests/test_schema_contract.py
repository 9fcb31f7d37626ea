"""The live database is what docs/schema.md documents."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg
import pytest

from tests.support.schema_document import DOCUMENT, Relation, relations

ORIGINAL = Path(__file__).parents[2] / "shared" / "spec" / "schema.md"
DOCUMENTED = relations()
TABLES = [relation for relation in DOCUMENTED if not relation.is_view]


def by_name(relation: Relation) -> str:
    return relation.name


def normalised(default: str | None) -> str | None:
    """A live default in the document's words."""
    if default is None:
        return None
    plain = re.sub(r"::[a-z ]+(\[\])?", "", default.removeprefix("extensions."))
    return "now() + 7 days" if plain == "(now() + '7 days')" else plain


def index_columns(
    connection: psycopg.Connection, table: str, unique: bool = False
) -> set[tuple[str, ...]]:
    """The key columns of each index that covers the whole table."""
    found = connection.execute(
        """
        select array_agg(coalesce(a.attname, '') order by k.place)::text[]
        from pg_index as i
        cross join lateral unnest(i.indkey::smallint[]) with ordinality as k (attnum, place)
        left join pg_attribute as a on a.attrelid = i.indrelid and a.attnum = k.attnum
        where
            i.indrelid = %s::regclass and i.indpred is null and i.indisvalid
            and (i.indisunique or not %s) and k.place <= i.indnkeyatts
        group by i.indexrelid
        """,
        (table, unique),
    )
    return {tuple(row[0]) for row in found}


def test_the_document_is_the_original_byte_for_byte() -> None:
    if not ORIGINAL.exists():
        pytest.skip("the original document is not beside this checkout")
    assert DOCUMENT.read_bytes() == ORIGINAL.read_bytes()


def test_the_document_is_read_whole() -> None:
    assert len(DOCUMENTED) == 19
    assert sum(len(relation.columns) for relation in DOCUMENTED) == DOCUMENT.read_text(
        encoding="utf-8"
    ).count("\n| ") - len(DOCUMENTED)
    assert all(relation.primary_key == ("id",) for relation in TABLES)
    # Every bullet that begins like a key or an index is one.
    bullets = re.findall(
        r"^- \**(?:primary|unique|index)\b",
        DOCUMENT.read_text("utf-8"),
        re.MULTILINE | re.IGNORECASE,
    )
    assert len(bullets) == sum(1 + len(table.uniques) + len(table.indexes) for table in TABLES)


def test_the_database_has_the_documented_relations_and_no_other(shared_database: str) -> None:
    with psycopg.connect(shared_database) as connection:
        live: dict[str, str] = dict(
            connection.execute(
                "select relname, relkind from pg_class"
                " where relnamespace = 'public'::regnamespace and relkind in ('r', 'v', 'm', 'p')"
            ).fetchall()
        )
    assert live == {relation.name: "v" if relation.is_view else "r" for relation in DOCUMENTED}


@pytest.mark.parametrize("relation", DOCUMENTED, ids=by_name)
def test_every_column_has_its_type_nullability_and_default(
    shared_database: str, relation: Relation
) -> None:
    with psycopg.connect(shared_database) as connection:
        live = connection.execute(
            """
            select
                a.attname, format_type(a.atttypid, a.atttypmod), not a.attnotnull,
                pg_get_expr(d.adbin, d.adrelid)
            from pg_attribute as a
            left join pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
            where a.attrelid = %s::regclass and a.attnum > 0 and not a.attisdropped
            order by a.attnum
            """,
            (relation.name,),
        ).fetchall()
    assert [(name, kind, null, normalised(default)) for name, kind, null, default in live] == [
        (column.name, column.type, column.nullable, column.default) for column in relation.columns
    ]


@pytest.mark.parametrize("relation", TABLES, ids=by_name)
def test_every_key_and_index_exists(shared_database: str, relation: Relation) -> None:
    with psycopg.connect(shared_database) as connection:
        every = index_columns(connection, relation.name)
        unique = index_columns(connection, relation.name, unique=True)
    assert unique >= {relation.primary_key, *relation.uniques}
    assert every >= set(relation.indexes)


@pytest.mark.parametrize("relation", TABLES, ids=by_name)
def test_every_documented_reference_is_a_foreign_key(
    shared_database: str, relation: Relation
) -> None:
    with psycopg.connect(shared_database) as connection:
        live = connection.execute(
            """
            select a.attname, c.confrelid::regclass::text
            from pg_constraint as c
            inner join pg_attribute as a on a.attrelid = c.conrelid and a.attnum = c.conkey[1]
            where c.conrelid = %s::regclass and c.contype = 'f'
            """,
            (relation.name,),
        ).fetchall()
    assert sorted(live) == sorted(
        (column.name, column.refers_to) for column in relation.columns if column.refers_to
    )


def test_the_documented_triggers_run_after_an_insert(shared_database: str) -> None:
    documented = {(relation.name, relation.trigger) for relation in TABLES if relation.trigger}
    assert len(documented) == 2
    with psycopg.connect(shared_database) as connection:
        live = connection.execute(
            """
            select t.tgrelid::regclass::text, p.proname
            from pg_trigger as t
            inner join pg_proc as p on p.oid = t.tgfoid
            where t.tgtype = 5 and not t.tgisinternal and t.tgenabled = 'O'
            """
        ).fetchall()
    assert set(live) == documented


def test_an_event_announces_its_id_and_a_processed_one_nothing(any_database: str) -> None:
    with psycopg.connect(any_database, autocommit=True) as connection:
        connection.execute("listen events")
        (event_id,) = connection.execute(
            "insert into events (event_type, payload) values ('a', %s) returning id::text",
            ('{"long": "' + "x" * 20_000 + '"}',),
        ).fetchone() or (None,)
        connection.execute(
            "insert into events (event_type, payload, processed) values ('b', '{}', true)"
        )
        heard = [notify.payload for notify in connection.notifies(timeout=0.3)]
    assert heard == [event_id]


def test_every_function_of_ours_pins_its_search_path(shared_database: str) -> None:
    with psycopg.connect(shared_database) as connection:
        loose = connection.execute(
            """
            select p.proname from pg_proc as p
            where
                p.pronamespace = 'public'::regnamespace
                and not exists (select 1 from unnest(p.proconfig) as c where c like 'search_path=%')
            """
        ).fetchall()
    assert loose == []
