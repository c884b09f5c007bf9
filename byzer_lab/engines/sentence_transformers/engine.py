"""The embedding engine and the rerank engine: one request from texts to vectors or scores."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from byzer_lab.engines.base import EngineConfig, LoadProgress, ReportProgress
from byzer_lab.engines.folder import ModelSource, find_model
from byzer_lab.engines.local import NOT_LOADED, LocalEngine
from byzer_lab.engines.sentence_transformers.batching import MicroBatches, Options
from byzer_lab.engines.sentence_transformers.parameters import Parameters
from byzer_lab.engines.sentence_transformers.requests import check_texts, options_of
from byzer_lab.errors import (
    EngineDeadError,
    EngineError,
    InvalidRequestError,
    describe,
)
from byzer_lab.schema import ParameterInfo, describe_parameters, read_parameters
from byzer_lab.types import Usage
from byzer_lab.vectors import EmbedAnswer, EmbedRequest, RerankAnswer, RerankRequest

if TYPE_CHECKING:
    from byzer_lab.engines.sentence_transformers.loading import TokenCounter

MARKS = ("modules.json", "config.json")
# On two cores a pass of 2048 tokens through a base-size model takes about a second, which is what
# a short query may have to wait; a GPU is not filled by less than some ten thousand.
PASS_TOKENS = {"cpu": 2048, "cuda": 32_768}


class _Engine(LocalEngine):
    """What both engines do alike.

    Args:
        config: ``infer_params`` are those of
            :class:`byzer_lab.engines.sentence_transformers.parameters.Parameters`.

    Raises:
        InvalidRequestError: A parameter is unknown or doesn't fit.
    """

    def __init__(self, config: EngineConfig) -> None:
        super().__init__(config)
        self._parameters = read_parameters(Parameters, config.infer_params, "transformers")
        if self._parameters.use_fp16 and self._parameters.dtype not in ("auto", "float16"):
            raise InvalidRequestError(
                f"use_fp16 is true, but dtype is {self._parameters.dtype}; leave one out."
            )
        self._model: Any = None
        self._counter: TokenCounter | None = None
        self._batches: MicroBatches[Any, Any] | None = None
        self._window = self._threads = 0

    @classmethod
    def parameters(cls) -> list[ParameterInfo]:
        """See :class:`byzer_lab.engines.sentence_transformers.parameters.Parameters`."""
        return describe_parameters(Parameters)

    def _load(self, report: ReportProgress) -> None:
        source = find_model(self._config.model_path, MARKS)
        report(LoadProgress("importing"))
        try:
            import sentence_transformers  # noqa: F401
        except ImportError as error:
            raise EngineError(
                "Embedding and rerank models need the library sentence-transformers "
                f"({describe(error)}); install byzer-lab[transformers]."
            ) from error
        from byzer_lab.engines.precision import set_threads
        from byzer_lab.engines.sentence_transformers.loading import TokenCounter, longest_text

        self._threads = set_threads(self._parameters.num_threads)
        self._model = self._load_model(source, report)
        self._window = longest_text(self._model, self._parameters)
        self._counter = TokenCounter(self._model)
        report(LoadProgress("warming up"))
        self._warm_up()
        most = self._parameters.max_batch_tokens or PASS_TOKENS[self._model.device.type]
        self._batches = MicroBatches(self._run, most)

    def _load_model(self, source: ModelSource, report: ReportProgress) -> Any:
        raise NotImplementedError

    def _warm_up(self) -> None:
        raise NotImplementedError

    def _run(self, inputs: list[Any], options: Options) -> Sequence[Any]:
        """One pass, its failures in our words."""
        from torch import AcceleratorError

        try:
            return self._pass(inputs, options)
        except AcceleratorError as error:
            # From then on every call in this process fails the same way.
            raise EngineDeadError(f"The GPU failed: {describe(error)}") from error

    def _pass(self, inputs: list[Any], options: Options) -> Sequence[Any]:
        raise NotImplementedError

    def _call(self, options: Options) -> dict[str, Any]:
        """What every call of the library gets: one pass, its texts cut to length."""
        text = {"truncation": "longest_first", "max_length": options.max_length}
        return {
            "batch_size": options.batch_size,
            "processing_kwargs": {"text": text},
            "show_progress_bar": False,
        }

    def meta(self) -> dict[str, Any]:
        """What is known of the loaded model.

        Beside the keys that every engine has: ``embedding_mode`` (it doesn't chat),
        ``context_length`` (tokens that a text is cut to), ``parameters`` (their number), ``dtype``,
        ``device`` and ``num_threads``.
        """
        model, _, _ = self._ready()
        return {
            "model_deploy_type": "proprietary",
            "backend": "transformers",
            "max_model_len": self._window,
            "architectures": list(getattr(model.config, "architectures", None) or []),
            "support_stream": False,
            "support_chat_template": False,
            "embedding_mode": True,
            "context_length": self._window,
            "parameters": sum(weights.numel() for weights in model.parameters()),
            "dtype": str(model.dtype).removeprefix("torch."),
            "device": str(model.device),
            "num_threads": self._threads,
        }

    async def close(self) -> None:
        """End the model's thread, fail what waits, and free the memory."""
        batches, self._batches = self._batches, None
        if batches is not None:
            await asyncio.to_thread(batches.close)
        self._model = self._counter = None

    def _ready(self) -> tuple[Any, TokenCounter, MicroBatches[Any, Any]]:
        if self._batches is None or self._counter is None:
            raise EngineError(NOT_LOADED)
        return self._model, self._counter, self._batches

    def _options(self, request: EmbedRequest | RerankRequest, normalize: bool) -> Options:
        return options_of(request, normalize, self._window, self._parameters.batch_size)


class EmbeddingEngine(_Engine):
    """Hosts a model that turns texts into vectors."""

    _dimensions = 0

    @property
    def _normalize(self) -> bool:
        """Byzer-LLM scales vectors of bge to length 1; other models do as their modules say."""
        return self._config.pretrained_model_type == "custom/bge"

    def _load_model(self, source: ModelSource, report: ReportProgress) -> Any:
        from byzer_lab.engines.sentence_transformers.loading import load_embedder

        return load_embedder(source, self._parameters, report)

    def _warm_up(self) -> None:
        self._dimensions = len(self._model.encode("warm up", show_progress_bar=False))

    def _pass(self, inputs: list[Any], options: Options) -> Sequence[bytes]:
        vectors = self._model.encode(
            inputs, normalize_embeddings=options.normalize, **self._call(options)
        )
        return [vector.astype("<f4").tobytes() for vector in vectors]

    def meta(self) -> dict[str, Any]:
        """As for every engine here, with ``dimensions`` (length of a vector)."""
        return {**super().meta(), "dimensions": self._dimensions}

    async def embed(self, request: EmbedRequest) -> EmbedAnswer:
        """Turn texts into vectors. See :class:`byzer_lab.engines.base.Embeds`."""
        _, counter, batches = self._ready()
        check_texts(request)
        normalize = self._normalize if request.normalize is None else request.normalize
        options = self._options(request, normalize)
        found = await asyncio.to_thread(counter.count, request.texts)
        tokens = [min(count, options.max_length) for count in found]
        return EmbedAnswer(
            vectors=await batches.submit(request.texts, tokens, options),
            tokens=tokens,
            truncated=[count > options.max_length for count in found],
            usage=Usage(input_tokens=sum(tokens)),
        )


class RerankEngine(_Engine):
    """Hosts a model that scores how well a passage answers a query."""

    def _load_model(self, source: ModelSource, report: ReportProgress) -> Any:
        from byzer_lab.engines.sentence_transformers.loading import load_reranker

        return load_reranker(source, self._parameters, report)

    def _warm_up(self) -> None:
        self._model.predict([("warm", "up")], show_progress_bar=False)

    def _pass(self, inputs: list[Any], options: Options) -> Sequence[float]:
        from torch.nn import Identity

        # The model's own scores, as Byzer-LLM gives them: the library would squeeze them between
        # 0 and 1, where good passages become hard to tell apart.
        found = self._model.predict(inputs, activation_fn=Identity(), **self._call(options))
        scores = [float(score) for score in found]
        if not all(map(math.isfinite, scores)):
            raise EngineError(
                "The model gave a score that is no number; deploy it with dtype float32."
            )
        return scores

    def meta(self) -> dict[str, Any]:
        """As for every engine here, with ``rerank_mode``."""
        return {**super().meta(), "rerank_mode": True}

    async def rerank(self, request: RerankRequest) -> RerankAnswer:
        """Score pairs of texts. See :class:`byzer_lab.engines.base.Reranks`."""
        _, counter, batches = self._ready()
        if not request.pairs:
            raise InvalidRequestError("There is no pair to score; pairs is empty.")
        options = self._options(request, normalize=False)
        queries, passages = ([pair[side] for pair in request.pairs] for side in (0, 1))
        found = await asyncio.to_thread(counter.count, queries, passages)
        tokens = [min(count, options.max_length) for count in found]
        return RerankAnswer(
            scores=await batches.submit(request.pairs, tokens, options),
            tokens=tokens,
            truncated=[count > options.max_length for count in found],
            usage=Usage(input_tokens=sum(tokens)),
        )
