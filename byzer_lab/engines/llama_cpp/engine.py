"""The llama.cpp engine: one request from prompt to chunks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from byzer_lab.engines.answering import chunks_of, refuse_adapter
from byzer_lab.engines.base import EngineConfig, LoadProgress, ReportProgress
from byzer_lab.engines.llama_cpp.files import check_adapter, find_gguf
from byzer_lab.engines.llama_cpp.parameters import Parameters, read_infer_params
from byzer_lab.engines.llama_cpp.prompt import require_template
from byzer_lab.engines.llama_cpp.tokenizing import TokenizerCalls
from byzer_lab.engines.local import NOT_LOADED, LocalEngine
from byzer_lab.errors import EngineError
from byzer_lab.schema import ParameterInfo, describe_parameters
from byzer_lab.types import (
    Chunk,
    GenerateRequest,
    TemplateAnswer,
    TemplateRequest,
)

if TYPE_CHECKING:
    from byzer_lab.engines.llama_cpp.batch import ContinuousBatch
    from byzer_lab.engines.llama_cpp.context import Context
    from byzer_lab.engines.llama_cpp.loading import Model
    from byzer_lab.engines.llama_cpp.prompt import ChatFormat, ChatTemplate
    from byzer_lab.engines.structured.structure import Structure


@dataclass(frozen=True)
class _Loaded:
    model: Model
    context: Context
    template: ChatTemplate | ChatFormat | None
    batch: ContinuousBatch
    structure: Structure


class LlamaCppEngine(TokenizerCalls, LocalEngine):
    """Hosts a GGUF model with llama.cpp. See :class:`byzer_lab.engines.base.Engine`.

    Args:
        config: ``infer_params`` are those of
            :class:`byzer_lab.engines.llama_cpp.parameters.Parameters`.

    Raises:
        InvalidRequestError: A parameter is unknown or doesn't fit.
    """

    def __init__(self, config: EngineConfig) -> None:
        super().__init__(config)
        self._parameters: Parameters = read_infer_params(config.infer_params)
        self._loaded: _Loaded | None = None

    @classmethod
    def parameters(cls) -> list[ParameterInfo]:
        """See :class:`byzer_lab.engines.llama_cpp.parameters.Parameters`."""
        return describe_parameters(Parameters)

    def _load(self, report: ReportProgress) -> None:
        parameters = self._parameters
        file = find_gguf(self._config.model_path)
        check_adapter(parameters.lora_path)
        report(LoadProgress("importing"))
        from byzer_lab.engines.llama_cpp import native
        from byzer_lab.engines.llama_cpp.batch import ContinuousBatch
        from byzer_lab.engines.llama_cpp.context import Context
        from byzer_lab.engines.llama_cpp.loading import Model
        from byzer_lab.engines.structured.structure import Structure

        native.start(verbose=parameters.verbose, numa=parameters.numa)
        model = Model(file, parameters, report)
        try:
            template = _template_of(model, parameters)
            structure = Structure(
                model.grammar_tokens(),
                template.source if template is not None else "",
                model.decode,
                model.end_of_text,
            )
            report(LoadProgress("warming up"))
            context = Context(model, parameters, self._config.concurrency)
            try:
                # One step: what fails for every request fails here.
                context.decode([(0, 0, [0], True)])
                context.forget(0)
            except Exception:
                context.close()
                raise
        except Exception:
            model.close()
            raise
        batch = ContinuousBatch(context)
        self._loaded = _Loaded(model, context, template, batch, structure)

    def meta(self) -> dict[str, Any]:
        """What is known of the loaded model.

        Beside the keys that every engine has: ``context_length`` (tokens), ``parameters`` (their
        number), ``quantization`` (number format of the weights), ``batching``,
        ``kv_cache_tokens`` (what the cache of all requests holds) and ``num_threads``.
        """
        loaded = self._ready()
        model, context = loaded.model, loaded.context
        return {
            "model_deploy_type": "proprietary",
            "backend": "llama_cpp",
            "max_model_len": context.window,
            "architectures": [model.architecture],
            "support_stream": True,
            "support_chat_template": loaded.template is not None,
            **loaded.structure.meta(),
            "context_length": context.window,
            "parameters": model.parameters,
            "quantization": model.quantization,
            "batching": "continuous",
            "kv_cache_tokens": context.cells,
            "num_threads": context.threads,
        }

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk]:
        """Answer one request. See :meth:`byzer_lab.engines.base.Engine.generate`."""
        from byzer_lab.engines.llama_cpp.plan import make_plan

        loaded = self._ready()
        model, context = loaded.model, loaded.context
        refuse_adapter(request)
        if request.messages is not None and loaded.template is not None:
            sampling = request.sampling
            stops = [*(sampling.stop or ()), *loaded.template.stops]
            request = replace(request, sampling=replace(sampling, stop=stops))
        plan = make_plan(
            request,
            model,
            loaded.template,
            window=context.window,
            cache=context.cells,
            seed=self._parameters.seed,
        )
        structure = loaded.structure
        constraint = await structure.constraint(request)
        plan = structure.held(plan, constraint)
        answer = structure.answer(request, constraint)
        chunks = chunks_of(loaded.batch.stream(plan), plan, model, answer)
        async with aclosing(chunks):
            async for chunk in chunks:
                yield chunk

    async def apply_chat_template(self, request: TemplateRequest) -> TemplateAnswer:
        """See :meth:`byzer_lab.engines.base.RendersChats.apply_chat_template`."""
        template = require_template(self._ready().template)
        return TemplateAnswer(template.render(request.messages, request.add_generation_prompt))

    async def close(self) -> None:
        """End the model's thread, fail what is running, and free the memory."""
        loaded, self._loaded = self._loaded, None
        if loaded is not None:
            await asyncio.to_thread(loaded.batch.close)
            loaded.model.close()

    @property
    def _model(self) -> Model:
        return self._ready().model

    def _ready(self) -> _Loaded:
        if self._loaded is None:
            raise EngineError(NOT_LOADED)
        return self._loaded


def _template_of(model: Model, parameters: Parameters) -> ChatTemplate | ChatFormat | None:
    """What makes a prompt of a conversation; ``None`` where nothing does."""
    from byzer_lab.engines.llama_cpp.prompt import ChatFormat, ChatTemplate

    if parameters.chat_format is not None:
        return ChatFormat(parameters.chat_format)
    source = model.chat_template
    return ChatTemplate(source, model.begin_token, model.end_token) if source else None
