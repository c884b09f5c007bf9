"""The vLLM engine: one request from prompt to chunks."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from byzer_lab.engines.answering import chunks_of
from byzer_lab.engines.base import EngineConfig, LoadProgress, ReportProgress
from byzer_lab.engines.folder import find_model
from byzer_lab.engines.local import NOT_LOADED, LocalEngine
from byzer_lab.engines.plan import GenerationPlan, Recipe
from byzer_lab.engines.structured.constraint import followed
from byzer_lab.engines.transformers.plan import make_plan
from byzer_lab.engines.transformers.tokenizing import TokenizerCalls
from byzer_lab.engines.vllm.adapters import Adapter, choose_adapter, find_adapters
from byzer_lab.engines.vllm.news import News
from byzer_lab.engines.vllm.parameters import describe_parameters, read_parameters
from byzer_lab.engines.vllm.pictures import refuse_blind, refuse_pictures
from byzer_lab.engines.vllm.placement import ray_address
from byzer_lab.engines.vllm.surroundings import Variables
from byzer_lab.errors import EngineError
from byzer_lab.schema import ParameterInfo
from byzer_lab.types import Chunk, GenerateRequest

if TYPE_CHECKING:
    from byzer_lab.engines.structured.structure import Structure
    from byzer_lab.engines.transformers.loading import LoadedModel
    from byzer_lab.engines.vllm.runtime import Runtime


class VLLMEngine(TokenizerCalls, LocalEngine):
    """Hosts a model on vLLM. See :class:`byzer_lab.engines.base.Engine`.

    Args:
        config: ``infer_params`` are vLLM's engine arguments and those of
            :data:`byzer_lab.engines.vllm.parameters.OWN`.

    Raises:
        InvalidRequestError: A parameter is unknown or doesn't fit.
    """

    def __init__(self, config: EngineConfig) -> None:
        super().__init__(config)
        self._parameters = read_parameters(config.infer_params, config.gpus)
        self._adapters: dict[str, Adapter] = {}
        self._news: News | None = None
        self._runtime: Runtime | None = None
        self._loaded: LoadedModel | None = None
        self._structure: Structure | None = None
        self._facts: dict[str, Any] = {}

    @classmethod
    def parameters(cls) -> list[ParameterInfo]:
        """vLLM's engine arguments, and those of :data:`byzer_lab.engines.vllm.parameters.OWN`."""
        return list(describe_parameters())

    def load(self, report: ReportProgress) -> None:
        """Start vLLM and run a first, tiny request through it.

        Raises:
            InvalidRequestError: The path, a parameter or the model can't be used.
            EngineError: vLLM failed; its own error is in the sentence.
        """
        try:
            super().load(report)
        except BaseException:
            self._free()
            raise

    def _load(self, report: ReportProgress) -> None:
        source = find_model(self._config.model_path)
        refuse_blind(source)
        self._adapters = find_adapters(self._parameters.adapters)
        report(LoadProgress("importing"))
        from vllm.logger import DEFAULT_LOGGING_CONFIG

        from byzer_lab.engines.precision import set_threads
        from byzer_lab.engines.vllm.arguments import make_arguments, make_config, on_processor
        from byzer_lab.engines.vllm.runtime import Runtime
        from byzer_lab.engines.vllm.structure import structure_for

        parameters, concurrency = self._parameters, self._config.concurrency
        arguments = make_arguments(self._config, parameters, source, self._adapters)
        threads = set_threads(parameters.num_threads)
        spread = arguments.distributed_executor_backend == "ray"
        self._news = News(report)
        self._news.write_logging_config(DEFAULT_LOGGING_CONFIG, alone=not spread)
        variables = Variables(self._news.logging_config, self._news.folder, offline=source.offline)
        if on_processor():
            ranks = arguments.tensor_parallel_size * arguments.pipeline_parallel_size
            variables.on_a_processor(
                threads, ranks, in_one_process=arguments.distributed_executor_backend == "uni"
            )
        if spread:
            variables.over_machines(ray_address())
        with variables:
            config = make_config(arguments, concurrency, parameters.cpu_kv_cache_gib)
            report(LoadProgress("starting the engine"))
            self._runtime = Runtime(self._news)
            self._runtime.start(config, arguments)
        report(LoadProgress("warming up"))
        first = GenerationPlan("warm-up", [1], 2, frozenset(), Recipe())
        self._runtime.try_out(first, self._adapters.values())
        self._loaded, self._facts = _describe(self._runtime.llm), {"num_threads": threads}
        self._structure = structure_for(self._loaded, arguments.structured_outputs_config)

    def meta(self) -> dict[str, Any]:
        """What is known of the loaded model.

        Beside the keys that every engine has: ``context_length`` (tokens), ``dtype``, ``device``,
        ``quantization``, ``tensor_parallel_size``, ``engine_version``, ``adapters`` (their names),
        ``batching``, ``kv_cache_tokens`` and ``num_threads``.
        """
        import vllm

        loaded, runtime = self._ready()
        config = runtime.llm.vllm_config
        model, cache = config.model_config, config.cache_config
        return {
            "model_deploy_type": "proprietary",
            "backend": "ray/vllm",
            "max_model_len": loaded.window,
            "architectures": list(model.architectures),
            "support_stream": True,
            "support_chat_template": bool(loaded.tokenizer.chat_template),
            **self._structured().meta(),
            "context_length": loaded.window,
            "dtype": str(model.dtype).removeprefix("torch."),
            "device": str(config.device_config.device_type),
            "quantization": model.quantization,
            "tensor_parallel_size": config.parallel_config.tensor_parallel_size,
            "engine_version": vllm.__version__,
            "adapters": sorted(self._adapters),
            "batching": "continuous",
            "kv_cache_tokens": (cache.num_gpu_blocks or 0) * cache.block_size,
            **self._facts,
        }

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk]:
        """Answer one request. See :meth:`byzer_lab.engines.base.Engine.generate`."""
        loaded, runtime = self._ready()
        refuse_pictures(request)
        structure = self._structured()
        adapter = choose_adapter(request.adapter, self._adapters)
        plan = make_plan(request, loaded, None)
        constraint = await structure.constraint(request)
        plan = structure.held(plan, constraint)
        answer = structure.answer(request, constraint)
        steps = followed(runtime.stream(plan, adapter), constraint)
        chunks = chunks_of(steps, plan, loaded, answer)
        async with aclosing(chunks):
            async for chunk in chunks:
                yield chunk

    async def close(self) -> None:
        """Fail what is running and end vLLM's processes."""
        self._loaded = self._structure = None
        await asyncio.to_thread(self._free)

    def _free(self) -> None:
        """Give everything back that loading has taken so far."""
        runtime, self._runtime = self._runtime, None
        if runtime is not None:
            runtime.close()
        news, self._news = self._news, None
        if news is not None:
            news.close()
        multiprocessing.active_children()  # collects those that have ended

    @property
    def _tokenizer(self) -> Any:
        return self._ready()[0].tokenizer

    def _ready(self) -> tuple[LoadedModel, Runtime]:
        if self._loaded is None or self._runtime is None:
            raise EngineError(NOT_LOADED)
        return self._loaded, self._runtime

    def _structured(self) -> Structure:
        if self._structure is None:
            raise EngineError(NOT_LOADED)
        return self._structure


def _describe(llm: Any) -> LoadedModel:
    """What planning a request and making text of tokens needs to know of vLLM's model."""
    from types import SimpleNamespace

    from transformers import GenerationConfig

    from byzer_lab.engines.transformers.loading import LoadedModel

    model = llm.vllm_config.model_config
    defaults = {} if model.generation_config == "vllm" else model.try_get_generation_config()
    defaults |= model.override_generation_config
    outline = SimpleNamespace(
        config=model.hf_config, generation_config=GenerationConfig.from_dict(defaults)
    )
    return LoadedModel(outline, llm.get_tokenizer(), int(model.max_model_len))
