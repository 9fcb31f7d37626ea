"""Where a task happens: a database of its own, the real engine over it, and phones.

Claim, decide and commit are the deployed code on a real PostgreSQL; the model is whatever
`complete` asks. In one process and without the network between: calls of the database go through a
session of psycopg instead of Supabase's API, Twilio is a list of texts, and the clock is the task's
own.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg.rows import DictRow, dict_row
from pydantic import BaseModel, SecretStr

from lib.adapters.supabase import Database, DatabaseUnavailable
from lib.adapters.twilio_sms import Accepted, SendResult, Sms
from lib.agents.handlers import event_handlers, task_handlers
from lib.agents.judgement import judge
from lib.core.ids import derived_id
from lib.core.model import JSON, Complete, ModelCall, ModelError, ModelReply
from lib.domain import messaging, voice
from lib.domain.verification import Addresses
from lib.engine import inbound
from lib.engine.outbox import Outbox
from lib.engine.process import EventProcessor
from lib.engine.render import Renderer
from lib.engine.tasks import TaskProcessor
from tests.conversations.policies import JOBS, prompt_of
from tests.conversations.task import BEGIN, Person, Task, ago, ref, who
from tests.support.rpc import Rpc

ADDRESSES = Addresses(SecretStr("a secret of the conversations"), "in.yachtparty.test")

#: Rounds of due tasks, events and texts at one moment, after which something goes in circles.
MOST_ROUNDS = 50
#: Where questions to members, introductions and what becomes of them are.
COMMUNITY = (
    "community_requests",
    "community_responses",
    "credit_events",
    "intro_opportunities",
    "solution_workflows",
    "user_priorities",
)
_VERIFY = re.compile(r"verify\+[a-z2-7]+@[\w.-]+")


class DirectDatabase(Database):
    """The SQL functions over one session of the service role, at the world's time."""

    def __init__(self, rpc: Rpc) -> None:
        self._rpc = rpc
        self.round_trips = 0

    def call(self, function: str, **arguments: Any) -> JSON:
        """Call one SQL function, as the adapter does.

        Raises:
            DatabaseUnavailable: a lock was not to be had.
        """
        given = {name: _plain(value) for name, value in arguments.items() if value is not None}
        self.round_trips += 1
        answer = self._rpc.call(function, **given)
        if answer.get("outcome") == "retry":
            raise DatabaseUnavailable(function)
        return answer


@dataclass(frozen=True)
class Received:
    """A text that reached a phone, and in which step of the script, counted from 1."""

    to: str
    words: str
    step: int


class Twilio(Sms):
    """Twilio's place: takes every text."""

    def __init__(self, deliver: Callable[[str, str], None]) -> None:
        self._deliver = deliver

    def send(self, message_id: str, to: str, body: str, valid_s: int) -> SendResult:
        """Put a text on its phone."""
        assert message_id
        assert valid_s > 0
        self._deliver(to, body)
        return Accepted(f"SM{uuid4().hex}", "queued")


class Place:
    """A migrated database and its sessions, for one task after another. Keeping both is what makes
    a task quick: a new session would have to compile every function it calls."""

    def __init__(self, url: str) -> None:
        self.rpc = Rpc(url, now=BEGIN)
        self.owner: psycopg.Connection[DictRow] = psycopg.connect(
            url, autocommit=True, row_factory=dict_row
        )
        self._tables = [
            row["name"]
            for row in self.owner.execute(
                "select quote_ident(tablename) as name from pg_tables where schemaname = 'public'"
            )
        ]

    def clear(self) -> None:
        """Remove every row and begin at the beginning."""
        with self.owner.transaction():
            # No triggers: the ledger, for one, refuses to be emptied.
            self.owner.execute("set local session_replication_role = replica")
            for table in self._tables:
                self.owner.execute(f"delete from {table}".encode())  # noqa: S608
        self.rpc.now = BEGIN

    def close(self) -> None:
        """End the sessions."""
        self.rpc.close()
        self.owner.close()


