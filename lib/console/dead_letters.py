"""Dead letters: events and tasks that were given up, listed, looked at, and replayed.

People's words stay out of sight: of a payload only ids, numbers, times and fixed words are shown.
"""

import getpass
import json
import re
from datetime import datetime
from typing import Any
from uuid import UUID

from lib.adapters import pubsub
from lib.adapters.supabase import Database
from lib.console.table import moment, table
from lib.core.model import JSON

#: Ids and times say nothing about anybody.
_HARMLESS = re.compile(
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    r"|\d{4}-\d\d-\d\d[T ][\d:.]+(Z|[+-]\d\d:?\d\d)?"
)
#: Keys whose words are ours, never a person's.
_OUR_WORDS = frozenset(
    """
    kind event_type task_type aggregate_type agent_type context_type created_by status priority
    error error_log error_code step reason by
    """.split()  # noqa: SIM905 - names in a column
)
WITHHELD = "(withheld)"


def show_list(database: Database, type_: str | None, since: datetime | None, limit: int) -> str:
    """The newest dead letters."""
    answer = database.call("list_dead_letters", type=type_, since=since, limit=limit)
    if not answer["letters"]:
        return "There are no dead letters."
    rows = [
        [
            letter["id"],
            letter["kind"],
            letter["type"],
            moment(letter["created_at"]),
            letter["attempts"],
            letter["user_id"],
            letter["error"],
        ]
        for letter in answer["letters"]
    ]
    shown = table(["id", "kind", "type", "created", "attempts", "member", "error"], rows)
    return shown + ("\nThere are more: --limit, --since, --type." if answer["more"] else "")


def show_one(database: Database, id_: UUID) -> tuple[str, bool]:
    """One dead letter whole, but for what people wrote; and whether it was one."""
    answer = database.call("show_dead_letter", id=id_)
    if answer["outcome"] != "shown":
        return _no_letter(id_, answer), False
    row: JSON = {"kind": answer["kind"], **answer["row"]}
    return json.dumps(_harmless(row), indent=2), True


def replay(database: Database, ids: list[UUID]) -> tuple[str, bool]:
    """Open dead letters again and wake the processor; and whether all of them were dead."""
    lines, events = [], []
    by = getpass.getuser()
    for id_ in ids:
        answer = database.call("replay_dead_letter", id=id_, by=by)
        if answer["outcome"] == "replayed":
            lines.append(f"{id_} is open again.")
            if answer["kind"] == "event":
                events.append(str(id_))
        else:
            lines.append(_no_letter(id_, answer))
    pubsub.publish(events)
    return "\n".join(lines), all(line.endswith("open again.") for line in lines)


def ids_of(database: Database, type_: str, limit: int) -> list[UUID]:
    """The newest dead letters of a type."""
    answer = database.call("list_dead_letters", type=type_, limit=limit)
    return [UUID(letter["id"]) for letter in answer["letters"]]


def _no_letter(id_: UUID, answer: JSON) -> str:
    if answer["outcome"] == "alive":
        return f"{id_} is a living {answer['kind']}: nothing was changed."
    return f"{id_} is no event and no task."


def _harmless(value: Any, key: str = "") -> Any:
    match value:
        case None | bool() | int() | float():
            return value
        case dict():
            return {inner_key: _harmless(inner, inner_key) for inner_key, inner in value.items()}
        case list():
            return [_harmless(inner, key) for inner in value]
        case str() if key in _OUR_WORDS or _HARMLESS.fullmatch(value):
            return value
        case _:
            return WITHHELD
