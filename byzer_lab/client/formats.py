"""The texts that ask for an object, a tool's call or a function, with Byzer-LLM's names.

Each is what ``ByzerLLM`` writes where no ``setup_*_format_func`` set another one; the words stand
in :mod:`byzer_lab.client.wording`.
"""

from __future__ import annotations

import enum
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from byzer_lab.client.tools.tool import choice_of, local_tool, local_tools
from byzer_lab.client.typed.kinds import kind_of
from byzer_lab.client.wording import DEFAULT_LANGUAGE, words
from byzer_lab.types import TOOL_CHOICES


class BaseAbility(enum.StrEnum):
    """What a system message of :func:`base_ability_format` prepares a model for."""

    RESPONSE_WITH_CLASS = "response_with_class"
    FUNCTION_CALLING = "function_calling"
    FUNCTION_IMPL = "function_impl"
    OTHERS = "others"


def base_ability_format(
    prompt: str | None = None,
    base_abilities: Sequence[BaseAbility] = tuple(BaseAbility),
    language: str = DEFAULT_LANGUAGE,
) -> str:
    """A system message that tells a model how objects, tools and functions are asked for. Nothing
    here sends it by itself; ``llm.setup_base_system_messages(model, base_ability_format())`` puts
    it before such questions.

    Args:
        prompt: A system message of your own, which follows.
        base_abilities: What it tells of.
        language: Of our own words.
    """
    parts = [words("ability", language)]
    parts += [words(f"ability_{BaseAbility(one)}", language) for one in base_abilities]
    return "\n\n".join([*parts, *([prompt] if prompt else [])])


def response_class_format(prompt: str, cls: Any, language: str = DEFAULT_LANGUAGE) -> str:
    """A question whose answer is to be an object.

    Args:
        prompt: The question.
        cls: What it is to be; see :func:`byzer_lab.client.typed.kinds.kind_of`.
        language: Of our own words.
    """
    return words("response_class", language, prompt=prompt, schema=schema_text(cls))


def response_class_format_after_chat(cls: Any, language: str = DEFAULT_LANGUAGE) -> str:
    """The request to write the last answer as an object; arguments as above."""
    return words("response_class_after_chat", language, schema=schema_text(cls))


def function_calling_format(
    prompt: str,
    tools: Sequence[Any],
    tool_choice: Any = None,
    language: str = DEFAULT_LANGUAGE,
) -> str:
    """A question to a model that is told of tools in words.

    Args:
        prompt: The question.
        tools: The tools; see :func:`byzer_lab.client.tools.tool.local_tool`.
        tool_choice: One of them, ``auto``, ``none`` or ``required``.
        language: Of our own words.
    """
    read = local_tools(tools)
    choice = choice_of(tool_choice, read)
    key = f"choice_{choice}" if choice in TOOL_CHOICES else "choice_named"
    listed = "\n".join(serialize_function_to_json(one) for one in read)
    told = words(key, language, name=choice)
    return words("function_calling", language, prompt=prompt, tools=listed, choice=told)


def function_impl_format(
    prompt: str, func: Callable[..., Any] | str, cls: Any, language: str = DEFAULT_LANGUAGE
) -> str:
    """A request to write a function.

    Args:
        prompt: What it is to answer.
        func: The empty function; or its signature as text.
        cls: What it returns.
        language: Of our own words.
    """
    described = "" if isinstance(func, str) else inspect.getdoc(func) or ""
    return words(
        "function_impl",
        language,
        prompt=prompt,
        description=described,
        signature=serialize_function_to_json(func),
        schema=schema_text(cls),
    )


def serialize_function_to_json(func: Any) -> str:
    """A tool as JSON: ``name``, ``description`` and ``parameters``, a JSON schema.

    Args:
        func: A function, or another tool; a text is taken as that JSON.
    """
    if isinstance(func, str):
        return func
    tool = local_tool(func).tool
    return json.dumps(
        {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
        ensure_ascii=False,
    )


def get_tool(func: Any) -> dict[str, Any]:
    """A tool in OpenAI's form.

    Args:
        func: A function, or another tool; see :func:`byzer_lab.client.tools.tool.local_tool`.
    """
    tool = local_tool(func).tool
    function = {
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
    }
    return {"type": "function", "function": function}


def schema_text(cls: Any) -> str:
    """A class, or a schema, as JSON text."""
    if isinstance(cls, str):
        return cls
    schema = dict(cls) if isinstance(cls, Mapping) else kind_of(cls).schema
    return json.dumps(schema, ensure_ascii=False)
