"""Many requests in one continuous batch, through the library's ContinuousBatchingManager.

One thread owns the model: at each step it takes in new requests, leaves out cancelled ones, and
computes one token for every request that is running. Requests come from and tokens go to asyncio
loops. Where the library falls short this module adds: settings per request (``sampling.py``), a
hand-over that survives cancelled requests, and an end for every request when the thread fails.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
from collections.abc import AsyncGenerator
from typing import Any

import torch
from transformers import ContinuousBatchingConfig, GenerationConfig, LogitsProcessorList
from transformers.generation.continuous_batching.cb_logits_processors import (
    ContinuousBatchingLogitsProcessor,
    ContinuousBatchingLogitsProcessorList,
)
from transformers.generation.continuous_batching.continuous_api import OutputRouter
from transformers.generation.continuous_batching.model_runner import infer_max_single_request_tokens
from transformers.generation.continuous_batching.requests import RequestStatus
from transformers.generation.continuous_batching.scheduler import SCHEDULER_MAPPING, FIFOScheduler

from byzer_lab.engines.plan import GenerationPlan
from byzer_lab.engines.structured.masks import MasksAhead
from byzer_lab.engines.transformers.capacity import BatchSize
from byzer_lab.engines.transformers.lora import Route
from byzer_lab.engines.transformers.sampling import RequestSampler, mark_choices
from byzer_lab.errors import EngineDeadError, EngineError, describe

_SCHEDULER = "byzer_lab"
_ATTENTION = ("sdpa", "eager", "paged|eager")
_LAYERS = ("full_attention", "sliding_attention")


def why_not_batchable(model: Any) -> str | None:
    """The reason why a model can't be continuously batched; ``None`` when it can."""
    config = model.config
    if config.is_encoder_decoder:
        return "it has an encoder"
    if model._is_stateful:
        return "its layers keep a state that is no key-value cache"
    if config.get_text_config() is not config:
        return "it takes more than text"
    if not model._supports_attention_backend:
        return "its attention can't read a paged cache"
    if model.generation_config.use_cache is False:
        return "use_cache is off"
    attention = config._attn_implementation or ""
    if attention not in _ATTENTION and "flash" not in attention:
        return f"its attention is {attention!r}"
    if any(layer not in _LAYERS for layer in getattr(config, "layer_types", None) or ()):
        return "some of its layers are no plain attention"
    return None


class ContinuousBatch:
    """Runs requests together.

    Args:
        model: A model for which :func:`why_not_batchable` has no reason.
        size: Of batch and cache.
        concurrency: Most requests of one step.
        route: Of the adapters that requests may choose.

    Raises:
        EngineError: The cache doesn't fit into memory.
    """

    def __init__(
        self, model: Any, size: BatchSize, concurrency: int, route: Route | None = None
    ) -> None:
        self._manager = model.init_continuous_batching(
            # Sampling is this package's: the library takes the greatest logit.
            generation_config=GenerationConfig(do_sample=False, eos_token_id=-1),
            continuous_batching_config=ContinuousBatchingConfig(
                page_size=size.page_size,
                num_blocks=size.num_blocks,
                max_batch_tokens=size.max_batch_tokens,
                max_requests_per_batch=min(concurrency, size.max_batch_tokens),
                scheduler_type=_SCHEDULER,
                # Sampling by request happens between two steps, so steps can't overlap and can't
                # be recorded as graphs.
                use_async_batching=False,
                use_cuda_graph=False,
                # Looks for kernels to download.
                auto_switch_to_flash=False,
                # The same beginning means something else to another adapter.
                allow_block_sharing=route is None,
            ),
        )
        self._mail = _Mail()
        self._manager.output_router = self._mail
        self._processors = _Processors(route)
        self._manager.logit_processor = self._processors
        self._numbers = itertools.count()
        self._closed = False
        try:
            # Makes the cache now, so that too little memory fails the deployment and no request.
            self._manager.warmup()
        except (MemoryError, torch.OutOfMemoryError) as error:
            raise EngineError(
                f"A key-value cache of {size.num_blocks} pages of {size.page_size} tokens doesn't "
                f"fit into memory: {describe(error)}. Deploy with a smaller num_blocks."
            ) from error
        self.cache: Any = self._manager.batch_processor.cache
        self.longest_request: int = infer_max_single_request_tokens(self.cache)
        # Threads inherit being a daemon: a process that forgets to close must still be able to end.
        starter = threading.Thread(target=self._manager.start, daemon=True)
        starter.start()
        starter.join()

    async def stream(self, plan: GenerationPlan) -> AsyncGenerator[list[int]]:
        """Tokens of one request as they come; closing the iterator takes it out of the batch.

        Raises:
            EngineDeadError: The batch failed or was closed.
        """
        self._refuse_when_dead()
        name = f"{plan.request_id}#{next(self._numbers)}"
        box = self._mail.open(name)
        given, finished = 0, False
        try:
            self._manager.add_request(
                plan.prompt,
                request_id=name,
                max_new_tokens=plan.max_tokens,
                streaming=True,
                eos_token_id=list(plan.end_tokens),
                sampler=RequestSampler(plan),
            )
            # A thread that failed just now may have overlooked the request: then nothing comes.
            self._refuse_when_dead()
            while not finished:
                output = await box.latest()
                if output.status == RequestStatus.FAILED:
                    finished = True
                    raise EngineDeadError(self._why_failed())
                finished = output.is_finished()
                tokens = output.generated_tokens[given:]
                given += len(tokens)
                if tokens:
                    yield tokens
        finally:
            self._mail.close(name)
            if not finished:
                self._manager.cancel_request(name)

    def close(self) -> None:
        """End the thread and fail what is running. Blocks until the present step is over."""
        if self._closed:
            return
        self._closed = True
        self._manager.stop(block=True, hard_stop=True)
        self._processors.close()
        self._manager.destroy()

    def _refuse_when_dead(self) -> None:
        status = self._manager.background_thread_status
        if self._closed or status.can_accept_new_requests() is not None:
            raise EngineDeadError(self._why_failed())

    def _why_failed(self) -> str:
        if self._closed:
            return "The model was shut down."
        # The library fails the requests first and notes the error last.
        error = self._mail.failure or self._manager.background_thread_status.fatal_error
        cause = describe(error) if error else "its thread ended"
        return f"The model's batch failed: {cause}"


