"""Tokenizer and weights into memory, and the library's errors as one sentence each."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForImageTextToText, AutoTokenizer

from byzer_lab.engines.base import LoadProgress, ReportProgress
from byzer_lab.engines.folder import ModelSource
from byzer_lab.engines.precision import choose_dtype
from byzer_lab.engines.progress import weights_reported
from byzer_lab.engines.transformers.adapters import with_adapter
from byzer_lab.engines.transformers.classes import class_for, refuse_unread_code
from byzer_lab.engines.transformers.conversions import BaichuanForCausalLM, translated
from byzer_lab.engines.transformers.lora import Route, route_adapters
from byzer_lab.engines.transformers.parameters import Parameters
from byzer_lab.engines.transformers.pictures import load_processor
from byzer_lab.engines.transformers.quantization import (
    agreed_format,
    library_settings,
    own_format,
    wanted_format,
)
from byzer_lab.errors import EngineError, InvalidRequestError, describe

# Tokenizers without a limit of their own say 1e30.
_NO_LIMIT = 10**9
_UNLIMITED_WINDOW = 32_768
MARKS = {
    "<|object_ref_start|>": "<ref>",
    "<|object_ref_end|>": "</ref>",
    "<|box_start|>": "<box>",
    "<|box_end|>": "</box>",
}
"""Tokens of Qwen-VL that say where a thing is, as Byzer-LLM writes them."""
COUNTS_PIXELS = ("qwen2_5_vl",)
_SPACE = "\u2581"  # SentencePiece's mark of a space before a word


@dataclass(frozen=True)
class LoadedModel:
    """A model that is ready to run.

    Attributes:
        model: The library's model, on its device, in evaluation mode.
        tokenizer: Its tokenizer.
        context_length: Tokens of prompt and answer together; ``None`` when nothing limits them.
        quantization: Format of weights in fewer bits; ``None`` for plain numbers.
        adapter: Folder of the adapter that changed it.
        route: Of the adapters that requests may choose; ``None`` when there are none.
        processor: What turns pictures into numbers; ``None`` where the model doesn't see.
    """

    model: Any
    tokenizer: Any
    context_length: int | None
    quantization: str | None = None
    adapter: str | None = None
    route: Route | None = None
    processor: Any = None

    @property
    def vocabulary(self) -> int:
        """Number of tokens the model knows."""
        return int(self.model.config.get_text_config().vocab_size)

    @property
    def window(self) -> int:
        """Tokens to plan for: the context window, or a long answer where nothing limits it."""
        return self.context_length or _UNLIMITED_WINDOW

    @property
    def end_of_text(self) -> list[int]:
        """The model's own end tokens."""
        own = self.model.generation_config.eos_token_id
        own = self.tokenizer.eos_token_id if own is None else own
        return [] if own is None else [own] if isinstance(own, int) else list(own)

    @cached_property
    def special_tokens(self) -> dict[str, int]:
        """Tokens that :meth:`decode` leaves out, by their text."""
        added = self.tokenizer.added_tokens_decoder
        return {token.content: number for number, token in added.items() if token.special}

    @property
    def box_scale(self) -> str | None:
        """What boxes in its answers are counted in; ``None`` where it doesn't see."""
        if self.processor is None:
            return None
        pixels = self.model.config.model_type in COUNTS_PIXELS
        return "pixels" if pixels else "thousandths"

    def text_of(self, token: int) -> str:
        """Text of a token alone, special ones by their name."""
        text: str = self.tokenizer.decode([token])
        # Decoders of SentencePiece drop the space at the beginning of a text.
        piece = self.tokenizer.convert_ids_to_tokens(token) or ""
        return f" {text}" if piece.startswith(_SPACE) and not text.startswith(" ") else text

    def decode(self, tokens: list[int]) -> str:
        """Text of tokens, special ones left out but for those that say where a thing is."""
        marks = self._marks
        if not marks or marks.keys().isdisjoint(tokens):
            return self._text_between_marks(tokens)
        text, start = "", 0
        for place, token in enumerate(tokens):
            if token in marks:
                text += self._text_between_marks(tokens[start:place]) + marks[token]
                start = place + 1
        return text + self._text_between_marks(tokens[start:])

    def _text_between_marks(self, tokens: list[int]) -> str:
        text: str = self._decoder.decode(tokens, skip_special_tokens=True)
        return text

    @cached_property
    def _marks(self) -> dict[int, str]:
        """Special tokens that are part of the answer of a model that sees, and their text."""
        if self.processor is None:
            return {}
        special = self.special_tokens
        return {special[name]: text for name, text in MARKS.items() if name in special}

    @cached_property
    def _decoder(self) -> Any:
        """What the tokenizer's class only wraps, at many times its cost; else the tokenizer."""
        from transformers import PreTrainedTokenizerBase, TokenizersBackend

        own = type(self.tokenizer)
        bare = (
            issubclass(own, TokenizersBackend)
            and own.decode is PreTrainedTokenizerBase.decode
            and own._decode is TokenizersBackend._decode
            and not self.tokenizer.clean_up_tokenization_spaces
        )
        return self.tokenizer.backend_tokenizer if bare else self.tokenizer


