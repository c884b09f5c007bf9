"""The model under DeepSpeed on this machine: how ranks meet, what is compiled, what is gathered."""

from __future__ import annotations

import copy
import os
import socket
import tempfile
import traceback
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import pydantic
import torch
import torch.distributed

from byzer_lab.engines.folder import find_model
from byzer_lab.engines.transformers.loading import read_model
from byzer_lab.engines.transformers.parameters import Parameters as LoadingParameters
from byzer_lab.errors import ByzerLabError, EngineError, InvalidRequestError, describe
from byzer_lab.training.distributed import any_rank

_ADAM = ("adam", "adamw")
_DTYPES = (("bf16", torch.bfloat16), ("fp16", torch.float16))


@dataclass(frozen=True)
class Place:
    """This process among the job's.

    Attributes:
        rank: Its number, from 0.
        world: How many there are.
        device: Where it computes.
    """

    rank: int
    world: int
    device: Any


def join(*, interface_by_address: bool = False) -> Place:
    """Meet the other ranks: as the launcher has arranged it, or alone.

    Args:
        interface_by_address: NCCL takes the network interface that has the node's address.
    """
    gpu = torch.cuda.is_available()
    # Read when deepspeed is imported: without it a machine with a GPU that is not ours would count.
    os.environ["DS_ACCELERATOR"] = "cuda" if gpu else "cpu"
    for name, value in (("RANK", "0"), ("WORLD_SIZE", "1"), ("LOCAL_RANK", "0")):
        os.environ.setdefault(name, value)
    rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    local = int(os.environ["LOCAL_RANK"]) % max(1, torch.cuda.device_count())
    if interface_by_address:
        _choose_interface()
    if gpu:
        torch.cuda.set_device(local)
    import deepspeed

    # Its all-reduce in shared memory needs a compiler, and waits for ever when a rank is lost.
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    meeting = None if world > 1 else f"file://{tempfile.mkdtemp()}/meeting"
    deepspeed.init_distributed(
        "nccl" if gpu else "gloo",
        auto_mpi_discovery=False,
        verbose=False,
        init_method=meeting,
        rank=rank,
        world_size=world,
    )
    return Place(rank, world, torch.device("cuda", local) if gpu else torch.device("cpu"))


def fit_to_machine(settings: dict[str, Any], place: Place) -> list[str]:
    """Leave out what this machine can't compile; on all ranks together.

    Args:
        settings: DeepSpeed's; changed in place.
        place: This rank's.

    Returns:
        Warnings.
    """
    optimizer = settings["optimizer"]
    if optimizer["type"].lower() not in _ADAM or optimizer.get("params", {}).get("torch_adam"):
        return []
    reason = (
        "it runs on processors only" if place.device.type == "cpu" else _why_not_built(settings)
    )
    if not any_rank(reason is not None):
        return []
    optimizer.setdefault("params", {})["torch_adam"] = True
    settings["zero_force_ds_cpu_optimizer"] = False
    return [
        f"Adam is PyTorch's, not DeepSpeed's compiled one ({reason or 'another node has none'}): "
        "the same numbers, a slower step where the optimizer is kept in the host's memory."
    ]


def start(
    model_path: str,
    settings: dict[str, Any],
    *,
    trust_remote_code: bool = False,
    gradient_checkpointing: bool = False,
) -> Any:
    """Load a model into DeepSpeed's engine.

    Args:
        model_path: Folder or hub id.
        settings: DeepSpeed's.
        trust_remote_code: Run Python code that comes with the model.
        gradient_checkpointing: Compute activations twice.

    Raises:
        InvalidRequestError: The model can't be trained so, or DeepSpeed refuses its settings.
        EngineError: The weights can't be loaded, or the memory is too small.
    """
    import deepspeed
    from transformers.integrations import HfDeepSpeedConfig

    zero3 = settings.get("zero_optimization", {}).get("stage") == 3
    # While this object lives, each weight is loaded straight to the rank that keeps it.
    keeper = HfDeepSpeedConfig(copy.deepcopy(settings)) if zero3 else None
    try:
        model = _load(model_path, settings, trust_remote_code)
        if gradient_checkpointing:
            model.gradient_checkpointing_enable({"use_reentrant": False})
        model.config.use_cache = False
        engine, *_ = deepspeed.initialize(
            model=model, model_parameters=list(model.parameters()), config=copy.deepcopy(settings)
        )
    except ByzerLabError:
        raise
    except torch.OutOfMemoryError as error:
        raise out_of_memory(error) from error
    except (AssertionError, ImportError, KeyError, TypeError, ValueError) as error:
        traceback.print_exc()  # into the job's log
        raise InvalidRequestError(f"DeepSpeed refuses its configuration: {describe(error)}") from (
            error
        )
    finally:
        del keeper
    engine.train()
    return engine


