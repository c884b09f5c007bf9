"""Models that listen or speak into memory, and what they are refused for."""

from __future__ import annotations

from typing import Any

import torch
from transformers import AutoConfig, AutoTokenizer
from transformers.utils import logging as transformers_logging

from byzer_lab.engines.base import LoadProgress, ReportProgress
from byzer_lab.engines.folder import ModelSource
from byzer_lab.engines.precision import choose_dtype
from byzer_lab.engines.progress import weights_reported
from byzer_lab.engines.speech.parameters import Parameters
from byzer_lab.errors import EngineError, InvalidRequestError


def read_config(source: ModelSource, parameters: Parameters) -> Any:
    """The model's configuration.

    Raises:
        InvalidRequestError: The model brings code that nobody allowed to run.
    """
    return AutoConfig.from_pretrained(source.name, **_options(source, parameters))


def load_tokenizer(source: ModelSource, parameters: Parameters) -> Any:
    """The model's tokenizer."""
    return AutoTokenizer.from_pretrained(source.name, **_options(source, parameters))


def load_weights(
    kind: Any, source: ModelSource, config: Any, parameters: Parameters, report: ReportProgress
) -> Any:
    """The model on its device, ready to answer.

    Args:
        kind: Class of the library.
        source: Where the model is.
        config: Its configuration.
        parameters: The deployment's.
        report: Told of the loading.

    Raises:
        EngineError: Its files lack some of its weights, in whose place the library would put
            random ones.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    width = getattr(config, "hidden_size", 0) or 0
    transformers_logging.set_verbosity_error()  # its advice is for who writes programs
    report(LoadProgress("loading weights", 0.0))
    with weights_reported(report):
        model, info = kind.from_pretrained(
            source.name,
            config=config,
            dtype=choose_dtype(parameters.dtype, config.dtype, device, width),
            output_loading_info=True,
            **_options(source, parameters),
        )
    missing = sorted(info["missing_keys"])
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise EngineError(
            f"The weights of {source.name!r} are incomplete: {', '.join(missing[:3])}{more} "
            "missing from its files."
        )
    return model.eval().to(device)


def wrong_kind(source: ModelSource, config: Any, wanted: str) -> InvalidRequestError:
    """The error of a model that is of another kind.

    Args:
        source: Where it is.
        config: Its configuration.
        wanted: What is served, such as ``a Whisper``.
    """
    names = ", ".join(getattr(config, "architectures", None) or [config.model_type])
    return InvalidRequestError(f"{source.name!r} is a {names}, not {wanted}.")


def _options(source: ModelSource, parameters: Parameters) -> dict[str, Any]:
    return {
        "trust_remote_code": parameters.trust_remote_code,
        "local_files_only": source.offline,
    }
