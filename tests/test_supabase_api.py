"""What the code relies on in the Supabase API, tried on the local one with the real client."""

import contextlib
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from postgrest.exceptions import APIError
from supabase import Client, create_client

from tests.support.stack import StackUnderTest, wait_for


@pytest.fixture(scope="module")
def service(stack: StackUnderTest) -> Client:
    supabase = stack.description["supabase"]
    return create_client(supabase["url"], supabase["key"])


@pytest.fixture(scope="module")
def public(stack: StackUnderTest) -> Client:
    supabase = stack.description["supabase"]
    return create_client(supabase["url"], supabase["publishable_key"])


@contextlib.contextmanager
def sql_function(stack: StackUnderTest, arguments: str, body: str) -> Iterator[str]:
    """A function made while the API runs; its name."""
    name = f"probe_{uuid.uuid4().hex[:8]}"
    with stack.connect() as session:
        session.execute(f"create function {name}({arguments}) returns jsonb {body}")
        session.execute(f"grant execute on function {name} to anon, service_role")
        supabase = stack.description["supabase"]
        url, headers = f"{supabase['url']}/rest/v1/rpc/{name}", {"apikey": supabase["key"]}

        def is_known() -> bool:
            answer = httpx.post(url, headers=headers, json={"p": None} if arguments else {})
            return "PGRST202" not in answer.text

        try:
            wait_for(is_known, "function in the API without a restart")
            yield name
        finally:
            session.execute(f"drop function {name}")


@pytest.fixture(scope="module")
def echo(stack: StackUnderTest) -> Iterator[str]:
    body = "language sql as $$ select jsonb_build_object('type', jsonb_typeof(p), 'value', p) $$"
    with sql_function(stack, "p jsonb", body) as name:
        yield name


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ({"a": [1, "x€😀", None], "b": {"c": True}}, "object"),
        ([1, {"b": 2}], "array"),
        ([], "array"),
        ("plain words", "string"),
        ('{"looks": "like JSON"}', "string"),
        ("12", "string"),
        (12.5, "number"),
        (True, "boolean"),
        (None, None),
    ],
)
def test_a_jsonb_argument_arrives_as_it_was_given(
    service: Client, echo: str, value: Any, kind: str | None
) -> None:
    assert service.rpc(echo, {"p": value}).execute().data == {"type": kind, "value": value}


def test_each_key_has_its_role(stack: StackUnderTest, service: Client, public: Client) -> None:
    with sql_function(stack, "", "language sql as $$ select to_jsonb(current_user) $$") as name:
        assert service.rpc(name, {}).execute().data == "service_role"
        assert public.rpc(name, {}).execute().data == "anon"


def test_an_unknown_key_is_refused(stack: StackUnderTest) -> None:
    stranger = create_client(stack.description["supabase"]["url"], "sb_secret_unknown")

    with pytest.raises(APIError, match="Invalid API key"):
        stranger.table("users").select("id").execute()


def test_an_exception_keeps_its_sqlstate_detail_and_hint(
    stack: StackUnderTest, service: Client
) -> None:
    body = """language plpgsql as $$ begin
        raise exception 'what' using errcode = '40P01', detail = 'why', hint = 'how';
    end $$"""
    with sql_function(stack, "", body) as name, pytest.raises(APIError) as raised:
        service.rpc(name, {}).execute()

    error = raised.value
    assert (error.code, error.message, error.details, error.hint) == ("40P01", "what", "why", "how")


def test_a_connection_lost_while_writing_is_not_taken_for_an_sqlstate(
    stack: StackUnderTest, service: Client
) -> None:
    # Node calls it EPIPE: five capital letters, as an SQLSTATE may be.
    body = """language plpgsql as $$ begin
        raise exception 'write EPIPE' using errcode = 'EPIPE';
    end $$"""
    with sql_function(stack, "", body) as name, pytest.raises(APIError) as raised:
        service.rpc(name, {}).execute()

    assert raised.value.code == "PGRST000"


def test_twenty_calls_run_side_by_side(stack: StackUnderTest) -> None:
    body = "language sql as $$ select to_jsonb(pg_advisory_xact_lock_shared(20)::text) $$"
    waiting = "select 1 from pg_locks where locktype = 'advisory' and objid = 20 and not granted"
    url, key = stack.description["supabase"]["url"], stack.description["supabase"]["key"]
    with (
        sql_function(stack, "", body) as name,
        httpx.Client(headers={"apikey": key}, timeout=60) as http,
        ThreadPoolExecutor(20) as callers,
    ):
        with stack.connect() as holder:
            holder.execute("select pg_advisory_lock(20)")
            calls = [callers.submit(http.post, f"{url}/rest/v1/rpc/{name}") for _ in range(20)]
            wait_for(lambda: len(holder.execute(waiting).fetchall()) == 20, "twenty calls", 30)
        assert {call.result().status_code for call in calls} == {200}
