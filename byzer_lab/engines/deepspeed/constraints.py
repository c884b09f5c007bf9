"""Starts constraints where tokens are chosen: on rank 0, which has no tokenizer otherwise."""

from __future__ import annotations

from functools import cached_property
from types import SimpleNamespace
from typing import Any

from transformers import GenerationConfig

from byzer_lab.engines.deepspeed.protocol import RankSetup
from byzer_lab.engines.structured.compiler import Compiler
from byzer_lab.engines.structured.constraint import Constraint
from byzer_lab.engines.structured.vocabulary import of_tokenizer
from byzer_lab.engines.transformers.loading import LoadedModel, read_model
from byzer_lab.engines.transformers.structure import end_tokens


class Constraints:
    """Of the requests of one rank.

    Args:
        setup: The rank's.
        model: The rank's.
        generation_config: The model's own defaults.
    """

    def __init__(self, setup: RankSetup, model: Any, generation_config: dict[str, Any]) -> None:
        self._setup = setup
        self._config = model.config
        self._defaults = GenerationConfig.from_dict(generation_config)

    def start(self, constraint: Constraint) -> None:
        """Begin an answer, whose grammar the worker has compiled before."""
        self._compiler.start(constraint)

    @cached_property
    def _compiler(self) -> Compiler:
        setup = self._setup
        outline = read_model(setup.source, setup.parameters.for_loading, lambda _: None)
        model = SimpleNamespace(config=self._config, generation_config=self._defaults)
        loaded = LoadedModel(model, outline.tokenizer, None)
        return Compiler(of_tokenizer(outline.tokenizer, loaded.vocabulary, end_tokens(loaded)))
