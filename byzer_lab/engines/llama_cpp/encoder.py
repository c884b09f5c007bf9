"""The context of a model that turns texts into vectors: one pass over whole texts at a time."""

from __future__ import annotations

from typing import Any

import llama_cpp.llama_cpp as lib
import numpy as np

from byzer_lab.engines.llama_cpp import native
from byzer_lab.engines.llama_cpp.capacity import default_threads
from byzer_lab.engines.llama_cpp.context import Batch, context_params, new_context, window_of
from byzer_lab.engines.llama_cpp.loading import Model
from byzer_lab.engines.llama_cpp.parameters import POOLING_TYPES, Parameters
from byzer_lab.errors import EngineError, InvalidRequestError

MOST_TEXTS = 64
"""Texts of one pass."""
# A text is read in one piece, whose memory grows with the square of its length: a model with a
# window for whole books gets this much of it unless the deployment says more.
_LONGEST_UNASKED = 8192


class Encoder:
    """Reads texts together and gives a vector for each.

    Args:
        model: The loaded model.
        parameters: The deployment's.

    Attributes:
        window: Most tokens of a text.
        most_tokens: Most tokens of one pass.
        dimensions: Length of a vector.
        threads: Processor threads of a pass.

    Raises:
        InvalidRequestError: The window doesn't fit the model, or its vectors can't be pooled.
        EngineError: The library can't make the context.
    """

    def __init__(self, model: Model, parameters: Parameters) -> None:
        window = window_of(model, parameters)
        self.window = window if parameters.n_ctx else min(window, _LONGEST_UNASKED)
        self.most_tokens = max(self.window, parameters.n_batch)
        self.threads = parameters.n_threads or default_threads()
        self.dimensions = int(lib.llama_model_n_embd_out(model.handle))
        params = context_params(parameters, self.threads)
        params.n_ctx = params.n_batch = params.n_ubatch = self.most_tokens
        params.n_seq_max = MOST_TEXTS
        params.embeddings = True
        params.pooling_type = _pooling(model, parameters)
        if parameters.flash_attn is not None:
            params.flash_attn_type = int(parameters.flash_attn)
        self._handle: Any = new_context(model, params)
        self._memory = lib.llama_get_memory(self._handle)
        self._batch = Batch(self.most_tokens)

    def vectors(self, texts: list[list[int]]) -> list[Any]:
        """The vector of each text.

        Args:
            texts: Their tokens; together at most :attr:`most_tokens`.

        Raises:
            EngineError: The library failed.
        """
        native.LOG.forget()
        code = lib.llama_decode(self._handle, self._batch.fill_whole(texts))
        if code != 0:
            raise EngineError(f"llama_decode returned {code}: {native.LOG.why()}.")
        try:
            return [self._vector(slot) for slot in range(len(texts))]
        finally:
            if self._memory:  # models in which each token sees the whole text keep nothing
                lib.llama_memory_clear(self._memory, False)

    def close(self) -> None:
        """Free the memory; the model must still be loaded. Safe to call twice."""
        handle, self._handle = self._handle, None
        if handle is not None:
            lib.llama_free(handle)

    def _vector(self, slot: int) -> Any:
        found = lib.llama_get_embeddings_seq(self._handle, slot)
        if not found:
            raise EngineError("The library gave no vector for a text.")
        return np.ctypeslib.as_array(found, shape=(self.dimensions,)).copy()


def _pooling(model: Model, parameters: Parameters) -> int:
    own = int(model.metadata(f"{model.architecture}.pooling_type") or lib.LLAMA_POOLING_TYPE_NONE)
    if own == lib.LLAMA_POOLING_TYPE_RANK:
        raise InvalidRequestError(
            "This GGUF is a reranker, which gives scores and no vectors; deploy the reranker's "
            "transformers folder as custom/bge_rerank."
        )
    if parameters.pooling_type is not None:
        return POOLING_TYPES[parameters.pooling_type]
    return own if own != lib.LLAMA_POOLING_TYPE_NONE else int(lib.LLAMA_POOLING_TYPE_MEAN)
