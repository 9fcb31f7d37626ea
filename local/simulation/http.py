"""HTTP edges both simulators need: JSON bodies, one-sentence refusals, calls that hang."""

import asyncio
import contextlib
import json
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse

Model = TypeVar("Model", bound=BaseModel)


class BadRequestError(ValueError):
    """A control or phone request that cannot be understood; answered 400 with this sentence."""


async def json_object(request: Request) -> dict[str, Any]:
    """The body as a JSON object. Raises BadRequestError."""
    try:
        body = json.loads(await request.body())
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise BadRequestError("the body is not JSON") from error
    if not isinstance(body, dict):
        raise BadRequestError("the body is not a JSON object")
    return body


async def parsed(request: Request, model: type[Model]) -> Model:
    """The body as `model`. Raises BadRequestError naming the first field that is wrong."""
    body = await json_object(request)
    try:
        return model.model_validate(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadRequestError(f"{where}: {first['msg']}" if where else first["msg"]) from error


async def refuse(_: Request, error: Exception) -> JSONResponse:
    """Starlette's handler for BadRequestError."""
    return JSONResponse({"error": str(error)}, status_code=400)


async def hang(request: Request, seconds: float) -> None:
    """Keep the caller waiting until the time is up or it goes away. Its body was read before."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while not await request.is_disconnected():
                await asyncio.sleep(0.05)


def missing_settings(error: ValidationError) -> str:
    """What is wrong with the environment, one sentence per variable."""
    return "\n".join(
        f"{'.'.join(str(part) for part in item['loc']).upper()}: {item['msg']}"
        for item in error.errors(include_url=False, include_input=False)
    )
