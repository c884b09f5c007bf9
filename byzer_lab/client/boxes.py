"""Boxes in a model's answer, and the picture with them drawn over it."""

from __future__ import annotations

import base64
import io
import json
import re
from dataclasses import dataclass
from typing import Any, Literal

from byzer_lab.client.pictures import picture_of
from byzer_lab.errors import InvalidRequestError

Scale = Literal["thousandths", "pixels"]
QWEN = re.compile(
    r"(?:<ref>(?P<label>[^<]*)</ref>\s*)?<box>\s*"
    r"\((?P<x1>\d+)\s*,\s*(?P<y1>\d+)\)\s*,\s*\((?P<x2>\d+)\s*,\s*(?P<y2>\d+)\)\s*</box>"
)
FENCE = re.compile(r"```(?:json)?\s*(.*?)```", re.DOTALL)
KEYS = ("bbox_2d", "bbox", "box")
COLOURS = ("#e6194b", "#0082c8", "#3cb44b", "#f58231", "#911eb4", "#008080")


@dataclass(frozen=True)
class Box:
    """Where a thing is.

    Attributes:
        label: What it is; empty where the answer doesn't say.
        left, top, right, bottom: Its edges as shares of the picture's width and height, 0 to 1.
    """

    label: str
    left: float
    top: float
    right: float
    bottom: float

    def pixels(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Its edges in a picture of that size: left, top, right, bottom."""
        return (
            *(round(self.left * width), round(self.top * height)),
            *(round(self.right * width), round(self.bottom * height)),
        )


def find_boxes(
    answer: str, size: tuple[int, int] | None = None, scale: Scale = "thousandths"
) -> list[Box]:
    """The boxes that an answer tells of.

    Args:
        answer: With ``<ref>label</ref><box>(x1,y1),(x2,y2)</box>`` in thousandths, as Qwen-VL and
            Qwen2-VL write it; or with JSON whose objects have ``bbox_2d``, as later ones do. An
            answer with its history, as JSON, is read too.
        size: Width and height of the picture; needed for numbers that are pixels.
        scale: What the numbers of JSON are: Qwen2.5-VL means pixels, Qwen3-VL thousandths.
            Numbers above 1000 are always pixels.

    Raises:
        InvalidRequestError: The numbers are pixels, but there is no size.
    """
    answer = _response(answer)
    found = []
    for match in QWEN.finditer(answer):
        edges = [int(match[name]) / 1000 for name in ("x1", "y1", "x2", "y2")]
        found.append(_box(match["label"] or "", edges))
    for label, edges in _listed(answer):
        in_pixels = scale == "pixels" or max(edges) > 1000
        if in_pixels and size is None:
            raise InvalidRequestError("The boxes are in pixels; pass the picture's size.")
        width, height = size if in_pixels and size is not None else (1000, 1000)
        sides = (width, height, width, height)
        found.append(_box(label, [edge / side for edge, side in zip(edges, sides, strict=True)]))
    return found


def draw_boxes(picture: Any, answer: str, scale: Scale = "thousandths") -> Any:
    """A picture with the boxes of an answer drawn over it.

    Args:
        picture: See :func:`byzer_lab.client.pictures.picture_of`.
        answer, scale: As for :func:`find_boxes`.

    Returns:
        A picture of Pillow, which a notebook shows.

    Raises:
        InvalidRequestError: The picture can't be read.
    """
    from PIL import Image, ImageDraw, ImageFont

    data = base64.b64decode(picture_of(picture).partition(",")[2])
    try:
        image = Image.open(io.BytesIO(data)).convert("RGB")
    except Exception as error:  # each decoder has exceptions of its own
        raise InvalidRequestError(f"The picture can't be read: {error}.") from error
    draw = ImageDraw.Draw(image)
    line = max(2, round(min(image.size) / 200))
    font = ImageFont.load_default(max(12, round(min(image.size) / 30)))
    labels: dict[str, str] = {}
    for box in find_boxes(answer, image.size, scale):
        colour = labels.setdefault(box.label, COLOURS[len(labels) % len(COLOURS)])
        left, top, right, bottom = box.pixels(*image.size)
        draw.rectangle([left, top, max(left, right - 1), max(top, bottom - 1)], None, colour, line)
        if box.label:
            place = (left + line, top + line)
            draw.rectangle(draw.textbbox(place, box.label, font), colour)
            draw.text(place, box.label, "white", font)
    return image


def _response(answer: str) -> str:
    if answer.lstrip().startswith("{"):
        try:
            found = json.loads(answer)
        except ValueError:
            return answer
        if isinstance(found, dict) and isinstance(found.get("response"), str):
            return str(found["response"])
    return answer


def _listed(answer: str) -> list[tuple[str, list[float]]]:
    """Labels and edges of the objects of an answer's JSON."""
    found = []
    for text in FENCE.findall(answer) or [answer]:
        try:
            items = json.loads(text)
        except ValueError:
            continue
        for item in items if isinstance(items, list) else [items]:
            if not isinstance(item, dict):
                continue
            edges = next((item[key] for key in KEYS if key in item), None)
            if isinstance(edges, list) and len(edges) == 4 and all(map(_is_number, edges)):
                label = item.get("label") or item.get("text_content") or ""
                found.append((str(label), [float(edge) for edge in edges]))
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _box(label: str, edges: list[float]) -> Box:
    """A box within the picture, whose edges are in order."""
    x1, y1, x2, y2 = [min(max(edge, 0.0), 1.0) for edge in edges]
    return Box(label.strip(), min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2))
