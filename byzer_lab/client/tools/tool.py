"""A tool: what the model is told of it, and how it is run."""

from __future__ import annotations

import functools
import inspect
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from byzer_lab.client.tools.signature import NAMED, Signature, object_in
from byzer_lab.client.typed.kinds import SchemaKind, UnfitError, kind_of
from byzer_lab.client.typed.schemas import own_object
from byzer_lab.errors import InvalidRequestError
from byzer_lab.types import TOOL_CHOICES, Tool

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


class LocalTool:
    """A tool that can be called here.

    Attributes:
        tool: What the model is told.
        given: What the caller passed: a function, a class or a schema.
        is_async: :meth:`call` returns a coroutine.
    """

    def __init__(
        self, tool: Tool, given: Any, call: Callable[[str], Any], is_async: bool = False
    ) -> None:
        if not _NAME.fullmatch(tool.name) or tool.name in TOOL_CHOICES:
            raise InvalidRequestError(
                f"A tool is named {tool.name!r}; a name has up to 64 letters, digits, _ and -, and "
                f"is none of {', '.join(TOOL_CHOICES)}. Give the function a name with def."
            )
        self.tool = tool
        self.given = given
        self.call = call
        """Runs it with a JSON object; raises :class:`UnfitError` where that doesn't fit."""
        self.is_async = is_async


def local_tool(given: Any, func_params: Mapping[str, Any] | None = None) -> LocalTool:
    """A tool made of what a caller passes.

    Args:
        given: A function or another callable; a pydantic model, whose instance is then the value;
            or a JSON schema as text or dict (OpenAI's form, or ``name``, ``description`` and
            ``parameters``), whose value is the checked arguments.
        func_params: Arguments that the caller fills in; the model doesn't see them.

    Raises:
        InvalidRequestError: It is none of these, or it can't be told to a model.
    """
    if isinstance(given, LocalTool):
        return given
    if isinstance(given, str | Mapping | Tool):
        return _of_schema(given)
    if isinstance(given, type):
        return _of_class(given)
    if callable(given):
        return _of_function(given, func_params or {})
    raise InvalidRequestError(
        f"{given!r} is no tool; tools are functions, pydantic models and JSON schemas."
    )


def listed(tools: Any) -> list[Any]:
    """What was passed as ``tools``, as a list.

    Raises:
        InvalidRequestError: It is a single tool, or nothing that tools can be in.
    """
    if isinstance(tools, str | Mapping | Tool) or not isinstance(tools, Iterable):
        raise InvalidRequestError(
            f"tools is {tools!r}; it must be a list of functions, pydantic models or JSON schemas."
        )
    return list(tools)


def local_tools(
    given: Sequence[Any], func_params: Mapping[str, Any] | None = None
) -> list[LocalTool]:
    """Tools; see :func:`local_tool`.

    Raises:
        InvalidRequestError: Also where two have the same name.
    """
    tools = [local_tool(one, func_params) for one in listed(given)]
    _check_params(given, func_params)
    names = [one.tool.name for one in tools]
    for name in names:
        if names.count(name) > 1:
            raise InvalidRequestError(f"Two tools are named {name!r}; rename one.")
    return tools


def _check_params(given: Sequence[Any], func_params: Mapping[str, Any] | None) -> None:
    """Refuse what no function takes, most likely a slip of the pen."""
    if not func_params:
        return
    known: set[str] = set()
    for one in given:
        if callable(one) and not isinstance(one, type):
            parameters = inspect.signature(one).parameters.values()
            if any(parameter.kind is NAMED for parameter in parameters):
                return
            known |= {parameter.name for parameter in parameters}
    for name in func_params:
        if name not in known:
            close = get_close_matches(str(name), known, n=1)
            hint = f"; did you mean {close[0]}?" if close else "."
            raise InvalidRequestError(
                f"func_params has {name!r}, which is no parameter of the tools{hint}"
            )


