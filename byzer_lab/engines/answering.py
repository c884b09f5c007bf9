"""What every engine that writes text does around its library: tokens into chunks."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import aclosing
from typing import Protocol

from byzer_lab.engines.plan import GenerationPlan
from byzer_lab.errors import InvalidRequestError
from byzer_lab.types import (
    Chunk,
    FinishReason,
    GenerateRequest,
    TokenLogprob,
    ToolCallDelta,
    Usage,
)


def refuse_adapter(request: GenerateRequest, names: Collection[str] = ()) -> None:
    """Refuse a request that names an adapter which the deployment doesn't have.

    Args:
        request: The caller's.
        names: Of the deployment's adapters.

    Raises:
        InvalidRequestError: It names another one.
    """
    if request.adapter is None or request.adapter in names:
        return
    there = (
        f"this deployment has {', '.join(sorted(names))}"
        if names
        else "this deployment has none; the transformers and vllm backends take adapters"
    )
    raise InvalidRequestError(
        f"There is no adapter {request.adapter!r}: {there}.", adapter=request.adapter
    )


class Vocabulary(Protocol):
    """What makes text of a token."""

    def text_of(self, token: int) -> str:
        """Text of a token alone, a special one too."""


class Answer(Protocol):
    """The text and the calls of one answer; see :class:`byzer_lab.engines.text.AnswerText`."""

    @property
    def stopped(self) -> bool: ...

    @property
    def stop(self) -> str: ...

    @property
    def called(self) -> bool: ...

    def feed(self, tokens: Sequence[int]) -> str: ...

    def take_calls(self) -> list[ToolCallDelta]: ...

    def flush(self, *, cut_short: bool) -> str: ...


async def chunks_of(
    steps: AsyncGenerator[list[int]],
    plan: GenerationPlan,
    vocabulary: Vocabulary,
    answer: Answer,
) -> AsyncGenerator[Chunk]:
    """Turn the tokens of one request into chunks, until it ends one way or another.

    Args:
        steps: New tokens of each step; closed when the answer has ended or is closed.
        plan: The request.
        vocabulary: Makes text of tokens.
        answer: Makes text and calls of the tokens; the request's own.

    Yields:
        Text deltas and pieces of calls, then the last chunk with ``finish_reason`` and ``usage``.
    """
    notes = plan.notes
    made = told = 0
    finish: FinishReason = "length"

    def told_logprobs() -> list[TokenLogprob]:
        return [] if notes is None else notes.between(told, made, vocabulary.text_of)

    async with aclosing(steps):
        async for tokens in steps:
            shown = ""
            for token in tokens:
                made += 1
                if token in plan.end_tokens:
                    finish = "stop"
                    break
                shown += answer.feed([token])
                if answer.stopped:
                    finish = "stop"
                    break
            calls = answer.take_calls()
            if shown or calls:
                yield Chunk(
                    text=shown, tool_calls=calls, tokens=made - told, logprobs=told_logprobs()
                )
                told = made
            if finish == "stop":
                break
    if finish == "stop" and plan.constraint is not None and not answer.stopped:
        plan.constraint.check()
    text = "" if answer.stopped else answer.flush(cut_short=finish == "length")
    if finish == "stop" and answer.called:
        finish = "tool_calls"
    yield Chunk(
        text=text,
        tool_calls=answer.take_calls(),
        tokens=made - told,
        logprobs=told_logprobs(),
        finish_reason=finish,
        usage=Usage(input_tokens=len(plan.prompt), output_tokens=made),
        stop=answer.stop if finish == "stop" else "",
    )