def gathered(engine: Any) -> dict[str, Any] | None:
    """The whole model's weights on rank 0, ``None`` on the others; every rank must ask."""
    if engine.zero_optimization_partition_weights():
        found: dict[str, Any] | None = engine._zero3_consolidated_16bit_state_dict()
        return found
    if torch.distributed.get_rank() != 0:
        return None
    return {name: value.detach().cpu() for name, value in engine.module.state_dict().items()}


def dtype_of(settings: dict[str, Any]) -> Any:
    """The number format that is trained in."""
    for name, dtype in _DTYPES:
        if settings.get(name, {}).get("enabled"):
            return dtype
    return torch.float32


def out_of_memory(error: Exception) -> EngineError:
    """The error of a GPU whose memory is too small."""
    return EngineError(
        f"The GPU's memory is too small: {describe(error).splitlines()[0]} Set max_length or "
        "train_micro_batch_size_per_gpu lower, gradient_checkpointing to true, or offload more in "
        "deepspeedConfig.zero_optimization."
    )


def refuse_settings(settings: dict[str, Any]) -> None:
    """Let DeepSpeed read its configuration before anything is started.

    Raises:
        InvalidRequestError: It refuses something, in its own words.
    """
    from deepspeed.runtime.config import DEEPSPEED_OPTIMIZERS, DeepSpeedConfig
    from deepspeed.runtime.lr_schedules import VALID_LR_SCHEDULES

    told = copy.deepcopy(settings)
    told.pop("train_batch_size", None)  # depends on the number of ranks, which is 1 here
    told.setdefault("train_micro_batch_size_per_gpu", 1)
    try:
        DeepSpeedConfig(told)
    except pydantic.ValidationError as error:
        wrong = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
        raise InvalidRequestError(
            f"DeepSpeed refuses deepspeedConfig ({error.title}): {'; '.join(wrong)}."
        ) from error
    except Exception as error:
        words = " ".join(str(error).split()) or describe(error)
        raise InvalidRequestError(f"DeepSpeed refuses deepspeedConfig: {words}") from error
    for section, own, library in (
        ("optimizer", DEEPSPEED_OPTIMIZERS, torch.optim),
        ("scheduler", VALID_LR_SCHEDULES, torch.optim.lr_scheduler),
    ):
        name = settings.get(section, {}).get("type")
        if name is not None and name not in own and name.lower() not in own:
            close = get_close_matches(name, [*own, *dir(library)], n=2)
            hint = f"; did you mean {' or '.join(close)}?" if close else "."
            if not hasattr(library, name):
                raise InvalidRequestError(
                    f"deepspeedConfig.{section}.type is {name!r}, which neither DeepSpeed nor "
                    f"PyTorch has{hint}"
                )


def _load(model_path: str, settings: dict[str, Any], trust_remote_code: bool) -> Any:
    source = find_model(model_path)
    outline = read_model(
        source, LoadingParameters(trust_remote_code=trust_remote_code), lambda _: None
    )
    try:
        model, info = outline.auto_class.from_pretrained(
            source.name,
            config=outline.config,
            dtype=dtype_of(settings),
            output_loading_info=True,
            **outline.options,
        )
    except Exception as error:
        raise EngineError(
            f"The weights of {model_path!r} can't be loaded: {describe(error)}"
        ) from error
    if info["missing_keys"]:
        raise EngineError(
            f"The weights of {model_path!r} are incomplete: {min(info['missing_keys'])} is missing."
        )
    return model


def _why_not_built(settings: dict[str, Any]) -> str | None:
    """Compile DeepSpeed's Adam; why it can't be, where it can't."""
    from deepspeed.ops.op_builder import CPUAdamBuilder, FusedAdamBuilder

    offload = settings.get("zero_optimization", {}).get("offload_optimizer") or {}
    builder = CPUAdamBuilder if offload.get("device") in ("cpu", "nvme") else FusedAdamBuilder
    try:
        builder().load(verbose=False)
    except Exception as error:
        return f"it can't be compiled here: {describe(error)[:200]}"
    return None


def _choose_interface() -> None:
    import psutil

    address = socket.gethostbyname(socket.gethostname())
    for name, held in psutil.net_if_addrs().items():
        if any(one.address == address for one in held):
            os.environ["NCCL_SOCKET_IFNAME"] = name
