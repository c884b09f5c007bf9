"""The DeepSpeed engine: one request from prompt to chunks."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from byzer_lab.engines.answering import chunks_of, refuse_adapter
from byzer_lab.engines.base import EngineConfig, LoadProgress, ReportProgress
from byzer_lab.engines.deepspeed.parameters import Parameters, read_infer_params
from byzer_lab.engines.folder import find_model
from byzer_lab.engines.local import NOT_LOADED, LocalEngine
from byzer_lab.engines.structured.constraint import followed
from byzer_lab.engines.transformers.tokenizing import TokenizerCalls
from byzer_lab.errors import EngineError, InvalidRequestError
from byzer_lab.schema import ParameterInfo, describe_parameters
from byzer_lab.types import Chunk, GenerateRequest

if TYPE_CHECKING:
    from byzer_lab.engines.deepspeed.group import RankGroup
    from byzer_lab.engines.deepspeed.protocol import RankSetup
    from byzer_lab.engines.structured.structure import Structure
    from byzer_lab.engines.transformers.loading import LoadedModel


@dataclass(frozen=True)
class _Outline:
    """What a request needs to know of a model that runs in other processes."""

    config: Any
    generation_config: Any


@dataclass(frozen=True)
class _Loaded:
    model: LoadedModel
    group: RankGroup
    setups: list[RankSetup]
    structure: Structure


class DeepSpeedEngine(TokenizerCalls, LocalEngine):
    """Hosts a chat model on several ranks. See :class:`byzer_lab.engines.base.Engine`.

    Args:
        config: ``infer_params`` are those of
            :class:`byzer_lab.engines.deepspeed.parameters.Parameters`.

    Raises:
        InvalidRequestError: A parameter is unknown or doesn't fit.
    """

    def __init__(self, config: EngineConfig) -> None:
        super().__init__(config)
        self._parameters = read_infer_params(config.infer_params, config.gpus)
        self._loaded: _Loaded | None = None

    @classmethod
    def parameters(cls) -> list[ParameterInfo]:
        """See :class:`byzer_lab.engines.deepspeed.parameters.Parameters`."""
        return describe_parameters(Parameters)

    def _load(self, report: ReportProgress) -> None:
        source = find_model(self._config.model_path)
        report(LoadProgress("importing"))
        import torch
        from transformers import GenerationConfig

        from byzer_lab.engines.deepspeed.group import RankGroup
        from byzer_lab.engines.deepspeed.protocol import RankSetup
        from byzer_lab.engines.precision import choose_dtype, set_threads
        from byzer_lab.engines.transformers.loading import LoadedModel, read_model
        from byzer_lab.engines.transformers.structure import structure_of

        device = "cuda" if torch.cuda.is_available() else "cpu"
        world = self._world(torch.cuda.device_count() if device == "cuda" else None)
        outline = read_model(source, self._parameters.for_loading, report)
        config = outline.config
        if getattr(config, "quantization_config", None) is not None:
            raise InvalidRequestError(
                f"The weights of {source.name!r} are quantised, and DeepSpeed splits and moves "
                "plain ones only; use the vllm or the transformers backend."
            )
        hidden_size = getattr(config.get_text_config(), "hidden_size", 0)
        dtype = choose_dtype(self._parameters.dtype, config.dtype, device, hidden_size)
        parameters = dataclasses.replace(self._parameters, dtype=str(dtype).removeprefix("torch."))
        threads = max(1, set_threads(parameters.num_threads) // world)
        setups = [
            RankSetup(
                rank=rank,
                world=world,
                local_rank=rank,
                local_world=world,
                rendezvous="",
                interface="lo",
                device=device,
                source=source,
                parameters=parameters,
                concurrency=self._config.concurrency,
                threads=threads,
            )
            for rank in range(world)
        ]
        report(LoadProgress(f"starting {world} rank{'s' if world > 1 else ''}"))
        group = RankGroup(setups, report)
        ready = group.ready[0]
        defaults = GenerationConfig.from_dict(ready.generation_config)
        # What the cache can't hold can't be asked for.
        window = min(outline.context_length or ready.cache_tokens, ready.cache_tokens)
        model = LoadedModel(_Outline(config, defaults), outline.tokenizer, window)
        self._loaded = _Loaded(model, group, setups, structure_of(model))

    def _world(self, devices: int | None) -> int:
        """How many ranks there are.

        Args:
            devices: GPUs that this process sees; ``None`` on processors.
        """
        world = self._parameters.tensor_parallel_size or max(1, int(self._config.gpus))
        if devices is not None and devices < world:
            raise InvalidRequestError(
                f"{world} ranks need {world} GPUs, but this worker sees {devices}; set the number "
                "of GPUs per worker."
            )
        return world

    def meta(self) -> dict[str, Any]:
        """What is known of the loaded model.

        Beside the keys that every engine has: ``context_length`` (tokens), ``parameters`` (their
        number), ``parameters_per_rank``, ``world_size`` (ranks), ``zero_offload``, ``dtype``,
        ``device``, ``batching``, ``kv_cache_tokens`` (what the cache of all requests holds) and
        ``num_threads`` (of one rank).
        """
        loaded = self._ready()
        setup, ready = loaded.setups[0], loaded.group.ready
        return {
            "model_deploy_type": "proprietary",
            "backend": "ray/deepspeed",
            "max_model_len": loaded.model.context_length,
            "architectures": list(loaded.model.model.config.architectures or []),
            "support_stream": True,
            "support_chat_template": bool(loaded.model.tokenizer.chat_template),
            **loaded.structure.meta(),
            "context_length": loaded.model.context_length,
            "parameters": ready[0].parameters,
            "parameters_per_rank": [one.here for one in ready],
            "world_size": setup.world,
            "zero_offload": setup.parameters.zero_offload,
            "dtype": setup.parameters.dtype,
            "device": setup.device,
            "batching": "padded",
            "kv_cache_tokens": ready[0].cache_tokens,
            "num_threads": setup.threads,
        }

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk]:
        """Answer one request. See :meth:`byzer_lab.engines.base.Engine.generate`."""
        from byzer_lab.engines.transformers.plan import make_plan

        loaded = self._ready()
        refuse_adapter(request)
        model, structure = loaded.model, loaded.structure
        plan = make_plan(request, model, None)
        constraint = await structure.constraint(request)
        plan = structure.held(plan, constraint)
        answer = structure.answer(request, constraint)
        steps = followed(loaded.group.stream(plan), constraint)
        chunks = chunks_of(steps, plan, model, answer)
        async with aclosing(chunks):
            async for chunk in chunks:
                yield chunk

    async def close(self) -> None:
        """End the ranks and fail what is running."""
        loaded, self._loaded = self._loaded, None
        if loaded is not None:
            await asyncio.to_thread(loaded.group.close)

    @property
    def _tokenizer(self) -> Any:
        return self._ready().model.tokenizer

    def _ready(self) -> _Loaded:
        if self._loaded is None:
            raise EngineError(NOT_LOADED)
        return self._loaded