def _of_function(function: Callable[..., Any], func_params: Mapping[str, Any]) -> LocalTool:
    name = name_of(function)
    signature = Signature(function, name, func_params)

    def call(arguments: str) -> Any:
        placed, named = signature.bind(arguments)
        return function(*placed, **named)

    tool = Tool(name, signature.description, signature.schema)
    return LocalTool(tool, function, call, inspect.iscoroutinefunction(_inner(function)))


def _inner(function: Any) -> Any:
    """What runs when it is called."""
    if isinstance(function, functools.partial):
        return _inner(function.func)
    return function if inspect.isroutine(function) else type(function).__call__


def name_of(function: Callable[..., Any]) -> str:
    """The name under which a model calls a function."""
    if isinstance(function, functools.partial):
        return name_of(function.func)
    return str(getattr(function, "__name__", type(function).__name__))


def _of_class(given: type) -> LocalTool:
    kind = kind_of(given)
    own = own_object(kind.schema)  # of a class inside of itself, the root is a reference
    if own is None:
        raise InvalidRequestError(
            f"{kind.name} is no tool; its arguments are no object. Use a pydantic model."
        )
    schema = {key: value for key, value in own.items() if key != "title"}
    description = str(schema.pop("description", ""))
    return LocalTool(
        Tool(kind.name, description, schema), given, lambda text: kind.read(_parsed(text))
    )


def _of_schema(given: str | Mapping[str, Any] | Tool) -> LocalTool:
    schema: Any = given
    if isinstance(given, Tool):
        schema = {
            "name": given.name, "description": given.description, "parameters": given.parameters
        }  # fmt: skip
    elif isinstance(given, str):
        try:
            schema = json.loads(given)
        except ValueError as error:
            raise InvalidRequestError(
                f"A tool is a text that is no JSON ({error}); pass a function, a pydantic model or "
                "a JSON schema."
            ) from error
    if isinstance(schema, Mapping) and isinstance(schema.get("function"), Mapping):
        schema = schema["function"]
    if not isinstance(schema, Mapping) or not (schema.get("name") or schema.get("title")):
        raise InvalidRequestError(
            f"A tool as JSON has name, description and parameters; {schema!r} has no name."
        )
    parameters = schema.get("parameters", schema.get("input_schema"))
    if parameters is None:
        is_schema = "properties" in schema or schema.get("type") == "object"
        parameters = dict(schema) if is_schema else {"type": "object", "properties": {}}
    kind = SchemaKind(parameters, "The schema of a tool's parameters")
    tool = Tool(
        str(schema.get("name") or schema["title"]),
        str(schema.get("description") or ""),
        kind.schema,
    )
    return LocalTool(tool, given, lambda text: kind.read(_parsed(text)))


def _parsed(arguments: str) -> Any:
    try:
        return json.loads(object_in(arguments))
    except ValueError as error:
        raise UnfitError(f"the arguments are no JSON ({error})") from error


def choice_of(tool_choice: Any, tools: list[LocalTool]) -> str:
    """``auto``, ``none``, ``required`` or the name of a tool.

    Args:
        tool_choice: One of these; a tool as it stands in the list; OpenAI's dict; ``None``: auto.
        tools: The tools.

    Raises:
        InvalidRequestError: It is no tool of the list.
    """
    if tool_choice is None:
        return "auto"
    names = [one.tool.name for one in tools]
    for one in tools:
        if one.given is tool_choice or one.given == tool_choice:
            return one.tool.name
    if isinstance(tool_choice, Mapping):
        function = tool_choice.get("function", tool_choice)
        if isinstance(function, Mapping):
            tool_choice = function.get("name", function.get("type"))
    if isinstance(tool_choice, str) and tool_choice in (*TOOL_CHOICES, *names):
        return tool_choice
    raise InvalidRequestError(
        f"tool_choice is {tool_choice!r}; it must be {', '.join(TOOL_CHOICES)} or one of the "
        f"tools: {', '.join(names)}."
    )
