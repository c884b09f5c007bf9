"""The model of one rank: split with the other ranks (AutoTP), or kept outside (ZeRO-3)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import deepspeed
import torch
from transformers.integrations import HfDeepSpeedConfig

from byzer_lab.engines.base import LoadProgress, ReportProgress
from byzer_lab.engines.deepspeed.batch import why_not_padded
from byzer_lab.engines.deepspeed.protocol import RankSetup
from byzer_lab.engines.transformers.loading import load_model
from byzer_lab.errors import InvalidRequestError, describe

# A split model may differ from the whole one by rounding: so much of the spread of its logits.
_ROUNDING = {torch.float32: 0.01, torch.bfloat16: 0.1, torch.float16: 0.1}
_PROBE_TOKENS = 8


@dataclass(frozen=True)
class PlacedModel:
    """A model that runs on all ranks together.

    Attributes:
        model: This rank's part, in evaluation mode.
        parameters: Of the whole model.
        here: Those that this rank holds.
        generation_config: The model's own defaults, by the library's names.
    """

    model: Any
    parameters: int
    here: int
    generation_config: dict[str, Any]


def place_model(setup: RankSetup, report: ReportProgress) -> PlacedModel:
    """Load the weights and bring them where the deployment wants them.

    Args:
        setup: The rank's.
        report: Told of each phase.

    Raises:
        InvalidRequestError: The model can't be served this way.
        EngineError: Files are missing or broken, or the library failed.
    """
    if setup.parameters.zero_offload == "none":
        return _split(setup, report)
    return _offload(setup, report)


def _split(setup: RankSetup, report: ReportProgress) -> PlacedModel:
    model = _load(setup, report)
    parameters = model.num_parameters()
    name, ranks = type(model).__name__, setup.world
    probe = torch.arange(_PROBE_TOKENS).unsqueeze(0) % model.config.get_text_config().vocab_size
    wanted = None
    if ranks > 1:
        report(LoadProgress(f"splitting over {ranks} ranks"))
        if setup.rank == 0 and "flash" not in (model.config._attn_implementation or ""):
            wanted = _logits(model, probe)
    try:
        engine = deepspeed.init_inference(
            model,
            tensor_parallel={"tp_size": ranks},
            dtype=model.dtype,
            replace_with_kernel_inject=False,
        )
        got = _logits(engine.module, probe) if ranks > 1 else None
    except Exception as error:
        if ranks == 1:
            raise
        raise InvalidRequestError(
            f"DeepSpeed can't split {name} over {ranks} ranks: {describe(error).rstrip('.')}. Use "
            "1 rank, zero_offload, or the vllm backend."
        ) from error
    if wanted is not None:
        _refuse_other_logits(wanted, got, engine.module.dtype, name, ranks)
    here = sum(one.numel() for one in engine.module.parameters())
    return PlacedModel(engine.module.eval(), parameters, here, _defaults(engine.module))


def _offload(setup: RankSetup, report: ReportProgress) -> PlacedModel:
    parameters = setup.parameters
    if parameters.zero_offload == "nvme":
        _check_disk_library()
    settings = _zero_settings(setup)
    # While this object lives, the library loads each weight straight to where it is kept.
    keeper = HfDeepSpeedConfig(settings)
    model = _load(setup, report)
    report(LoadProgress("preparing the offload"))
    engine, *_ = deepspeed.initialize(model=model, config=settings)
    del keeper
    weights = list(engine.module.parameters())
    whole = sum(int(one.ds_numel) for one in weights)
    here = sum(int(one.ds_tensor.ds_numel) for one in weights)
    return PlacedModel(engine.module.eval(), whole, here, _defaults(engine.module))


def _load(setup: RankSetup, report: ReportProgress) -> Any:
    model = load_model(setup.source, setup.parameters.for_loading, report, on_host=True).model
    reason = why_not_padded(model)
    if reason is not None:
        raise InvalidRequestError(
            f"The deepspeed backend can't serve {type(model).__name__}: {reason}. Use the "
            "transformers backend."
        )
    return model


def _zero_settings(setup: RankSetup) -> dict[str, Any]:
    parameters = setup.parameters
    offload: dict[str, Any] = {
        "device": parameters.zero_offload,
        "pin_memory": setup.device == "cuda",
    }
    if parameters.zero_offload == "nvme":
        offload["nvme_path"] = parameters.nvme_path
    return {
        "train_micro_batch_size_per_gpu": 1,  # the library asks for it; nothing is trained
        "zero_optimization": {"stage": 3, "offload_param": offload},
        "bf16": {"enabled": parameters.dtype == "bfloat16"},
        "fp16": {"enabled": parameters.dtype == "float16"},
    }


def _check_disk_library() -> None:
    from deepspeed.ops.op_builder import AsyncIOBuilder

    if not AsyncIOBuilder().is_compatible(verbose=False):
        raise InvalidRequestError(
            "zero_offload nvme needs libaio with its development files (libaio-dev or "
            "libaio-devel) and a C++ compiler on the worker's machine; install them, or set "
            "zero_offload to cpu."
        )


def _logits(model: Any, tokens: Any) -> Any:
    tokens = tokens.to(model.device)
    with torch.inference_mode():
        return model(tokens, attention_mask=torch.ones_like(tokens)).logits.float().cpu()


def _refuse_other_logits(wanted: Any, got: Any, dtype: Any, name: str, ranks: int) -> None:
    """A model that is split wrongly may run all the same, and write nonsense."""
    difference = (got - wanted).square().mean().sqrt() / wanted.std()
    if not difference <= _ROUNDING[dtype]:  # also where it is no number
        raise InvalidRequestError(
            f"DeepSpeed splits {name} wrongly over {ranks} ranks: its logits differ from the whole "
            f"model's by {float(difference):.2f} of their spread. Use 1 rank, zero_offload, or the "
            "vllm backend."
        )


def _defaults(model: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(model.generation_config.to_json_string(use_diff=False))
    return found
