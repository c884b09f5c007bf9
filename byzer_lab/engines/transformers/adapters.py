"""A trained adapter on its base model."""

from __future__ import annotations

from typing import Any

from byzer_lab.errors import EngineError, InvalidRequestError, describe


def with_adapter(model: Any, folder: str, *, merge: bool) -> Any:
    """The model as the adapter changes it; still a model of its own class.

    Args:
        model: The base model.
        folder: The adapter, as PEFT saves it.
        merge: Add it to the weights. Quantised weights would lose most of it, so there it is
            computed beside them.

    Raises:
        InvalidRequestError: It is no adapter of this model, or of a kind that doesn't change
            weights.
        EngineError: PEFT is not installed.
    """
    adapted = put_adapter(model, folder)
    whole = adapted.merge_and_unload(safe_merge=True) if merge else adapted.get_base_model()
    return whole.requires_grad_(False).eval()


def put_adapter(model: Any, folder: str, name: str = "default") -> Any:
    """PEFT's model around a base model, with an adapter computed beside its weights.

    Args:
        model: The base model, or one that already has other adapters.
        folder: The adapter, as PEFT saves it.
        name: What PEFT calls it.

    Raises:
        InvalidRequestError, EngineError: As :func:`with_adapter`.
    """
    try:
        from peft import (
            PeftConfig,
            PeftModel,
            get_peft_model,
            load_peft_weights,
            set_peft_model_state_dict,
        )
    except ImportError as error:
        raise EngineError(
            f"{folder!r} is an adapter, which needs the library peft ({describe(error)}); "
            "pip install 'byzer-lab[finetune]' where the workers run."
        ) from error
    config = PeftConfig.from_pretrained(folder)
    config.inference_mode = True
    config.base_model_name_or_path = None  # PEFT warns of a folder that has moved
    kind = getattr(config.peft_type, "value", config.peft_type)
    if config.is_prompt_learning:
        raise InvalidRequestError(
            f"The adapter {folder!r} is of the kind {kind}, which puts tokens before the prompt "
            "instead of changing weights; it can't be served."
        )
    try:
        if isinstance(model, PeftModel):
            adapted = model
            adapted.add_adapter(name, config)
        else:
            adapted = get_peft_model(model, config, adapter_name=name)
        weights = load_peft_weights(folder, device=str(model.device))
        loaded: Any = set_peft_model_state_dict(adapted, weights, adapter_name=name)
    except (ValueError, KeyError, RuntimeError) as error:
        raise InvalidRequestError(
            f"The adapter {folder!r} doesn't fit its base model: {describe(error)}"
        ) from error
    missing = [
        key
        for key in loaded.missing_keys
        if f".{name}." in f"{key}." and (".lora_" in key or "modules_to" in key)
    ]
    if missing or loaded.unexpected_keys:
        names = [*missing, *loaded.unexpected_keys]
        raise InvalidRequestError(
            f"The adapter {folder!r} doesn't fit its base model: {len(names)} of its weights have "
            f"no place or are missing, such as {names[0]}."
        )
    return adapted
