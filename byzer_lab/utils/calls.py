"""The form in which Byzer-LLM's models write calls of tools, as classes: for hooks that tell a
model of that form, or read it."""

from __future__ import annotations

from typing import Any

import pydantic


class FunctionCall(pydantic.BaseModel):
    """A tool and its arguments."""

    name: str = pydantic.Field(description="name of the tool")
    arguments: dict[str, Any] = pydantic.Field(
        default_factory=dict, description="the arguments, by name"
    )


class FunctionCallWrapper(pydantic.BaseModel):
    """One call."""

    function: FunctionCall


class FunctionCallList(pydantic.BaseModel):
    """An answer that calls tools; :func:`byzer_lab.client.tools.calls.calls_in` reads it."""

    tool_calls: list[FunctionCallWrapper] = pydantic.Field(description="the calls, in their order")
    id: str = pydantic.Field(default="", description="may be left out")
    type: str = pydantic.Field(default="function", description="always function")
