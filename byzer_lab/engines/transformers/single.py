"""One request after another, for models that can't be continuously batched."""

from __future__ import annotations

import asyncio
import contextlib
import copy
from collections.abc import AsyncGenerator, AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from transformers import (
    LogitsProcessor,
    LogitsProcessorList,
    StoppingCriteria,
    StoppingCriteriaList,
)

from byzer_lab.engines.plan import GenerationPlan
from byzer_lab.engines.transformers.lora import Route
from byzer_lab.engines.transformers.sampling import RequestSampler, mark_choices
from byzer_lab.errors import EngineError, describe


class OneAtATime:
    """Runs ``generate`` on one thread; requests wait for it in the order of their arrival.

    Args:
        model: Any model that ``generate`` can run on text alone.
        route: Of the adapters that requests may choose.
    """

    longest_request = None

    def __init__(self, model: Any, route: Route | None = None) -> None:
        self._model = model
        self._route = route
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="generate")
        self._running: set[_Tap] = set()
        self._closed = False

    async def stream(self, plan: GenerationPlan) -> AsyncGenerator[list[int]]:
        """Tokens of one request as they come; closing the iterator cancels it.

        Raises:
            EngineError: The model failed or was closed.
        """
        if self._closed:
            raise EngineError("The model was shut down.")
        tap = _Tap()
        self._running.add(tap)
        job = self._thread.submit(self._generate, plan, tap)
        job.add_done_callback(lambda _: tap.end())
        try:
            async for tokens in tap:
                yield tokens
            if self._closed or job.cancelled():
                raise EngineError("The model was shut down.")
            error = job.exception()
            if error is not None:
                raise EngineError(f"The model failed: {describe(error)}") from error
        finally:
            tap.cancelled = True
            job.cancel()
            self._running.discard(tap)

    def close(self) -> None:
        """End what is running and the thread. Blocks until the present step is over."""
        self._closed = True
        for tap in list(self._running):
            tap.cancelled = True
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _generate(self, plan: GenerationPlan, tap: _Tap) -> None:
        if self._route is not None:
            self._route.follow_one(plan.adapter)
        config = copy.deepcopy(self._model.generation_config)
        config.update(
            do_sample=False,
            num_beams=1,
            num_return_sequences=1,
            repetition_penalty=1.0,
            max_length=None,
            max_new_tokens=plan.max_tokens,
            # An empty list would mean the model's own; no token has the number of all tokens.
            eos_token_id=list(plan.end_tokens) or [self._model.config.get_text_config().vocab_size],
            pad_token_id=0,
        )
        prompt = torch.tensor([plan.prompt], device=self._model.device)
        inputs = {name: self._placed(value) for name, value in (plan.inputs or {}).items()}
        encodes = self._model.config.is_encoder_decoder
        sampler = RequestSampler(plan, penalise_prompt=not encodes)
        self._model.generate(
            prompt,
            attention_mask=torch.ones_like(prompt),
            generation_config=config,
            logits_processor=LogitsProcessorList([_Sampling(sampler)]),
            stopping_criteria=StoppingCriteriaList([tap]),
            **inputs,
        )

    def _placed(self, value: Any) -> Any:
        """Numbers beside the prompt, where and as the model's own are."""
        if not isinstance(value, torch.Tensor):
            return value
        dtype = self._model.dtype if value.is_floating_point() else None
        return value.to(self._model.device, dtype)


class _Sampling(LogitsProcessor):  # type: ignore[misc]
    def __init__(self, sampler: RequestSampler) -> None:
        self._sampler = sampler

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        scores = scores.float()
        mark_choices(scores, [self._sampler])
        return scores


class _Tap(StoppingCriteria):  # type: ignore[misc]
    """Sees every token on the model's thread, hands it to the loop, and ends cancelled requests."""

    def __init__(self) -> None:
        self.cancelled = False
        self._loop = asyncio.get_running_loop()
        self._tokens: asyncio.Queue[int | None] = asyncio.Queue()

    def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:
        self._send(int(input_ids[0, -1]))
        return torch.tensor([self.cancelled], device=input_ids.device)

    def end(self) -> None:
        """No token will follow."""
        self._send(None)

    def _send(self, token: int | None) -> None:
        # A loop that was closed has nobody left to hear of it.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._tokens.put_nowait, token)

    async def __aiter__(self) -> AsyncIterator[list[int]]:
        while (token := await self._tokens.get()) is not None:
            yield [token]
