"""How an answer ended, and what is said where it has another shape than the documentation says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from byzer_lab.errors import ContentFilterError, ProviderError, ProviderUnavailableError
from byzer_lab.types import Chunk, FinishReason, ProviderFacts


class Ending:
    """Keeps what decides how an answer ended.

    Args:
        provider: Its ``saas/NAME``, for messages.
        facts: Of the answer; its own word for the end is filled in.

    Attributes:
        reason: The provider's own word, once it has come.
    """

    def __init__(self, provider: str, facts: ProviderFacts) -> None:
        self._provider = provider
        self._facts = facts
        self._wrote = False
        self.reason = ""

    def wrote(self, chunk: Chunk) -> Chunk:
        """Note that there is a part of the answer; it is given back."""
        self._wrote = True
        return chunk

    def finish(self, words: Mapping[str, FinishReason]) -> FinishReason:
        """Our word for the end.

        Args:
            words: Ours for each of the provider's.

        Raises:
            ProviderUnavailableError: The provider never said that the answer is complete.
            ContentFilterError: It wrote nothing, for what it would say.
            ProviderError: It wrote nothing, and ended for a reason of its own.
        """
        about = {"provider": self._provider, "request_id": self._facts.request_id}
        if not self.reason:
            raise ProviderUnavailableError(
                f"{self._provider} broke its answer off: the end of the stream came before the end "
                "of the answer.",
                **about,
            )
        self._facts.finish_reason = self.reason
        finish = words.get(self.reason)
        if not self._wrote and finish == "content_filter":
            raise ContentFilterError(
                f"{self._provider} refuses this for its content: {self.reason}.", **about
            )
        if not self._wrote and finish is None:
            raise ProviderError(f"{self._provider} wrote no answer: {self.reason}.", **about)
        return finish or "stop"


@contextmanager
def shapes(provider: str, facts: ProviderFacts) -> Iterator[None]:
    """Turn what goes wrong with JSON of an unexpected shape into an error of the provider.

    Raises:
        ProviderError: Something is missing, or of another kind.
    """
    try:
        yield
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise ProviderError(
            f"{provider} sent JSON of another shape than its documentation says: {error}.",
            provider=provider,
            request_id=facts.request_id,
        ) from error
