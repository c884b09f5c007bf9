"""What every engine does around its library: errors of loading, and tokens into chunks."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Collection, Iterator
from contextlib import aclosing, contextmanager

from byzer_lab.engines.logprobs import Notes
from byzer_lab.engines.text import AnswerText
from byzer_lab.errors import ByzerLabError, EngineError, InvalidRequestError, describe
from byzer_lab.types import Chunk, FinishReason, GenerateRequest, TokenLogprob, Usage


@contextmanager
def loading_errors(model_path: str) -> Iterator[None]:
    """Let what a library raises while loading become an :class:`EngineError` in one sentence."""
    try:
        yield
    except ByzerLabError:
        raise
    except Exception as error:
        raise EngineError(f"{model_path!r} can't be served: {describe(error)}") from error


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


async def chunks_of(
    steps: AsyncGenerator[list[int]],
    answer: AnswerText,
    *,
    end_tokens: Collection[int],
    input_tokens: int,
    notes: Notes | None = None,
    text_of: Callable[[int], str] = str,
) -> AsyncGenerator[Chunk]:
    """Turn the tokens of one request into chunks, until it ends one way or another.

    Args:
        steps: New tokens of each step; closed when the answer has ended or is closed.
        answer: Makes text of them and looks for stop texts.
        end_tokens: Tokens that end the answer.
        input_tokens: Tokens of the prompt, for the usage.
        notes: Probabilities of the tokens, each noted before its token comes.
        text_of: Text of a token alone, for the probabilities.

    Yields:
        Text deltas, then the last chunk with ``finish_reason`` and ``usage``.
    """
    made = told = 0
    finish: FinishReason = "length"

    def told_logprobs() -> list[TokenLogprob]:
        return [] if notes is None else notes.between(told, made, text_of)

    async with aclosing(steps):
        async for tokens in steps:
            shown = ""
            for token in tokens:
                made += 1
                if token in end_tokens:
                    finish = "stop"
                    break
                shown += answer.feed([token])
                if answer.stopped:
                    finish = "stop"
                    break
            if shown:
                yield Chunk(text=shown, tokens=made - told, logprobs=told_logprobs())
                told = made
            if finish == "stop":
                break
    yield Chunk(
        text="" if answer.stopped else answer.flush(cut_short=finish == "length"),
        tokens=made - told,
        logprobs=told_logprobs(),
        finish_reason=finish,
        usage=Usage(input_tokens=input_tokens, output_tokens=made),
    )
