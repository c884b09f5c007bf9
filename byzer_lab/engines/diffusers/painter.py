"""One request on the pipeline: passes, enlarging, progress, cancelling."""

from __future__ import annotations

import contextlib
import copy
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import AutoPipelineForImage2Image
from torch.nn.functional import interpolate

from byzer_lab.drawing import MULTIPLE, Drawing
from byzer_lab.engines.diffusers.request import DrawPlan
from byzer_lab.engines.diffusers.samplers import scheduler_of
from byzer_lab.engines.diffusers.windows import windowed
from byzer_lab.errors import InvalidRequestError
from byzer_lab.types import Progress

LATENT_CHANNELS = 4
"""Pipelines go on with a picture of so many channels as one of the model's own pixels."""
ANTIALIASED = "-antialiased"


class Cancelled(Exception):
    """Nobody waits for the pictures any more."""


@dataclass(frozen=True)
class Picture:
    """A picture that was drawn.

    Attributes:
        image: Of Pillow.
        seed: Of its pass.
        refused: The model's own checker found it unsafe and blacked it out.
    """

    image: Any
    seed: int
    refused: bool


class Painter:
    """Draws. Belongs to one thread.

    Args:
        pipeline: A loaded pipeline that draws what a text says.
    """

    def __init__(self, pipeline: Any) -> None:
        self._text = pipeline
        self._scheduler = pipeline.scheduler
        self._repaint: Any = None

    def draw(
        self, plan: DrawPlan, tell: Callable[[Progress], None], wanted: Callable[[], bool]
    ) -> Iterator[list[Picture]]:
        """Draw the pictures of one request, a pass at a time.

        Args:
            plan: The request.
            tell: Told after each step.
            wanted: Asked between steps whether to go on.

        Raises:
            InvalidRequestError: The pipeline can't do what is asked.
            Cancelled: It is not wanted any more.
        """
        drawing = plan.drawing
        steps = _Steps(self._steps_of(plan), drawing, tell, wanted)
        looks: Any = contextlib.nullcontext()
        if drawing.enable_multidiff:
            looks = windowed(self._unet(), drawing, steps.check)
        with looks, torch.inference_mode():
            for number in range(drawing.batch_count):
                steps.start(number)
                generator = torch.Generator("cpu").manual_seed(plan.seed + number)
                found = self._pass(plan, generator, steps)
                refused = getattr(found, "nsfw_content_detected", None)
                flags = refused or [False] * len(found.images)
                yield [
                    Picture(image, plan.seed + number, bool(flag))
                    for image, flag in zip(found.images, flags, strict=True)
                ]

    def _pass(self, plan: DrawPlan, generator: Any, steps: _Steps) -> Any:
        """Draw pictures that share a seed."""
        drawing = plan.drawing
        latents = drawing.enable_hires and self._has_latents()
        kind = {"output_type": "latent" if latents else "pt" if drawing.enable_hires else "pil"}
        if plan.picture is None:
            size = {"width": drawing.width, "height": drawing.height}
            found = self._run(self._text, plan, generator, steps, **size, **kind)
        else:
            found = self._again(plan, [plan.picture] * drawing.batch_size, generator, steps, **kind)
        if not drawing.enable_hires:
            return found
        steps.phase = "enlarging"
        grain = self._text.vae_scale_factor if latents else 1
        large = enlarged(found.images, drawing, grain)
        return self._again(plan, large, generator, steps, output_type="pil")

    def _again(
        self, plan: DrawPlan, pictures: Any, generator: Any, steps: _Steps, **more: Any
    ) -> Any:
        """Draw over pictures."""
        if self._repaint is None:
            try:
                self._repaint = AutoPipelineForImage2Image.from_pipe(self._text)
            except ValueError as error:
                raise InvalidRequestError(
                    f"A {type(self._text).__name__} can't draw over a picture; leave init_image "
                    "and enable_hires out."
                ) from error
            self._repaint.set_progress_bar_config(disable=True)
        strength = plan.drawing.strength
        return self._run(
            self._repaint, plan, generator, steps, image=pictures, strength=strength, **more
        )

    def _run(
        self, pipeline: Any, plan: DrawPlan, generator: Any, steps: _Steps, **more: Any
    ) -> Any:
        drawing = plan.drawing
        takes = inspect.signature(pipeline.__call__).parameters
        call: dict[str, Any] = {
            "prompt": [plan.prompt] * drawing.batch_size,
            "num_inference_steps": drawing.sampling_steps,
            "generator": generator,
            **more,
        }
        # What guidance means to other models than Stable Diffusion, their pipelines know best.
        if "cfg_scale" in plan.given or hasattr(pipeline, "unet"):
            call["guidance_scale"] = drawing.cfg_scale
        if drawing.negative_prompt:
            if "negative_prompt" not in takes:
                raise InvalidRequestError(
                    f"A {type(pipeline).__name__} takes no negative_prompt; leave it out."
                )
            call["negative_prompt"] = [drawing.negative_prompt] * drawing.batch_size
        if "callback_on_step_end" in takes:
            call["callback_on_step_end"] = steps.step
        pipeline.scheduler = self._fresh_scheduler(plan)
        return pipeline(**call)

    def _fresh_scheduler(self, plan: DrawPlan) -> Any:
        chosen = "sampler_name" in plan.given
        return scheduler_of(plan.drawing.sampler_name, self._scheduler, chosen=chosen)

    def _steps_of(self, plan: DrawPlan) -> int:
        """Steps of one pass. Some schedulers call the model twice for one."""
        drawing = plan.drawing
        scheduler = copy.deepcopy(self._fresh_scheduler(plan))
        try:
            scheduler.set_timesteps(drawing.sampling_steps)
        except ValueError:  # the pipeline gives it what it lacks here, and has no second calls
            whole = again = drawing.sampling_steps
        else:
            whole = len(scheduler.timesteps)
            skipped = drawing.sampling_steps - int(drawing.sampling_steps * drawing.strength)
            again = whole - skipped * scheduler.order
        first = whole if plan.picture is None else again
        return first + (again if drawing.enable_hires else 0)

    def _unet(self) -> Any:
        unet = getattr(self._text, "unet", None)
        if unet is None:
            raise InvalidRequestError(
                f"enable_multidiff is for Stable Diffusion and its kin, and this is a "
                f"{type(self._text).__name__}; leave it out."
            )
        return unet

    def _has_latents(self) -> bool:
        """Whether enlarging may happen before pixels are made."""
        unet = getattr(self._text, "unet", None)
        return unet is not None and unet.config.in_channels == LATENT_CHANNELS


