"""The rows that the checks judge: the database's, the Twilio simulator's and the logs'."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from local.twilio_simulator.store import Query, Store
from tests.chaos.drive import Sent
from tests.chaos.plan import WORDS, Plan
from tests.chaos.world import World

Row = dict[str, Any]

_TABLES = {
    "users": "select id::text, phone_number as number, credit_balance from users",
    "conversations": "select id::text, user_id::text, status, messages_since_summary,"
    " last_summary_message_id::text, conversation_summary is not null as summarised"
    " from conversations",
    "messages": "select id::text, user_id::text, conversation_id::text, direction, status,"
    " twilio_message_sid as sid, created_at from messages",
    "events": "select id::text, event_type, aggregate_id::text, aggregate_type, payload, metadata,"
    " processed, created_at from events",
    "tasks": "select id::text, task_type, status, user_id::text, context_json, result_json,"
    " retry_count from agent_tasks",
    "queue": "select id::text, user_id::text, message_data, status, superseded_reason,"
    " superseded_by_message_id::text,"
    " coalesce(sequence_id, id)::text as unit, sequence_position, created_at from message_queue",
    "requests": "select id::text, requesting_user_id::text, status, closed_loop_at,"
    " responses_count from community_requests",
    "responses": "select id::text, request_id::text, user_id::text, verbatim_answer,"
    " usefulness_score, credits_awarded, status, created_at from community_responses",
    "ledger": "select user_id::text, amount, idempotency_key from credit_events",
    "balances": "select user_id::text, balance from user_credit_balances",
}


@dataclass
class Evidence:
    """Everything there is to see when all is quiet. Ids are strings.

    `at_twilio`: the texts that Twilio accepted from us, in that order: `row` (of message_queue, as
    the callback's address says), `sid`, `to` and `body`.
    """

    plan: Plan
    sent: list[Sent] = field(default_factory=list)
    users: list[Row] = field(default_factory=list)
    conversations: list[Row] = field(default_factory=list)
    messages: list[Row] = field(default_factory=list)
    events: list[Row] = field(default_factory=list)
    tasks: list[Row] = field(default_factory=list)
    queue: list[Row] = field(default_factory=list)
    requests: list[Row] = field(default_factory=list)
    responses: list[Row] = field(default_factory=list)
    ledger: list[Row] = field(default_factory=list)
    balances: list[Row] = field(default_factory=list)
    at_twilio: list[Row] = field(default_factory=list)
    logged: dict[str, int] = field(default_factory=dict)


def gather(world: World, plan: Plan, sent: Iterable[Sent]) -> Evidence:
    """Read it all, the tables as of one moment."""
    found = world.transaction(
        ("set transaction isolation level repeatable read", ()),
        *((query, ()) for query in _TABLES.values()),
    )
    evidence = Evidence(plan, list(sent))
    for table, rows in zip(_TABLES, found[1:], strict=True):
        setattr(evidence, table, rows)
    evidence.at_twilio = _at_twilio(world.stack.directory / "twilio.sqlite")
    evidence.logged = _private_words(
        world.stack.directory / "logs", {s.number[1:] for s in evidence.sent}
    )
    return evidence


def _at_twilio(file: Path) -> list[Row]:
    store = Store(file)
    try:
        listed = store.page(Query(), limit=1_000_000, skip=0, after_sid=None)
    finally:
        store.close()
    return [
        {
            "row": parse_qs(urlsplit(message.status_callback or "").query).get("m", [""])[0],
            "sid": message.sid,
            "to": message.to_number,
            "body": message.body,
        }
        for message in reversed(listed)
        if message.direction != "inbound"
    ]


def _private_words(logs: Path, numbers: set[str]) -> dict[str, int]:
    """How often each process logged a number or a text of a phone."""
    said = re.compile("|".join(re.escape(word) for word in WORDS) + r"|1212555\d{4}")
    counts: dict[str, int] = {}
    for file in sorted(logs.glob("*.log")):
        with file.open(encoding="utf-8", errors="replace") as lines:
            leaked = sum(
                word in numbers or not word.isdigit()
                for line in lines
                for word in said.findall(line)
            )
        if leaked:
            counts[file.stem] = leaked
    return counts
