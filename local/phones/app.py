"""The phones page as one Starlette application.

    GET  /                       the page; its style, script and icon beside it
    GET  /api/state              everything the page shows, once
    GET  /api/stream             the same as Server-Sent Events: `state` first, then `update`s
    POST /api/phones/send        {"from", "body", "media"?}: text as any number
    POST /api/phones/media       a picture; answers {"url", "content_type"} for `send`
    GET  /media/{id}             that picture
    POST /api/phones/mail        {"from", "to"}: send the mail that a phone was asked for
    POST /api/clock              {"advance_s"}: move the stack's clock
    POST /api/schedules/{name}   run a schedule now
    POST /api/control/{service}  {"fail", "times"}: make `twilio` or `claude` fail, null to stop

Every failure of another part is answered as `{"error": "one sentence"}`.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import httpx
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from local.phones.config import PhonesConfig
from local.phones.guard import SameMachineOnly
from local.phones.hub import Hub, Json
from local.phones.media import MAX_PICTURE_BYTES, Pictures

__all__ = ["PhonesConfig", "create_app"]

STATIC = Path(__file__).parent / "static"
MAX_JSON_BYTES = 64_000
#: Seconds; running a schedule or moving the clock waits for the functions' answers.
FORWARD_TIMEOUT_S = 90.0
#: Seconds of silence after which a stream says that it is alive.
KEEP_ALIVE_S = 15.0
#: Seconds in which changes are gathered into one update.
GATHER_S = 0.04


class Media(BaseModel):
    """One attached picture."""

    model_config = ConfigDict(extra="forbid")

    url: Annotated[str, StringConstraints(pattern=r"^https?://", max_length=2000)]
    content_type: Annotated[str, StringConstraints(min_length=3, max_length=100)]


class Text(BaseModel):
    """A text as a phone sends it."""

    model_config = ConfigDict(extra="forbid")

    sender: Annotated[str, Field(alias="from"), StringConstraints(pattern=r"^\+[1-9]\d{6,14}$")]
    body: Annotated[str, StringConstraints(max_length=1600)] = ""
    media: Annotated[list[Media], Field(max_length=10)] = []


class Mail(BaseModel):
    """A mail from somebody's work address; what it says does not matter."""

    model_config = ConfigDict(extra="forbid")

    sender: Annotated[str, Field(alias="from"), StringConstraints(pattern=r"^\S+@\S+$")]
    to: Annotated[str, StringConstraints(pattern=r"^\S+@\S+$", max_length=320)]


class Advance(BaseModel):
    """Seconds by which to move the clock, at most 31 days."""

    model_config = ConfigDict(extra="forbid")

    advance_s: Annotated[int, Field(ge=1, le=31 * 24 * 3600)]


class Fault(BaseModel):
    """What the next calls of a simulated service suffer."""

    model_config = ConfigDict(extra="forbid")

    fail: (
        Literal["429", "500", "529", "timeout_before", "timeout_after", "garbage", "undelivered"]
        | None
    ) = None
    times: Annotated[int, Field(ge=0, le=100)] = 1


