"""Asks until the answer fits: the strictest form that the engine takes, then again with the
error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from byzer_lab.client.asking import Ask
from byzer_lab.client.typed.bounds import bounded
from byzer_lab.client.typed.kinds import AnswerKind, UnfitError
from byzer_lab.client.typed.parsing import read_answer
from byzer_lab.client.typed.schemas import (
    OBJECTS_ONLY,
    REFUSALS,
    Schema,
    as_object,
    is_wrapped,
    ladder,
)
from byzer_lab.client.types import LLMClassResponse, LLMResponse
from byzer_lab.client.wording import words
from byzer_lab.errors import ContextLengthError
from byzer_lab.types import Message, TextPart

CUT = "The answer was cut at the token limit (max_tokens, or the end of the context window)"


@dataclass(frozen=True)
class TypedQuestion:
    """A question whose answer is to be an object.

    Attributes:
        kind: What the answer is to be.
        structured: The deployment's ``structured_output``; empty where it has none.
        write: Makes the question's text, given the last user message and what was asked for.
        language: Of our own words.
        max_retries: How often an answer that doesn't fit is asked for again.
    """

    kind: AnswerKind
    structured: str
    write: Callable[[str, Any], str]
    language: str
    max_retries: int

    def written(self, messages: list[Message]) -> list[Message]:
        """A copy of a conversation with the schema in its last user message."""
        return with_text(messages, lambda prompt: self.write(prompt, self.told))

    @property
    def schemas(self) -> list[Schema | None]:
        """What to send beside it, one after the other until the engine takes it."""
        return list(ladder(self.kind.schema, self.structured))

    @property
    def told(self) -> Any:
        """What the prompt describes: where the answer is wrapped, the wrapped schema."""
        return as_object(self.kind.schema) if self.wrapped else self.kind.asked

    @property
    def wrapped(self) -> bool:
        """The answer is to come inside an object, because only objects are taken."""
        return self.structured in OBJECTS_ONLY and is_wrapped(self.kind.schema)

    def ask(self, ask: Ask, messages: list[Message]) -> LLMClassResponse:
        """Ask, and ask again with the error while the answer doesn't fit. Where a constrained
        model came to no end, it is asked once more for a shorter answer; see ``bounds.py``.

        Args:
            ask: Asks the model.
            messages: The conversation, with the schema written in.

        Returns:
            The instance; ``None`` as its value, with the reason, where no answer fitted.
        """
        rest = self.schemas
        is_bounded = False
        for attempt in range(1 + self.max_retries):
            response, rest = _taken(ask, messages, rest)
            cut = response.metadata.get("finish_reason") == "length"
            try:
                value = read_answer(response.output, self.kind, whole=not cut)
                return self._response(response, value, "", attempt, rest[0])
            except UnfitError as error:
                reason = f"{CUT}, before it was whole" if cut else str(error)
            if cut:
                shorter = bounded(rest[0]) if rest[0] and not is_bounded else None
                if self.structured != "constrained" or shorter is None:
                    break  # the same limit would cut the next one
                is_bounded, rest = True, [shorter, *rest[1:]]
                continue
            again = words("answer_again", self.language, reason=reason)
            messages = [
                *messages,
                Message(role="assistant", content=response.output),
                Message(role="user", content=again),
            ]
        reason = f"No {self.kind.name} in the answer: {reason.rstrip('.')}."
        return self._response(response, None, reason, attempt, rest[0])

    def _response(
        self,
        response: LLMResponse,
        value: Any,
        reason: str,
        attempt: int,
        schema: Schema | None,
    ) -> LLMClassResponse:
        metadata = response.metadata | {
            "reason": reason,
            "resason": reason,  # as Byzer-LLM's page spells it
            "attempts": attempt + 1,
            "structured_output": self.structured if schema is not None else "prompt",
            "schema_reduced": schema != self.schemas[0],
        }
        return LLMClassResponse(response=response, value=value, metadata=metadata)


def with_text(messages: list[Message], write: Callable[[str], str]) -> list[Message]:
    """A copy of a conversation whose last user message is written anew; one is added where the
    conversation doesn't end with the user's turn."""
    if messages[-1].role != "user":
        return [*messages, Message(role="user", content=write("").strip())]
    last = messages[-1]
    text = write(last.text)
    if isinstance(last.content, str):
        return [*messages[:-1], msgspec.structs.replace(last, content=text)]
    pictures = [part for part in last.content if not isinstance(part, TextPart)]
    content = [*pictures, TextPart(text)]
    return [*messages[:-1], msgspec.structs.replace(last, content=content)]


def _taken(
    ask: Ask, messages: list[Message], schemas: list[Schema | None]
) -> tuple[LLMResponse, list[Schema | None]]:
    """Ask with the first schema that the engine takes; it stands first in what is returned."""
    for place, schema in enumerate(schemas):
        try:
            fields = {} if schema is None else {"response_schema": schema}
            return ask(messages, **fields), schemas[place:]
        except ContextLengthError:
            raise
        except REFUSALS:
            if schema is None:
                raise  # it was not about the schema
    raise AssertionError("a ladder ends with None")
