"""Weights and vocabulary into memory, and the library's errors as one sentence each."""

from __future__ import annotations

import ctypes
import itertools
from functools import cached_property
from pathlib import Path
from typing import Any

import llama_cpp.llama_cpp as lib

from byzer_lab.engines.base import LoadProgress, ReportProgress
from byzer_lab.engines.llama_cpp import native
from byzer_lab.engines.llama_cpp.parameters import Parameters
from byzer_lab.engines.structured.vocabulary import of_gguf
from byzer_lab.errors import EngineDeadError, EngineError, InvalidRequestError

_ALL_LAYERS = 0x7FFFFFFF
_LARGEST_PIECE = 256


class Model:
    """A model that is loaded: its weights, its vocabulary and what its file says of it.

    Args:
        file: The GGUF file.
        parameters: The deployment's.
        report: Told of the progress.

    Raises:
        InvalidRequestError: The model doesn't do what it is deployed for.
        EngineError: The library can't load the file.
    """

    def __init__(self, file: Path, parameters: Parameters, report: ReportProgress) -> None:
        self.handle: Any = _load(file, parameters, report)
        self._pieces: dict[int, bytes] = {}
        try:
            self._refuse_unfit(file, parameters)
        except InvalidRequestError:
            self.close()
            raise

    def close(self) -> None:
        """Free the memory; what needs the library raises EngineDeadError afterwards."""
        handle, self.handle = self.handle, None
        if handle is not None:
            lib.llama_model_free(handle)

    @property
    def _vocab(self) -> Any:
        if self.handle is None:
            # The library would read memory that is no longer the model's.
            raise EngineDeadError("The model was shut down.")
        return lib.llama_model_get_vocab(self.handle)

    @cached_property
    def architecture(self) -> str:
        """The library's name of the model's kind, such as ``llama``."""
        return self.metadata("general.architecture") or "unknown"

    @cached_property
    def vocabulary(self) -> int:
        """Number of tokens the model knows."""
        return int(lib.llama_vocab_n_tokens(self._vocab))

    @cached_property
    def trained_window(self) -> int:
        """Context window that the model was trained for, in tokens."""
        return int(lib.llama_model_n_ctx_train(self.handle))

    @cached_property
    def parameters(self) -> int:
        """Number of weights."""
        return int(lib.llama_model_n_params(self.handle))

    @cached_property
    def quantization(self) -> str:
        """Number format of the weights, such as ``F16`` or ``Q4_K - Medium``."""
        name = lib.llama_ftype_name(lib.llama_model_ftype(self.handle)) or b"unknown"
        return str(name.decode())

    @cached_property
    def chat_template(self) -> str:
        """The template in the file; empty when there is none."""
        template = lib.llama_model_chat_template(self.handle, None) or b""
        return str(template.decode("utf-8", "replace"))

    @cached_property
    def end_of_text(self) -> frozenset[int]:
        """The model's own end tokens."""
        tokens = range(self.vocabulary)
        vocab = self._vocab
        return frozenset(token for token in tokens if lib.llama_vocab_is_eog(vocab, token))

    @property
    def begin_token(self) -> str:
        """Text of the token that begins a text; empty when there is none."""
        return self._text_of(int(lib.llama_vocab_bos(self._vocab)))

    @property
    def end_token(self) -> str:
        """Text of the token that ends a text; empty when there is none."""
        return self._text_of(int(lib.llama_vocab_eos(self._vocab)))

    def grammar_tokens(self) -> Any:
        """See :func:`byzer_lab.engines.structured.vocabulary.of_gguf`."""
        return of_gguf(self._vocab, self.end_of_text)

    def bytes_per_token(self, key_bytes: float, value_bytes: float) -> float:
        """Memory of one token in the key-value cache.

        Args:
            key_bytes: Of one number of a key.
            value_bytes: Of one number of a value.
        """
        layers = int(lib.llama_model_n_layer(self.handle))
        heads = max(1, int(lib.llama_model_n_head(self.handle)))
        kv_heads = int(lib.llama_model_n_head_kv(self.handle)) or heads
        head_size = int(lib.llama_model_n_embd(self.handle)) / heads
        attention = f"{self.architecture}.attention"
        key = float(self.metadata(f"{attention}.key_length") or head_size)
        value = float(self.metadata(f"{attention}.value_length") or head_size)
        return max(1.0, layers * kv_heads * (key * key_bytes + value * value_bytes))

    def metadata(self, key: str) -> str:
        """A value of the file as text; empty when the file doesn't have it."""
        room = 4096
        buffer = ctypes.create_string_buffer(room)
        length = lib.llama_model_meta_val_str(self.handle, key.encode(), buffer, room)
        return buffer.value.decode("utf-8", "replace") if length > 0 else ""

    def tokenize(self, text: str, *, special: bool) -> list[int]:
        """Tokens of a text; the names of special tokens in it become those tokens.

        Args:
            text: The text.
            special: Add the tokens that the model wants around every text.
        """
        data = text.encode("utf-8", "replace")
        room = len(data) + 8
        while True:
            buffer = (ctypes.c_int32 * room)()
            count = lib.llama_tokenize(self._vocab, data, len(data), buffer, room, special, True)
            if count >= 0:
                return list(buffer[:count])
            room = -count

    def decode(self, tokens: list[int]) -> str:
        """Text of tokens, special ones left out."""
        return b"".join([self._piece(token) for token in tokens]).decode("utf-8", "replace")

    def text_of(self, token: int) -> str:
        """Text of a token alone, special ones by their name."""
        if lib.llama_vocab_is_control(self._vocab, token):
            return self._text_of(token)
        return self._piece(token).decode("utf-8", "replace")

    def special_token(self, text: str) -> int | None:
        """The token that :meth:`decode` leaves out and whose name this text is."""
        tokens = self.tokenize(text, special=False)
        alone = len(tokens) == 1 and bool(lib.llama_vocab_is_control(self._vocab, tokens[0]))
        return tokens[0] if alone else None

    def _piece(self, token: int) -> bytes:
        piece = self._pieces.get(token)
        if piece is None:
            room = _LARGEST_PIECE
            length = -room
            while length < 0:
                room = max(room, -length)
                buffer = ctypes.create_string_buffer(room)
                length = lib.llama_token_to_piece(self._vocab, token, buffer, room, 0, False)
            self._pieces[token] = piece = buffer.raw[:length]
        return piece

    def _text_of(self, token: int) -> str:
        if token < 0:
            return ""
        return str((lib.llama_vocab_get_text(self._vocab, token) or b"").decode("utf-8", "replace"))

    @cached_property
    def encodes(self) -> bool:
        """Each token sees the whole text, as in models that make vectors and can't write."""
        return self.metadata(f"{self.architecture}.attention.causal") == "false"

    def _refuse_unfit(self, file: Path, parameters: Parameters) -> None:
        """Refuse what doesn't write text token after token, or makes no vectors of texts."""
        reason = ""
        if lib.llama_model_has_encoder(self.handle):
            reason = "it has an encoder"
        elif self.encodes and not parameters.embedding:
            reason = "it makes vectors; deploy it with embedding=true"
        elif lib.llama_model_is_diffusion(self.handle):
            reason = "it writes all tokens at once"
        elif self.vocabulary == 0:
            reason = "it has no vocabulary"
        if reason:
            raise InvalidRequestError(
                f"The llama_cpp backend can't serve {str(file)!r}, a model of the kind "
                f"{self.architecture!r}: {reason}."
            )


