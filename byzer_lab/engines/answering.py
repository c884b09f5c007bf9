"""What every engine does around its library: errors of loading, and tokens into chunks."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Iterator
from contextlib import aclosing, contextmanager

from byzer_lab.engines.text import AnswerText
from byzer_lab.errors import ByzerLabError, EngineError, describe
from byzer_lab.types import Chunk, FinishReason, Usage


@contextmanager
def loading_errors(model_path: str) -> Iterator[None]:
    """Let what a library raises while loading become an :class:`EngineError` in one sentence."""
    try:
        yield
    except ByzerLabError:
        raise
    except Exception as error:
        raise EngineError(f"{model_path!r} can't be served: {describe(error)}") from error


async def chunks_of(
    steps: AsyncGenerator[list[int]],
    answer: AnswerText,
    *,
    end_tokens: Collection[int],
    input_tokens: int,
) -> AsyncGenerator[Chunk]:
    """Turn the tokens of one request into chunks, until it ends one way or another.

    Args:
        steps: New tokens of each step; closed when the answer has ended or is closed.
        answer: Makes text of them and looks for stop texts.
        end_tokens: Tokens that end the answer.
        input_tokens: Tokens of the prompt, for the usage.

    Yields:
        Text deltas, then the last chunk with ``finish_reason`` and ``usage``.
    """
    made = told = 0
    finish: FinishReason = "length"
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
                yield Chunk(text=shown, tokens=made - told)
                told = made
            if finish == "stop":
                break
    yield Chunk(
        text="" if answer.stopped else answer.flush(cut_short=finish == "length"),
        tokens=made - told,
        finish_reason=finish,
        usage=Usage(input_tokens=input_tokens, output_tokens=made),
    )