class _Mailbox:
    """The newest output of one request, for the loop that waits for it. Outputs are cumulative."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._output: Any = None
        self._arrived = asyncio.Event()

    def put(self, output: Any) -> None:
        self._output = output
        self._arrived.set()

    async def latest(self) -> Any:
        await self._arrived.wait()
        self._arrived.clear()
        return self._output


class _Mail(OutputRouter):  # type: ignore[misc]
    """Carries outputs from the batch's thread to the requests' loops.

    The library's router forgets to drop the handlers of cancelled requests and knows one loop.
    """

    def __init__(self) -> None:
        super().__init__()
        self._boxes: dict[str, _Mailbox] = {}
        self.failure: Exception | None = None

    def open(self, name: str) -> _Mailbox:
        self._boxes[name] = box = _Mailbox()
        return box

    def close(self, name: str) -> None:
        del self._boxes[name]

    def deliver(self, output: Any) -> None:
        self.deliver_batch([output])

    def deliver_batch(self, outputs: list[Any]) -> None:
        by_loop: dict[asyncio.AbstractEventLoop, list[tuple[_Mailbox, Any]]] = {}
        for output in outputs:
            box = self._boxes.get(output.request_id)
            if box is not None:
                by_loop.setdefault(box.loop, []).append((box, output))
        for loop, letters in by_loop.items():
            # A loop that was closed has nobody left to hear of it.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(_hand_over, letters)

    def fail_and_deliver(self, state: Any, error: Exception) -> None:
        self.failure = self.failure or error
        super().fail_and_deliver(state, error)


def _hand_over(letters: list[tuple[_Mailbox, Any]]) -> None:
    for box, output in letters:
        box.put(output)


class _PerRequestSampling(ContinuousBatchingLogitsProcessor):  # type: ignore[misc]
    """Brings each request's sampler to its row of the logits."""

    supported_kwargs = {"sampler": RequestSampler}
    ignored_kwargs = ()

    def __init__(self) -> None:
        self._samplers: list[RequestSampler] = []
        self.ahead = MasksAhead(torch.get_num_threads())

    def fill_defaults(self, int32_tensor: Any) -> None:
        int32_tensor.zero_()

    def prepare_tensor_args(self, requests_with_new_token: list[Any]) -> Any:
        # Called before each step, on the thread that then calls this object with the logits.
        self._samplers = [
            request.state.logit_processor_kwargs["sampler"] for request in requests_with_new_token
        ]
        held = [sampler.constraint for sampler in self._samplers if sampler.constraint is not None]
        self.ahead.begin(held)
        return torch.empty(0, dtype=torch.int32)

    def __call__(self, scores: Any, tensor_arg: Any) -> Any:
        mark_choices(scores, self._samplers, self.ahead)
        return scores


class _Processors(ContinuousBatchingLogitsProcessorList):  # type: ignore[misc]
    """The batch's one processor, told of every step; it also sets the step's adapters."""

    def __init__(self, route: Route | None) -> None:
        self._sampling = _PerRequestSampling()
        super().__init__(LogitsProcessorList([self._sampling]))
        # The library counts only processors that it converted itself; without a row there is no
        # call.
        self.tensors_required = 1
        self._route = route

    def close(self) -> None:
        """End the thread that holds answers to their grammars."""
        self._sampling.ahead.close()

    def prepare_tensor_args(self, requests_in_batch: list[Any], arg_storage: Any) -> Any:
        if self._route is not None:
            self._route.follow(
                [
                    (one.state.logit_processor_kwargs["sampler"].adapter, one.query_length)
                    for one in requests_in_batch
                ]
            )
        return super().prepare_tensor_args(requests_in_batch, arg_storage)


class _Scheduler(FIFOScheduler):  # type: ignore[misc]
    """First come, first served.

    When the cache is full the library puts requests back and admits none until one finishes. One
    that is cancelled makes room as well; without this, cancelling the last one would leave the
    waiting ones waiting forever.
    """

    def clear_cancelled_requests(self) -> list[Any]:
        cancelled: list[Any] = super().clear_cancelled_requests()
        if cancelled:
            self.block_new_requests = False
        return cancelled


SCHEDULER_MAPPING[_SCHEDULER] = _Scheduler
