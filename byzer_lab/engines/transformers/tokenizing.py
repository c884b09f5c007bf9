"""``tokenize`` and ``apply_chat_template`` with a tokenizer of the transformers library."""

from __future__ import annotations

from typing import Any

from byzer_lab.types import TemplateAnswer, TemplateRequest, TokenizeAnswer, TokenizeRequest


class TokenizerCalls:
    """The calls; mixed into an engine."""

    @property
    def _tokenizer(self) -> Any:
        """The loaded model's."""
        raise NotImplementedError

    async def tokenize(self, request: TokenizeRequest) -> TokenizeAnswer:
        """See :meth:`byzer_lab.engines.base.Tokenizes.tokenize`."""
        special = request.special_tokens
        return TokenizeAnswer(self._tokenizer.encode(request.text, add_special_tokens=special))

    async def apply_chat_template(self, request: TemplateRequest) -> TemplateAnswer:
        """See :meth:`byzer_lab.engines.base.RendersChats.apply_chat_template`."""
        from byzer_lab.engines.transformers.prompt import render

        prompt = render(request.messages, self._tokenizer, request.add_generation_prompt)
        return TemplateAnswer(prompt)
