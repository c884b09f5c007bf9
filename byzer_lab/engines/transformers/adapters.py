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
    try:
        from peft import PeftConfig, get_peft_model, load_peft_weights, set_peft_model_state_dict
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
        adapted = get_peft_model(model, config)
        weights = load_peft_weights(folder, device=str(model.device))
        loaded: Any = set_peft_model_state_dict(adapted, weights)
    except (ValueError, KeyError, RuntimeError) as error:
        raise InvalidRequestError(
            f"The adapter {folder!r} doesn't fit its base model: {describe(error)}"
        ) from error
    missing = [name for name in loaded.missing_keys if ".lora_" in name or "modules_to" in name]
    if missing or loaded.unexpected_keys:
        names = [*missing, *loaded.unexpected_keys]
        raise InvalidRequestError(
            f"The adapter {folder!r} doesn't fit its base model: {len(names)} of its weights have "
            f"no place or are missing, such as {names[0]}."
        )
    whole = adapted.merge_and_unload(safe_merge=True) if merge else adapted.get_base_model()
    return whole.requires_grad_(False).eval()