@dataclass(frozen=True)
class ModelOutline:
    """What is known of a model before its weights are loaded.

    Attributes:
        config: The library's configuration.
        tokenizer: Its tokenizer.
        auto_class: The library's class that loads its weights.
        context_length: As in :class:`LoadedModel`.
        options: What the library's loaders are told.
    """

    config: Any
    tokenizer: Any
    auto_class: Any
    context_length: int | None
    options: dict[str, Any]


def read_model(source: ModelSource, parameters: Parameters, report: ReportProgress) -> ModelOutline:
    """Load configuration and tokenizer.

    Args:
        source: Where the model is.
        parameters: The deployment's.
        report: Told of the phase.

    Raises:
        InvalidRequestError: The library doesn't know this model or can't chat with it.
        EngineError: Files are missing or broken.
    """
    options: dict[str, Any] = {
        "trust_remote_code": parameters.trust_remote_code,
        "local_files_only": source.offline,
    }
    report(LoadProgress("reading the folder"))
    with _explained(source, "configuration"):
        found = translated(source)
        if found is None:
            refuse_unread_code(source, parameters)
            config = AutoConfig.from_pretrained(source.name, **options)
            auto_class = class_for(config, source)
        else:
            config, auto_class = found.config, found.model_class
    with _explained(source, "tokenizer"):
        if found is not None and found.tokenizer is not None:
            tokenizer = found.tokenizer
        else:
            tokenizer = AutoTokenizer.from_pretrained(_tokenizer_folder(source), **options)
    window = _context_length(config, tokenizer, parameters)
    return ModelOutline(config, tokenizer, auto_class, window, options)


def load_model(
    source: ModelSource,
    parameters: Parameters,
    report: ReportProgress,
    *,
    on_host: bool = False,
) -> LoadedModel:
    """Load configuration, tokenizer and weights.

    Args:
        source: Where the model is.
        parameters: The deployment's.
        report: Told of each phase.
        on_host: Leave the weights in the host's memory, for who places them.

    Raises:
        InvalidRequestError: The library doesn't know this model or can't chat with it.
        EngineError: Files are missing or broken.
    """
    outline = read_model(source, parameters, report)
    config, options = outline.config, dict(outline.options)
    processor = None
    if outline.auto_class is AutoModelForImageTextToText:
        with _explained(source, "processor"):
            processor = load_processor(config, outline.tokenizer, source.name, options)
    quantization = agreed_format(wanted_format(parameters), own_format(config), source.name)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    hidden_size = getattr(config.get_text_config(), "hidden_size", 0)
    if parameters.attn_implementation is not None:
        options["attn_implementation"] = parameters.attn_implementation
    if device == "cuda" and not on_host:
        options["device_map"] = {"": 0}
    dtype = choose_dtype(parameters.dtype, config.dtype, device, hidden_size)
    if quantization is not None:
        settings = library_settings(quantization, parameters, dtype)
        options |= {"quantization_config": settings} if settings is not None else {}
    report(LoadProgress("loading weights", 0.0))
    with _explained(source, "weights"), weights_reported(report):
        model, info = outline.auto_class.from_pretrained(
            source.name,
            config=config,
            dtype=dtype,
            output_loading_info=True,
            **options,
        )
    _refuse_missing(info["missing_keys"], source)
    if isinstance(model, BaichuanForCausalLM):
        model.settle()
    model = model.eval()
    if source.adapter is not None:
        report(LoadProgress("adding the adapter"))
        with _explained(source, "adapter"):
            model = with_adapter(model, source.adapter, merge=quantization is None)
    route = None
    if parameters.adapters:
        report(LoadProgress("adding adapters"))
        route = route_adapters(model, parameters.adapters)
    if not parameters.use_cache:
        model.generation_config.use_cache = False
    return LoadedModel(
        *(model, outline.tokenizer, outline.context_length, quantization, source.adapter),
        route=route,
        processor=processor,
    )


def _tokenizer_folder(source: ModelSource) -> str:
    """An adapter's own tokenizer where it was saved with one: training may have added tokens."""
    own = Path(source.adapter or "") / "tokenizer_config.json"
    return source.adapter if source.adapter is not None and own.is_file() else source.name


def _refuse_missing(missing: Any, source: ModelSource) -> None:
    if missing:
        names = sorted(missing)
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        raise EngineError(
            f"The weights of {source.name!r} are incomplete: {', '.join(names[:3])}{more} "
            "missing from its files."
        )


def _context_length(config: Any, tokenizer: Any, parameters: Parameters) -> int | None:
    text = config.get_text_config()
    own = getattr(text, "max_position_embeddings", None) or getattr(text, "n_positions", None)
    if own is None and tokenizer.model_max_length < _NO_LIMIT:
        own = tokenizer.model_max_length
    wanted = parameters.max_model_len
    if wanted is None:
        return own
    if own is not None and wanted > own:
        raise InvalidRequestError(
            f"max_model_len is {wanted}, but the model's context window is {own} tokens."
        )
    return wanted


@contextlib.contextmanager
def _explained(source: ModelSource, part: str) -> Iterator[None]:
    """Turn the library's exceptions into one sentence that keeps its words."""
    try:
        yield
    except InvalidRequestError:
        raise
    except Exception as error:
        words = describe(error)
        if part == "configuration" and not source.on_hub:
            raise InvalidRequestError(
                f"The transformers library can't serve {source.name!r}: {words}"
            ) from error
        raise EngineError(f"The {part} of {source.name!r} can't be loaded: {words}") from error
