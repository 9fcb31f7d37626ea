"""The whole simulator as one Starlette application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.simulation.clock import Clock
from local.simulation.http import BadRequestError, refuse
from local.twilio_simulator.control import Control
from local.twilio_simulator.incoming import Incoming
from local.twilio_simulator.outgoing import Outgoing
from local.twilio_simulator.phones import Phones
from local.twilio_simulator.rest import Rest
from local.twilio_simulator.settings import Settings
from local.twilio_simulator.store import Store
from local.twilio_simulator.webhooks import Background, Webhooks
from local.twilio_simulator.wire import API_VERSION, ApiError


async def _refuse_as_twilio(_: Request, error: Exception) -> Response:
    if not isinstance(error, ApiError):
        raise error
    return error.response()


async def _health(_: Request) -> Response:
    return JSONResponse({"service": "Twilio simulator", "simulated": True})


def create_app(settings: Settings) -> Starlette:
    """The application; what an earlier process left unfinished goes on when it starts."""
    clock = Clock(settings.local_clock_file)
    store = Store(settings.sim_state)
    control = Control(settings.sim_hang_ms / 1000)
    background = Background()
    webhooks = Webhooks(
        settings.twilio_auth_token, settings.sim_webhook_retries, settings.sim_retry_ms / 1000
    )
    outgoing = Outgoing(
        settings.twilio_account_sid,
        settings.sim_delivery_ms / 1000,
        clock,
        store,
        control,
        webhooks,
        background,
    )
    incoming = Incoming(settings, clock, store, control, webhooks, background)
    rest = Rest(settings, clock, store, control, outgoing)
    phones = Phones(store, control, incoming)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        for message in store.unfinished():
            (incoming if message.direction == "inbound" else outgoing).start(message)
        yield
        await background.stop()
        await webhooks.close()
        store.close()

    messages = f"/{API_VERSION}/Accounts/{{account}}/Messages"
    return Starlette(
        routes=[
            Route("/", _health),
            Route(f"{messages}.json", rest.index, methods=["GET"]),
            Route(f"{messages}.json", rest.create, methods=["POST"]),
            Route(f"{messages}/{{sid}}.json", rest.fetch, methods=["GET"]),
            Route("/_sim/inbound", phones.inbound, methods=["POST"]),
            Route("/_sim/messages", phones.messages, methods=["GET"]),
            Route("/_sim/stream", phones.stream, methods=["GET"]),
            Route("/_sim/control", phones.show_control, methods=["GET"]),
            Route("/_sim/control", phones.set_control, methods=["POST"]),
        ],
        # The phones page is served from another port of this machine.
        middleware=[
            Middleware(
                CORSMiddleware,
                allow_origin_regex=r"http://(127\.0\.0\.1|localhost)(:\d+)?",
                allow_methods=["GET", "POST"],
                allow_headers=["content-type", "last-event-id"],
            )
        ],
        exception_handlers={ApiError: _refuse_as_twilio, BadRequestError: refuse},
        lifespan=lifespan,
    )
