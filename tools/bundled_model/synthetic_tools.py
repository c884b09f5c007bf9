"""Made-up tools: the call must copy names from the schema and values from the prompt."""

from __future__ import annotations

import json
from typing import Any

from .drawing import Draw, Example
from .tool_specs import KNOWN, call_text, function_spec
from .words import (
    CITIES,
    COLOURS,
    THINGS,
    code,
    email,
    first_name,
    made_up_word,
    number,
    place,
    word,
    words,
)

_VERBS = words(
    "get send make open close find book start stop list check create delete update show play "
    "search order print read write save load move build test run share track rate"
)
_NOUNS = words(
    "order room table report file task mail user price song video map route ticket image "
    "note lamp door alarm event invoice product team server queue photo letter score"
)
_PARAMETERS = words(
    "name title city count size color level amount date to from user id page limit "
    "width height speed topic text code owner place target mode"
)
_OPTIONS = (
    ("low", "medium", "high"),
    ("small", "large"),
    ("red", "green", "blue"),
    ("on", "off"),
    ("fast", "slow"),
    ("asc", "desc"),
    ("json", "csv", "xml"),
    ("north", "south", "east", "west"),
    ("open", "closed"),
    ("public", "private"),
)

Parameter = tuple[dict[str, Any], str, Any]  # specification, text in the prompt, value


def _tool_name(draw: Draw) -> tuple[str, str, str]:
    """A tool's name and the two words it is made of."""
    parts: list[str] = []

    def maker() -> str:
        verb = draw.choice(_VERBS) if draw.chance(0.8) else draw.choice(THINGS)
        noun = draw.choice(_NOUNS) if draw.chance(0.5) else made_up_word(draw)
        parts[:] = [verb, noun]
        return f"{verb}_{noun}"

    name = draw.make(maker)
    return name, parts[0], parts[1]


def _parameter(draw: Draw) -> Parameter:
    kind = draw.integer(0, 5)
    if kind <= 1:
        value = draw.choice((word, first_name, place, code, email, made_up_word))(draw)
        return {"type": "string"}, value, value
    if kind == 2:
        value = int(number(draw, 1, 5))
        return {"type": "integer"}, str(value), value
    if kind == 3:
        value = draw.integer(0, 99) + draw.integer(1, 9) / 10
        return {"type": "number"}, str(value), value
    if kind == 4:
        flag = draw.chance(0.5)
        return {"type": "boolean"}, str(flag).lower(), flag
    options = draw.choice((*_OPTIONS, draw.sample(COLOURS, 3), draw.sample(CITIES, 3)))
    value = draw.choice(options)
    return {"type": "string", "enum": list(options)}, value, value


def _one_tool(draw: Draw) -> tuple[dict[str, Any], str, tuple[str, dict[str, Any]]]:
    """A tool, a prompt that asks for it and the call expected."""
    name, verb, noun = _tool_name(draw)
    pool = [*_PARAMETERS, made_up_word(draw), made_up_word(draw)]
    names = list(dict.fromkeys(draw.sample(pool, draw.integer(0, 3))))
    parameters = {n: _parameter(draw) for n in names}
    description = draw.choice((f"{verb.capitalize()} the {noun}.", f"{verb} {noun}", ""))
    tool = function_spec(name, description, {n: p[0] for n, p in parameters.items()})
    by_name = [f"{n} {p[1]}" for n, p in parameters.items()]
    frame = draw.integer(0, 4)
    if frame == 0:
        prompt = f"Call {name}" + (" with " + " and ".join(by_name) if by_name else "") + "."
    elif frame == 1:
        pairs = ", ".join(f"{n}={p[1]}" for n, p in parameters.items())
        prompt = f"Use {name}" + (f": {pairs}" if pairs else "")
    else:
        start = draw.choice(
            ("Please {} the {}", "{} the {}", "I want to {} the {}", "Can you {} the {}")
        ).format(verb, noun)
        prompt = start + (" with " + " and ".join(by_name) if by_name else "") + "."
    return tool, prompt, (name, {n: p[2] for n, p in parameters.items()})


def synthetic_tool(draw: Draw) -> Example:
    """Pick the right one of one to three made-up tools."""
    tool, prompt, (name, arguments) = _one_tool(draw)
    tools = [tool]
    for _ in range(draw.choice((0, 0, 1, 1, 2))):
        other = draw.choice(KNOWN) if draw.chance(0.2) else _one_tool(draw)[0]
        if all(other["function"]["name"] != t["function"]["name"] for t in tools):
            tools.append(other)
    draw.rng.shuffle(tools)
    messages = [
        {"role": "user", "content": prompt},
        {"role": "assistant", "content": call_text(name, arguments)},
    ]
    return Example("made-up tools", messages, tools)


def synthetic_result(draw: Draw) -> Example:
    """Say what a made-up tool returned."""
    example = synthetic_tool(draw)
    value = draw.choice((word, number, first_name, code))(draw)
    shown = draw.choice((value, json.dumps({"result": value})))
    example.messages += [
        {"role": "tool", "content": shown},
        {"role": "assistant", "content": f"The result is {value}."},
    ]
    example.skill = "tool result"
    return example


MAKERS = ((synthetic_tool, 4), (synthetic_result, 1))
