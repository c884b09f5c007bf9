"""Which class of the library loads a model, or that only code which comes with it could."""

from __future__ import annotations

from typing import Any

from transformers import (
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoModelForSeq2SeqLM,
    PreTrainedConfig,
)
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING,
    MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING,
)

from byzer_lab.engines.folder import ModelSource
from byzer_lab.engines.transformers.parameters import Parameters
from byzer_lab.errors import InvalidRequestError

# The order matters: some models with an encoder are listed as causal ones too.
_KINDS = (
    (MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING, AutoModelForSeq2SeqLM),
    (MODEL_FOR_CAUSAL_LM_MAPPING, AutoModelForCausalLM),
    (MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING, AutoModelForImageTextToText),
)


def refuse_unread_code(source: ModelSource, parameters: Parameters) -> None:
    """Refuse a model that only its own code can load, unless the deployment allows that code.

    Raises:
        InvalidRequestError: Names the classes.
    """
    found, _ = PreTrainedConfig.get_config_dict(source.name, local_files_only=source.offline)
    code = found.get("auto_map") or {}
    native = found.get("model_type") in CONFIG_MAPPING
    if code.get("AutoConfig") and not native and not parameters.trust_remote_code:
        classes = sorted({str(name).rpartition("--")[2] for name in code.values()})
        raise InvalidRequestError(
            f"{source.name!r} is of the kind {found.get('model_type')!r}, which the transformers "
            f"library doesn't have: code that comes with it loads it ({', '.join(classes)}), and "
            "runs with your rights. Read it, and deploy with trust_remote_code=true."
        )


def class_for(config: Any, source: ModelSource) -> Any:
    """The library's class that loads a model for writing text.

    Args:
        config: The library's configuration.
        source: Where the model is, for messages.

    Raises:
        InvalidRequestError: It is a model for something else.
    """
    if "AutoModelForCausalLM" in (getattr(config, "auto_map", None) or {}):
        return AutoModelForCausalLM
    architectures = config.architectures or []
    kinds = [auto_class for mapping, auto_class in _KINDS if type(config) in mapping]
    # A checkpoint that names no architecture gets the benefit of the doubt.
    talks = not architectures or any(
        name.endswith(("ForCausalLM", "LMHeadModel", "ForConditionalGeneration"))
        or name in _class_names(config)
        for name in architectures
    )
    if kinds and talks:
        return kinds[0]
    encodes = any(name.endswith("Model") for name in architectures)
    hint = " To turn texts into vectors, deploy it as custom/bge or custom/m3e." if encodes else ""
    raise InvalidRequestError(
        f"{source.name!r} is no model that writes text: its type is {config.model_type!r}, its "
        f"architecture {', '.join(architectures) or 'not named'}.{hint}"
    )


def _class_names(config: Any) -> set[str]:
    found = (mapping[type(config)] for mapping, _ in _KINDS if type(config) in mapping)
    return {
        cls.__name__ for entry in found for cls in (entry if isinstance(entry, tuple) else (entry,))
    }
