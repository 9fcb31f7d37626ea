"""Every event and task type has both ends: who makes it, who takes it, and what it carries."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from lib.agents.handlers import event_handlers, task_handlers
from lib.core.model import JSON, ModelReply
from lib.engine.registry import EVENT_TYPES, TASK_TYPES, EventType, TaskType
from tests.support.schema_document import relations
from tests.support.scripted_model import ADDRESSES

ROOT = Path(__file__).parent.parent
BEHAVIOUR = ROOT.parent / "shared" / "spec" / "behaviour.md"

#: behaviour.md, "Events" and "Tasks": what is built and what is planned, together.
_EVENTS = """
    user.message.received user.opted_out user.opted_in message.delivery_updated
    user.onboarding_step.completed user.onboarding_completed user.email_verified user.verified
    user.inquiry.solution_needed solution.research_complete community.request_needed
    community.request_routed community.request_attached community.response_received
    community.outcome_reported community.closure_due community.request_closed
    intro.opportunity_created intro.opportunity_accepted intro.opportunity_declined
    intro.opportunity_completed prospects.batch_uploaded prospects.converted priority.update
    message.send.requested
"""
EVENTS = frozenset(_EVENTS.split())
_TASKS = """
    community_request_available process_community_response community_response_available
    notify_expert_of_impact research_solution solution_workflow_timeout research_prospect
    intro_followup_check re_engagement_check create_conversation_summary
    notify_user_of_priorities account_manager_review
