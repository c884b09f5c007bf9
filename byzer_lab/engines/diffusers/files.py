"""Pictures as files."""

from __future__ import annotations

import dataclasses
import io
import json
from typing import Any

from byzer_lab.engines.diffusers.request import DrawPlan

PARAMETERS = "parameters"
"""Under this name a PNG says how it was drawn."""


def picture_file(picture: Any, plan: DrawPlan, seed: int) -> bytes:
    """A picture as a file of the wanted format.

    A PNG says how it was drawn, the seed included, so that it can be drawn again.

    Args:
        picture: Of Pillow.
        plan: The request.
        seed: Of the pass in which it was drawn.
    """
    from PIL.PngImagePlugin import PngInfo

    buffer = io.BytesIO()
    file_format = plan.drawing.output_format
    if file_format != "png":
        picture.save(buffer, file_format, quality=95)
        return buffer.getvalue()
    notes = PngInfo()
    notes.add_itxt(PARAMETERS, json.dumps(_how(plan, seed), ensure_ascii=False))
    picture.save(buffer, file_format, pnginfo=notes)
    return buffer.getvalue()


def _how(plan: DrawPlan, seed: int) -> dict[str, Any]:
    """What makes this picture, as ``llm_config`` takes it; its place among others left out."""
    drawing = dataclasses.asdict(plan.drawing)
    begins = drawing.pop("init_image") is not None
    for name in ("batch_count", "output_format"):
        drawing.pop(name)
    own = {field.name: field.default for field in dataclasses.fields(plan.drawing)}
    changed = {name: value for name, value in drawing.items() if value != own[name]}
    start = {"init_image": True} if begins else {}
    return {"prompt": plan.prompt, **changed, **start, "seed": seed}
