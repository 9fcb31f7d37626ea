"""Typed tools: a pydantic model per tool is its JSON schema, its validation and its effect.

A tool acts on the *desk* of one turn, an object of its agent that holds what was loaded for this
member and gathers what is to change. A tool can therefore touch nothing else, whatever it is told.

>>> class Greet(Tool[list[str]]):
...     '''Note a greeting.'''
...     tool_name = "greet"
...     words: str
...     def effect(self, desk: list[str]) -> JSON:
...         desk.append(self.words)
...         return {"noted": True}
>>> desk: list[str] = []
>>> use = {"type": "tool_use", "id": "t1", "name": "greet", "input": {"words": "hello"}}
>>> Toolbox(Greet).run(use, desk)["content"], desk
('{"noted": true}', ['hello'])
"""

import json
from abc import ABC, abstractmethod
from inspect import getdoc
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from lib.core.model import JSON

DeskT = TypeVar("DeskT")


class ToolError(Exception):
    """A tool was used in a way that cannot work; one clear sentence for the model."""


class Tool(BaseModel, ABC, Generic[DeskT]):
    """The arguments of one tool. The class's docstring is what the model reads about it."""

    model_config = ConfigDict(extra="forbid")

    tool_name: ClassVar[str]

    @abstractmethod
    def effect(self, desk: DeskT) -> JSON:
        """Do it, and say what came of it.

        Raises:
            ToolError: when it cannot be done; nothing was changed.
        """


class Toolbox(Generic[DeskT]):
    """The tools of one agent: what the model is told of them, and using them."""

    def __init__(self, *tools: type[Tool[DeskT]]) -> None:
        self._tools = {tool.tool_name: tool for tool in tools}

    @property
    def names(self) -> list[str]:
        """The tools' names, in the order in which the model is told of them."""
        return list(self._tools)

    def schemas(self) -> list[JSON]:
        """The `tools` of a request, the same bytes every time."""
        return [
            {
                "name": name,
                "description": " ".join((getdoc(tool) or "").split()),
                "input_schema": _plain_schema(tool.model_json_schema() | {"description": ""}),
            }
            for name, tool in self._tools.items()
        ]

    def run(self, use: JSON, desk: DeskT) -> JSON:
        """Carry out a `tool_use` block; the answer is its `tool_result` block, also on failure."""
        try:
            content = json.dumps(self._run(use, desk), ensure_ascii=False)
            failed = False
        except ToolError as error:
            content, failed = str(error), True
        result = {"type": "tool_result", "tool_use_id": use["id"], "content": content}
        return result | ({"is_error": True} if failed else {})

    def _run(self, use: JSON, desk: DeskT) -> JSON:
        tool = self._tools.get(str(use.get("name")))
        if tool is None:
            raise ToolError("There is no tool of that name.")
        try:
            call = tool.model_validate(use.get("input"))
        except ValidationError as error:
            raise ToolError(_sentence(error)) from None
        return call.effect(desk)


def _sentence(error: ValidationError) -> str:
    """The first problem of wrong arguments, without repeating the arguments."""
    first = error.errors(include_input=False, include_context=False, include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or "input"
    return f"The argument {where} is not usable: {first['msg']}."


def _plain_schema(schema: Any) -> Any:
    """Pydantic's schema without titles and defaults; what may be null is merely optional."""
    if isinstance(schema, list):
        return [_plain_schema(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {
        key: {name: _plain_schema(value) for name, value in item.items()}
        if key == "properties"
        else _plain_schema(item)
        for key, item in schema.items()
        if item != "" and key not in ("title", "default")
    }
    alternatives = [a for a in plain.get("anyOf", []) if a != {"type": "null"}]
    if len(alternatives) == 1:
        del plain["anyOf"]
        plain = alternatives[0] | plain
    return plain
