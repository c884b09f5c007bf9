"""vLLM's engine on a thread and an event loop of its own.

vLLM's asynchronous engine belongs to one event loop, but a worker loads its engine on a thread
that has none and serves it on another. So there is a loop for vLLM alone, on which it is started,
tried out, asked and ended; tokens go from there to the readers, those of one step together.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Coroutine, Iterable
from typing import Any, TypeVar

import uvloop
from vllm import SamplingParams
from vllm.exceptions import GracefulHTTPError, VLLMClientError
from vllm.inputs import tokens_input
from vllm.lora.request import LoRARequest
from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams
from vllm.v1.engine import async_llm, exceptions

from byzer_lab.engines.mailbox import Letter, Mailbox, deliver
from byzer_lab.engines.plan import GenerationPlan
from byzer_lab.engines.vllm.adapters import Adapter
from byzer_lab.engines.vllm.news import News
from byzer_lab.errors import (
    ByzerLabError,
    EngineDeadError,
    EngineError,
    InvalidRequestError,
    describe,
)

T = TypeVar("T")
# vLLM's seeds are numbers of 63 bits, and -1 means none there; modulo a prime, any other whole
# number is one of them.
_SEEDS = 2**63 - 25
CLOSED = "The model was shut down."


class Runtime:
    """Runs vLLM.

    Args:
        news: Has the cause where one of vLLM's processes fails.
    """

    def __init__(self, news: News) -> None:
        self._news = news
        self._llm: Any = None
        self._mail: list[Letter] = []
        self._running: dict[Mailbox, asyncio.Task[Any] | None] = {}
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="vllm", daemon=True)
        self._thread.start()

    @property
    def llm(self) -> Any:
        """vLLM's engine, started."""
        return self._llm

    def start(self, config: Any, arguments: Any) -> None:
        """Start vLLM's processes and load the model.

        Args:
            config: vLLM's configuration.
            arguments: The arguments it was made from.

        Raises:
            EngineError: A process failed; its own error is in the sentence.
        """
        try:
            self._llm = self._wait_for(_make(config, arguments))
        except Exception as error:
            raise EngineError(self._news.cause() or describe(error)) from error

    def try_out(self, plan: GenerationPlan, adapters: Iterable[Adapter]) -> None:
        """Run a first request and load the adapters: what fails for every request fails here.

        Raises:
            EngineError: It failed; vLLM's own error is in the sentence.
        """
        self._wait_for(self._try_out(plan, adapters))

    async def stream(
        self, plan: GenerationPlan, adapter: Adapter | None = None
    ) -> AsyncGenerator[list[int]]:
        """Tokens of one request as they come; closing the iterator cancels it.

        Args:
            plan: The request.
            adapter: The adapter that answers; ``None`` for the model itself.

        Raises:
            InvalidRequestError: vLLM refuses the request.
            EngineError: It failed.
            EngineDeadError: vLLM is dead or was shut down.
        """
        box = Mailbox()
        work = asyncio.run_coroutine_threadsafe(self._fetch(plan, adapter, box), self._loop)
        try:
            finished = False
            while not finished:
                tokens, finished = await box.take()
                if tokens:
                    yield tokens
        finally:
            work.cancel()

    def unfinished(self) -> int:
        """Requests that vLLM has not finished or dropped."""
        return int(self._llm.get_num_unfinished_requests())

    def close(self) -> None:
        """Fail what is running and end vLLM's processes. Safe to call twice."""
        if not self._thread.is_alive():
            return
        self._wait_for(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _wait_for(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _try_out(self, plan: GenerationPlan, adapters: Iterable[Adapter]) -> None:
        try:
            async for _ in self._llm.generate(
                tokens_input(plan.prompt), _params(plan), plan.request_id
            ):
                pass
            for adapter in adapters:
                await self._llm.add_lora(_lora(adapter))
        except Exception as error:
            raise self._explained(error) from error

    async def _fetch(self, plan: GenerationPlan, adapter: Adapter | None, box: Mailbox) -> None:
        """Bring the tokens of one request from vLLM to its reader."""
        if self._llm is None:
            self._post((box, [], True, EngineDeadError(CLOSED)))
            return
        self._running[box] = asyncio.current_task()
        problem: ByzerLabError | None = None
        try:
            answers = self._llm.generate(
                tokens_input(plan.prompt),
                _params(plan),
                plan.request_id,
                lora_request=_lora(adapter) if adapter is not None else None,
            )
            async for answer in answers:
                (piece,) = answer.outputs
                if plan.notes is not None:
                    _note(plan, piece)
                self._post((box, list(piece.token_ids), False, None))
        except Exception as error:
            problem = self._explained(error)
        finally:
            self._running.pop(box, None)
        self._post((box, [], True, problem))

    def _post(self, letter: Any) -> None:
        """Hand over at the end of the loop's turn, with what else has come in it."""
        if not self._mail:
            self._loop.call_soon(self._send)
        self._mail.append(letter)

    def _send(self) -> None:
        letters, self._mail = self._mail, []
        deliver(letters)

    async def _end(self) -> None:
        llm, self._llm = self._llm, None
        for box, task in list(self._running.items()):
            if task is not None:
                task.cancel()
            self._post((box, [], True, EngineDeadError(CLOSED)))
        await asyncio.sleep(0)  # the tasks see it
        if llm is not None:
            llm.shutdown()  # on the loop: nothing else of vLLM is to see its processes go
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0)

    def _explained(self, error: Exception) -> ByzerLabError:
        """vLLM's exception as one of ours."""
        if isinstance(error, ByzerLabError):
            return error
        if isinstance(error, exceptions.EngineDeadError):
            cause = self._news.cause() or "it was killed, crashed or ran out of memory"
            return EngineDeadError(f"vLLM's engine process failed: {cause}")
        if isinstance(error, VLLMClientError):
            return InvalidRequestError(f"vLLM refuses the request: {' '.join(str(error).split())}")
        if isinstance(error, exceptions.EngineGenerateError | GracefulHTTPError):
            error = error.__cause__ if isinstance(error.__cause__, Exception) else error
        return EngineError(f"vLLM failed: {describe(error)}")


async def _make(config: Any, arguments: Any) -> Any:
    return async_llm.AsyncLLM.from_vllm_config(
        config,
        disable_log_stats=arguments.disable_log_stats,
        enable_log_requests=arguments.enable_log_requests,
    )


def _params(plan: GenerationPlan) -> Any:
    """A plan in vLLM's words.

    vLLM is told of the end tokens alone: text is made, and stop texts are looked for, as on every
    backend.
    """
    recipe, constraint = plan.recipe, plan.constraint
    held = None if constraint is None else StructuredOutputsParams(grammar=constraint.grammar)
    return SamplingParams(
        temperature=recipe.temperature,
        top_k=recipe.top_k,
        top_p=recipe.top_p,
        min_p=recipe.min_p,
        repetition_penalty=recipe.repetition_penalty,
        presence_penalty=recipe.presence_penalty,
        frequency_penalty=recipe.frequency_penalty,
        seed=None if recipe.seed is None else recipe.seed % _SEEDS,
        max_tokens=plan.max_tokens,
        stop_token_ids=sorted(plan.end_tokens),
        ignore_eos=True,
        logprobs=None if plan.notes is None else plan.notes.alternatives,
        structured_outputs=held,
        detokenize=False,
        output_kind=RequestOutputKind.DELTA,
    )


def _lora(adapter: Adapter) -> Any:
    return LoRARequest(adapter.name, adapter.number, adapter.folder)


def _note(plan: GenerationPlan, piece: Any) -> None:
    assert plan.notes is not None
    asked = plan.notes.alternatives
    for token, found in zip(piece.token_ids, piece.logprobs, strict=True):
        ranked = sorted(found.items(), key=lambda item: item[1].rank)[:asked]
        top = [(other, value.logprob) for other, value in ranked]
        plan.notes.add(token, found[token].logprob, top)
