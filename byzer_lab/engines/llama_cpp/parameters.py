"""The infer parameters of the llama.cpp backend: the library's own names.

Names that the library's ``Llama`` class takes and that mean nothing for a model that answers many
requests from one context are either refused with the reason (:data:`REFUSED`), because without
them the deployment would not do what was asked for, or left out with a warning (:data:`LEFT_OUT`),
because nothing is lost.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from byzer_lab.errors import InvalidRequestError
from byzer_lab.schema import parameter, read_parameters

log = logging.getLogger(__name__)

CACHE_TYPES = {
    "f32": 0,
    "f16": 1,
    "bf16": 30,
    "q8_0": 8,
    "q4_0": 2,
    "q4_1": 3,
    "q5_0": 6,
    "q5_1": 7,
    "iq4_nl": 20,
}
"""Number formats of the key-value cache, with the library's numbers."""

POOLING_TYPES = {"mean": 1, "cls": 2, "last": 3}
"""Ways from the vectors of a text's tokens to that of the text, with the library's numbers."""

CHAT_FORMATS = {
    "alpaca": "format_alpaca",
    "baichuan": "format_baichuan",
    "baichuan-2": "format_baichuan2",
    "chatglm3": "format_chatglm3",
    "chatml": "format_chatml",
    "gemma": "format_gemma",
    "intel": "format_intel",
    "llama-2": "format_llama2",
    "llama-3": "format_llama3",
    "mistral-instruct": "format_mistral_instruct",
    "mistrallite": "format_mistrallite",
    "oasst_llama": "format_oasst_llama",
    "openbuddy": "format_openbuddy",
    "openchat": "format_openchat",
    "phind": "format_phind",
    "pygmalion": "format_pygmalion",
    "qwen": "format_qwen",
    "redpajama-incite": "format_redpajama_incite",
    "saiga": "format_saiga",
    "snoozy": "format_snoozy",
    "vicuna": "format",
    "zephyr": "format_zephyr",
}
"""The library's names of chat formats, with its functions. Its others call functions, read images,
or, as open-orca, lose the messages."""

REFUSED = {
    "vocab_only": "a model without its weights can't answer",
    "lora_base": "the library has dropped it; deploy the base model and give lora_path",
    "n_gqa": "it belonged to the file format before GGUF, which stores it",
}
LEFT_OUT = {
    "logits_all": "only the last token's logits are needed",
    "last_n_tokens_size": "repetition_penalty looks at the whole prompt and answer",
    "f16_kv": "type_k and type_v say it",
}


