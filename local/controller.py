"""`python -m local.controller`: the phones page, the schedules and the clock, on one port.

GET  /clock                      {"offset_s", "now"}
POST /clock {"advance_s": n}     moves the clock, then runs the schedules that became due
GET  /schedules                  {"schedules": [{"name", "period_s", "paused", "last_run", …}]}
POST /schedules/{name}           runs that schedule now and answers as its function did
POST /schedules/{name}/pause     it is not called by the clock until …/resume, also after a restart
POST /email {"from", "to", …}    delivers a mail, where the mail provider is simulated (mail.py)
/                                the page, unless the stack is headless
"""

import asyncio
import contextlib
import dataclasses
import json
import logging
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from local import mail
from local.clock import MovableClock
from local.description import Description
from local.phones.guard import SameMachineOnly
from local.schedules import JOBS, Schedule, Scheduler
from local.state import State


def create_app(
    description: Description,
    clock: MovableClock,
    paused: Path | None = None,
    mail_key: str | None = None,
) -> Starlette:
    """The controller of one stack; `paused` is the file that remembers paused schedules, `mail_key`
    signs the calls of the mail provider's stand-in."""
    schedules = {
        name: Schedule(
            name, description["functions"][job.function], job.period, job.overlaps, job.body
        )
        for name, job in JOBS.items()
        if name in description["schedules"]
    }

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        scheduler = app.state.scheduler = Scheduler(schedules, clock, paused)
        ticking = asyncio.create_task(scheduler.run_forever())
        yield
        ticking.cancel()
        await scheduler.close()

    async def read_clock(_: Request) -> Response:
        return JSONResponse({"offset_s": clock.offset_s(), "now": clock.utcnow().isoformat()})

    async def move_clock(request: Request) -> Response:
        scheduler: Scheduler = request.app.state.scheduler
        try:
            ran = await scheduler.advance(_advance_s(await request.body()))
        except ValueError as error:
            return JSONResponse({"error": f"{error}."}, status_code=400)
        except httpx.HTTPError as error:
            return _unreachable(error)
        outcomes = {name: dataclasses.asdict(outcome) for name, outcome in ran.items()}
        return JSONResponse(
            {"offset_s": clock.offset_s(), "now": clock.utcnow().isoformat(), "ran": outcomes}
        )

    async def run_schedule(request: Request) -> Response:
        scheduler: Scheduler = request.app.state.scheduler
        name = request.path_params["name"]
        if name not in schedules:
            return JSONResponse({"error": f"There is no schedule {name!r}."}, status_code=404)
        try:
            outcome = await scheduler.run_now(name)
        except httpx.HTTPError as error:
            return _unreachable(error)
        return JSONResponse(outcome.answer, status_code=outcome.status)

    async def list_schedules(request: Request) -> Response:
        scheduler: Scheduler = request.app.state.scheduler
        return JSONResponse({"schedules": scheduler.listed()})

    async def pause_or_resume(request: Request) -> Response:
        scheduler: Scheduler = request.app.state.scheduler
        name, verb = request.path_params["name"], request.path_params["verb"]
        if name not in schedules or verb not in ("pause", "resume"):
            return JSONResponse({"error": f"There is no schedule {name!r}."}, status_code=404)
        scheduler.pause(name, paused=verb == "pause")
        return JSONResponse({"schedules": scheduler.listed()})

    routes: list[BaseRoute] = [
        Route("/clock", read_clock, methods=["GET"]),
        Route("/clock", move_clock, methods=["POST"]),
        Route("/schedules", list_schedules, methods=["GET"]),
        Route("/schedules/{name}", run_schedule, methods=["POST"]),
        Route("/schedules/{name}/{verb}", pause_or_resume, methods=["POST"]),
    ]
    if "email" in description and mail_key:
        routes.append(mail.route(description["functions"]["email_webhook"], mail_key))
    if description["phones"] and description["database_url"]:
        routes.append(Mount("/", app=_page(description, description["database_url"])))
    # Any site open in the same browser could otherwise move the clock or run schedules.
    return Starlette(routes=routes, lifespan=lifespan, middleware=[Middleware(SameMachineOnly)])


def _page(description: Description, database_url: str) -> Starlette:
    # Imported here: a headless stack needs none of it.
    from local.phones.app import create_app as create_page
    from local.phones.config import PhonesConfig

    twilio, claude = description["twilio"], description["claude"]
    return create_page(
        PhonesConfig(
            database_url=database_url,
            twilio_url=twilio["url"] if "control" in twilio else None,
            claude_url=claude["url"],
            twilio_simulated="control" in twilio,
            claude_simulated=claude["simulated"],
            number=twilio["number"],
            clock_url=description["clock"],
            schedules=description["schedules"],
            twilio_control=twilio.get("control"),
            claude_control=claude.get("control"),
            mail_url=description.get("email"),
        )
    )


def _advance_s(body: bytes) -> float:
    """The number of seconds asked for; ValueError says what is wrong with the request."""
    try:
        asked: Any = json.loads(body)
    except ValueError as error:
        raise ValueError('send a JSON object like {"advance_s": 60}') from error
    seconds = asked.get("advance_s") if isinstance(asked, dict) else None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise ValueError('send a JSON object like {"advance_s": 60}')
    return float(seconds)


def _unreachable(error: httpx.HTTPError) -> Response:
    return JSONResponse(
        {"error": f"The function cannot be reached: {type(error).__name__}."}, status_code=502
    )


def main() -> None:
    """Serve on PORT until terminated."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s %(message)s")
    state = State.from_environment()
    description: Description = json.loads(state.addresses.read_text(encoding="utf-8"))
    clock_file = os.environ.get("LOCAL_CLOCK_FILE")
    clock = MovableClock(Path(clock_file) if clock_file else None)
    keys: dict[str, str] = json.loads(state.secrets.read_text(encoding="utf-8"))
    app = create_app(description, clock, state.root / "paused.json", keys["mail_private_key"])
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(os.environ["PORT"]),
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=1,
    )


if __name__ == "__main__":
    main()
