"""Calling the SQL functions as the service role does, with a clock of the test's own."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import Jsonb

#: What the first text that a number is ever sent ends with.
NOTICE = "\n\nYachtparty. Reply STOP to opt out, HELP for help."


def without_notice(body: str) -> str:
    """A text as it was queued."""
    return body.removesuffix(NOTICE)


#: A Monday noon in New York, outside everybody's quiet hours.
NOON = datetime(2026, 11, 23, 17, 0, tzinfo=UTC)


@dataclass
class Rpc:
    """One session as the service role; `now` is passed as p_now and moved by the test."""

    url: str
    now: datetime = NOON
    connection: psycopg.Connection[DictRow] = field(init=False)

    def __post_init__(self) -> None:
        self.connection = psycopg.connect(self.url, autocommit=True, row_factory=dict_row)
        self.connection.execute("set role service_role")

    def close(self) -> None:
        """End the session."""
        self.connection.close()

    def call(self, function: str, **arguments: Any) -> dict[str, Any]:
        """Call a function; its one jsonb value."""
        values = {
            f"p_{k}": Jsonb(v) if isinstance(v, dict | list) else v for k, v in arguments.items()
        }
        values.setdefault("p_now", self.now)
        named = ", ".join(f"{name} => %({name})s" for name in values)
        query = f"select {function}({named}) as answer"
        row = self.connection.execute(query.encode(), values).fetchone()
        assert row is not None
        answer: dict[str, Any] = row["answer"]
        return answer

    def rows(self, query: str, *arguments: Any) -> list[dict[str, Any]]:
        """Rows of a query."""
        return self.connection.execute(query.encode(), arguments).fetchall()

    def pass_time(self, **delta: float) -> None:
        """Move this session's clock."""
        self.now += timedelta(**delta)

    def text(self, phone: str = "+12125550142", body: str = "hi", **fields: Any) -> dict[str, Any]:
        """Record an inbound text with a SID of its own, a moment after the one before."""
        self.pass_time(milliseconds=1)
        return self.call(
            "record_inbound",
            text={
                "message_id": str(uuid4()),
                "event_id": str(uuid4()),
                "reply_id": str(uuid4()),
                "sid": f"SM{uuid4().hex}",
                "phone": phone,
                "body": body,
                "media": [],
                "answer": True,
            }
            | fields,
        )

    def member(self, phone: str = "+12125550142", **columns: Any) -> UUID:
        """A member with an active conversation, whose texts are handled."""
        user_id = UUID(self.text(phone)["user_id"])
        self.rows(
            "update events set processed = true where aggregate_id = %s returning id", user_id
        )
        for name, value in columns.items():
            query = f"update users set {name} = %s where id = %s returning id"  # noqa: S608
            self.rows(query, value, user_id)
        return user_id

    def queue(
        self,
        user_id: UUID,
        text: str = "a text",
        *,
        data: dict[str, Any] | None = None,
        due: datetime | None = None,
        **columns: Any,
    ) -> UUID:
        """Queue a text, proactive unless `data` says otherwise."""
        values = {
            "user_id": user_id,
            "agent_id": "concierge",
            "message_data": Jsonb(data or {}),
            "final_message": text,
            "scheduled_for": due or self.now,
            "created_at": self.now,
        } | columns
        query = (
            f"insert into message_queue ({', '.join(values)})"  # noqa: S608
            f" values ({', '.join(['%s'] * len(values))}) returning id"
        )
        (row,) = self.rows(query, *values.values())
        queued: UUID = row["id"]
        return queued

    def claim_texts(self, user_id: UUID | None = None) -> list[str]:
        """Claim what may leave now and record it as accepted; the texts, in order, without the
        notice of a first contact."""
        token = uuid4()
        sends = self.call("claim_texts", token=token, user_id=user_id)["sends"]
        results = [
            {
                "id": send["id"],
                "user_id": send["user_id"],
                "outcome": "accepted",
                "sid": f"SM{uuid4().hex}",
                "status": "queued",
                "receipt_key": str(uuid4()),
            }
            for send in sends
        ]
        if results:
            self.call("record_sends", token=token, results=results)
        return [without_notice(send["body"]) for send in sends]

    def queued(self, text_id: UUID) -> dict[str, Any]:
        """One queue row."""
        (row,) = self.rows("select * from message_queue where id = %s", text_id)
        return row