@dataclass(frozen=True)
class Parameters:
    """What a deployment may set."""

    n_ctx: int = parameter(
        0,
        "Context window of a request, prompt and answer together; 0 takes the model's own.",
        unit="tokens",
        least=0,
    )
    kv_cache_tokens: int | None = parameter(
        None,
        "What the key-value cache of all requests together holds; by default by concurrency and "
        "memory.",
        unit="tokens",
        least=1,
    )
    n_batch: int = parameter(
        512,
        "What one step may process; a longer prompt takes several steps.",
        unit="tokens",
        least=1,
    )
    n_ubatch: int | None = parameter(
        None,
        "What the processor works on at a time within a step; by default n_batch.",
        unit="tokens",
        least=1,
    )
    n_gpu_layers: int = parameter(
        0,
        "Layers kept on the GPU; -1 for all. Needs a library built for the GPU.",
        least=-1,
        aliases=("num_gpu_layers",),
    )
    split_mode: int = parameter(
        1, "Split over several GPUs: 0 not at all, 1 by layers, 2 by rows.", least=0, most=2
    )
    main_gpu: int = parameter(
        0, "GPU of the whole model when split_mode is 0, of small tensors when it is 2.", least=0
    )
    tensor_split: str | None = parameter(
        None, "Share of each GPU, separated by commas, such as 3,1."
    )
    use_mmap: bool = parameter(True, "Map the file into memory instead of reading it.")
    use_mlock: bool = parameter(False, "Keep the weights from being swapped out.")
    n_threads: int | None = parameter(
        None, "Threads of a step; by default a share of the machine.", least=1
    )
    n_threads_batch: int | None = parameter(
        None, "Threads of a step that reads a prompt; by default n_threads.", least=1
    )
    rope_scaling_type: int = parameter(
        -1,
        "Scaling of positions: -1 the model's own, 0 none, 1 linear, 2 YaRN, 3 LongRoPE.",
        least=-1,
        most=3,
    )
    rope_freq_base: float = parameter(
        0.0, "Base frequency of positions; 0 takes the model's own.", least=0
    )
    rope_freq_scale: float = parameter(
        0.0, "Factor of positions, 0.5 for twice the window; 0 takes the model's own.", least=0
    )
    yarn_ext_factor: float = parameter(
        -1.0, "YaRN's share of extrapolation; negative takes the model's own."
    )
    yarn_attn_factor: float = parameter(1.0, "YaRN's factor of attention.")
    yarn_beta_fast: float = parameter(32.0, "YaRN's correction of high frequencies.")
    yarn_beta_slow: float = parameter(1.0, "YaRN's correction of low frequencies.")
    yarn_orig_ctx: int = parameter(
        0, "Window that YaRN starts from; 0 takes the model's own.", unit="tokens", least=0
    )
    offload_kqv: bool = parameter(True, "Keep the key-value cache on the GPU, where there is one.")
    flash_attn: bool | None = parameter(
        None,
        "Use flash attention; by default on a GPU and where type_v needs it, because on a "
        "processor a batch is quicker without.",
    )
    type_k: str = parameter(
        "f16",
        "Number format of the cached keys, by name or by the library's number.",
        choices=tuple(CACHE_TYPES),
    )
    type_v: str = parameter(
        "f16",
        "Number format of the cached values, by name or by the library's number; a quantised one "
        "needs flash attention.",
        choices=tuple(CACHE_TYPES),
    )
    lora_path: str | None = parameter(None, "A LoRA adapter in GGUF form.")
    lora_scale: float = parameter(1.0, "How strongly the adapter acts.")
    seed: int | None = parameter(
        None, "Seed of requests that set none: the same question gets the same answer."
    )
    numa: bool = parameter(False, "Spread threads over the nodes of a NUMA machine.")
    chat_format: str | None = parameter(
        None,
        "The library's name of the way to write a conversation; by default the GGUF's own chat "
        "template.",
        choices=tuple(CHAT_FORMATS),
    )
    embedding: bool = parameter(False, "Turn texts into vectors instead of writing text.")
    pooling_type: str | None = parameter(
        None,
        "How the vectors of a text's tokens become one, by name or by the library's number; by "
        "default the model's own way, or the mean.",
        choices=tuple(POOLING_TYPES),
    )
    verbose: bool = parameter(False, "Write the library's log lines to the worker's log.")

    @property
    def stretches(self) -> bool:
        """Whether positions are scaled, so that the window may exceed the model's own."""
        return self.rope_scaling_type > 0 or self.rope_freq_base > 0 or self.rope_freq_scale > 0

    @property
    def tensor_shares(self) -> list[float]:
        """:attr:`tensor_split` as numbers; empty when nothing is set."""
        return [float(share) for share in (self.tensor_split or "").split(",") if share.strip()]


def read_infer_params(given: Mapping[str, Any]) -> Parameters:
    """Check infer parameters.

    Args:
        given: As the deployment has them.

    Raises:
        InvalidRequestError: An unknown name, one that can't be honoured, or a value that doesn't
            fit.
    """
    kept: dict[str, Any] = {}
    for name, value in given.items():
        if name in REFUSED and not _is_off(value):
            raise InvalidRequestError(
                f"The llama_cpp backend can't honour {name!r}: {REFUSED[name]}.", parameter=name
            )
        if name in LEFT_OUT:
            log.warning("%s is deprecated and has no effect: %s.", name, LEFT_OUT[name])
        elif name not in REFUSED:
            kept[name] = _by_name(name, value)
    parameters = read_parameters(Parameters, kept, "llama_cpp")
    if parameters.pooling_type is not None and not parameters.embedding:
        raise InvalidRequestError("pooling_type is for vectors; set embedding=true as well.")
    if parameters.lora_scale != 1 and parameters.lora_path is None:
        raise InvalidRequestError("lora_scale is for an adapter; set lora_path as well.")
    try:
        shares = parameters.tensor_shares
    except ValueError:
        shares = [-1.0]
    if any(share < 0 for share in shares):
        raise InvalidRequestError(
            f"tensor_split is {parameters.tensor_split!r}; it must be numbers separated by commas, "
            "such as 3,1."
        )
    return parameters


def _is_off(value: Any) -> bool:
    """Nothing is asked for: such a parameter changes nothing."""
    return value is None or str(value).lower() in ("false", "")


def _by_name(name: str, value: Any) -> Any:
    """The name of what may be given by the library's number."""
    if name == "pooling_type" and str(value) in ("-1", "unspecified"):
        return None
    numbers = {"type_k": CACHE_TYPES, "type_v": CACHE_TYPES, "pooling_type": POOLING_TYPES}
    names = {str(number): choice for choice, number in numbers.get(name, {}).items()}
    return names.get(str(value), value)
