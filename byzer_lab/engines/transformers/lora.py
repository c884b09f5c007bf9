"""LoRA adapters that each request of one batch chooses for itself.

Each layer that any adapter changes is computed once for all tokens of a step; then every adapter
adds its part to the tokens of its own requests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from byzer_lab.errors import EngineError, InvalidRequestError, describe

_PARTS = {".lora_A.weight": "down", ".lora_B.weight": "up"}
_PREFIX = "base_model.model."


class Route:
    """Which adapter each token of the present step belongs to.

    Args:
        device: Where the model is.
    """

    def __init__(self, device: Any) -> None:
        self._device = device
        self.length: int | None = None
        self.tokens: dict[str, Any] = {}

    def follow(self, spans: Sequence[tuple[str | None, int]]) -> None:
        """Set the step: of each request its adapter and how many tokens, in their order."""
        places: dict[str, list[int]] = {}
        end = 0
        for name, count in spans:
            start, end = end, end + count
            if name is not None:
                places.setdefault(name, []).extend(range(start, end))
        self.length = end
        self.tokens = {
            name: torch.tensor(tokens, device=self._device) for name, tokens in places.items()
        }

    def follow_one(self, name: str | None) -> None:
        """Set one request's adapter for all steps that follow."""
        self.length = None
        self.tokens = {} if name is None else {name: slice(None)}


class RoutedLayer(nn.Module):  # type: ignore[misc]
    """A layer, and what each adapter adds to it.

    Args:
        base: The layer.
        route: The model's.
    """

    def __init__(self, base: Any, route: Route) -> None:
        super().__init__()
        self.base = base
        self._route = route
        # No parameters of the module: the model has as many as before.
        self._parts: dict[str, tuple[Any, Any, float]] = {}

    @property
    def weight(self) -> Any:
        """The layer's own; some models look at its number format."""
        return self.base.weight

    def add(self, name: str, down: Any, up: Any, scale: float) -> None:
        """Add an adapter.

        Raises:
            InvalidRequestError: Its sizes are not the layer's.
        """
        wide = getattr(self.base, "in_features", down.shape[1])
        high = getattr(self.base, "out_features", up.shape[0])
        if (down.shape[1], up.shape[0]) != (wide, high) or down.shape[0] != up.shape[1]:
            raise InvalidRequestError(
                f"The adapter {name!r} doesn't fit the model: it changes a layer of {wide} by "
                f"{high} numbers with matrices for {down.shape[1]} by {up.shape[0]}."
            )
        self._parts[name] = (down, up, scale)

    def forward(self, inputs: Any) -> Any:
        """The layer's output, each token's with its request's adapter."""
        output = self.base(inputs)
        length = self._route.length
        if length is not None and inputs.shape[:-1] != (1, length):
            # Its tokens are not those of the step, as in layers that only some of them reach.
            raise ValueError("an adapter changes a layer that doesn't see every token")
        for name, tokens in self._route.tokens.items():
            if name in self._parts:
                down, up, scale = self._parts[name]
                part = nn.functional.linear(inputs[0, tokens].to(down.dtype), down)
                part = nn.functional.linear(part, up) * scale
                output[0, tokens] += part.to(output.dtype)
        return output


def route_adapters(model: Any, folders: Mapping[str, str]) -> Route:
    """Add adapters to a model's layers.

    Args:
        model: Changed in place; without a route it answers as before.
        folders: Of each adapter's name, where PEFT saved it.

    Returns:
        What says which tokens are whose.

    Raises:
        InvalidRequestError: An adapter is none of this model, or more than LoRA.
        EngineError: PEFT is not installed.
    """
    route = Route(model.device)
    for name, folder in folders.items():
        _add(model, route, name, folder)
    return route


def _add(model: Any, route: Route, name: str, folder: str) -> None:
    config, weights = _read(name, folder)
    layers: dict[str, dict[str, Any]] = {}
    for key, value in weights.items():
        part = next((part for ending, part in _PARTS.items() if key.endswith(ending)), None)
        if part is None or not key.startswith(_PREFIX):
            raise InvalidRequestError(
                f"The adapter {name!r} in {folder!r} changes more than LoRA's matrices ({key}), so "
                "requests can't choose it; deploy its folder as model_path."
            )
        path = key.removeprefix(_PREFIX).rpartition(".lora_")[0]
        layers.setdefault(path, {})[part] = value.to(model.device)
    for path, parts in layers.items():
        parent, _, child = path.rpartition(".")
        try:
            holder = model.get_submodule(parent)
            layer = getattr(holder, child)
        except AttributeError as error:
            raise InvalidRequestError(
                f"The adapter {name!r} in {folder!r} doesn't fit the model, which has no layer "
                f"{path!r}."
            ) from error
        if not isinstance(layer, RoutedLayer):
            layer = RoutedLayer(layer, route)
            setattr(holder, child, layer)
        rank = parts["down"].shape[0]
        scale = config.lora_alpha / (rank**0.5 if config.use_rslora else rank)
        layer.add(name, parts["down"], parts["up"], scale)


def _read(name: str, folder: str) -> tuple[Any, dict[str, Any]]:
    """An adapter's configuration and weights, checked."""
    try:
        from peft import PeftConfig, load_peft_weights
    except ImportError as error:
        raise EngineError(
            f"Adapters need the library peft ({describe(error)}); pip install "
            "'byzer-lab[finetune]' where the workers run."
        ) from error
    try:
        config: Any = PeftConfig.from_pretrained(folder)
        kind = str(getattr(config.peft_type, "value", config.peft_type))
        plain = kind == "LORA" and not (config.use_dora or config.alpha_pattern)
        if not plain:
            raise InvalidRequestError(
                f"The adapter {name!r} in {folder!r} is not plain LoRA ({kind}), so requests can't "
                "choose it; deploy its folder as model_path."
            )
        return config, load_peft_weights(folder, device="cpu")
    except InvalidRequestError:
        raise
    except Exception as error:
        raise InvalidRequestError(
            f"The adapter {name!r} can't be read from {folder!r}: {describe(error)}"
        ) from error
