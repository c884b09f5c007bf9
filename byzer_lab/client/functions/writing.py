"""Asks a model for a function until it works."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from byzer_lab.client.asking import Ask
from byzer_lab.client.functions.code import NoFunctionError, code_in
from byzer_lab.client.functions.implementation import Implementation, Ran
from byzer_lab.client.functions.shown import Shown
from byzer_lab.client.typed.asking import CUT
from byzer_lab.client.types import LLMClassResponse, LLMResponse
from byzer_lab.client.wording import words
from byzer_lab.types import Message


@dataclass(frozen=True)
class FunctionQuestion:
    """A function that is to be written.

    Attributes:
        name: Of the function.
        make: Makes the function of its code.
        language: Of our own words.
        max_retries: How often the model is asked again, with the error.
        show: Shows code before it runs.
    """

    name: str
    make: Callable[[str], Implementation]
    language: str
    max_retries: int
    show: Callable[[Shown], None]

    def ask(
        self,
        ask: Ask,
        messages: list[Message],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
    ) -> LLMClassResponse:
        """Ask, run, and ask again with the error where there is one.

        Args:
            ask: Asks the model.
            messages: The conversation that asks for the function.
            args, kwargs: What it is called with.

        Returns:
            The value that it returned, and the function as ``metadata["func"]``; ``None`` with the
            reason where none worked.
        """
        attempt = 0
        while True:
            attempt += 1
            began = time.monotonic()
            response = ask(messages)
            asked_s = time.monotonic() - began
            finish = response.metadata.get("finish_reason")
            cut = finish == "length"
            written = None
            try:
                written = self.make(code_in(response.output, self.name))
            except NoFunctionError as error:
                ran = Ran(reason=f"{CUT}, before it was whole." if cut else f"{error}.")
            else:
                self.show(Shown(written, asked_s=asked_s, metadata=response.metadata))
                ran = written.run(args, kwargs)
            # a limit would cut the next too, and who ended this one wants no other
            if not ran.reason or cut or finish == "cancelled" or attempt > self.max_retries:
                return answer(response, written, ran, attempt)
            messages = [
                *messages,
                Message(role="assistant", content=response.output),
                Message(
                    role="user",
                    content=words("function_again", self.language, reason=ran.reason),
                ),
            ]


def answer(
    response: LLMResponse, written: Implementation | None, ran: Ran, attempts: int
) -> LLMClassResponse:
    """What the caller gets of a run."""
    metadata = response.metadata | {
        "raw_func": written.source if written else None,
        "func": written,
        "reason": ran.reason,
        "resason": ran.reason,  # as Byzer-LLM's page spells it
        "stdout": ran.stdout,
        "attempts": attempts,
    }
    return LLMClassResponse(response=response, value=ran.value, metadata=metadata)
