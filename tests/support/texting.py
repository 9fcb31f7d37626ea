"""What Twilio does to us and what a phone sees, for tests over a running stack."""

import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import httpx
from twilio.request_validator import RequestValidator

from tests.support.stack import StackUnderTest, wait_for

#: One range for the whole session; every test takes numbers of its own from it.
_numbers = itertools.count(1000)


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
        return post_form(url, urlencode(form).encode(), signed)

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
            httpx.post(
                f"{self.stack.description['twilio']['url']}/_sim/inbound",
                json={"from": self.number, "body": body},
            ).raise_for_status()
            time.sleep(0.2)  # its webhook call is under way: long enough to be lost
        finally:
            control_twilio(self.stack, webhook={"drop": 0.0})

    def received(self) -> list[str]:
        """Bodies of the texts this phone was sent, oldest first."""
        return [message["body"] for message in self._listed()]

    def wait_for_texts(self, count: int, timeout_s: float = 20.0) -> list[str]:
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

    def wait_until_idle(self, timeout_s: float = 20.0) -> None:
        """Until every event of the member is processed and nothing of theirs is queued."""

        def idle() -> bool:
            return not self.rows(
                "select 1 from users u where u.phone_number = %s and ("
                " exists (select 1 from events e where e.aggregate_id = u.id"
                "         and e.processed is not true)"
                " or exists (select 1 from message_queue q where q.user_id = u.id"
                "            and q.status = 'queued'))",
                self.number,
            )

        wait_for(idle, "idle member", timeout_s)

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

    Receipts of texts that other tests sent may still come in; their events are left out.
    """
    with stack.connect() as connection:
        tables = connection.execute(
            "select tablename from pg_tables where schemaname = 'public' order by 1"
        ).fetchall()
        return {
            t["tablename"]: connection.execute(
                f'select count(*) as n from public."{t["tablename"]}" as t'  # noqa: S608
                " where to_jsonb(t) ->> 'event_type' is distinct from"
                " 'message.delivery_updated'".encode()
            ).fetchall()[0]["n"]
            for t in tables
        }


def settle(stack: StackUnderTest, phone: Phone, texts: int, minutes: int = 8) -> list[str]:
    """Let minutes pass by the stack's clock until the phone has its texts; returns them."""
    for _ in range(minutes):
        if len(phone.received()) >= texts and not phone.rows(
            "select 1 from message_queue q join users u on u.id = q.user_id"
            " where u.phone_number = %s and q.status = 'queued'",
            phone.number,
        ):
            break
        stack.advance(61)
        time.sleep(0.7)  # what the sweeper announced is under way
    return phone.received()
