"""The llama.cpp engine for vectors: one request from texts to their vectors."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from byzer_lab.engines.base import EngineConfig, LoadProgress, ReportProgress
from byzer_lab.engines.llama_cpp.files import find_gguf
from byzer_lab.engines.llama_cpp.parameters import Parameters, read_infer_params
from byzer_lab.engines.llama_cpp.tokenizing import TokenizerCalls
from byzer_lab.engines.local import NOT_LOADED, LocalEngine
from byzer_lab.engines.sentence_transformers.batching import MicroBatches, Options
from byzer_lab.engines.sentence_transformers.requests import check_texts, options_of
from byzer_lab.errors import EngineError, InvalidRequestError
from byzer_lab.schema import ParameterInfo, describe_parameters
from byzer_lab.types import Usage
from byzer_lab.vectors import EmbedAnswer, EmbedRequest

if TYPE_CHECKING:
    from byzer_lab.engines.llama_cpp.encoder import Encoder
    from byzer_lab.engines.llama_cpp.loading import Model


@dataclass(frozen=True)
class _Loaded:
    model: Model
    encoder: Encoder
    batches: MicroBatches[list[int], bytes]


class LlamaCppEmbeddingEngine(TokenizerCalls, LocalEngine):
    """Hosts a GGUF model that turns texts into vectors; chosen by the parameter ``embedding``.

    Args:
        config: ``infer_params`` are those of
            :class:`byzer_lab.engines.llama_cpp.parameters.Parameters`.

    Raises:
        InvalidRequestError: A parameter is unknown or doesn't fit.
    """

    def __init__(self, config: EngineConfig) -> None:
        super().__init__(config)
        self._parameters = read_infer_params({**config.infer_params, "embedding": True})
        if self._parameters.lora_path is not None:
            raise InvalidRequestError(
                "lora_path is for models that write text, and embedding is true; leave one out."
            )
        self._loaded: _Loaded | None = None

    @classmethod
    def parameters(cls) -> list[ParameterInfo]:
        """See :class:`byzer_lab.engines.llama_cpp.parameters.Parameters`."""
        return describe_parameters(Parameters)

    def _load(self, report: ReportProgress) -> None:
        parameters = self._parameters
        file = find_gguf(self._config.model_path)
        report(LoadProgress("importing"))
        from byzer_lab.engines.llama_cpp import native
        from byzer_lab.engines.llama_cpp.encoder import Encoder
        from byzer_lab.engines.llama_cpp.loading import Model

        native.start(verbose=parameters.verbose, numa=parameters.numa)
        model = Model(file, parameters, report)
        try:
            report(LoadProgress("warming up"))
            encoder = Encoder(model, parameters)
            try:
                encoder.vectors([[0]])  # what fails for every request fails here
            except Exception:
                encoder.close()
                raise
        except Exception:
            model.close()
            raise

        def run(texts: list[list[int]], options: Options) -> list[bytes]:
            return [
                (_scaled(vector) if options.normalize else vector).astype("<f4").tobytes()
                for vector in encoder.vectors(texts)
            ]

        self._loaded = _Loaded(model, encoder, MicroBatches(run, encoder.most_tokens))

    def meta(self) -> dict[str, Any]:
        """What is known of the loaded model.

        Beside the keys that every engine has: ``embedding_mode`` (it doesn't chat), ``dimensions``
        (length of a vector), ``context_length`` (tokens that a text is cut to), ``parameters``
        (their number), ``quantization`` (number format of the weights) and ``num_threads``.
        """
        loaded = self._ready()
        model, encoder = loaded.model, loaded.encoder
        return {
            "model_deploy_type": "proprietary",
            "backend": "llama_cpp",
            "max_model_len": encoder.window,
            "architectures": [model.architecture],
            "support_stream": False,
            "support_chat_template": False,
            "embedding_mode": True,
            "dimensions": encoder.dimensions,
            "context_length": encoder.window,
            "parameters": model.parameters,
            "quantization": model.quantization,
            "num_threads": encoder.threads,
        }

    async def embed(self, request: EmbedRequest) -> EmbedAnswer:
        """Turn texts into vectors. See :class:`byzer_lab.engines.base.Embeds`."""
        from byzer_lab.engines.llama_cpp.encoder import MOST_TEXTS

        loaded = self._ready()
        check_texts(request)
        # As on the transformers backend: Byzer-LLM scales vectors of bge to length 1.
        own = self._config.pretrained_model_type == "custom/bge"
        normalize = own if request.normalize is None else request.normalize
        options = options_of(request, normalize, loaded.encoder.window, MOST_TEXTS)
        texts = await asyncio.to_thread(_tokens_of, loaded.model, request.texts)
        cut = [_cut(tokens, options.max_length) for tokens in texts]
        lengths = [len(tokens) for tokens in cut]
        return EmbedAnswer(
            vectors=await loaded.batches.submit(cut, lengths, options),
            tokens=lengths,
            truncated=[len(tokens) > options.max_length for tokens in texts],
            usage=Usage(input_tokens=sum(lengths)),
        )

    async def close(self) -> None:
        """End the model's thread, fail what waits, and free the memory."""
        loaded, self._loaded = self._loaded, None
        if loaded is not None:
            await asyncio.to_thread(loaded.batches.close)
            loaded.encoder.close()
            loaded.model.close()

    @property
    def _model(self) -> Model:
        return self._ready().model

    def _ready(self) -> _Loaded:
        if self._loaded is None:
            raise EngineError(NOT_LOADED)
        return self._loaded


def _tokens_of(model: Model, texts: list[str]) -> list[list[int]]:
    return [model.tokenize(text, special=True) for text in texts]


def _cut(tokens: list[int], length: int) -> list[int]:
    """A text of at most so many tokens; the last one, often the model's own mark, stays."""
    return tokens if len(tokens) <= length else [*tokens[: length - 1], tokens[-1]]


def _scaled(vector: Any) -> Any:
    length = float((vector**2).sum()) ** 0.5
    return vector / length if length else vector
