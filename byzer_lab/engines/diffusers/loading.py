"""The pipeline into memory, and the library's errors as one sentence each."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from diffusers import AutoPipelineForText2Image, DiffusionPipeline
from diffusers.utils import logging as diffusers_logging

from byzer_lab.engines.base import LoadProgress, ReportProgress
from byzer_lab.engines.diffusers.parameters import Parameters
from byzer_lab.engines.folder import ModelSource
from byzer_lab.engines.progress import weights_reported
from byzer_lab.errors import EngineError, InvalidRequestError, describe


def load_pipeline(source: ModelSource, parameters: Parameters, report: ReportProgress) -> Any:
    """Load a pipeline that draws what a text says, onto its device.

    Args:
        source: Where it is.
        parameters: The deployment's.
        report: Told of each phase.

    Raises:
        InvalidRequestError: It is a pipeline for something else.
        EngineError: Files are missing or broken.
    """
    diffusers_logging.disable_progress_bar()
    on_gpu = torch.cuda.is_available()
    options: dict[str, Any] = {
        "local_files_only": source.offline,
        "variant": parameters.variant,
        "dtype": _dtype(source, parameters, on_gpu),
    }
    if not parameters.safety_checker:
        options["safety_checker"] = None
    report(LoadProgress("loading weights"))
    try:
        with weights_reported(report):
            loaded = DiffusionPipeline.from_pretrained(source.name, **options)
    except Exception as error:
        raise EngineError(
            f"The pipeline {source.name!r} can't be loaded: {describe(error)}"
        ) from error
    pipeline = _drawing(loaded, source)
    pipeline.set_progress_bar_config(disable=True)
    if parameters.vae_tiling and hasattr(pipeline.vae, "enable_tiling"):
        pipeline.vae.enable_tiling()
    if on_gpu and parameters.offload:
        pipeline.enable_model_cpu_offload()
    elif on_gpu:
        report(LoadProgress("moving the weights to the GPU"))
        pipeline.to("cuda")
    return pipeline


def _drawing(loaded: Any, source: ModelSource) -> Any:
    """The pipeline that begins with a text, of whichever the folder names."""
    try:
        return AutoPipelineForText2Image.from_pipe(loaded)
    except ValueError:
        takes = inspect.signature(loaded.__call__).parameters
        if {"prompt", "image"} & takes.keys() == {"prompt"}:
            return loaded
    raise InvalidRequestError(
        f"{source.name!r} is a {type(loaded).__name__}, which draws no picture of a text alone; "
        "deploy Stable Diffusion or another pipeline that does."
    )


def _dtype(source: ModelSource, parameters: Parameters, on_gpu: bool) -> Any:
    if parameters.dtype != "auto":
        return getattr(torch, parameters.dtype)
    if not on_gpu:
        return torch.float32
    parts = DiffusionPipeline.load_config(source.name, local_files_only=source.offline)
    return torch.bfloat16 if "transformer" in parts else torch.float16