class _Steps:
    """Counts steps, tells of them, and ends what is not wanted.

    Args:
        each: Steps of one pass.
        drawing: The request's.
        tell, wanted: As in :meth:`Painter.draw`.
    """

    def __init__(
        self,
        each: int,
        drawing: Drawing,
        tell: Callable[[Progress], None],
        wanted: Callable[[], bool],
    ) -> None:
        self._each, self._passes = each, drawing.batch_count
        self._tell, self._wanted = tell, wanted
        self._number = self._done = 0
        self.phase = ""

    def start(self, number: int) -> None:
        """A pass begins."""
        self.check()
        self._number, self._done, self.phase = number, 0, "drawing"
        self._report()

    def check(self) -> None:
        """Raise :class:`Cancelled` where nobody waits any more."""
        if not self._wanted():
            raise Cancelled

    def step(self, _pipeline: Any, _step: int, _time: Any, tensors: dict[str, Any]) -> Any:
        """The library's call after each step."""
        self._done = min(self._done + 1, self._each)
        self._report()
        self.check()
        return tensors

    def _report(self) -> None:
        several = f" {self._number + 1} of {self._passes}" if self._passes > 1 else ""
        done = self._number * self._each + self._done
        self._tell(Progress(done, self._each * self._passes, self.phase + several))


def enlarged(pictures: Any, drawing: Drawing, grain: int) -> Any:
    """Pictures made larger by ``scale_slider``, as ``upscaler_mode`` says.

    Args:
        pictures: Numbers by picture, channel, row and column.
        drawing: The request's.
        grain: Pixels of the file for each of these.
    """
    mode, antialias, _ = drawing.upscaler_mode.partition(ANTIALIASED)
    sides = (drawing.height, drawing.width)
    multiple = max(MULTIPLE, grain)
    size = [int(side * drawing.scale_slider) // multiple * multiple // grain for side in sides]
    return interpolate(pictures, size=size, mode=mode, antialias=bool(antialias))
