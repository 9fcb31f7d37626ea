"""Whether a request is one that Anthropic's SDK takes, by the SDK's own parameter types.

The SDK checks nothing at run time: a key that is misspelt goes out as it is. Its TypedDicts say
what there is, so a request is read by them and must come out as it went in.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from anthropic.types.message_create_params import MessageCreateParamsNonStreaming
from pydantic import BaseModel, TypeAdapter

from lib.core.model import JSON


@cache
def _adapter() -> TypeAdapter[MessageCreateParamsNonStreaming]:
    return TypeAdapter(MessageCreateParamsNonStreaming)


def check_request(request: JSON) -> None:
    """Read a request by the SDK's types.

    Raises:
        ValidationError: something is missing, or has another type.
        AssertionError: something is in it that the SDK does not know.
    """
    read = _read(_adapter().validate_python(request))
    assert read == request, "the SDK does not know all that is in the request"


def _read(value: Any) -> Any:
    """Plain JSON again; pydantic reads what is an Iterable only when it is gone through."""
    match value:
        case str():
            return value
        case BaseModel():
            return value.model_dump(mode="json", exclude_unset=True)
        case Mapping():
            return {key: _read(inner) for key, inner in value.items()}
        case Iterable():
            return [_read(inner) for inner in value]
    return value
