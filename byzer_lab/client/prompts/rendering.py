"""Fills a prompt in: a docstring with ``{name}``, or a Jinja template."""

from __future__ import annotations

import re
import string
import textwrap
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, Literal

from byzer_lab.errors import InvalidRequestError, describe, without_dot

Render = Literal["simple", "jinja2"]
RENDERS = ("simple", "jinja2")
SELF = "self"
"""What a method's prompt calls its object."""
_OBJECT = "object_of_the_method"
_UNDEFINED = re.compile(r"'(\w+)' is undefined")


def dedented(docstring: str) -> str:
    """A docstring without the indentation of its code; its first and last line break stay."""
    first, newline, rest = docstring.partition("\n")
    if not newline:
        return docstring
    return (
        f"{first.strip()}\n{textwrap.dedent(rest)}" if first.strip() else textwrap.dedent(docstring)
    )


def rendered(template: str, values: Mapping[str, Any], render: Render, name: str) -> str:
    """A prompt.

    Args:
        template: Its text.
        values: Its variables.
        render: ``simple``: ``{name}`` stands for a variable, also with a format such as
            ``{price:.2f}``, and a brace that is meant stands twice. ``jinja2``: a template in a
            sandbox.
        name: Of the function, for messages.

    Raises:
        InvalidRequestError: A variable that is not there, or a template that can't be read.
    """
    if render == "simple":
        return _simple(template, values, name)
    return _jinja(template, values, name)


def _simple(template: str, values: Mapping[str, Any], name: str) -> str:
    formatter = string.Formatter()
    parts = []
    try:
        for text, field, form, conversion in formatter.parse(template):
            parts.append(text)
            if field is None:
                continue
            if not field.isidentifier():
                raise ValueError(f"{{{field}}} is no variable")
            if field not in values:
                raise InvalidRequestError(_missing(field, values, name))
            value = formatter.convert_field(values[field], conversion)
            parts.append(format(value, _simple(form, values, name) if form else ""))
    except (ValueError, TypeError) as error:
        raise InvalidRequestError(
            f"The prompt of {name} can't be filled in: {without_dot(str(error))}. A brace that is "
            'meant stands twice, as in {{"key": 1}}; or use render="jinja2".'
        ) from error
    return "".join(parts)


def _jinja(template: str, values: Mapping[str, Any], name: str) -> str:
    import jinja2
    from jinja2 import nodes
    from jinja2.exceptions import SecurityError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined, autoescape=False)
    try:
        parsed = environment.parse(template)
        for one in parsed.find_all(nodes.Name):
            if one.name == SELF:  # which Jinja keeps for the template's own blocks
                one.name = _OBJECT
        given = {_OBJECT if name == SELF else name: value for name, value in values.items()}
        return environment.from_string(parsed).render(given)
    except jinja2.TemplateSyntaxError as error:
        raise InvalidRequestError(
            f"Line {error.lineno} of the prompt of {name} is no valid template: "
            f"{without_dot(str(error.message))}."
        ) from error
    except jinja2.UndefinedError as error:
        match = _UNDEFINED.search(str(error.message))
        raise InvalidRequestError(
            _missing(SELF if match[1] == _OBJECT else match[1], values, name)
            if match
            else f"The prompt of {name} failed: {without_dot(str(error.message))}."
        ) from error
    except SecurityError as error:
        raise InvalidRequestError(
            f"The prompt of {name} does what a prompt may not: {without_dot(str(error))}."
        ) from error
    except Exception as error:
        raise InvalidRequestError(
            f"The prompt of {name} failed: {without_dot(describe(error))}."
        ) from error


def _missing(field: str, values: Mapping[str, Any], name: str) -> str:
    close = get_close_matches(field, values, n=1)
    known = f"it has {', '.join(values)}." if values else "it has none."
    hint = f"did you mean {close[0]}?" if close else known
    return f"The prompt of {name} names {field!r}, which is no parameter of it; {hint}"
