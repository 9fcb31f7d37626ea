"""Whoever reads the publishable key reads, writes and calls nothing with it, over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from postgrest.exceptions import APIError
from supabase import Client, create_client

from tests.support.schema_document import relations
from tests.support.stack import StackUnderTest

#: PostgreSQL's own refusal: the API found what was asked for, and the role may not have it.
REFUSED = "42501"


@pytest.fixture(scope="module")
def public(stack: StackUnderTest) -> Client:
    supabase = stack.description["supabase"]
    return create_client(supabase["url"], supabase["publishable_key"])


def refusal(ask: Callable[[], object]) -> str | None:
    with pytest.raises(APIError) as raised:
        ask()
    return raised.value.code


def test_it_reads_and_writes_no_relation(public: Client) -> None:
    row: dict[str, Any] = {"id": str(uuid4())}
    asked: dict[tuple[str, str], Callable[[], object]] = {}
    for relation in relations():
        table, key = public.table(relation.name), relation.columns[0].name
        asked |= {
            (relation.name, "select"): table.select("*").execute,
            (relation.name, "select a column"): table.select(key).limit(1).execute,
        }
        if not relation.is_view:
            asked |= {
                (relation.name, "insert"): table.insert(row).execute,
                (relation.name, "upsert"): table.upsert(row).execute,
                (relation.name, "update"): table.update(row).eq(key, row["id"]).execute,
                (relation.name, "delete"): table.delete().eq(key, row["id"]).execute,
            }
    assert {what: refusal(ask) for what, ask in asked.items()} == dict.fromkeys(asked, REFUSED)


def test_it_calls_no_function(stack: StackUnderTest, public: Client) -> None:
    with stack.connect() as session:
        functions = session.execute(
            "select p.proname, coalesce(p.proargnames, '{}') as names from pg_proc as p"
            " where p.pronamespace = 'public'::regnamespace and p.prorettype <> 'trigger'::regtype"
            # A row as an argument cannot come over HTTP.
            " and not exists (select from unnest(p.proargtypes) as a (type)"
            " inner join pg_type as t on t.oid = a.type where t.typtype = 'c')"
        ).fetchall()
    assert len(functions) > 50
    asked = {
        f["proname"]: public.rpc(f["proname"], dict.fromkeys(f["names"])).execute for f in functions
    }
    assert {name: refusal(ask) for name, ask in asked.items()} == dict.fromkeys(asked, REFUSED)
