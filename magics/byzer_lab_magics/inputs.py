"""Two things that IPython would do to a cell before our magics see it, undone.

- ``%%llm_deploy chat --model_path bundled`` alone in a cell: IPython refuses a cell magic without
  a body. It gets an empty line as its body.
- ``%prompt Who are you?``: IPython takes any line that ends with a question mark for a request for
  help. A prompt is not one (``%prompt?`` still is).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from IPython.core.inputtransformer2 import EscapedCommand, MagicAssign

PROMPT_MAGIC = "prompt"
Tokens = list[Any]


class Inputs:
    """The input transformations in one shell.

    Args:
        shell: IPython's shell.
        cell_magics: Names of the magics that may do without a body.
    """

    def __init__(self, shell: Any, cell_magics: list[str]) -> None:
        self._cleanup = shell.input_transformers_cleanup
        self._tokens = shell.input_transformer_manager.token_transformers
        self._give_body = body_giver(cell_magics)
        self._cleanup.append(self._give_body)
        self._tokens.extend([PromptLine, PromptAssign])

    def undo(self) -> None:
        """Leave the shell as it was."""
        self._cleanup.remove(self._give_body)
        for transformer in (PromptLine, PromptAssign):
            self._tokens.remove(transformer)


def body_giver(cell_magics: list[str]) -> Callable[[list[str]], list[str]]:
    """A transformation that appends an empty line to a cell that is nothing but a magic's line."""
    pattern = re.compile(rf"%%({'|'.join(map(re.escape, cell_magics))})(\s|$)")

    def give_body(lines: list[str]) -> list[str]:
        alone = bool(lines) and pattern.match(lines[0]) and not any(lines[1:])
        return [lines[0], "\n"] if alone else lines

    # A terminal decides with these, too, whether the cell is complete; it must go on asking for
    # the body there, and transformations marked so are left out of that decision.
    vars(give_body)["has_side_effects"] = True
    return give_body


def _asks(tokens: Tokens, percent: int) -> bool:
    """Whether a prompt magic begins at this token and its text ends with a question mark."""
    return (
        len(tokens) > percent + 4
        and tokens[percent].string == "%"
        and tokens[percent + 1].string == PROMPT_MAGIC
        and tokens[-2].string == "?"
    )


class PromptLine(EscapedCommand):  # type: ignore[misc]
    """``%prompt ...?``"""

    priority = 1  # before the transformation for help

    @classmethod
    def find(cls, tokens_by_line: list[Tokens]) -> PromptLine | None:
        """The first such line."""
        for tokens in tokens_by_line:
            first = next((i for i, token in enumerate(tokens) if token.string.strip()), 0)
            if _asks(tokens, first):
                return cls(tokens[first].start)
        return None


class PromptAssign(MagicAssign):  # type: ignore[misc]
    """``name = %prompt ...?``"""

    priority = 1

    def __init__(self, start: tuple[int, int], percent: tuple[int, int]) -> None:
        super().__init__(start)  # of the line: what sorts it before the transformation for help
        self._percent = percent[1]

    @classmethod
    def find(cls, tokens_by_line: list[Tokens]) -> PromptAssign | None:
        """The first such line."""
        for tokens in tokens_by_line:
            for index, token in enumerate(tokens):
                if token.string == "=":
                    if _asks(tokens, index + 1):
                        return cls(tokens[0].start, tokens[index + 1].start)
                    break
        return None

    def transform(self, lines: list[str]) -> list[str]:
        """The lines with a call in place of the magic."""
        self.start_col = self._percent
        transformed: list[str] = super().transform(lines)
        return transformed
