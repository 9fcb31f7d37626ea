"""What Twilio does to us and what a phone sees, for tests over a running stack."""

import base64
import contextlib
import hashlib
import hmac
import itertools
import json
import os
import signal
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote_from_bytes, urlencode
from uuid import uuid4

import httpx
import psutil
from twilio.request_validator import RequestValidator

from tests.support.stack import StackUnderTest, wait_for

T = TypeVar("T")

#: One range for the whole session; every test takes numbers of its own from it.
_numbers = itertools.count(1000)

#: What the tests' phones said and were called, by stack: none of it belongs in a log.
_private: dict[Path, set[str]] = defaultdict(set)


#: Shorter texts are words that any log may hold.
MIN_PRIVATE_CHARS = 8


def new_sid() -> str:
    """A MessageSid as Twilio makes them."""
    return f"SM{uuid4().hex}"


@dataclass
class Phone:
    """One member's phone. Texts go straight to the webhook, answers are read at the simulator."""

    stack: StackUnderTest
    number: str = field(default_factory=lambda: f"+1212555{next(_numbers)}")

    def form(self, body: str, **fields: str) -> dict[str, str]:
        """The form Twilio posts for a text."""
        twilio = self.stack.description["twilio"]
        sid = new_sid()
        return {
            "MessageSid": sid,
            "SmsSid": sid,
            "AccountSid": twilio["account_sid"],
            "From": self.number,
            "To": twilio["number"],
            "Body": body,
            "NumMedia": "0",
            "ApiVersion": "2010-04-01",
        } | fields

    def post(self, form: dict[str, str], signature: str | None = None) -> httpx.Response:
        """POST a form to the webhook as Twilio does, signed unless another signature is given."""
        url = self.stack.description["functions"]["twilio_webhook"]
        signed = self.sign(url, form) if signature is None else signature
        said = form.get("Body", "")
        _private[self.stack.directory] |= {
            self.number[1:],
            *(w.strip(".,?") for w in said.split() if "@" in w),
            *([said.strip()] if len(said.strip()) > MIN_PRIVATE_CHARS else []),
        }
        return post_form(url, urlencode(form).encode(), signed)

    def post_bytes(self, **fields: bytes) -> httpx.Response:
        """POST a text some of whose fields are no text at all, signed over the bytes as sent."""
        url = self.stack.description["functions"]["twilio_webhook"]
        pairs = {name: value.encode() for name, value in self.form("").items()} | fields
        summed = url.encode() + b"".join(name.encode() + pairs[name] for name in sorted(pairs))
        token = self.stack.description["twilio"]["auth_token"].encode()
        signature = base64.b64encode(hmac.new(token, summed, hashlib.sha1).digest()).decode()
        body = "&".join(f"{name}={quote_from_bytes(value)}" for name, value in pairs.items())
        return post_form(url, body.encode(), signature)

    def sign(self, url: str, form: dict[str, str]) -> str:
        """Twilio's signature over a URL and a form."""
        token = self.stack.description["twilio"]["auth_token"]
        signature: str = RequestValidator(token).compute_signature(url, form)
        return signature

    def text(self, body: str, **fields: str) -> None:
        """Send one text; an outage of the webhook is tried again, as Twilio does."""

        def delivered() -> bool:
            try:
                return self.post(form).status_code == 200
            except httpx.TransportError:
                return False

        form = self.form(body, **fields)
        wait_for(delivered, "answer of the webhook")

    def text_at_once(self, *bodies: str) -> None:
        """Send several texts at the same moment."""
        with ThreadPoolExecutor(len(bodies)) as pool:
            list(pool.map(self.text, bodies))

    def text_that_misses_us(self, body: str) -> None:
        """A text that Twilio has and whose webhook calls are all lost."""
        control_twilio(self.stack, webhook={"drop": 1.0})
        try:
            self.text_through_twilio(body)
        finally:
            control_twilio(self.stack, webhook={"drop": 0.0})

    def text_through_twilio(self, body: str, *media_types: str) -> str:
        """A text that Twilio records before it calls the webhook; returns its SID."""
        answer = httpx.post(
            f"{self.stack.description['twilio']['url']}/_sim/inbound",
            json={
                "from": self.number,
                "body": body,
                "media": [
                    {"url": f"https://media.test/{n}", "content_type": kind}
                    for n, kind in enumerate(media_types)
                ],
            },
        )
        sid: str = answer.raise_for_status().json()["sid"]
        return sid

    def received(self) -> list[str]:
        """Bodies of the texts this phone was sent, oldest first."""
        return [message["body"] for message in self._listed()]

    def wait_for_texts(self, count: int, timeout_s: float = 30.0) -> list[str]:
        """The texts received, once there are at least `count`."""

        def enough() -> list[str] | None:
            texts = self.received()
            return texts if len(texts) >= count else None

        return wait_for(enough, f"{count} texts", timeout_s)

    def converse(self, *bodies: str) -> list[str]:
        """Send texts one after another, each after the answer to the one before."""
        have = len(self.received())
        for nth, body in enumerate(bodies, start=1):
            self.text(body)
            self.wait_for_texts(have + nth)
        return self.received()

    def user(self) -> dict[str, Any]:
        """The member's row."""
        (row,) = self.rows("select * from users where phone_number = %s", self.number)
        return row

    def rows(self, query: str, *arguments: Any) -> list[dict[str, Any]]:
        """Rows of a query."""
        with self.stack.connect() as connection:
            return connection.execute(query.encode(), arguments).fetchall()

    def inbound_events(self) -> list[dict[str, Any]]:
        """The member's user.message.received events, oldest first."""
        return self.rows(
            "select e.* from events e join users u on u.id = e.aggregate_id"
            " where u.phone_number = %s and e.event_type = 'user.message.received'"
            " order by e.created_at, e.id",
            self.number,
        )

    def queued_rows(self) -> list[dict[str, Any]]:
        """The member's rows of message_queue, oldest first."""
        return self.rows(
            "select q.* from message_queue q join users u on u.id = q.user_id"
            " where u.phone_number = %s order by q.created_at, q.sequence_position, q.id",
            self.number,
        )

    def texts_recorded(self, direction: str = "inbound") -> list[dict[str, Any]]:
        """The member's rows of messages in one direction, oldest first."""
        return self.rows(
            "select m.* from messages m join users u on u.id = m.user_id"
            " where u.phone_number = %s and m.direction = %s order by m.created_at, m.id",
            self.number,
            direction,
        )

    def turns(self) -> list[list[str]]:
        """The texts of each finished turn, in the order of the turns; a text in no turn raises."""
        texts = {str(row["id"]): row["content"] for row in self.texts_recorded()}
        turns: dict[str, list[str]] = {}
        for event in self.inbound_events():
            token = event["metadata"]["done"]["token"]
            turns.setdefault(token, []).append(texts[event["payload"]["message_id"]])
        return list(turns.values())

    def is_idle(self) -> bool:
        """Whether every event of the member is processed and nothing of theirs is queued."""
        return not self.rows(
            "select 1 from users u where u.phone_number = %s and ("
            " exists (select 1 from events e where e.aggregate_id = u.id"
            "         and e.processed is not true)"
            " or exists (select 1 from message_queue q where q.user_id = u.id"
            "            and q.status = 'queued'))",
            self.number,
        )

    def has_nothing_due(self) -> bool:
        """Whether whatever still waits of this member waits for a later time of the stack's."""
        return not self.rows(
            "select 1 from users u, (select %s::timestamptz as now) t"
            " where u.phone_number = %s and ("
            " exists (select 1 from events e where e.aggregate_id = u.id"
            "         and e.processed is not true and coalesce("
            "             (e.metadata ->> 'retry_at')::timestamptz <= t.now, true))"
            " or exists (select 1 from message_queue q where q.user_id = u.id"
            "            and q.status = 'queued' and q.delivered_message_id is null"
            "            and q.scheduled_for <= t.now))",
            self.stack.now(),
            self.number,
        )

    def wait_until_idle(self, timeout_s: float = 30.0) -> None:
        """Until every event of the member is processed and nothing of theirs is queued."""
        wait_for(self.is_idle, "idle member", timeout_s)

    def verify(self, **columns: Any) -> None:
        """Make the member verified, as an operator will, with further columns of theirs."""
        names = "".join(f", {name} = %s" for name in columns)
        self.rows(
            f"update users set verified = true{names} where phone_number = %s returning id",  # noqa: S608
            *columns.values(),
            self.number,
        )

    def _listed(self) -> list[dict[str, Any]]:
        twilio = self.stack.description["twilio"]
        answer = httpx.get(
            f"{twilio['url']}/2010-04-01/Accounts/{twilio['account_sid']}/Messages.json",
            params={"To": self.number, "PageSize": "500"},
            auth=(twilio["account_sid"], twilio["auth_token"]),
        )
        messages: list[dict[str, Any]] = answer.raise_for_status().json()["messages"]
        return messages[::-1]


