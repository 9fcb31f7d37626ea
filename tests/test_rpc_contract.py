"""The SQL functions and the Python that calls them agree on names, arguments and results."""

import ast
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

ROOT = Path(__file__).parent.parent


def calls() -> Iterator[tuple[str, str, set[str]]]:
    """Every `….call("function", argument=…)` in the deployed code: place, function, arguments."""
    for folder in ("lib", "functions"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Attribute)
                    and node.func.attr == "call"
                    # Calls of other services are traced by a function of that name.
                    and not (
                        isinstance(node.func.value, ast.Name) and node.func.value.id == "trace"
                    )
                    and node.args
                    and isinstance(node.args[0], ast.Constant)
                ):
                    arguments = {f"p_{k.arg}" for k in node.keywords}
                    place = f"{path.relative_to(ROOT)}:{node.lineno}"
                    yield place, str(node.args[0].value), arguments


CALLS = list(calls())


def test_the_code_calls_sql_functions() -> None:
    assert {"record_inbound", "claim_event", "commit_work"} <= {
        function for _, function, _ in CALLS
    }


@pytest.mark.parametrize(
    ("place", "function", "arguments"), CALLS, ids=[f"{place} {name}" for place, name, _ in CALLS]
)
def test_a_called_function_exists_takes_these_arguments_and_a_time_and_gives_one_jsonb(
    shared_database: str, place: str, function: str, arguments: set[str]
) -> None:
    with psycopg.connect(shared_database) as connection:
        rows = connection.execute(
            "select proargnames, pronargdefaults, prorettype::regtype::text from pg_proc"
            " where proname = %s and pronamespace = 'public'::regnamespace",
            (function,),
        ).fetchall()
    assert len(rows) == 1, f"{place} calls {function}, which exists {len(rows)} times"
    names, defaults, result = rows[0]
    required = set(names[: len(names) - defaults])
    assert result == "jsonb"
    assert arguments | {"p_now"} <= set(names)
    assert required <= arguments
