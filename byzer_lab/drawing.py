"""The parameters of models that draw, described once, with Byzer-LLM's names and defaults.

``llm_config``, a deployment's defaults and the engine that draws read this table. The seed is the
one of :mod:`byzer_lab.generation`; -1, its default, draws a new picture each time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from byzer_lab.errors import InvalidRequestError
from byzer_lab.schema import describe_parameters, parameter, read_values

SAMPLERS = (
    *("euler_a", "euler", "unipc", "ddim", "ddpm", "deis", "dpm2", "dpm2-a", "dpm++_2s"),
    *("dpm++_2m", "dpm++_2m_karras", "heun", "heun_karras", "lms", "pndm"),
)
MISSPELT = {"unpic": "unipc", "pndm:w": "pndm"}
"""How Byzer-LLM's documentation writes two of them."""
UPSCALERS = (
    *("bilinear", "bilinear-antialiased", "bicubic", "bicubic-antialiased"),
    *("nearest", "nearest-exact"),
)
FORMATS = ("png", "jpeg", "webp")
MULTIPLE = 8
"""Width and height are multiples of it: so many pixels are one of the model's own."""
RANDOM = -1
"""The seed that asks for a new one."""


@dataclass(frozen=True)
class Drawing:
    """What a request for pictures may set beside its prompt and the seed."""

    negative_prompt: str = parameter("", "What the picture is not to show.")
    sampler_name: str = parameter(
        "euler_a", "How noise becomes a picture.", choices=(*SAMPLERS, *MISSPELT)
    )
    sampling_steps: int = parameter(25, "Steps from noise to the picture.", least=1, most=100)
    batch_size: int = parameter(1, "Pictures that are drawn together.", least=1, most=50)
    batch_count: int = parameter(
        1,
        "How often so many are drawn; each time with a seed that is 1 higher.",
        least=1,
        most=50,
    )
    cfg_scale: float = parameter(
        7.5, "How closely to follow the prompt; lower is freer.", least=1, most=20
    )
    width: int = parameter(768, "Of the picture; a multiple of 8.", unit="px", least=64, most=2048)
    height: int = parameter(768, "Of the picture; a multiple of 8.", unit="px", least=64, most=2048)
    enable_hires: bool = parameter(
        False, "Enlarge what was drawn and draw it again, with more detail."
    )
    upscaler_mode: str = parameter("bilinear", "How enable_hires enlarges.", choices=UPSCALERS)
    scale_slider: float = parameter(1.5, "How much enable_hires enlarges.", least=1, most=4)
    enable_multidiff: bool = parameter(
        False, "Draw the picture in overlapping windows, which takes less memory."
    )
    views_batch_size: int = parameter(
        4, "Windows of enable_multidiff that run together.", least=1, most=64
    )
    window_size: int = parameter(
        64,
        "Width and height of a window of enable_multidiff, in the model's pixels of 8 px.",
        least=8,
        most=256,
    )
    stride: int = parameter(
        16,
        "From one window of enable_multidiff to the next, in the model's pixels of 8 px.",
        least=1,
        most=256,
    )
    init_image: str | None = parameter(None, "Picture to begin with, as base64.")
    strength: float = parameter(
        0.5,
        "How much of init_image, or of what enable_hires enlarged, is drawn anew.",
        above=0,
        most=1,
    )
    output_format: str = parameter("png", "File format of the pictures.", choices=FORMATS)


DRAWING = tuple(describe_parameters(Drawing))


def read_drawing(given: Mapping[str, Any]) -> Drawing:
    """Check what a request for pictures sets.

    Args:
        given: Names of :class:`Drawing`; values may be texts.

    Raises:
        InvalidRequestError: An unknown name, a value that doesn't fit, or values that don't go
            together.
    """
    drawing = Drawing(**read_values(DRAWING, given, "A model that draws"))
    for name in ("width", "height"):
        pixels = getattr(drawing, name)
        if pixels % MULTIPLE:
            below = pixels // MULTIPLE * MULTIPLE
            raise InvalidRequestError(
                f"{name} is {pixels}; it must be a multiple of {MULTIPLE}, such as {below} or "
                f"{below + MULTIPLE}."
            )
    if drawing.enable_multidiff and drawing.stride > drawing.window_size:
        raise InvalidRequestError(
            f"stride is {drawing.stride} and window_size {drawing.window_size}; a stride of more "
            "than the window leaves gaps."
        )
    repaints = drawing.enable_hires or drawing.init_image is not None
    if repaints and int(drawing.sampling_steps * drawing.strength) < 1:
        raise InvalidRequestError(
            f"strength is {drawing.strength:g} and sampling_steps {drawing.sampling_steps}, which "
            "leaves no step to draw; raise one of them."
        )
    return drawing