def post_form(url: str, body: bytes, signature: str | None) -> httpx.Response:
    """POST raw form bytes with a signature header, or none."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    if signature is not None:
        headers["X-Twilio-Signature"] = signature
    return httpx.post(url, content=body, headers=headers, timeout=30)


def control_claude(stack: StackUnderTest, **order: Any) -> None:
    """Tell the Claude simulator what to do next."""
    httpx.post(stack.description["claude"]["control"], json=order).raise_for_status()


def control_twilio(stack: StackUnderTest, **order: Any) -> None:
    """Tell the Twilio simulator what to do next."""
    httpx.post(stack.description["twilio"]["control"], json=order).raise_for_status()


def counts(stack: StackUnderTest) -> dict[str, int]:
    """Rows of every table: what a refused call must not change.

    What other tests have set going is waited for; receipts and ticks of the clock, which may come
    all the same, are left out.
    """
    wait_for(lambda: _is_quiet(stack), "quiet stack", 30)
    with stack.connect() as connection:
        tables = connection.execute(
            "select tablename from pg_tables where schemaname = 'public' order by 1"
        ).fetchall()
        return {
            t["tablename"]: connection.execute(
                f'select count(*) as n from public."{t["tablename"]}" as t'  # noqa: S608
                " where to_jsonb(t) ->> 'event_type' is distinct from"
                " 'message.delivery_updated'"
                " and to_jsonb(t) ->> 'created_by' is distinct from 'cloud_scheduler'".encode()
            ).fetchall()[0]["n"]
            for t in tables
        }


def _is_quiet(stack: StackUnderTest) -> bool:
    """Whether nothing is being worked on or waits to be at once."""
    with stack.connect() as connection:
        (busy,) = connection.execute(
            "select exists (select 1 from events where processed is not true"
            " and coalesce(metadata ->> 'retry_at', '') = '')"
            " or exists (select 1 from agent_tasks where status = 'processing') as busy"
        ).fetchall()
    return not busy["busy"]


@contextlib.contextmanager
def unchanged(stack: StackUnderTest) -> Iterator[None]:
    """No row is added to any table or deleted meanwhile; no tick of the clock's comes between."""
    wait_for(lambda: _is_quiet(stack), "quiet stack", 30)
    with stack.paused(*stack.description["schedules"]):
        before = counts(stack)
        yield
        assert counts(stack) == before


