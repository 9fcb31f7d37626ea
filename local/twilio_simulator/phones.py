"""`/_sim`: what a person or a test at the phones' end sees and does.

POST /_sim/inbound    {"from", "body", "media": [{"url", "content_type"}]?} → 201 {"sid", "seq"}
GET  /_sim/messages   ?after=SEQ &number=+1… &limit=N → {"seq", "messages"}
GET  /_sim/stream     ?after=SEQ (or Last-Event-ID); from now on when neither is given
GET, POST /_sim/control   see control.py
"""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from local.simulation.http import BadRequestError, parsed
from local.twilio_simulator.control import Control, Orders
from local.twilio_simulator.incoming import Incoming
from local.twilio_simulator.rest import MAX_BODY
from local.twilio_simulator.settings import E164
from local.twilio_simulator.store import Message, Store

#: A comment goes out this often on a silent stream (seconds), so that a dead one is noticed.
KEEPALIVE_S = 15.0
_BATCH = 200
_MAX_MEDIA = 10


class Media(BaseModel):
    """A picture as the phone sends it."""

    model_config = ConfigDict(extra="forbid")

    url: Annotated[str, StringConstraints(min_length=1, max_length=2000)]
    content_type: Annotated[str, StringConstraints(max_length=200)] = "image/jpeg"


class Inbound(BaseModel):
    """The body of `POST /_sim/inbound`."""

    model_config = ConfigDict(extra="forbid")

    from_: Annotated[str, Field(alias="from", pattern=E164)]
    # Any: pydantic refuses a str with lone surrogates, and a phone can send those.
    body: Any = ""
    media: Annotated[list[Media], Field(max_length=_MAX_MEDIA)] = []

    def text(self) -> str:
        """The body. Raises BadRequestError for what no phone can send."""
        if not isinstance(self.body, str):
            raise BadRequestError("body: must be a string")
        if len(self.body) > MAX_BODY:
            raise BadRequestError(f"body: at most {MAX_BODY} characters fit into one text")
        if not self.body and not self.media:
            raise BadRequestError("body: a text needs words or media")
        return self.body


def phone_json(message: Message) -> dict[str, Any]:
    """One message as a phone shows it."""
    return {
        "sid": message.sid,
        "from": message.from_number,
        "to": message.to_number,
        "body": message.body,
        "direction": message.direction,
        "status": message.status,
        "error_code": message.error_code,
        "auto": message.auto,
        "media": list(message.media),
        "date_created": datetime.fromtimestamp(message.created_at, UTC).isoformat(),
        "date_updated": datetime.fromtimestamp(message.updated_at, UTC).isoformat(),
        "seq": message.seq,
    }


@dataclass
class Phones:
    """Handlers for `/_sim`."""

    store: Store
    control: Control
    incoming: Incoming

    async def inbound(self, request: Request) -> Response:
        """Text our number as any phone."""
        text = await parsed(request, Inbound)
        media = tuple(item.model_dump() for item in text.media)
        message = self.incoming.receive(text.from_, text.text(), media)
        return JSONResponse({"sid": message.sid, "seq": message.seq}, status_code=201)

    async def messages(self, request: Request) -> Response:
        """Everything on the phones, or what changed after `after`."""
        after = _number(request, "after") or 0
        found = self.store.changed_since(
            after, request.query_params.get("number"), _number(request, "limit")
        )
        # With a limit the answer may end early: its last `seq` is where to go on.
        seq = found[-1].seq if found and "limit" in request.query_params else self.store.seq()
        return JSONResponse({"seq": seq, "messages": [phone_json(message) for message in found]})

    async def stream(self, request: Request) -> Response:
        """Server-sent events: one `data:` per change, its `seq` as the event's id."""
        after = _number(request, "after")
        last = request.headers.get("last-event-id", "")
        if last.isdigit():
            after = int(last)
        return StreamingResponse(
            self._events(self.store.seq() if after is None else after),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    async def _events(self, seq: int) -> AsyncIterator[str]:
        yield ": connected\n\n"
        while True:
            for change in self.store.changes(seq, _BATCH):
                seq = change.seq
                yield f"id: {seq}\ndata: {json.dumps(phone_json(change))}\n\n"
            if not await self.store.wait(seq, KEEPALIVE_S):
                yield ": still here\n\n"

    async def show_control(self, _: Request) -> Response:
        """What is broken at present."""
        return JSONResponse(self.control.state())

    async def set_control(self, request: Request) -> Response:
        """Break things, or mend them."""
        orders = await parsed(request, Orders)
        self.control.obey(orders)
        if orders.wipe:
            self.store.wipe()
        return JSONResponse(self.control.state())


def _number(request: Request, name: str) -> int | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    if not text.isdigit():
        raise BadRequestError(f"{name}: must be a whole number")
    return int(text)
