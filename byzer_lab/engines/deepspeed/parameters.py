"""The infer parameters of the DeepSpeed backend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from byzer_lab.engines.checks import wrong_ranks
from byzer_lab.engines.transformers.parameters import Parameters as LoadingParameters
from byzer_lab.errors import InvalidRequestError
from byzer_lab.schema import parameter, read_parameters


@dataclass(frozen=True)
class Parameters:
    """What a deployment may set."""

    tensor_parallel_size: int | None = parameter(
        None,
        "Ranks that every layer is split over; by default one per GPU of the worker.",
        least=1,
        most=64,
        aliases=("tp_size", "mp_size"),
    )
    zero_offload: str = parameter(
        "none",
        "Keep the weights in the host's memory (cpu) or on a disk (nvme) and bring each layer to "
        "the device when it is needed (ZeRO-3).",
        choices=("none", "cpu", "nvme"),
    )
    nvme_path: str | None = parameter(None, "Folder for the weights of zero_offload nvme.")
    trust_remote_code: bool = parameter(
        False,
        "Run Python code that comes with the model.",
        aliases=("backend.trust_remote_code",),
    )
    dtype: str = parameter(
        "auto",
        "Number format of the weights; auto keeps the checkpoint's unless this processor is slow "
        "at it.",
        choices=("auto", "float32", "bfloat16", "float16"),
    )
    attn_implementation: str | None = parameter(
        None, "The library's name of an attention kernel, such as flash_attention_2."
    )
    max_model_len: int | None = parameter(
        None,
        "Context window; by default the model's own.",
        unit="tokens",
        least=2,
        aliases=("backend.max_model_len",),
    )
    num_threads: int | None = parameter(
        None,
        "Processor threads of one worker, shared by its ranks; by default a share of the machine.",
        least=1,
    )
    max_batch_size: int | None = parameter(
        None, "Most requests of one step; by default the concurrency.", least=1
    )
    max_batch_tokens: int | None = parameter(
        None,
        "Most prompt tokens that one step reads, padding included; by default 512 on a processor "
        "and 8192 on a GPU. A longer prompt is read alone.",
        unit="tokens",
        least=1,
    )
    max_cache_tokens: int | None = parameter(
        None,
        "What the key-value cache may hold, padding included; by default by the free memory.",
        unit="tokens",
        least=2,
    )
    batch_window_ms: float = parameter(
        5.0,
        "How long the first request of an idle model waits for others to start with.",
        unit="ms",
        least=0,
        most=10_000,
    )

    @property
    def for_loading(self) -> LoadingParameters:
        """What the loader of the transformers backend is told."""
        return LoadingParameters(
            trust_remote_code=self.trust_remote_code,
            dtype=self.dtype,
            attn_implementation=self.attn_implementation,
            max_model_len=self.max_model_len,
        )


def read_infer_params(given: Mapping[str, Any], gpus: float) -> Parameters:
    """Check infer parameters.

    Args:
        given: As the deployment has them.
        gpus: Of one worker.

    Raises:
        InvalidRequestError: One is unknown, doesn't fit, or contradicts another one.
    """
    parameters = read_parameters(Parameters, given, "deepspeed")
    size = parameters.tensor_parallel_size
    if size is not None and gpus >= 1 and size != int(gpus):
        raise wrong_ranks(f"tensor_parallel_size is {size}", gpus, size)
    if parameters.zero_offload != "none" and size is not None and size > 1:
        raise InvalidRequestError(
            f"tensor_parallel_size is {size} and zero_offload is {parameters.zero_offload}: layers "
            "are either split over ranks or brought in whole; leave one of the two out."
        )
    if parameters.zero_offload == "nvme" and not parameters.nvme_path:
        raise InvalidRequestError(
            "zero_offload is nvme, but nvme_path is missing: name a folder on the disk."
        )
    if parameters.nvme_path and parameters.zero_offload != "nvme":
        raise InvalidRequestError(
            f"nvme_path is set, but zero_offload is {parameters.zero_offload}; set it to nvme."
        )
    return parameters
