"""Asking again where a provider says in an answer, not by HTTP, that it has not begun."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from byzer_lab.errors import ProviderError, ProviderRateLimitError, ProviderUnavailableError
from byzer_lab.types import Chunk


class Again(Exception):
    """The provider has not begun with a request.

    Args:
        error: What the caller gets when it was tried often enough.
    """

    def __init__(self, error: ProviderError) -> None:
        super().__init__(error.message)
        self.error = error


def worth_another_try(error: ProviderError) -> ProviderError | Again:
    """An error of a provider that answered with it, as :class:`Again` where it is only busy."""
    busy = isinstance(error, ProviderRateLimitError | ProviderUnavailableError)
    return Again(error) if busy else error


async def until_begun(
    ask: Callable[[int], AsyncGenerator[Chunk]], retries: int
) -> AsyncGenerator[Chunk]:
    """Ask until the provider begins with its answer.

    Args:
        ask: One try, told its number from 1; raises :class:`Again` before its first chunk.
        retries: How many there may be after the first.

    Raises:
        ProviderError: It was tried often enough, or the provider wants a long wait.
    """
    attempt = 0
    while True:
        attempt += 1
        try:
            async with aclosing(ask(attempt)) as chunks:
                async for chunk in chunks:
                    yield chunk
            return
        except Again as again:
            if attempt > retries:
                raise again.error from None
            await _pause(again.error, attempt)


async def _pause(error: ProviderError, attempt: int) -> None:
    from byzer_lab.providers.http import LONGEST_WAIT_S, backoff_s

    wait = error.details.get("retry_after_s")
    if (wait or 0.0) > LONGEST_WAIT_S:
        raise error
    await asyncio.sleep(backoff_s(attempt) if wait is None else wait)
