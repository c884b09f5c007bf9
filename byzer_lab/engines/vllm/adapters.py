"""LoRA adapters of a deployment: folders, ranks, and which one a request wants."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from byzer_lab.engines.folder import ADAPTER, find_adapter
from byzer_lab.errors import InvalidRequestError


@dataclass(frozen=True)
class Adapter:
    """A LoRA adapter.

    Attributes:
        name: What requests call it.
        number: Its number in vLLM, from 1.
        folder: Where it is.
        rank: Greatest rank of its matrices.
    """

    name: str
    number: int
    folder: str
    rank: int


def find_adapters(paths: Mapping[str, str]) -> dict[str, Adapter]:
    """Look at the folders.

    Args:
        paths: Folder of each adapter, by its name.

    Raises:
        InvalidRequestError: A folder is missing or holds no LoRA adapter.
    """
    found = {}
    for number, (name, path) in enumerate(paths.items(), start=1):
        folder = find_adapter(name, path)
        found[name] = Adapter(name, number, str(folder), _rank(name, folder))
    return found


def choose_adapter(name: str | None, adapters: Mapping[str, Adapter]) -> Adapter | None:
    """The adapter that a request asks for; ``None`` for the model itself.

    Raises:
        InvalidRequestError: There is none of that name.
    """
    if name is None:
        return None
    if name not in adapters:
        there = (
            f"this deployment has: {', '.join(adapters)}"
            if adapters
            else "this deployment has none; give them with the infer parameter adapters"
        )
        raise InvalidRequestError(f"There is no adapter {name!r}; {there}.", adapter=name)
    return adapters[name]


def fitting_rank(adapters: Mapping[str, Adapter], offered: Sequence[int], asked: int | None) -> int:
    """The ``max_lora_rank`` that all adapters fit into.

    Args:
        adapters: The deployment's.
        offered: Ranks that vLLM offers.
        asked: The deployment's own; it is kept.

    Raises:
        InvalidRequestError: An adapter has a greater rank.
    """
    largest = max(adapters.values(), key=lambda adapter: adapter.rank)
    most = max(offered) if asked is None else asked
    if largest.rank > most:
        bound = "vLLM takes at most" if asked is None else "max_lora_rank is"
        raise InvalidRequestError(
            f"The adapter {largest.name!r} has rank {largest.rank}, but {bound} {most}."
        )
    return most if asked is not None else min(rank for rank in offered if rank >= largest.rank)


def _rank(name: str, folder: Path) -> int:
    """Raises :class:`InvalidRequestError` where it is no LoRA adapter."""
    file = folder / ADAPTER
    try:
        config: dict[str, Any] = json.loads(file.read_bytes())
    except ValueError as error:
        raise InvalidRequestError(f"{str(file)!r} is no valid JSON: {error}.") from error
    kind = str(config.get("peft_type", "unknown"))
    if kind != "LORA":
        raise InvalidRequestError(
            f"The adapter {name!r} is of the kind {kind}; vLLM takes LORA adapters."
        )
    ranks = [config.get("r", 8), *(config.get("rank_pattern") or {}).values()]
    return max(int(rank) for rank in ranks)
