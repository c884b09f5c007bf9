"""The key-value cache of all requests and one decoding step over it."""

from __future__ import annotations

import ctypes
import os
from typing import Any

import llama_cpp.llama_cpp as lib
import numpy as np

from byzer_lab.engines.llama_cpp import native
from byzer_lab.engines.llama_cpp.capacity import default_threads, size_cache
from byzer_lab.engines.llama_cpp.loading import Model
from byzer_lab.engines.llama_cpp.parameters import CACHE_TYPES, Parameters
from byzer_lab.errors import EngineError, InvalidRequestError

_BYTES = {"f32": 4.0, "f16": 2.0, "bf16": 2.0, "q8_0": 1.07, "q5_0": 0.69, "q5_1": 0.75}
_BYTES_OF_4_BITS = 0.63
# The library rounds the cache up to these many tokens.
_CACHE_STEP = 256
_NO_ROOM = 1


class CacheFullError(Exception):
    """A step found no room in the key-value cache; nothing was changed."""


class Context:
    """One context of the library that holds many sequences in one cache.

    Args:
        model: The loaded model.
        parameters: The deployment's.
        concurrency: Most requests at a time.

    Attributes:
        window: Tokens that prompt and answer of one request may have.
        cells: Tokens that the cache of all requests holds.
        slots: Sequences at a time, numbered from 0.
        batch: Most tokens of one step.
        threads: Processor threads of a step.
        vocabulary: How many logits a row has.

    Raises:
        InvalidRequestError: The window or the cache doesn't fit the model or the memory.
        EngineError: The library can't make the context.
    """

    def __init__(self, model: Model, parameters: Parameters, concurrency: int) -> None:
        self.window = window_of(model, parameters)
        self.slots = max(1, min(concurrency, int(lib.llama_max_parallel_sequences())))
        self.batch = max(parameters.n_batch, self.slots)
        self.threads = parameters.n_threads or default_threads()
        cells = size_cache(
            parameters.kv_cache_tokens,
            self.window,
            self.slots,
            model.bytes_per_token(_bytes(parameters.type_k), _bytes(parameters.type_v)),
            window_asked=parameters.n_ctx > 0,
            on_gpu=parameters.n_gpu_layers != 0
            and parameters.offload_kqv
            and bool(lib.llama_supports_gpu_offload()),
        )
        self.vocabulary = model.vocabulary
        params = context_params(parameters, self.threads)
        params.n_ctx = -(-cells // _CACHE_STEP) * _CACHE_STEP
        params.n_batch = self.batch
        params.n_ubatch = min(parameters.n_ubatch or self.batch, self.batch)
        params.n_seq_max = self.slots
        params.flash_attn_type = _flash_attention(parameters)
        self._handle: Any = new_context(model, params)
        # What was asked for counts, not what the library rounded it up to.
        self.cells = min(cells, int(lib.llama_n_ctx(self._handle)))
        self._memory = lib.llama_get_memory(self._handle)
        self._adapter: Any = None
        if parameters.lora_path is not None:
            self._apply_adapter(model, parameters)
        self._batch = Batch(self.batch)

    def decode(self, pieces: list[tuple[int, int, list[int], bool]]) -> Any:
        """Process tokens of several sequences together.

        Args:
            pieces: Of each sequence: its slot, the position of the first token, the tokens, and
                whether the logits after the last of them are wanted. At most :attr:`batch` tokens.

        Returns:
            Logits, a row per wanted piece in their order; valid until the next call.

        Raises:
            CacheFullError: The cache has no room for them.
            EngineError: The library failed; the cache is in an unknown state.
        """
        native.LOG.forget()
        batch, wanted = self._batch.fill(pieces)
        code = lib.llama_decode(self._handle, batch)
        if code == _NO_ROOM:
            raise CacheFullError
        if code != 0:
            raise EngineError(f"llama_decode returned {code}: {native.LOG.why()}.")
        if not wanted:
            # Reading results waits for the step; a step without any must wait here.
            lib.llama_synchronize(self._handle)
            return np.empty((0, self.vocabulary), dtype=np.float32)
        logits = lib.llama_get_logits(self._handle)
        return np.ctypeslib.as_array(logits, shape=(wanted, self.vocabulary))

    def forget(self, slot: int) -> None:
        """Free what the cache holds of a sequence."""
        lib.llama_memory_seq_rm(self._memory, slot, -1, -1)

    def close(self) -> None:
        """Free the memory; the model must still be loaded. Safe to call twice."""
        handle, self._handle = self._handle, None
        if handle is not None:
            lib.llama_free(handle)
            if self._adapter is not None:
                lib.llama_adapter_lora_free(self._adapter)

    def _apply_adapter(self, model: Model, parameters: Parameters) -> None:
        path = os.path.expanduser(parameters.lora_path or "")
        native.LOG.forget()
        # A null pointer is an object that is false, not None.
        self._adapter = lib.llama_adapter_lora_init(model.handle, path.encode()) or None
        if self._adapter is not None:
            adapters = (lib.llama_adapter_lora_p_ctypes * 1)(self._adapter)
            scales = (ctypes.c_float * 1)(parameters.lora_scale)
            if lib.llama_set_adapters_lora(self._handle, adapters, 1, scales) == 0:
                return
        why = native.LOG.why()
        self.close()
        raise EngineError(f"The adapter {path!r} can't be applied: {why}.")


def context_params(parameters: Parameters, threads: int) -> Any:
    """The library's settings of a context, as far as they are the deployment's.

    Args:
        parameters: The deployment's.
        threads: Processor threads of a step.
    """
    params = lib.llama_context_default_params()
    params.kv_unified = True  # every request may use the whole cache
    params.n_threads = threads
    params.n_threads_batch = parameters.n_threads_batch or threads
    params.offload_kqv = parameters.offload_kqv
    params.type_k = CACHE_TYPES[parameters.type_k]
    params.type_v = CACHE_TYPES[parameters.type_v]
    params.no_perf = True
    for name in (
        "rope_scaling_type",
        "rope_freq_base",
        "rope_freq_scale",
        "yarn_ext_factor",
        "yarn_attn_factor",
        "yarn_beta_fast",
        "yarn_beta_slow",
        "yarn_orig_ctx",
    ):
        setattr(params, name, getattr(parameters, name))
    return params


def new_context(model: Model, params: Any) -> Any:
    """The library's context.

    Raises:
        EngineError: The library can't make it.
    """
    native.LOG.forget()
    handle = lib.llama_init_from_model(model.handle, params)
    if handle is None:
        raise EngineError(f"The library can't make a context: {native.LOG.why()}.")
    return handle


class Batch:
    """The arrays of a step, handed to the library as they lie in memory.

    Args:
        size: Most tokens.
    """

    def __init__(self, size: int) -> None:
        self._token = np.zeros(size, dtype=np.int32)
        self._position = np.zeros(size, dtype=np.int32)
        self._slot = np.zeros(size, dtype=np.int32)
        self._wanted = np.zeros(size, dtype=np.int8)
        slots_each = np.ones(size, dtype=np.int32)
        # Each token belongs to one sequence, and the library wants a pointer to its list of them.
        first, width = self._slot.ctypes.data, self._slot.itemsize
        lists = np.arange(first, first + size * width, width, dtype=np.uintp)
        self._kept = (slots_each, lists)
        self._batch = lib.llama_batch()
        kinds: dict[str, Any] = {field[0]: field[1] for field in lib.llama_batch._fields_}
        for name, array in (
            ("token", self._token),
            ("pos", self._position),
            ("n_seq_id", slots_each),
            ("seq_id", lists),
            ("logits", self._wanted),
        ):
            setattr(self._batch, name, ctypes.cast(array.ctypes.data, kinds[name]))

    def fill(self, pieces: list[tuple[int, int, list[int], bool]]) -> tuple[Any, int]:
        """The library's batch of these pieces, and how many outputs are wanted."""
        end = wanted = 0
        for slot, position, tokens, last_wanted in pieces:
            start, end = end, end + len(tokens)
            self._token[start:end] = tokens
            self._position[start:end] = np.arange(position, position + len(tokens))
            self._slot[start:end] = slot
            self._wanted[start:end] = 0
            self._wanted[end - 1] = last_wanted
            wanted += last_wanted
        self._batch.n_tokens = end
        return self._batch, wanted

    def fill_whole(self, texts: list[list[int]]) -> Any:
        """The library's batch of whole texts, the output of each token wanted."""
        batch, _ = self.fill([(slot, 0, tokens, True) for slot, tokens in enumerate(texts)])
        self._wanted[: batch.n_tokens] = 1
        return batch


def window_of(model: Model, parameters: Parameters) -> int:
    """Tokens that a request may have: what the deployment sets, or the model's own window.

    Raises:
        InvalidRequestError: The deployment's is larger than the model's, and nothing scales it.
    """
    own, wanted = model.trained_window, parameters.n_ctx
    if wanted > own > 0 and not parameters.stretches:
        raise InvalidRequestError(
            f"n_ctx is {wanted}, but the model's context window is {own} tokens. A larger one "
            "needs rope_freq_scale, rope_freq_base or rope_scaling_type."
        )
    return wanted or own


def _flash_attention(parameters: Parameters) -> int:
    if parameters.flash_attn is not None:
        return int(parameters.flash_attn)
    # On a processor a batch of eight answers takes twice the time with it; quantised values can't
    # do without.
    plain = parameters.n_gpu_layers == 0 and parameters.type_v in ("f32", "f16", "bf16")
    return int(lib.LLAMA_FLASH_ATTN_TYPE_DISABLED if plain else lib.LLAMA_FLASH_ATTN_TYPE_AUTO)


def _bytes(name: str) -> float:
    return _BYTES.get(name, _BYTES_OF_4_BITS)