def until_by_ticks(
    stack: StackUnderTest,
    schedule: str,
    condition: Callable[[], T | None],
    what: str,
    timeout_s: float = 30.0,
) -> T:
    """Run a schedule until something is so: one tick passes by a member who is locked just then,
    or whose text is still in flight."""

    def ticked() -> T | None:
        stack.run_schedule(schedule)
        return condition()

    return wait_for(ticked, what, timeout_s)


def settle(stack: StackUnderTest, *phones: Phone, step_s: float = 61, steps: int = 12) -> None:
    """Let time pass by the stack's clock until all that these members are owed has happened.

    `step_s` is how far the clock is moved at a time. Fails when something is left in the end.
    """
    for _ in range(steps):
        # What the sweeper announced is under way; what a dead process holds has to run out.
        _wait_a_moment(lambda: all(phone.has_nothing_due() for phone in phones))
        if all(phone.is_idle() for phone in phones):
            break
        stack.advance(step_s)
    for phone in phones:
        phone.wait_until_idle()


def _wait_a_moment(condition: Callable[[], bool]) -> None:
    with contextlib.suppress(AssertionError):
        wait_for(condition, "that", 0.7)


def scripted(stack: StackUnderTest, *answers: str | dict[str, Any]) -> None:
    """The next answers of Claude: texts, or `{"content": [blocks], "stop_reason": …}`."""
    control_claude(stack, say=list(answers))


def asked_of_claude(stack: StackUnderTest) -> list[dict[str, Any]]:
    """The latest requests that Claude was sent, oldest first."""
    answer = httpx.get(stack.description["claude"]["control"])
    requests: list[dict[str, Any]] = answer.raise_for_status().json()["requests"]
    return requests


def process_of(stack: StackUnderTest, name: str) -> int:
    """The id of any of the stack's processes, functions or not."""

    def recorded() -> int | None:
        children = json.loads((stack.directory / "children.json").read_text(encoding="utf-8"))
        return int(children[name][0]) if name in children else None  # absent while it is dead

    return wait_for(recorded, f"process id of {name}")


def kill(stack: StackUnderTest, name: str) -> None:
    """kill -9, and wait until another process answers in its place."""
    pid = process_of(stack, name)
    port = _port_of(stack, name)
    os.kill(pid, signal.SIGKILL)

    def is_back() -> bool:
        if process_of(stack, name) == pid:
            return False
        if port is None:
            return psutil.pid_exists(process_of(stack, name))
        try:
            return httpx.get(f"http://127.0.0.1:{port}/robots.txt").status_code > 0
        except httpx.TransportError:
            return False

    wait_for(is_back, f"{name} back", 30)


def keep_out_of_logs(stack: StackUnderTest, *words: str) -> None:
    """Have it checked that no process of the stack logs these."""
    _private[stack.directory] |= set(words)


def private_words_in_logs(stack_directory: Path) -> dict[str, set[str]]:
    """Numbers, addresses and texts of the tests that a process of this stack has logged."""
    said = _private[stack_directory]
    words = said | {json.dumps(word)[1:-1] for word in said}
    found: dict[str, set[str]] = {}
    for file in sorted((stack_directory / "logs").glob("*.log")):
        log = file.read_text(encoding="utf-8", errors="replace")
        if leaked := {word for word in words if word in log}:
            found[file.stem] = leaked
    return found


def stacks_spoken_to() -> list[Path]:
    """Directories of the running stacks that a phone has texted."""
    return [directory for directory in _private if directory.exists()]


def _port_of(stack: StackUnderTest, name: str) -> int | None:
    """Where a process answers HTTP; None for one that does not."""
    known = stack.description
    urls = known["functions"] | {
        "supabase": known["supabase"]["url"],
        "twilio": known["twilio"]["url"],
        "claude": known["claude"]["url"],
        "controller": known["clock"],
    }
    return httpx.URL(urls[name]).port if name in urls else None