def _load(file: Path, parameters: Parameters, report: ReportProgress) -> Any:
    params = lib.llama_model_default_params()
    params.n_gpu_layers = _ALL_LAYERS if parameters.n_gpu_layers < 0 else parameters.n_gpu_layers
    params.split_mode = parameters.split_mode
    params.main_gpu = parameters.main_gpu
    # An adapter's weights can't be added to a mapped file.
    mapped = parameters.use_mmap and parameters.lora_path is None
    params.load_mode = {
        (True, False): lib.LLAMA_LOAD_MODE_MMAP,
        (True, True): lib.LLAMA_LOAD_MODE_MMAP_MLOCK,
        (False, True): lib.LLAMA_LOAD_MODE_MLOCK,
        (False, False): lib.LLAMA_LOAD_MODE_NONE,
    }[mapped, parameters.use_mlock]
    shares = _shares(parameters)
    if shares is not None:
        params.tensor_split = shares
    bar = _progress(report)
    params.progress_callback = bar
    report(LoadProgress("loading weights", 0.0))
    native.LOG.forget()
    handle = lib.llama_model_load_from_file(str(file).encode(), params)
    if handle is None:
        raise EngineError(f"The GGUF file {str(file)!r} can't be loaded: {native.LOG.why()}.")
    return handle


def _shares(parameters: Parameters) -> Any:
    given = parameters.tensor_shares
    if not given:
        return None
    most = int(lib.llama_max_devices())
    if len(given) > most:
        raise InvalidRequestError(
            f"tensor_split names {len(given)} GPUs; the library knows at most {most}."
        )
    return (ctypes.c_float * most)(*given)


def _progress(report: ReportProgress) -> Any:
    """The library's callback; reports in steps of a tenth."""
    steps = itertools.count(1)
    following = {"step": next(steps)}

    def told(fraction: float, _: Any) -> bool:
        if fraction * 10 >= following["step"]:
            following["step"] = next(steps)
            report(LoadProgress("loading weights", min(1.0, fraction)))
        return True  # go on

    return lib.llama_progress_callback(told)