@dataclass
class World:
    """One task's world. `complete` is the model; every call of it is counted in `calls`."""

    task: Task
    place: Place
    complete: Complete
    received: list[Received] = field(default_factory=list)
    calls: list[ModelCall] = field(default_factory=list)
    #: Who said what, for whoever reads why a task failed.
    transcript: list[str] = field(default_factory=list)
    step: int = 0
    #: In which step who wrote something that wants an answer.
    wrote: list[tuple[int, str]] = field(default_factory=list)
    #: Who wrote anything.
    spoke: set[str] = field(default_factory=set)
    #: The texts that the model wrote to members, and in which step.
    written: list[tuple[int, list[str]]] = field(default_factory=list)
    #: Called once, when the model is asked next.
    meanwhile: Callable[[], object] | None = None

    def __post_init__(self) -> None:
        self.place.clear()
        self.rpc, self.owner = self.place.rpc, self.place.owner
        self._open: list[str] = []
        self._numbers = {
            name: f"+12125550{number}" for number, name in enumerate(self.task.cast, start=101)
        }
        self.database = DirectDatabase(self.rpc)
        outbox = Outbox(self.database, Twilio(self._deliver))
        self._events = EventProcessor(
            self.database,
            event_handlers(
                self._ask, addresses=ADDRESSES, answer_help=False, is_spent=lambda: False
            ),
            outbox,
            self._open.extend,
        )
        self._tasks = TaskProcessor(
            self.database,
            task_handlers(self._ask),
            outbox,
            self._open.extend,
            follow=self._events.run,
        )
        self._renderer = Renderer(
            self.database, lambda text, deadline: judge(text, self._ask, deadline), outbox
        )
        self._outbox = outbox
        self._people()
        for row in self.task.rows:
            self._insert(row.table, row.columns)
        self.before = {table: self.rows(table) for table in ("users", *COMMUNITY)}

    # What is there

    def rows(self, table: str) -> list[dict[str, Any]]:
        """All rows of a table, oldest first where they have a time."""
        found = self.owner.execute(f"select * from {table}".encode()).fetchall()  # noqa: S608
        return sorted(found, key=lambda row: str(row.get("created_at")))

    def id_of(self, name: str) -> UUID | None:
        """The `users.id` of somebody of the cast; None before their first text."""
        number = self._numbers[name]
        found = self.owner.execute("select id from users where phone_number = %s", (number,))
        row = found.fetchone()
        return row["id"] if row else None

    def texts_to(self, name: str, step: int | None = None) -> list[str]:
        """What reached a phone, in all or in one step."""
        number = self._numbers[name]
        return [
            text.words
            for text in self.received
            if text.to == number and (step is None or text.step == step)
        ]

    def said_by(self, name: str) -> list[str]:
        """All that somebody wrote, earlier texts included."""
        person = self.task.cast[name]
        earlier = [e.removeprefix("member: ") for e in person.earlier if e.startswith("member: ")]
        own = self.id_of(name)
        texts = [m for m in self.rows("messages") if m["user_id"] == own and m["role"] == "user"]
        return earlier + [m["content"] for m in texts]

    # What happens

    def write(self, name: str, texts: Sequence[str], media: int = 0) -> None:
        """Record texts; they are answered by `settle`."""
        self.spoke.add(name)
        for nth, words in enumerate(texts, start=1):
            self.rpc.pass_time(seconds=5)
            pictures = media if nth == len(texts) else 0
            self.transcript.append(f"{name}: {words}" + " [picture]" * pictures)
            text = messaging.inbound_text(
                f"SM{uuid4().hex}",
                self._numbers[name],
                words,
                [
                    {"url": f"https://media.test/{n}", "content_type": "image/jpeg"}
                    for n in range(pictures)
                ],
                twilio_answers=True,
            )
            answer = inbound.record(self.database, text)
            if answer["event_id"]:
                self._open.append(answer["event_id"])

    def mail(self, name: str, sender: str) -> None:
        """Write from `sender` to the address that was given last; nothing if none was."""
        given = [found for words in self.texts_to(name) for found in _VERIFY.findall(words)]
        self.transcript.append(f"({name} mails from {sender}{'' if given else ': no address'})")
        token = ADDRESSES.read(given[-1], sender) if given else None
        if token is None:
            return
        answer = self.database.call(
            "record_email_verified",
            proof={
                "event_id": derived_id(token.token_id, "event"),
                "user_id": token.user_id,
                "email": token.email,
                "token_id": token.token_id,
                "expires_at": token.expires_at,
            },
        )
        if answer["event_id"]:
            self._open.append(answer["event_id"])

    def settle(self) -> None:
        """Let everything happen that is due now."""
        for _ in range(MOST_ROUNDS):
            while self._open:
                self._events.run(UUID(self._open.pop(0)))
            ran = self._tasks.run(claim_for_s=60)
            rendered = self._renderer.run(claim_for_s=60)
            sent = self._outbox.send_due(until=float("inf"))
            if not (self._open or ran.claimed or rendered.claimed or sent):
                return
        raise AssertionError("it never comes to rest")

    def pass_time(self, delta: timedelta) -> None:
        """Let time pass; what falls due meanwhile happens when it is due."""
        end = self.rpc.now + delta
        self.transcript.append(f"({delta} pass)")
        while (due := self._next_due(end)) is not None:
            self.rpc.now = due
            self.settle()
        self.rpc.now = end
        self.settle()

    # The world's own

    def _next_due(self, end: datetime) -> datetime | None:
        """The next moment up to `end` at which something is due; None: nothing is."""
        found = self.owner.execute(
            "select min(at) as at from ("
            " select scheduled_for as at from agent_tasks where status = 'pending'"
            " union all select scheduled_for from message_queue where status = 'queued'"
            ") as due where at > %s and at <= %s",
            (self.rpc.now, end),
        ).fetchone()
        due: datetime | None = found["at"] if found else None
        return due

    def _ask(self, request: JSON, timeout_s: float) -> ModelReply:
        if self.meanwhile is not None:
            happens, self.meanwhile = self.meanwhile, None
            happens()
        try:
            reply = self.complete(request, timeout_s)
        except ModelError as error:
            if error.call:
                self.calls.append(error.call)
            raise
        self.calls.append(reply.call)
        words = "".join(str(b.get("text", "")) for b in reply.content if b["type"] == "text")
        if words and prompt_of(request) not in JOBS:
            self.written.append((self.step, voice.split(words)))
        for block in reply.content:
            if block.get("type") == "tool_use":
                given = json.dumps(block["input"], ensure_ascii=False)
                self.transcript.append(f"  [{block['name']} {given}]")
        return reply

    def _deliver(self, to: str, words: str) -> None:
        name = next(name for name, number in self._numbers.items() if number == to)
        self.received.append(Received(to, words, self.step))
        self.transcript.append(f"  → {name}: {words}")

    def _people(self) -> None:
        for name, person in self.task.cast.items():
            if person.exists:
                self._person(name, person)

    def _person(self, name: str, person: Person) -> None:
        user_id, conversation = who(name), ref(f"conversation:{name}")
        verified = bool(person.columns.get("verified"))
        day = ago(days=1)
        self._insert(
            "users",
            {"id": user_id, "phone_number": self._numbers[name], "created_at": day}
            | dict(person.columns),
        )
        self._insert(
            "conversations",
            {
                "id": conversation,
                "user_id": user_id,
                "phone_number": self._numbers[name],
                "status": "active",
                "messages_since_summary": len(person.earlier),
                "created_at": day,
            },
        )
        for nth, said in enumerate(person.earlier):
            speaker, words = said.split(": ", 1)
            by_agent = {"agent": True, "member": False}[speaker]
            self._insert(
                "messages",
                {
                    "id": ref(f"message:{name}:{nth}"),
                    "conversation_id": conversation,
                    "user_id": user_id,
                    "role": "assistant" if by_agent else "user",
                    "content": words,
                    "direction": "outbound" if by_agent else "inbound",
                    "status": "delivered" if by_agent else None,
                    "created_at": day + timedelta(minutes=nth),
                },
            )
        if person.earlier:
            self._insert(
                "agent_instances",
                {
                    "id": ref(f"agent:{name}"),
                    "agent_type": "concierge" if verified else "bouncer",
                    "user_id": user_id,
                    "created_at": day,
                },
            )
        done = [("user.onboarding_step.completed", step) for step in person.steps]
        done += [("user.onboarding_completed", "")] * person.waiting
        for event_type, step in done:
            self._insert(
                "events",
                {
                    "id": ref(f"event:{name}:{event_type}:{step}"),
                    "event_type": event_type,
                    "aggregate_id": user_id,
                    "aggregate_type": "user",
                    "payload": json.dumps({"step": step, "value": ""} if step else {}),
                    "processed": True,
                    "created_at": day,
                },
            )

    def _insert(self, table: str, columns: Any) -> None:
        names = ", ".join(columns)
        places = ", ".join(["%s"] * len(columns))
        self.owner.execute(
            f"insert into {table} ({names}) values ({places})".encode(),  # noqa: S608
            list(columns.values()),
        )


def _plain(value: Any) -> Any:
    """A value as PostgREST would hand it over: what is no scalar is JSON."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, dict | list):
        return json.loads(json.dumps(value, default=_said))
    return str(value) if isinstance(value, UUID) else value


def _said(value: Any) -> Any:
    match value:
        case BaseModel():
            return value.model_dump(mode="json")
        case datetime():
            return value.isoformat()
        case UUID():
            return str(value)
    raise TypeError(type(value).__name__)
