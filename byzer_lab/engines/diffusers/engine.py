"""The diffusers engine: one request from prompt to chunks."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
from collections.abc import AsyncGenerator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from byzer_lab.content import media_type_of
from byzer_lab.drawing import MULTIPLE, Drawing
from byzer_lab.engines.base import EngineConfig, LoadProgress, ReportProgress
from byzer_lab.engines.diffusers.files import picture_file
from byzer_lab.engines.diffusers.parameters import Parameters
from byzer_lab.engines.diffusers.request import DrawPlan, make_plan
from byzer_lab.engines.folder import PIPELINE, find_model
from byzer_lab.engines.local import NOT_LOADED, LocalEngine
from byzer_lab.errors import ByzerLabError, EngineDeadError, EngineError, describe
from byzer_lab.schema import ParameterInfo, describe_parameters, read_parameters
from byzer_lab.types import Chunk, GenerateRequest, Progress, Usage

if TYPE_CHECKING:
    from byzer_lab.engines.diffusers.painter import Painter

log = logging.getLogger(__name__)

CLOSED = "The model was shut down."
WARM_UP = 64  # pixels


class DiffusersEngine(LocalEngine):
    """Hosts a pipeline that draws. Requests wait for each other, in the order of their arrival.

    Args:
        config: ``infer_params`` are those of
            :class:`byzer_lab.engines.diffusers.parameters.Parameters`.

    Raises:
        InvalidRequestError: A parameter is unknown or doesn't fit.
    """

    def __init__(self, config: EngineConfig) -> None:
        super().__init__(config)
        self._parameters = read_parameters(Parameters, config.infer_params, "diffusers")
        self._pipeline: Any = None
        self._painter: Painter | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="draw")
        self._running: set[_Job] = set()
        self._threads = 0

    @classmethod
    def parameters(cls) -> list[ParameterInfo]:
        """See :class:`byzer_lab.engines.diffusers.parameters.Parameters`."""
        return describe_parameters(Parameters)

    def _load(self, report: ReportProgress) -> None:
        source = find_model(self._config.model_path, (PIPELINE,))
        report(LoadProgress("importing"))
        try:
            import diffusers  # noqa: F401
        except ImportError as error:
            raise EngineError(
                f"Models that draw need the library diffusers ({describe(error)}); install "
                "byzer-lab[diffusers]."
            ) from error
        from byzer_lab.engines.diffusers.loading import load_pipeline
        from byzer_lab.engines.diffusers.painter import Painter
        from byzer_lab.engines.precision import set_threads

        self._threads = set_threads(self._parameters.num_threads)
        self._pipeline = load_pipeline(source, self._parameters, report)
        self._painter = Painter(self._pipeline)
        report(LoadProgress("warming up"))
        first = Drawing(width=WARM_UP, height=WARM_UP, sampling_steps=2)
        plan = DrawPlan("warm-up", "warm up", first, frozenset(), 0)
        for _ in self._painter.draw(plan, lambda _: None, lambda: True):
            pass

    def meta(self) -> dict[str, Any]:
        """What is known of the loaded model.

        Beside the keys that every engine has: ``draws``, ``samplers`` (their names, empty where
        the model has one of its own), ``picture_size`` (pixels of a side that it was trained for;
        0 where it doesn't say), ``parameters`` (their number), ``dtype``, ``device`` and
        ``num_threads``.
        """
        from byzer_lab.engines.diffusers.samplers import SCHEDULERS, exchangeable

        pipeline, _ = self._ready()
        parts = [part for part in pipeline.components.values() if hasattr(part, "parameters")]
        unet = getattr(pipeline, "unet", None) or getattr(pipeline, "transformer", None)
        grain = getattr(pipeline, "vae_scale_factor", MULTIPLE)
        size = getattr(unet.config, "sample_size", None) if unet is not None else None
        return {
            "model_deploy_type": "proprietary",
            "backend": "diffusers",
            "max_model_len": _longest_prompt(pipeline),
            "architectures": [type(pipeline).__name__],
            "support_stream": True,
            "support_chat_template": False,
            "draws": True,
            "samplers": list(SCHEDULERS) if exchangeable(pipeline.scheduler) else [],
            "picture_size": size * grain if isinstance(size, int) else 0,
            "parameters": sum(one.numel() for part in parts for one in part.parameters()),
            "dtype": str(pipeline.dtype).removeprefix("torch."),
            "device": str(pipeline.device),
            "num_threads": self._threads,
        }

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk]:
        """Draw: progress after each step, then the pictures of each pass.

        See :meth:`byzer_lab.engines.base.Engine.generate`.
        """
        pipeline, painter = self._ready()
        plan = await asyncio.to_thread(make_plan, request)
        tokens = _prompt_tokens(pipeline, plan.prompt)
        if tokens > _longest_prompt(pipeline) > 0:
            log.warning(
                "%s: the prompt has %d tokens; the model reads the first %d.",
                *(plan.request_id, tokens, _longest_prompt(pipeline)),
            )
        job = _Job(plan)
        self._running.add(job)
        work = self._thread.submit(job.run, painter)
        work.add_done_callback(job.ended)
        try:
            async for chunk in job.chunks():
                yield chunk
            if work.cancelled():
                raise EngineError(CLOSED)
            yield Chunk(
                finish_reason="content_filter" if work.result() else "stop",
                usage=Usage(input_tokens=tokens),
            )
        finally:
            job.wanted = False
            work.cancel()
            self._running.discard(job)

    async def close(self) -> None:
        """End what is running after its step, and free the memory."""
        for job in list(self._running):
            job.wanted = False
        await asyncio.to_thread(self._thread.shutdown, cancel_futures=True)
        if self._pipeline is None:
            return
        self._pipeline = self._painter = None
        import torch

        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _ready(self) -> tuple[Any, Painter]:
        if self._pipeline is None or self._painter is None:
            raise EngineError(NOT_LOADED)
        return self._pipeline, self._painter


class _Job:
    """One request between the asyncio loop that reads it and the thread that draws.

    Args:
        plan: The request.

    Attributes:
        wanted: Somebody waits for it.
    """

    def __init__(self, plan: DrawPlan) -> None:
        self.wanted = True
        self._plan = plan
        self._loop = asyncio.get_running_loop()
        self._chunks: asyncio.Queue[Chunk | None] = asyncio.Queue()

    async def chunks(self) -> AsyncGenerator[Chunk]:
        """What the thread has made, until it has ended one way or another."""
        while (chunk := await self._chunks.get()) is not None:
            yield chunk

    def run(self, painter: Painter) -> bool:
        """Draw; called on the thread.

        Returns:
            Whether a picture was refused by the model's own checker.

        Raises:
            ByzerLabError: It failed, or was ended.
        """
        from torch import AcceleratorError, OutOfMemoryError

        from byzer_lab.engines.diffusers.painter import Cancelled

        refused = False
        try:
            for pictures in painter.draw(self._plan, self._tell, lambda: self.wanted):
                for picture in pictures:
                    data = picture_file(picture.image, self._plan, picture.seed)
                    kind = media_type_of(data)
                    self._send(Chunk(data=data, media_type=kind, prompt=self._plan.prompt))
                    refused = refused or picture.refused
        except Cancelled:
            raise EngineError(CLOSED) from None
        except ByzerLabError:
            raise
        except OutOfMemoryError as error:
            raise EngineError(
                "There is not enough memory for such a picture; ask for a smaller one, a smaller "
                "batch_size, or enable_multidiff."
            ) from error
        except AcceleratorError as error:
            # From then on every call in this process fails the same way.
            raise EngineDeadError(f"The GPU failed: {describe(error)}") from error
        except Exception as error:
            raise EngineError(f"The model failed: {describe(error)}") from error
        return refused

    def ended(self, _work: Future[bool]) -> None:
        """Nothing will follow."""
        self._send(None)

    def _tell(self, progress: Progress) -> None:
        self._send(Chunk(progress=progress))

    def _send(self, chunk: Chunk | None) -> None:
        # A loop that was closed has nobody left to hear of it.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._chunks.put_nowait, chunk)


def _longest_prompt(pipeline: Any) -> int:
    """Tokens that the model reads; -1 where nothing says."""
    tokenizer = getattr(pipeline, "tokenizer", None)
    longest = getattr(tokenizer, "model_max_length", None)
    return longest if isinstance(longest, int) and longest < 100_000 else -1


def _prompt_tokens(pipeline: Any, prompt: str) -> int:
    tokenizer = getattr(pipeline, "tokenizer", None)
    return len(tokenizer(prompt).input_ids) if tokenizer is not None else 0