class RefusedError(Exception):
    """A request that cannot be carried out: the status and one sentence for the page."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


Model = TypeVar("Model", bound=BaseModel)


def create_app(config: PhonesConfig) -> Starlette:
    """The phones page over one stack. Needs no lifespan, so it can be mounted anywhere."""
    hub, pictures = Hub(config), Pictures()
    controls = {"twilio": config.twilio_control, "claude": config.claude_control}

    async def state(_: Request) -> Response:
        async with hub.watch():
            return JSONResponse(hub.picture())

    async def stream(_: Request) -> Response:
        return StreamingResponse(_live(hub), media_type="text/event-stream")

    async def send(request: Request) -> Response:
        text = await _parsed(request, Text)
        if config.twilio_url is None:
            raise RefusedError(409, "Texts come from real phones here: Twilio is not simulated.")
        if not text.body and not text.media:
            raise RefusedError(422, "Write something or attach a picture first.")
        return await _forward(
            "The Twilio simulator",
            f"{config.twilio_url}/_sim/inbound",
            text.model_dump(by_alias=True),
        )

    async def send_mail(request: Request) -> Response:
        mail = await _parsed(request, Mail)
        if config.mail_url is None:
            raise RefusedError(409, "Mails come from real mailboxes here.")
        written = {"subject": "Hello", "text": "Sent from the phones page."}
        return await _forward(
            "The mail simulator", config.mail_url, mail.model_dump(by_alias=True) | written
        )

    async def add_picture(request: Request) -> Response:
        content = await _body(request, MAX_PICTURE_BYTES)
        content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        try:
            picture_id = pictures.add(content, content_type)
        except ValueError as error:
            raise RefusedError(422, str(error)) from error
        url = str(request.url_for("picture", picture_id=picture_id))
        return JSONResponse({"url": url, "content_type": content_type}, 201)

    async def picture(request: Request) -> Response:
        found = pictures.get(request.path_params["picture_id"])
        if found is None:
            raise RefusedError(404, "This picture is no longer kept.")
        return Response(found.content, media_type=found.content_type)

    async def advance(request: Request) -> Response:
        payload = await _parsed(request, Advance)
        return await _forward("The clock", config.clock_url, payload.model_dump(), hub.set_clock)

    async def run_schedule(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in config.schedules:
            raise RefusedError(404, "There is no schedule of this name.")
        return await _forward("The schedule", config.schedules[name], {})

    async def control(request: Request) -> Response:
        payload = await _parsed(request, Fault)
        url = controls.get(request.path_params["service"])
        if url is None:
            raise RefusedError(409, "Only a simulated service can be made to fail.")
        orders: Json = {"fail": payload.fail, "times": payload.times}
        if payload.fail == "undelivered":
            orders = {"deliver": payload.fail, "times": payload.times}
        elif payload.fail is None:
            orders = {"reset": True}
        return await _forward("The simulator", url, orders)

    return Starlette(
        routes=[
            *[Route(f"/{path}", _file(name)) for path, name in _static_files()],
            Route("/api/state", state),
            Route("/api/stream", stream),
            Route("/api/phones/send", send, methods=["POST"]),
            Route("/api/phones/mail", send_mail, methods=["POST"]),
            Route("/api/phones/media", add_picture, methods=["POST"]),
            Route("/media/{picture_id}", picture, name="picture"),
            Route("/api/clock", advance, methods=["POST"]),
            Route("/api/schedules/{name}", run_schedule, methods=["POST"]),
            Route("/api/control/{service}", control, methods=["POST"]),
        ],
        middleware=[Middleware(SameMachineOnly)],
        exception_handlers={RefusedError: _refuse},
    )


async def _live(hub: Hub) -> AsyncIterator[bytes]:
    """Server-Sent Events of one viewer; closing the iterator ends its watch."""
    async with hub.watch() as inbox:
        yield _event("state", hub.picture())
        while True:
            update = await inbox.take(KEEP_ALIVE_S)
            if update is None:
                yield b": alive\n\n"
                continue
            yield _event("update", update)
            await asyncio.sleep(GATHER_S)


def _event(name: str, data: Json) -> bytes:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()


async def _refuse(_: Request, error: Exception) -> Response:
    status = error.status if isinstance(error, RefusedError) else 500
    return JSONResponse({"error": str(error)}, status)


async def _body(request: Request, limit: int) -> bytes:
    """The request's body. Raises RefusedError when it is longer than `limit` bytes."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise RefusedError(413, "That is too large.")
    return bytes(body)


async def _parsed(request: Request, model: type[Model]) -> Model:
    """The JSON body as `model`. Raises RefusedError naming the first field that is wrong."""
    # Another site can send a form or plain text without asking, JSON it cannot.
    if request.headers.get("content-type", "").partition(";")[0] != "application/json":
        raise RefusedError(415, "Send JSON.")
    try:
        return model.model_validate_json(await _body(request, MAX_JSON_BYTES))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise RefusedError(
            422, f"{field}: {first['msg']}" if field else str(first["msg"])
        ) from error


async def _forward(
    part: str, url: str, payload: Json, told: Callable[[Json], None] | None = None
) -> Response:
    """POST to another part of the stack and pass its answer on; `told` hears a good one.

    Raises:
        RefusedError: 502 when the part does not answer in JSON.
    """
    try:
        async with httpx.AsyncClient(timeout=httpx.Timeout(FORWARD_TIMEOUT_S, connect=2)) as client:
            answer = await client.post(url, json=payload)
        content: Any = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        raise RefusedError(502, f"{part} does not answer; try again in a moment.") from error
    if answer.is_success and told is not None and isinstance(content, dict):
        told(content)
    return JSONResponse(content, answer.status_code)


def _static_files() -> list[tuple[str, str]]:
    """(path, file) of everything under static/; the page itself is at the root."""
    return [
        ("" if file.name == "index.html" else file.name, file.name)
        for file in sorted(STATIC.iterdir())
        if file.is_file()
    ]


def _file(name: str) -> Callable[[Request], Awaitable[Response]]:
    async def serve(_: Request) -> Response:
        return FileResponse(STATIC / name)

    return serve
