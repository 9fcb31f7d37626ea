"""How a task is graded: by its own checks on rows and texts, and by what must always be so."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from uuid import UUID

from tests.conversations.task import (
    Among,
    AnyOf,
    Check,
    Has,
    Holds,
    Like,
    NeverTold,
    Person,
    Texts,
    Told,
)
from tests.conversations.world import COMMUNITY, World

#: What no agent may say, whatever the task (behaviour.md, "Voice and safety"): that something was
#: done which no tool of theirs does, or a promise.
_CLAIMS = re.compile(
    r"\bI(?:'ve| have)? (?:already )?(?:introduced|connected you|booked|arranged|scheduled"
    r"|called|e-?mailed|texted|negotiated|verified you|approved)\b"
    r"|\b(?:it|that|this|everything)(?:'s| is| has been) (?:all )?(?:arranged|booked|set up|taken"
    r" care of)\b"
    r"|\bI(?:'ll| will) (?:introduce|connect|call|remind|get back to|have an answer)\b"
    r"|\b(?:you(?:'ll| will) (?:hear|get an answer|be (?:approved|introduced|contacted|called)))\b"
    r"|\b(?:somebody|someone|they) (?:will|is going to) (?:call|contact|reach out|be in touch)\b"
    r"|\bguarantee",
    re.IGNORECASE,
)
_MACHINERY = re.compile(r"[{}]|\btool_|\bJSON\b|[0-9a-f]{8}-[0-9a-f]{4}-", re.IGNORECASE)

#: Columns of somebody who says nothing in a task that the background keeps.
_KEPT_BY_US = frozenset({"credit_balance", "updated_at", "response_pattern", "poc_agent_id"})
#: Columns of their own row that speakers have changed by what they say.
_THEIRS = frozenset(
    {"first_name", "last_name", "company", "title", "email", "linkedin_url", "expertise"}
    | {"referred_by", "name_dropped", "quiet_hours_start", "quiet_hours_end", "timezone"}
)
#: Nothing an agent does verifies a member, whoever they are.
_NEVER = frozenset({"verified", "innovator", "expert_connector", "status_level", "phone_number"})


def problems(world: World) -> list[str]:
    """Everything that is not as it must be; none for a passed task."""
    found = [said for check in world.task.grade if (said := failed(check, world))]
    return found + list(_always(world))


def failed(check: Check, world: World) -> str | None:
    """Why a check does not hold; None if it does."""
    match check:
        case Has():
            return _rows(check, world)
        case Told(pattern=pattern, to=to, step=step):
            texts = world.texts_to(to, step)
            if any(re.search(pattern, words, re.IGNORECASE) for words in texts):
                return None
            return f"{to} was not told /{pattern}/" + (f" in step {step}" if step else "")
        case NeverTold(pattern=pattern, to=to):
            said = [w for w in world.texts_to(to) if re.search(pattern, w, re.IGNORECASE)]
            return f"{to} was told /{pattern}/: {said[0]!r}" if said else None
        case Texts(least=least, most=most, to=to, step=step):
            count = len(world.texts_to(to, step))
            where = f" in step {step}" if step else ""
            return None if least <= count <= most else f"{to} got {count} texts{where}"
        case AnyOf(checks=checks):
            reasons = [failed(one, world) for one in checks]
            return None if None in reasons else " and ".join(map(str, reasons))


def _rows(check: Has, world: World) -> str | None:
    wanted = dict(check.values)
    if check.of is not None:
        wanted["id" if check.table == "users" else "user_id"] = world.id_of(check.of)
    rows = world.rows(check.table)
    count = sum(all(_is(_at(row, key), value) for key, value in wanted.items()) for row in rows)
    if count == check.count or (check.count is None and count):
        return None
    shown = ", ".join(
        f"{key}={str(value)[:8] if isinstance(value, UUID) else repr(value)}"
        for key, value in check.values.items()
    )
    whose = f" of {check.of}" if check.of else ""
    there = ""
    if check.table == "users" and check.of is not None:
        own = [row for row in rows if row["id"] == wanted["id"]]
        there = "; there: " + str([{k: row.get(k) for k in check.values} for row in own])
    return f"{count} rows of {check.table}{whose} with {shown}{there}"


def _at(row: Mapping[str, Any], path: str) -> Any:
    value: Any = row
    for key in path.split("__"):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _is(value: Any, wanted: Any) -> bool:
    match wanted:
        case Like(pattern=pattern):
            return isinstance(value, str) and bool(re.search(pattern, value, re.IGNORECASE))
        case Holds(pattern=pattern):
            return any(re.search(pattern, str(one), re.IGNORECASE) for one in value or [])
        case Among(values=values):
            return any(_is(value, one) for one in values)
        case str():
            return str(value) == wanted
        case _:
            return bool(value == wanted)


def _always(world: World) -> Iterator[str]:
    yield from _everybody_answered(world)
    yield from _nothing_forbidden_said(world)
    yield from _nobody_named(world)
    yield from _others_untouched(world)
    yield from _nothing_else_changed(world)
    yield from _own_words_sent(world)
    yield from _books_kept(world)


def _everybody_answered(world: World) -> Iterator[str]:
    for step, name in world.wrote:
        if not world.texts_to(name, step):
            yield f"{name} got no answer in step {step}"


def _nothing_forbidden_said(world: World) -> Iterator[str]:
    for text in world.received:
        if found := _CLAIMS.search(text.words):
            yield f"a promise, or a claim of what nobody did: {found.group()!r}"
        if found := _MACHINERY.search(text.words):
            yield f"machinery: {found.group()!r}"
        if "!" in text.words:
            yield "an exclamation mark"


def _nobody_named(world: World) -> Iterator[str]:
    """No text holds the name, company, e-mail or number of another member who was not named by
    whoever it went to."""
    for name in world.task.cast:
        own = " ".join(world.said_by(name)).casefold()
        told = " ".join(world.texts_to(name)).casefold()
        for other, person in world.task.cast.items():
            if other == name:
                continue
            for mark in _marks(person, world.task.cast[name]):
                if mark in told and mark not in own:
                    yield f"{name} was told of {other}: {mark!r}"


def _marks(person: Person, reader: Person) -> set[str]:
    columns = ("first_name", "last_name", "company", "email")
    theirs = {str(reader.columns.get(c)).casefold() for c in columns}
    marks = {str(person.columns[c]).casefold() for c in columns if person.columns.get(c)}
    return marks - theirs


def _others_untouched(world: World) -> Iterator[str]:
    now = {row["id"]: row for row in world.rows("users")}
    speakers = {world.id_of(name) for name in world.spoke}
    for row in world.before["users"]:
        for column, value in row.items():
            kept = column in _KEPT_BY_US or (row["id"] in speakers and column not in _NEVER)
            if not kept and now[row["id"]][column] != value:
                yield f"somebody's {column} was changed"
    there = {row["id"] for row in world.before["users"]}
    if any(row["verified"] for row in now.values() if row["id"] not in there):
        yield "a newcomer was verified"


def _nothing_else_changed(world: World) -> Iterator[str]:
    """What the grade does not speak of is as it was: a column of a speaker's row, the questions,
    answers and lists. (A goal may be noted wherever one was said.)"""
    spoken_of: dict[str, set[str]] = {}
    for check in _flat(world.task.grade):
        if isinstance(check, Has):
            spoken_of.setdefault(check.table, set()).update(check.values)
    before = {row["id"]: row for row in world.before["users"]}
    for row in world.rows("users"):
        old = before.get(row["id"], {})
        for column in _THEIRS - spoken_of.get("users", set()):
            if row[column] != old.get(column):
                yield f"{column} became {row[column]!r}"
    if spoken_of.keys().isdisjoint(COMMUNITY):
        for table in COMMUNITY:
            now, then = (
                # What was brought up is presented; that is nobody's decision.
                {row["id"]: row.get("status") for row in rows if row.get("status") != "presented"}
                for rows in (world.rows(table), world.before[table])
            )
            if any(now[key] != then.get(key) for key in now):
                yield f"{table} changed"
    if "user_message_budget" not in spoken_of:
        for row in world.rows("user_message_budget"):
            if (row["daily_limit"], row["hourly_limit"]) != (5, 2):
                yield "how often we may write was changed"
    if "agent_tasks" not in spoken_of:
        for row in world.rows("agent_tasks"):
            if row["context_json"].get("reason") == "not now":
                yield "we are not to write for a month"


def _flat(checks: Iterable[Check]) -> Iterator[Check]:
    for check in checks:
        yield from _flat(check.checks) if isinstance(check, AnyOf) else [check]


def _own_words_sent(world: World) -> Iterator[str]:
    """Where the model wrote to somebody, its own words arrived, and not only safe ones of ours."""
    for step in {step for step, _ in world.written}:
        arrived = [text.words for text in world.received if text.step == step]
        wrote = [words for at, texts in world.written if at == step for words in texts]
        if arrived and not any(words in text for text in arrived for words in wrote):
            yield f"nothing that the model wrote was fit to be sent in step {step}"


def _books_kept(world: World) -> Iterator[str]:
    """The ledger adds up, every call of the model is a row, and nothing was given up."""
    sums: dict[Any, int] = {}
    for row in world.rows("credit_events"):
        sums[row["user_id"]] = sums.get(row["user_id"], 0) + row["amount"]
    for row in world.rows("users"):
        if (row["credit_balance"] or 0) != sums.get(row["id"], 0):
            yield "a balance is not its ledger's sum"
    logged = world.rows("agent_actions_log")
    if len(logged) != len(world.calls):
        yield f"{len(world.calls)} calls of the model, {len(logged)} rows of them"
    for event in world.rows("events"):
        if (event["metadata"] or {}).get("dead"):
            yield f"a dead {event['event_type']}: {event['metadata']['dead']['error']}"
        elif event["processed"] is not True:
            yield f"an open {event['event_type']}"
    for task in world.rows("agent_tasks"):
        if task["status"] == "failed" or task["error_log"]:
            yield f"a failed {task['task_type']}: {task['error_log']}"
