"""The transformers engine: one request from prompt to chunks."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Protocol

from byzer_lab.engines.answering import chunks_of, refuse_adapter
from byzer_lab.engines.base import EngineConfig, LoadProgress, ReportProgress
from byzer_lab.engines.folder import find_adapter, find_model
from byzer_lab.engines.local import NOT_LOADED, LocalEngine
from byzer_lab.engines.plan import GenerationPlan, Recipe
from byzer_lab.engines.transformers.parameters import Parameters, read_infer_params
from byzer_lab.engines.transformers.plan import make_plan
from byzer_lab.engines.transformers.quantization import wanted_format
from byzer_lab.engines.transformers.tokenizing import TokenizerCalls
from byzer_lab.errors import EngineError
from byzer_lab.schema import ParameterInfo, describe_parameters
from byzer_lab.types import Chunk, GenerateRequest

if TYPE_CHECKING:
    from byzer_lab.engines.structured.structure import Structure
    from byzer_lab.engines.transformers.loading import LoadedModel
    from byzer_lab.engines.transformers.pictures import Seen

log = logging.getLogger(__name__)


class _Runner(Protocol):
    """What brings tokens out of a model: a continuous batch, or one request at a time."""

    @property
    def longest_request(self) -> int | None:
        """Tokens that prompt and answer may have together; ``None`` when only the window counts."""

    def stream(self, plan: GenerationPlan) -> AsyncGenerator[list[int]]: ...

    def close(self) -> None: ...


class TransformersEngine(TokenizerCalls, LocalEngine):
    """Hosts a chat model of the transformers library. See :class:`byzer_lab.engines.base.Engine`.

    Args:
        config: ``infer_params`` are those of
            :class:`byzer_lab.engines.transformers.parameters.Parameters`.

    Raises:
        InvalidRequestError: A parameter is unknown or doesn't fit.
    """

    def __init__(self, config: EngineConfig) -> None:
        super().__init__(config)
        self._parameters = read_infer_params(config.infer_params)
        self._loaded: LoadedModel | None = None
        self._runner: _Runner | None = None
        self._batching = ""
        self._threads = 0
        self._structure: Structure | None = None

    @classmethod
    def parameters(cls) -> list[ParameterInfo]:
        """See :class:`byzer_lab.engines.transformers.parameters.Parameters`."""
        return describe_parameters(Parameters)

    def _load(self, report: ReportProgress) -> None:
        parameters = self._parameters
        source = find_model(self._config.model_path, adapters=True)
        folders = {n: str(find_adapter(n, path)) for n, path in (parameters.adapters or {}).items()}
        parameters = dataclasses.replace(parameters, adapters=folders)
        wanted_format(parameters)  # says what is missing before anything heavy is imported
        report(LoadProgress("importing"))
        from byzer_lab.engines.precision import set_threads
        from byzer_lab.engines.transformers.loading import load_model
        from byzer_lab.engines.transformers.structure import structure_of

        self._threads = set_threads(parameters.num_threads)
        self._loaded = load_model(source, parameters, report)
        self._structure = structure_of(self._loaded)
        report(LoadProgress("warming up"))
        self._runner, self._batching = self._start_runner(self._loaded, parameters)

    def meta(self) -> dict[str, Any]:
        """What is known of the loaded model.

        Beside the keys that every engine has: ``support_images``, ``box_scale`` (what boxes in its
        answers are counted in, ``thousandths`` of a picture or ``pixels``; ``None`` where it sees
        none), ``context_length`` (tokens; -1 when nothing limits it), ``parameters`` (their
        number), ``dtype``, ``quantization`` (format of weights in fewer bits, or ``None``),
        ``device``, ``batching`` (``continuous`` or ``single``), ``adapters`` (names that a request
        may choose) and ``num_threads``; ``adapter`` where the model's folder is one.
        """
        loaded, _ = self._ready()
        window = loaded.context_length or -1
        adapter = {} if loaded.adapter is None else {"adapter": loaded.adapter}
        return {
            **adapter,
            "model_deploy_type": "proprietary",
            "backend": "transformers",
            "max_model_len": window,
            "architectures": list(loaded.model.config.architectures or []),
            "support_stream": True,
            "support_chat_template": bool(loaded.tokenizer.chat_template),
            "support_images": loaded.processor is not None,
            "box_scale": loaded.box_scale,
            **self._structured().meta(),
            "context_length": window,
            "parameters": loaded.model.num_parameters(),
            "dtype": str(loaded.model.dtype).removeprefix("torch."),
            "quantization": loaded.quantization,
            "device": str(loaded.model.device),
            "batching": self._batching,
            "adapters": sorted(self._parameters.adapters or ()),
            "num_threads": self._threads,
        }

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk]:
        """Answer one request. See :meth:`byzer_lab.engines.base.Engine.generate`."""
        loaded, runner = self._ready()
        structure = self._structured()
        refuse_adapter(request, self._parameters.adapters or ())
        request, seen = await self._seen(request, loaded)
        plan = make_plan(request, loaded, runner.longest_request, seen)
        constraint = await structure.constraint(request)
        plan = structure.held(plan, constraint)
        answer = structure.answer(request, constraint)
        chunks = chunks_of(runner.stream(plan), plan, loaded, answer)
        async with aclosing(chunks):
            async for chunk in chunks:
                yield chunk

    async def _seen(
        self, request: GenerateRequest, loaded: LoadedModel
    ) -> tuple[GenerateRequest, Seen | None]:
        """A request whose pictures were read, where the model sees and there are some."""
        if loaded.processor is None or request.messages is None:
            return request, None
        from byzer_lab.engines.transformers.pictures import see, with_pictures

        request, pictures = await asyncio.to_thread(with_pictures, request)
        if not pictures:
            return request, None
        return request, await asyncio.to_thread(see, request, pictures, loaded.processor)

    async def close(self) -> None:
        """End the model's thread, fail what is running, and free the memory."""
        runner, self._runner, self._loaded, self._structure = self._runner, None, None, None
        if runner is not None:
            await asyncio.to_thread(runner.close)

    @property
    def _tokenizer(self) -> Any:
        return self._ready()[0].tokenizer

    def _ready(self) -> tuple[LoadedModel, _Runner]:
        if self._loaded is None or self._runner is None:
            raise EngineError(NOT_LOADED)
        return self._loaded, self._runner

    def _structured(self) -> Structure:
        if self._structure is None:
            raise EngineError(NOT_LOADED)
        return self._structure

    def _start_runner(self, loaded: LoadedModel, parameters: Parameters) -> tuple[_Runner, str]:
        from byzer_lab.engines.transformers.batching import ContinuousBatch, why_not_batchable
        from byzer_lab.engines.transformers.capacity import size_batch
        from byzer_lab.engines.transformers.single import OneAtATime

        reason = why_not_batchable(loaded.model)
        if reason is None:
            window = loaded.window
            size = size_batch(loaded.model, window, self._config.concurrency, parameters)
            batch = ContinuousBatch(loaded.model, size, self._config.concurrency, loaded.route)
            try:
                asyncio.run(_warm_up(batch))
                return batch, "continuous"
            except EngineError as error:
                batch.close()
                reason = error.message
        log.warning("Requests run one at a time, not in one batch: %s", reason)
        single = OneAtATime(loaded.model, loaded.route)
        try:
            asyncio.run(_warm_up(single))
        except EngineError:
            single.close()
            raise
        return single, "single"


async def _warm_up(runner: _Runner) -> None:
    """One prompt step and one decoding step: what fails for every request fails here."""
    first = GenerationPlan("warm-up", [1], 2, frozenset(), Recipe())
    async with aclosing(runner.stream(first)) as steps:
        async for _ in steps:
            pass
