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
from byzer_lab.client.types import LLMClassResponse
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
        """Ask, and ask again while the answer doesn't fit; see :class:`TypedAttempts`.

        Args:
            ask: Asks the model.
            messages: The conversation, with the schema written in.

        Returns:
            The instance; ``None`` as its value, with the reason, where no answer fitted.
        """
        attempts = TypedAttempts(self, messages)
        while not attempts.over:
            try:
                response = ask(attempts.messages, **attempts.fields)
            except REFUSALS as error:
                attempts.refuse(error)
            else:
                attempts.read(response.output, response.metadata.get("finish_reason"))
        return LLMClassResponse(response, attempts.value, response.metadata | attempts.facts)


class TypedAttempts:
    """What is asked next, and what came of it. An answer that doesn't fit is asked for again with
    the error. Where a constrained model came to no end, it is asked once more for a shorter answer;
    see ``bounds.py``.

    Args:
        question: What is asked.
        messages: The conversation, with the schema written in.

    Attributes:
        messages: What to ask next.
        value: The instance; ``None`` as long as no answer fitted.
        reason: Why there is none; empty where there is one.
        over: Nothing is asked any more.
    """

    def __init__(self, question: TypedQuestion, messages: list[Message]) -> None:
        self._question = question
        self._rest = question.schemas
        self._count = 0
        self._is_bounded = False
        self.messages = messages
        self.value: Any = None
        self.reason = ""
        self.over = False

    @property
    def schema(self) -> Schema | None:
        """What holds the next answer; ``None``: nothing but the prompt."""
        return self._rest[0]

    @property
    def fields(self) -> dict[str, Any]:
        """What to send beside the conversation."""
        return {} if self.schema is None else {"response_schema": self.schema}

    def refuse(self, error: Exception) -> None:
        """Go on with a looser schema, because the engine refused this one.

        Raises:
            Exception: The error, where it is not about the schema.
        """
        if self.schema is None or isinstance(error, ContextLengthError):
            raise error
        del self._rest[0]

    def read(self, text: str, finish_reason: str | None) -> None:
        """Take an answer.

        Args:
            text: All of it.
            finish_reason: Why it ended; one that was ended from outside is not asked for again.
        """
        question, self._count = self._question, self._count + 1
        cut = finish_reason == "length"
        try:
            self.value = read_answer(text, question.kind, whole=not cut)
            self.reason, self.over = "", True
            return
        except UnfitError as error:
            fault = f"{CUT}, before it was whole" if cut else str(error)
        self.reason = f"No {question.kind.name} in the answer: {fault.rstrip('.')}."
        if self._count > question.max_retries or finish_reason == "cancelled":
            self.over = True
        elif cut:
            shorter = bounded(self.schema) if self.schema and not self._is_bounded else None
            if question.structured != "constrained" or shorter is None:
                self.over = True  # the same limit would cut the next one
                return
            self._is_bounded, self._rest[0] = True, shorter
        else:
            again = words("answer_again", question.language, reason=fault)
            self.messages = [
                *self.messages,
                Message(role="assistant", content=text),
                Message(role="user", content=again),
            ]

    @property
    def facts(self) -> dict[str, Any]:
        """For the answer's metadata."""
        return {
            "reason": self.reason,
            "resason": self.reason,  # as Byzer-LLM's page spells it
            "attempts": self._count,
            "structured_output": self._question.structured if self.schema else "prompt",
            "schema_reduced": self.schema != self._question.schemas[0],
        }


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
