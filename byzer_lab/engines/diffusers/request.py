"""Checks a request for pictures and plans it."""

from __future__ import annotations

import contextlib
import json
import secrets
from dataclasses import dataclass, fields
from typing import Any

from byzer_lab.drawing import RANDOM, Drawing, read_drawing
from byzer_lab.engines.answering import refuse_adapter
from byzer_lab.engines.images import decode_picture
from byzer_lab.errors import InvalidRequestError
from byzer_lab.generation import GENERATION
from byzer_lab.schema import given_twice
from byzer_lab.types import GenerateRequest, Message, Sampling

INPUT = "input"
COUNT, SIZE, SEED = "n", "size", "seed"
NAMES = {field.name for field in fields(Drawing)}
WITHOUT_EFFECT = {
    "quality": ("auto", "standard"),
    "style": ("auto",),
    "background": ("auto", "opaque"),
}
"""Names of OpenAI's that no such model has, and the values that ask for nothing."""
SEEDS = 2**63
FRESH_SEEDS = 2**32


@dataclass(frozen=True)
class DrawPlan:
    """One request, ready to run.

    Attributes:
        request_id: The caller's name for it.
        prompt: What to draw.
        drawing: How; every default filled in.
        given: Names of what the caller set.
        seed: Of the first pass.
        picture: To begin with, in the wanted size; ``None`` to begin with noise.
    """

    request_id: str
    prompt: str
    drawing: Drawing
    given: frozenset[str]
    seed: int
    picture: Any = None


def make_plan(request: GenerateRequest) -> DrawPlan:
    """Check a request.

    Args:
        request: Its last message, or its prompt, is what to draw: a text, or a JSON object with
            ``input`` beside what :class:`Drawing`, or OpenAI, name. Such names may also stand in
            ``sampling.options``, before which the question's go. A picture in the message is the
            one to begin with.

    Raises:
        InvalidRequestError: There is no prompt, or something that a model that draws can't do.
    """
    if (request.messages is None) == (request.prompt is None):
        raise InvalidRequestError("A request has either messages or a prompt.")
    refuse_adapter(request)
    _refuse(request)
    message = request.messages[-1] if request.messages else Message("user", request.prompt or "")
    prompt, asked, seed = _question(message.text)
    values = request.sampling.options | asked  # the options may be the deployment's defaults
    if message.images:
        if len(message.images) > 1 or "init_image" in asked:
            raise InvalidRequestError(
                "There are several pictures to begin with; a model that draws takes one."
            )
        values["init_image"] = message.images[0].url
    drawing = read_drawing(values)
    if seed is None:
        seed = request.sampling.seed
    if seed is None or seed == RANDOM:
        seed = secrets.randbelow(FRESH_SEEDS)
    return DrawPlan(
        request_id=request.request_id,
        prompt=prompt,
        drawing=drawing,
        given=frozenset(values),
        seed=seed % SEEDS,
        picture=_picture(drawing),
    )


def _refuse(request: GenerateRequest) -> None:
    """Refuse what concerns text alone."""
    empty = Sampling()
    names = [info.name for info in GENERATION if info.name != SEED]
    asked = [name for name in names if getattr(request.sampling, name) != getattr(empty, name)]
    asked += ["tools"] if request.tools else []
    asked += ["response_schema"] if request.response_schema is not None else []
    if asked:
        raise InvalidRequestError(
            f"This model draws pictures and writes no text, so it takes no {' and no '.join(asked)}"
            "; leave that out."
        )


def _question(text: str) -> tuple[str, dict[str, Any], int | None]:
    """Prompt, values of :class:`Drawing`, and the seed, of a message's text."""
    question: Any = None
    if text.lstrip().startswith("{"):
        with contextlib.suppress(ValueError):  # a prompt that begins with a brace
            question = json.loads(text)
    if not isinstance(question, dict) or INPUT not in question:
        question = {INPUT: text}
    question = {name: value for name, value in question.items() if value is not None}
    prompt = question.pop(INPUT, None)
    if not isinstance(prompt, str) or not prompt.strip():
        raise InvalidRequestError("The prompt is empty; say what to draw.")
    for name, accepted in WITHOUT_EFFECT.items():
        if (value := question.pop(name, accepted[0])) not in accepted:
            raise InvalidRequestError(
                f"{name} is {value!r}, which this model doesn't have; leave it out."
            )
    seed = question.pop(SEED, None)
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int)):
        raise InvalidRequestError(f"seed is {seed!r}; it must be a whole number.")
    for name, values in ((COUNT, _count), (SIZE, _size)):
        if (value := question.pop(name, None)) is not None:
            for key, meant in values(value).items():
                if key in question:
                    raise given_twice(name, key)
                question[key] = meant
    if unknown := question.keys() - NAMES:
        known = ", ".join((INPUT, COUNT, SIZE, SEED, *sorted(NAMES)))
        raise InvalidRequestError(
            f"The question has an unknown name {sorted(unknown)[0]!r}; known: {known}."
        )
    return prompt, question, seed


def _count(value: Any) -> dict[str, Any]:
    return {"batch_count": value}


def _size(value: Any) -> dict[str, Any]:
    if value == "auto":
        return {}
    width, x, height = str(value).partition("x")
    if not (x and width.isdigit() and height.isdigit()):
        raise InvalidRequestError(f"size is {value!r}; it must look like 512x768.")
    return {"width": int(width), "height": int(height)}


def _picture(drawing: Drawing) -> Any:
    if drawing.init_image is None:
        return None
    from PIL import Image

    picture = decode_picture(drawing.init_image, "init_image")
    return picture.resize((drawing.width, drawing.height), Image.Resampling.LANCZOS)
