"""``tokenize`` with a model of llama.cpp."""

from __future__ import annotations

from typing import TYPE_CHECKING

from byzer_lab.types import TokenizeAnswer, TokenizeRequest

if TYPE_CHECKING:
    from byzer_lab.engines.llama_cpp.loading import Model


class TokenizerCalls:
    """The call; mixed into an engine."""

    @property
    def _model(self) -> Model:
        """The loaded one."""
        raise NotImplementedError

    async def tokenize(self, request: TokenizeRequest) -> TokenizeAnswer:
        """See :meth:`byzer_lab.engines.base.Tokenizes.tokenize`."""
        return TokenizeAnswer(self._model.tokenize(request.text, special=request.special_tokens))
