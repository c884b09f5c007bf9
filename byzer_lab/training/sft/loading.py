"""The model that is trained: its tokenizer, its weights, and the adapter's form."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig
from transformers import BitsAndBytesConfig

from byzer_lab.bundled import bundled_model
from byzer_lab.engines.folder import ModelSource, find_model
from byzer_lab.engines.transformers.loading import ModelOutline, read_model
from byzer_lab.engines.transformers.parameters import Parameters as LoadingParameters
from byzer_lab.errors import EngineError, InvalidRequestError, describe
from byzer_lab.jobs import JobSpec
from byzer_lab.training.data.encoding import with_template
from byzer_lab.training.parameters.trainer import Training


@dataclass(frozen=True)
class Base:
    """A model before its weights are loaded.

    Attributes:
        source: Where it is.
        outline: Configuration and tokenizer; the tokenizer can render conversations and pad.
        plain_template: It had no chat template, and was given the plain one.
        window: Most tokens of a row.
        method: ``lora``, ``qlora`` or ``full``.
    """

    source: ModelSource
    outline: ModelOutline
    plain_template: bool
    window: int
    method: str

    @property
    def tokenizer(self) -> Any:
        """The library's."""
        return self.outline.tokenizer

    @property
    def narrow(self) -> float:
        """How many times narrower than a model of 7 billion parameters it is, at least 1."""
        width = getattr(self.outline.config.get_text_config(), "hidden_size", 0) or 4096
        return max(1.0, 4096 / width)

    @property
    def folder(self) -> str:
        """Its absolute path, or its hub id."""
        return self.source.name if self.source.on_hub else str(Path(self.source.name).absolute())


def read_base(spec: JobSpec, parameters: Training) -> Base:
    """Find the model and read what is known before its weights are loaded.

    Raises:
        InvalidRequestError: There is none, or it can't be trained so.
    """
    path = str(bundled_model()) if spec.model_path == "bundled" else spec.model_path
    source = find_model(path)
    loading = LoadingParameters(trust_remote_code=parameters.trust_remote_code)
    outline = read_model(source, loading, lambda _: None)
    if outline.config.is_encoder_decoder:
        raise InvalidRequestError(
            f"{source.name!r} has an encoder and a decoder; only decoders that continue a text can "
            "be finetuned."
        )
    tokenizer = outline.tokenizer
    plain = with_template(tokenizer)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.unk_token or tokenizer.eos_token
    if tokenizer.pad_token is None:
        raise InvalidRequestError(
            f"The tokenizer of {source.name!r} has no token to pad or to end a text with."
        )
    tokenizer.padding_side = "right"
    window = min(parameters.max_seq_length, outline.context_length or parameters.max_seq_length)
    return Base(source, outline, plain, window, _method(parameters, outline))


def load_weights(base: Base, parameters: Training) -> tuple[Any, dict[str, Any] | None]:
    """Load the weights onto this process's device.

    Returns:
        The model, and how it was quantised: what ``BitsAndBytesConfig`` takes.

    Raises:
        EngineError: They are missing or broken.
    """
    dtype = _dtype(parameters.dtype, base.method)
    options = dict(base.outline.options)
    quantization = None
    if base.method == "qlora":
        _quieten()
        quantization = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype,
        )
        options["quantization_config"] = quantization
    options["device_map"] = {
        "": torch.cuda.current_device() if torch.cuda.is_available() else "cpu"
    }
    try:
        model = base.outline.auto_class.from_pretrained(
            base.source.name, config=base.outline.config, dtype=dtype, **options
        )
    except Exception as error:
        raise EngineError(
            f"The weights of {base.source.name!r} can't be loaded: {describe(error)}"
        ) from error
    model.config.use_cache = False
    if quantization is None:
        return model, None
    from peft import prepare_model_for_kbit_training

    model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    told = {name: value for name, value in quantization.to_dict().items() if value is not None}
    return model, told


def adapter_of(parameters: Training, method: str) -> LoraConfig | None:
    """The form of the adapter; ``None`` where all weights are trained."""
    if method == "full":
        return None
    return LoraConfig(
        r=parameters.lora_rank,
        lora_alpha=parameters.lora_alpha,
        lora_dropout=parameters.lora_dropout,
        target_modules=parameters.target_modules or "all-linear",
        modules_to_save=parameters.modules_to_save,
        use_rslora=parameters.use_rslora,
        use_dora=parameters.use_dora,
        task_type="CAUSAL_LM",
    )


def _method(parameters: Training, outline: ModelOutline) -> str:
    stored = getattr(outline.config, "quantization_config", None) is not None
    installed = find_spec("bitsandbytes") is not None
    wanted = parameters.method
    if wanted == "auto":
        return "qlora" if torch.cuda.is_available() and installed and not stored else "lora"
    if wanted == "qlora" and not installed:
        raise InvalidRequestError(
            "Method qlora needs bitsandbytes: pip install 'byzer-lab[quantization]' where the "
            "jobs run, or set method to lora."
        )
    if wanted in ("qlora", "full") and stored:
        raise InvalidRequestError(
            f"The weights of the model are stored quantised, so method {wanted} can't be used; set "
            "method to lora."
        )
    return wanted


def _placement() -> Any:
    """On this process's device; over several GPUs where one process has them, layer by layer."""
    if not torch.cuda.is_available():
        return {"": "cpu"}
    return "auto" if torch.cuda.device_count() > 1 else {"": torch.cuda.current_device()}


def _dtype(wanted: str, method: str) -> Any:
    if wanted != "auto":
        return getattr(torch, wanted)
    small = torch.cuda.is_available() and torch.cuda.is_bf16_supported() and method != "full"
    return torch.bfloat16 if small else torch.float32


def _quieten() -> None:
    """bitsandbytes tells of a kernel that can be downloaded."""
    logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
