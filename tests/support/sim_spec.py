"""Twilio's published description of the Messages resource, where this checkout has it beside it."""

import json
from pathlib import Path
from typing import Any

import pytest
from openapi_schema_validator import OAS30Validator

SPEC = Path(__file__).resolve().parents[3] / "shared/spec/twilio-messages.openapi.json"
_LIST = "/2010-04-01/Accounts/{AccountSid}/Messages.json"
_ONE = "/2010-04-01/Accounts/{AccountSid}/Messages/{Sid}.json"


def check(operation: str, status: str, body: Any) -> None:
    """Fail unless `body` is what the description says; skip visibly where there is none.

    `operation` is "create", "list" or "fetch".
    """
    if not SPEC.exists():
        pytest.skip(f"no {SPEC.name} beside this checkout")
    path, method = {"create": (_LIST, "post"), "list": (_LIST, "get"), "fetch": (_ONE, "get")}[
        operation
    ]
    document = json.loads(SPEC.read_text(encoding="utf-8"))
    schema = document["paths"][path][method]["responses"][status]["content"]["application/json"]
    # References inside the description start at its root, so the schema carries the root's parts.
    rooted = schema["schema"] | {"components": document["components"]}
    validator = OAS30Validator(rooted)
    errors = [f"{list(error.path)}: {error.message}" for error in validator.iter_errors(body)]
    assert not errors, errors
    # The description marks nothing as required; a client relies on all of it all the same.
    messages = body["messages"] if operation == "list" else [body]
    wanted = document["components"]["schemas"]["api.v2010.account.message"]["properties"]
    for message in messages:
        assert set(message) == set(wanted)
    if operation == "list":
        assert set(body) == set(schema["schema"]["properties"])
