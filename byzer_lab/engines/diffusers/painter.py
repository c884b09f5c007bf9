"""One request on the pipeline: passes, enlarging, progress, cancelling."""

from __future__ import annotations

import contextlib
import copy
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
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
        self._check(plan)
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

    def _check(self, plan: DrawPlan) -> None:
        """Refuse at once what the pipeline can't do, and get ready for what it can."""
        drawing = plan.drawing
        name = type(self._text).__name__
        if drawing.negative_prompt and "negative_prompt" not in _taken_by(self._text):
            raise InvalidRequestError(f"A {name} takes no negative_prompt; leave it out.")
        repaints = plan.picture is not None or drawing.enable_hires
        if not repaints or self._repaint is not None:
            return
        try:
            self._repaint = AutoPipelineForImage2Image.from_pipe(self._text)
        except ValueError as error:
            raise InvalidRequestError(
                f"A {name} can't draw over a picture; leave init_image and enable_hires out."
            ) from error
        self._repaint.set_progress_bar_config(disable=True)

    def _pass(self, plan: DrawPlan, generator: Any, steps: _Steps) -> Any:
        """Draw pictures that share a seed."""
        drawing = plan.drawing
        latents = drawing.enable_hires and self._has_latents()
        kind = "latent" if latents else "pt" if drawing.enable_hires else "pil"
        size = (drawing.height, drawing.width)
        start = None if plan.picture is None else [plan.picture] * drawing.batch_size
        found = self._run(plan, generator, steps, kind, size, start)
        if not drawing.enable_hires:
            return found
        steps.phase = "enlarging"
        grain = self._text.vae_scale_factor if latents else 1
        size = enlarged_size(drawing, grain)
        large = enlarged(found.images, [side // grain for side in size], drawing.upscaler_mode)
        # Smoothing may go beyond black and white; a model's own pixels have no bounds.
        return self._run(
            plan, generator, steps, "pil", size, large if latents else large.clamp(0, 1)
        )

    def _run(
        self,
        plan: DrawPlan,
        generator: Any,
        steps: _Steps,
        kind: str,
        size: tuple[int, int],
        start: Any,
    ) -> Any:
        """One call of the library.

        Args:
            plan: The request.
            generator: Random numbers of the pass.
            steps: Counts.
            kind: Of the pictures that are wanted: ``pil``, ``pt`` (numbers from 0 to 1) or
                ``latent``.
            size: Height and width.
            start: Pictures to draw over; ``None`` to begin with noise.
        """
        drawing = plan.drawing
        pipeline = self._text if start is None else self._repaint
        takes = _taken_by(pipeline)
        call: dict[str, Any] = {
            "prompt": [plan.prompt] * drawing.batch_size,
            "num_inference_steps": drawing.sampling_steps,
            "generator": generator,
            "output_type": kind,
        }
        if "height" in takes and "width" in takes:
            call |= {"height": size[0], "width": size[1]}
        if start is not None:
            call |= {"image": start, "strength": drawing.strength}
        # What guidance means to other models than Stable Diffusion, their pipelines know best.
        if "cfg_scale" in plan.given or hasattr(pipeline, "unet"):
            call["guidance_scale"] = drawing.cfg_scale
        if drawing.negative_prompt:
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


def enlarged_size(drawing: Drawing, grain: int) -> tuple[int, int]:
    """Height and width of an enlarged picture, in whole steps of what the model works with."""
    multiple = max(MULTIPLE, grain)
    height, width = (
        int(side * drawing.scale_slider) // multiple * multiple
        for side in (drawing.height, drawing.width)
    )
    return height, width


def enlarged(pictures: Any, size: Sequence[int], upscaler_mode: str) -> Any:
    """Pictures made larger.

    Args:
        pictures: Numbers by picture, channel, row and column.
        size: Rows and columns to make.
        upscaler_mode: One of :data:`byzer_lab.drawing.UPSCALERS`.
    """
    mode, antialias, _ = upscaler_mode.partition(ANTIALIASED)
    return interpolate(pictures, size=tuple(size), mode=mode, antialias=bool(antialias))


def _taken_by(pipeline: Any) -> Mapping[str, Any]:
    """The arguments that a pipeline takes."""
    return inspect.signature(pipeline.__call__).parameters
