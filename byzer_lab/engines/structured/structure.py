"""What an engine has: from a request to its constraint, and what its meta says."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from typing import Any

from byzer_lab.engines.plan import GenerationPlan
from byzer_lab.engines.structured.calls import call_format
from byzer_lab.engines.structured.compiler import Compiler
from byzer_lab.engines.structured.constraint import Constraint
from byzer_lab.engines.structured.grammar import SPECIAL, grammar_of, offered_tools, parts_of
from byzer_lab.engines.structured.reading import CallingAnswer, CallReader
from byzer_lab.engines.structured.vocabulary import own_tokens, showing
from byzer_lab.engines.text import AnswerText
from byzer_lab.errors import InvalidRequestError
from byzer_lab.types import GenerateRequest


class Structure:
    """Constrains the requests of one engine.

    Args:
        tokenizer: The library's view of the model's tokens, or why there is none.
        template: Source of the model's chat template; empty where there is none.
        decode: Text of tokens.
        end_tokens: The model's own.
    """

    def __init__(
        self,
        tokenizer: Any,
        template: str,
        decode: Callable[[list[int]], str],
        end_tokens: frozenset[int],
    ) -> None:
        self._why_not = tokenizer if isinstance(tokenizer, str) else ""
        self._calls = None if self._why_not else call_format(template)
        self._decode = decode
        self._end_tokens = end_tokens
        if not self._why_not:
            self._compiler = Compiler(tokenizer)
            marks = (*SPECIAL, *(self._calls.marks if self._calls else ()))
            self._tokens = own_tokens(tokenizer, marks)

    def meta(self) -> dict[str, Any]:
        """The keys of :meth:`byzer_lab.engines.base.Engine.meta` that are about structure."""
        held = {} if self._why_not else {"structured_output": "constrained"}
        return {**held, "support_tools": self._calls is not None}

    async def constraint(self, request: GenerateRequest) -> Constraint | None:
        """What holds the answer; ``None`` where it is free.

        Raises:
            InvalidRequestError: The request can't be held.
        """
        if request.response_schema is None and not request.tools:
            offered_tools(request)  # refuses a choice among none
            return None
        if request.tools and request.messages is None:
            raise InvalidRequestError(
                "Tools need messages: a prompt goes to the model as it stands, and would not tell "
                "it of them."
            )
        if self._why_not:
            raise InvalidRequestError(
                f"This model can't be held to a schema and can't call tools: {self._why_not}."
            )
        return await asyncio.to_thread(self._start, request)

    def held(self, plan: GenerationPlan, constraint: Constraint | None) -> GenerationPlan:
        """The plan of a request with what holds it."""
        if constraint is None:
            return plan
        return dataclasses.replace(plan, constraint=constraint, end_tokens=self._end_tokens)

    def answer(
        self, request: GenerateRequest, constraint: Constraint | None
    ) -> AnswerText | CallingAnswer:
        """What makes text and calls of the request's tokens."""
        whole = constraint is not None and constraint.whole
        stops = [] if whole else request.sampling.stop or []
        if constraint is None or self._calls is None or not offered_tools(request):
            return AnswerText(self._decode, stops)
        anywhere = bool(self._calls.trigger) and not whole
        decode = showing(self._decode, self._tokens)
        schemas = {tool.name: tool.parameters for tool in request.tools}
        reader = CallReader(self._calls, anywhere=anywhere, schemas=schemas)
        return CallingAnswer(decode, reader, stops)

    def _start(self, request: GenerateRequest) -> Constraint | None:
        grammar = grammar_of(request, self._calls, self._tokens)
        if grammar is None:
            return None
        free = request.tool_choice in ("auto", "none") and request.response_schema is None
        try:
            return self._compiler.start(Constraint(grammar, whole=not free))
        except ValueError as error:
            words = str(error)
        place = next(
            (place for place, part in parts_of(request) if self._compiler.why_not(part) == words),
            "",
        )
        where = f" at {place}" if place else ""
        raise InvalidRequestError(f"The schema can't be guaranteed: {words}{where}.", place=place)