"""
TASKS = frozenset(_TASKS.split())

TYPES: list[tuple[str, EventType | TaskType]] = [*EVENT_TYPES.items(), *TASK_TYPES.items()]


def never(_: JSON, __: float) -> ModelReply:
    raise AssertionError("nothing is decided here")


def calls(path: Path) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield node


def named_in(*methods: str) -> dict[str, set[str]]:
    """First arguments of calls like `work.emit("type", …)`, by the file they are in."""
    found: dict[str, set[str]] = {}
    for path in [*ROOT.glob("lib/**/*.py"), *ROOT.glob("functions/*.py")]:
        for call in calls(path):
            assert isinstance(call.func, ast.Attribute)
            first = call.args[0] if call.func.attr in methods and call.args else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                found.setdefault(first.value, set()).add(str(path.relative_to(ROOT)))
    return found


def emit_what_they_are_given() -> set[str]:
    """The files that call `emit` with a name that is chosen elsewhere in them."""
    return {
        str(path.relative_to(ROOT))
        for path in ROOT.glob("lib/agents/*.py")
        for call in calls(path)
        if isinstance(call.func, ast.Attribute)
        and call.func.attr == "emit"
        and not isinstance(call.args[0], ast.Constant)
    }


def test_every_producer_in_python_makes_what_it_is_said_to_make() -> None:
    made = named_in("emit", "schedule")
    for name, registered in TYPES:
        for producer in registered.producers:
            if producer.startswith("lib/") and producer not in emit_what_they_are_given():
                assert producer in made.get(name, set()), name


def test_what_is_registered_is_in_the_specification_and_the_rest_is_printed_as_planned(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert set(EVENT_TYPES) <= EVENTS
    assert set(TASK_TYPES) <= TASKS
    with capsys.disabled():
        print("\nplanned events:", *sorted(EVENTS - set(EVENT_TYPES)))
        print("planned tasks:", *sorted(TASKS - set(TASK_TYPES)))


@pytest.mark.skipif(not BEHAVIOUR.exists(), reason="the specification is not beside this tree")
def test_the_lists_here_are_those_of_the_specification() -> None:
    text = BEHAVIOUR.read_text(encoding="utf-8")
    events, tasks = text.split("## Events")[1].split("## Tasks")
    first_cells = re.compile(r"^\| ([^|]+) \|", re.M)
    assert set(re.findall(r"[a-z_]+\.[a-z_.]+", " ".join(first_cells.findall(events)))) == EVENTS
    named = " ".join(first_cells.findall(tasks.split("## message_queue")[0]))
    assert set(re.findall(r"[a-z]+_[a-z_]+", named)) - {"task_type"} == TASKS


def test_every_event_type_has_a_handler_or_is_marked_to_be_read_only() -> None:
    made = event_handlers(never, addresses=ADDRESSES, answer_help=True, is_spent=lambda: False)
    handled = {name for name, registered in EVENT_TYPES.items() if not registered.audit_only}
    assert set(made) == handled


def test_every_task_type_has_a_handler() -> None:
    assert set(task_handlers(never)) == set(TASK_TYPES)


@pytest.mark.parametrize(("name", "registered"), TYPES, ids=[name for name, _ in TYPES])
def test_every_type_has_a_producer_that_names_it(
    name: str, registered: EventType | TaskType
) -> None:
    assert registered.producers
    for producer in registered.producers:
        source = (ROOT / producer).read_text(encoding="utf-8")
        scheduled = producer == "functions/event_processor.py" and EVENT_TYPES[name].scheduled
        assert scheduled or f'"{name}"' in source or f"'{name}'" in source, producer


def test_nothing_is_emitted_or_scheduled_that_is_not_registered() -> None:
    emitted, scheduled = named_in("emit"), named_in("schedule")
    assert emitted
    assert scheduled
    for name, places in emitted.items():
        assert places <= set(EVENT_TYPES[name].producers), name
    for name, places in scheduled.items():
        assert places <= set(TASK_TYPES[name].producers), name


def test_nothing_is_emitted_by_sql_that_is_not_registered() -> None:
    inserting = re.compile(r"insert into events\b.*?;", re.S | re.I)
    found = {
        (name, f"sql/functions/{path.name}")
        for path in (ROOT / "sql" / "functions").glob("*.sql")
        for statement in inserting.findall(path.read_text(encoding="utf-8"))
        for name in re.findall(r"'([a-z_]+\.[a-z_.]+)'", statement)
    }
    assert found
    for name, place in found:
        assert place in EVENT_TYPES[name].producers, (name, place)


@pytest.mark.parametrize(
    "payload", [registered.payload for _, registered in TYPES], ids=[name for name, _ in TYPES]
)
def test_a_payload_survives_being_stored_and_a_misspelt_key_is_refused(
    payload: type[BaseModel],
) -> None:
    made = payload.model_validate(_example(payload))
    stored = made.model_dump(mode="json", exclude_none=True)
    assert payload.model_validate_json(made.model_dump_json()) == made
    assert payload.model_validate(stored) == made
    with pytest.raises(ValidationError):
        payload.model_validate({**stored, "mispelt": 1})


def test_every_column_that_deciding_code_writes_is_documented() -> None:
    columns = {
        relation.name: {column.name for column in relation.columns} for relation in relations()
    }
    seen = 0
    for path in ROOT.glob("lib/**/*.py"):
        for call in calls(path):
            assert isinstance(call.func, ast.Attribute)
            if call.func.attr not in ("insert", "update") or not call.args:
                continue
            table = call.args[0]
            if not (isinstance(table, ast.Constant) and table.value in columns):
                continue
            dictionaries = [*call.args[1:], *(k.value for k in call.keywords)]
            for node in dictionaries:
                if isinstance(node, ast.Dict):
                    keys = {k.value for k in node.keys if isinstance(k, ast.Constant)}
                    seen += len(keys)
                    assert keys <= columns[str(table.value)], f"{path.name}:{call.lineno}"
    assert seen > 20


def _example(payload: type[BaseModel]) -> dict[str, object]:
    """Values that fit a payload's schema: the first of each kind."""
    schema = payload.model_json_schema()
    return {
        name: _value(field, schema.get("$defs", {}))
        for name, field in schema.get("properties", {}).items()
    }


def _value(field: JSON, definitions: JSON) -> object:
    if "$ref" in field:
        field = definitions[field["$ref"].rsplit("/", 1)[1]]
        return {n: _value(f, definitions) for n, f in field.get("properties", {}).items()}
    if "anyOf" in field:
        return _value(field["anyOf"][0], definitions)
    if "enum" in field:
        return field["enum"][0]
    match field.get("format"), field["type"]:
        case "uuid", _:
            return "6f1d5c1e-6f0a-5d0b-9a51-6a2f8f0c7b11"
        case "date-time", _:
            return "2026-11-22T10:00:00Z"
        case _, "array":
            return [_value(field["items"], definitions)]
        case _, "string":
            return "x"
        case _, "integer" | "number":
            return 1
        case _, "boolean":
            return True
    raise AssertionError(field)
