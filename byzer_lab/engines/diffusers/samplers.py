"""The scheduler of each sampler's name."""

from __future__ import annotations

from typing import Any

from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DEISMultistepScheduler,
    DPMSolverMultistepScheduler,
    DPMSolverSinglestepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    HeunDiscreteScheduler,
    KDPM2AncestralDiscreteScheduler,
    KDPM2DiscreteScheduler,
    LMSDiscreteScheduler,
    PNDMScheduler,
    UniPCMultistepScheduler,
)

from byzer_lab.drawing import MISSPELT
from byzer_lab.errors import InvalidRequestError

_PLAIN = {"use_karras_sigmas": False}
_KARRAS = {"use_karras_sigmas": True}
# These two cut values off by default, as pictures of pixels want it; a model's own pixels have no
# bounds.
_UNBOUNDED = {"clip_sample": False}
SCHEDULERS: dict[str, tuple[Any, dict[str, Any]]] = {
    "unipc": (UniPCMultistepScheduler, _PLAIN),
    "euler_a": (EulerAncestralDiscreteScheduler, {}),
    "euler": (EulerDiscreteScheduler, _PLAIN),
    "ddim": (DDIMScheduler, _UNBOUNDED),
    "ddpm": (DDPMScheduler, _UNBOUNDED),
    "deis": (DEISMultistepScheduler, _PLAIN),
    "dpm2": (KDPM2DiscreteScheduler, _PLAIN),
    "dpm2-a": (KDPM2AncestralDiscreteScheduler, _PLAIN),
    "dpm++_2s": (DPMSolverSinglestepScheduler, _PLAIN),
    "dpm++_2m": (DPMSolverMultistepScheduler, _PLAIN),
    "dpm++_2m_karras": (DPMSolverMultistepScheduler, _KARRAS),
    "heun": (HeunDiscreteScheduler, _PLAIN),
    "heun_karras": (HeunDiscreteScheduler, _KARRAS),
    "lms": (LMSDiscreteScheduler, _PLAIN),
    "pndm": (PNDMScheduler, {}),
}


def exchangeable(scheduler: Any) -> bool:
    """Whether a pipeline whose own scheduler this is can draw with those of this table."""
    names = {cls.__name__ for cls, _ in SCHEDULERS.values()}
    return type(scheduler).__name__ in names


def scheduler_of(name: str, own: Any, *, chosen: bool) -> Any:
    """A fresh scheduler.

    Args:
        name: Of the sampler.
        own: The scheduler that came with the pipeline. Its settings say how the model was trained,
            so each one is made of them, never of another one's.
        chosen: The caller named the sampler; else a pipeline of another kind keeps its own.

    Raises:
        InvalidRequestError: The pipeline can't draw with it.
    """
    if not exchangeable(own):
        if chosen:
            raise InvalidRequestError(
                f"sampler_name is {name!r}, but this model draws with {type(own).__name__} only; "
                "leave it out."
            )
        return type(own).from_config(own.config)
    cls, settings = SCHEDULERS[MISSPELT.get(name, name)]
    return cls.from_config(own.config, **settings)
