"""Calls of the documentation's tools, their results, and prose where no tool fits."""

from __future__ import annotations

from typing import Any

from .drawing import Draw, Example, NothingOnThisSide, is_held_out
from .facts import fact_beside_tools
from .greetings import greeting_beside_tools
from .tool_scenes import SCENES, Scene
from .tool_specs import DATE_RANGE, KNOWN, NOW, call_text

# The documentation asks exactly these.
_ALWAYS_TRAINED = ("计算当前时间", "最近三个月趋势", "最近三天", "What time is it?")


def _purpose(tool: dict[str, Any]) -> str:
    """What two variants of a tool share, so that never both are offered."""
    name = tool["function"]["name"]
    return (
        "weather"
        if "weather" in name
        else "sum"
        if name in ("add", "add_numbers", "sum", "plus")
        else name
    )


def toolbox(draw: Draw, needed: dict[str, Any] | None) -> list[dict[str, Any]]:
    """The needed tool among others, in any order; the documentation's pair more often."""
    if draw.chance(0.35) and needed in (None, DATE_RANGE, NOW):
        return [DATE_RANGE, NOW]
    same = _purpose(needed) if needed else ""
    others = [t for t in KNOWN if _purpose(t) != same]
    chosen = draw.sample(others, draw.integer(0 if needed else 1, 3))
    chosen += [needed] if needed else []
    draw.rng.shuffle(chosen)
    return chosen


def _scene(draw: Draw) -> Scene:
    makers, weights = zip(*SCENES, strict=True)
    for _ in range(200):
        scene: Scene = draw.rng.choices(makers, weights)[0](draw)
        if scene.prompt in _ALWAYS_TRAINED:
            if not draw.held_out:
                return scene
        elif is_held_out(scene.prompt) == draw.held_out:
            return scene
    raise NothingOnThisSide


def known_tool(draw: Draw) -> Example:
    """A call of one of the documentation's tools."""
    scene = _scene(draw)
    messages = [
        {"role": "user", "content": scene.prompt},
        {"role": "assistant", "content": call_text(*scene.call)},
    ]
    return Example("known tools", messages, toolbox(draw, scene.tool))


def tool_result(draw: Draw) -> Example:
    """The sentence after the tool has answered."""
    scene = _scene(draw)
    return Example(
        "tool result",
        [
            {"role": "user", "content": scene.prompt},
            {"role": "assistant", "content": call_text(*scene.call)},
            {"role": "tool", "content": scene.result},
            {"role": "assistant", "content": scene.answer},
        ],
        toolbox(draw, scene.tool),
    )


def no_tool(draw: Draw) -> Example:
    """Prose although tools are there."""
    example = greeting_beside_tools(draw) if draw.chance(0.6) else fact_beside_tools(draw)
    example.tools = toolbox(draw, None)
    return example


MAKERS = ((known_tool, 4), (tool_result, 2), (no_tool, 2))
