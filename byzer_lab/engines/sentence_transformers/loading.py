"""Embedding and rerank models in memory, what they are refused for, and how texts become tokens."""

from __future__ import annotations

import copy
import logging
import threading
from typing import Any

import torch
from sentence_transformers import CrossEncoder, SentenceTransformer
from tokenizers import Tokenizer
from transformers import AutoModel, AutoModelForSequenceClassification, PreTrainedConfig
from transformers.utils import logging as transformers_logging

from byzer_lab.engines.base import LoadProgress, ReportProgress
from byzer_lab.engines.folder import ModelSource
from byzer_lab.engines.precision import choose_dtype
from byzer_lab.engines.progress import weights_reported
from byzer_lab.engines.sentence_transformers.parameters import Parameters
from byzer_lab.errors import EngineError, InvalidRequestError

# Tokenizers without a limit of their own say 1e30.
_NO_LIMIT = 10**9
_UNLIMITED_WINDOW = 32_768


def load_embedder(
    source: ModelSource, parameters: Parameters, report: ReportProgress
) -> SentenceTransformer:
    """Load an embedding model, or any encoder, which then gets mean pooling as the library does.

    Args:
        source: Where the model is.
        parameters: The deployment's.
        report: Told of each phase.

    Raises:
        InvalidRequestError: It is no such model.
        EngineError: Its files lack some of its weights.
    """
    config = _config(source)
    if any(name.endswith("ForSequenceClassification") for name in _architectures(config)):
        raise InvalidRequestError(
            f"{source.name!r} is a {_architectures(config)[0]}, which scores texts and gives no "
            "vectors; deploy a reranker as custom/bge_rerank."
        )
    _refuse_missing(AutoModel, source, config)
    model: SentenceTransformer = _load(SentenceTransformer, source, config, parameters, report)
    return model


def load_reranker(
    source: ModelSource, parameters: Parameters, report: ReportProgress
) -> CrossEncoder:
    """Load a model that gives one score to a pair of texts; arguments of :func:`load_embedder`.

    Raises:
        InvalidRequestError: It is no such model.
        EngineError: Its files lack some of its weights.
    """
    config = _config(source)
    names = _architectures(config)
    # Without one of these heads the library would score with random weights.
    if names and not names[0].endswith(("ForSequenceClassification", "ForCausalLM")):
        raise InvalidRequestError(
            f"{source.name!r} is a {names[0]}, which gives no scores; a reranker is a model for "
            "sequence classification with one label. Deploy an embedding model as custom/bge."
        )
    _refuse_missing(AutoModelForSequenceClassification, source, config)
    model: CrossEncoder = _load(CrossEncoder, source, config, parameters, report)
    if model.num_labels != 1:
        raise InvalidRequestError(
            f"{source.name!r} gives {model.num_labels} scores to a pair of texts; a reranker "
            "gives one."
        )
    return model


def longest_text(model: SentenceTransformer | CrossEncoder, parameters: Parameters) -> int:
    """Tokens that a text is cut to.

    Raises:
        InvalidRequestError: ``max_model_len`` is beyond the model's limit.
    """
    own = model.max_seq_length
    places = getattr(model.config, "max_position_embeddings", None) if model.config else None
    if isinstance(places, int) and places > 0:
        own = min(own or places, places - _places_not_used(model))
    if own is None or own > _NO_LIMIT:
        own = _UNLIMITED_WINDOW
    wanted = parameters.max_model_len
    if wanted is not None and wanted > own:
        raise InvalidRequestError(
            f"max_model_len is {wanted}, but the model's limit is {own} tokens."
        )
    return wanted or own


class TokenCounter:
    """Counts tokens beside the model's thread.

    Args:
        model: Whose tokenizer is meant.
    """

    def __init__(self, model: SentenceTransformer | CrossEncoder) -> None:
        # A copy: a tokenizer that truncates on one thread may not be used on another one.
        self._tokenizer = copy.deepcopy(model.tokenizer)
        self._prompt = model.prompts.get(model.default_prompt_name or "") or ""
        self._lock = threading.Lock()

    def count(self, texts: list[str], second: list[str] | None = None) -> list[int]:
        """Tokens of each text, or pair of texts, before anything is cut off."""
        prompted = [self._prompt + text for text in texts]
        with self._lock:
            if isinstance(self._tokenizer, Tokenizer):  # of models that are a table of vectors
                return [len(found.ids) for found in self._tokenizer.encode_batch_fast(prompted)]
            encoded = self._tokenizer(
                prompted,
                second,
                truncation=False,
                padding=False,
                return_attention_mask=False,
                verbose=False,
            )
        return [len(tokens) for tokens in encoded["input_ids"]]


def _load(
    kind: type[Any],
    source: ModelSource,
    config: dict[str, Any],
    parameters: Parameters,
    report: ReportProgress,
) -> Any:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    checkpoint = config.get("dtype") or config.get("torch_dtype")
    weights: dict[str, Any] = {
        "dtype": choose_dtype(
            "float16" if parameters.use_fp16 and device == "cuda" else parameters.dtype,
            getattr(torch, checkpoint) if isinstance(checkpoint, str) else None,
            device,
            config.get("hidden_size", 0),
        )
    }
    if parameters.attn_implementation is not None:
        weights["attn_implementation"] = parameters.attn_implementation
    logging.getLogger("sentence_transformers").setLevel(logging.WARNING)
    transformers_logging.set_verbosity_warning()
    report(LoadProgress("loading weights", 0.0))
    with weights_reported(report):
        model = kind(
            source.name,
            device=device,
            trust_remote_code=parameters.trust_remote_code,
            local_files_only=source.offline,
            model_kwargs=weights,
        )
    return model.eval()


def _places_not_used(model: Any) -> int:
    """RoBERTa and its kin count positions from the one after the padding token's."""
    for module in model.modules():
        places = getattr(module, "position_embeddings", None)
        if isinstance(places, torch.nn.Embedding) and places.padding_idx is not None:
            return int(places.padding_idx) + 1
    return 0


def _refuse_missing(auto_class: Any, source: ModelSource, config: dict[str, Any]) -> None:
    """Refuse files that lack weights: the library would put random ones in their place.

    Nothing is read but the names in the files, and only of models of the library's own classes.
    """
    if not _architectures(config) or "auto_map" in config or "quantization_config" in config:
        return
    try:
        model, info = auto_class.from_pretrained(
            source.name,
            device_map="meta",
            output_loading_info=True,
            trust_remote_code=False,
            local_files_only=source.offline,
        )
    except Exception:
        return  # loading itself will say what is wrong
    # The pooler is BERT's own; sentence-transformers has other ways to pool.
    missing = sorted(name for name in info["missing_keys"] if not name.startswith("pooler."))
    if missing and type(model).__name__ in _architectures(config):
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise EngineError(
            f"The weights of {source.name!r} are incomplete: {', '.join(missing[:3])}{more} "
            "missing from its files."
        )


def _config(source: ModelSource) -> dict[str, Any]:
    """The model's config.json; empty where its modules lie in folders of their own."""
    try:
        found, _ = PreTrainedConfig.get_config_dict(source.name, local_files_only=source.offline)
    except OSError:
        return {}
    return dict(found)


def _architectures(config: dict[str, Any]) -> list[str]:
    return list(config.get("architectures") or [])
