"""Calls of model functions in a query: which functions they are, and what they ask."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
from sqlglot import exp

from byzer_lab.errors import InvalidRequestError
from byzer_lab.sql.models.media import as_base64
from byzer_lab.sql.models.questions import Kind

TYPED: dict[str, tuple[Kind, int, int, str]] = {
    "llm_json": ("json", 3, 3, "model, prompt, schema"),
    "llm_embed": ("embed", 2, 2, "model, text"),
    "llm_rerank": ("rerank", 3, 3, "model, query, passage"),
    "llm_filter": ("filter", 2, 3, "model, condition [, text]"),
    "llm_classify": ("classify", 3, 3, "model, text, array(label, ...)"),
    "llm_agg": ("agg", 3, 3, "model, instruction, text"),
    "llm_transcribe": ("transcribe", 2, 3, "model, sound [, map(name, value, ...)]"),
    "llm_speak": ("speak", 2, 3, "model, text [, map(name, value, ...)]"),
    "llm_draw": ("draw", 2, 3, "model, prompt [, map(name, value, ...)]"),
}
"""Functions whose first argument names the model: kind, fewest and most arguments, the form."""

ERROR_OF = "llm_error"


@dataclass(frozen=True)
class Function:
    """A function that is evaluated outside of the engine.

    Attributes:
        name: As queries write it.
        model: Name of the deployment; empty for a function of Python.
        python: The function of Python.
        returns: Arrow's type of its values, of a function of Python; ``None``: as they are.
    """

    name: str
    model: str = ""
    python: Callable[..., object] | None = None
    returns: pa.DataType | None = None


@dataclass(frozen=True)
class Call:
    """A call in a query.

    Attributes:
        node: Where it stands.
        function: What it calls.
        kind: What is asked; ``python`` for a function of Python.
        model: Name of the deployment; empty for a function of Python.
        arguments: What tells one question from another.
        schema: Text of the schema of ``llm_json``.
    """

    node: exp.Expr
    function: Function
    kind: Kind | str
    model: str
    arguments: tuple[exp.Expr, ...]
    schema: str = ""

    @property
    def label(self) -> str:
        """For plans and progress."""
        named = self.node.name if self.model in ("", self.node.name) else f"{self.node.name} of"
        return named if self.model in ("", self.node.name) else f"{named} {self.model}"


class Functions:
    """The functions that are lifted out of queries.

    Args:
        find: The function of that name, ``None`` for the engine's own.
        aggregates: Names of the engine's aggregate functions.
    """

    def __init__(self, find: Callable[[str], Function | None], aggregates: frozenset[str]) -> None:
        self._find = find
        self._aggregates = aggregates

    def call_at(self, node: exp.Expr) -> Call | None:
        """The call that a node is; ``None`` where it is none.

        Raises:
            InvalidRequestError: Its arguments are wrong.
        """
        if not isinstance(node, exp.Anonymous):
            return None
        name = node.name.lower()
        if name in TYPED:
            return _typed(node, *TYPED[name])
        function = self._find(node.name)
        if function is None:
            return None
        if function.python is not None:
            return Call(node, function, "python", "", tuple(node.expressions))
        if len(node.expressions) != 1:
            raise InvalidRequestError(
                f"{node.name} takes one argument, a text or llm_param(map(...)), and was given "
                f"{len(node.expressions)}."
            )
        return Call(node, function, "chat", function.model, tuple(node.expressions))

    def calls(self, root: exp.Expr) -> Iterator[Call]:
        """All calls, each after those in its arguments, from left to right."""
        for child in root.iter_expressions():
            yield from self.calls(child)
        call = self.call_at(root)
        if call is not None:
            yield call

    def has(self, root: exp.Expr | None) -> bool:
        """Whether there is any call."""
        return root is not None and any(self.call_at(node) for node in root.find_all(exp.Anonymous))

    def is_aggregate(self, node: exp.Expr) -> bool:
        """Whether a node is an aggregate function."""
        if isinstance(node, exp.AggFunc):
            return True
        return isinstance(node, exp.Anonymous) and node.name.lower() in self._aggregates

    def gather(self, root: exp.Expr, texts: Callable[[exp.Expr], exp.Expr]) -> None:
        """Give each ``llm_agg`` the list of its texts instead of one text.

        Args:
            root: Where they stand.
            texts: Gathers a text, in one order, so that the same texts are the same question.
        """
        for node in list(root.find_all(exp.Anonymous)):
            if node.name.lower() != "llm_agg" or node.meta.get("gathered"):
                continue
            _check(node, *TYPED["llm_agg"][1:])
            model, instruction, text = node.expressions
            node.set("expressions", [model, instruction, texts(text)])
            node.meta["gathered"] = True


def _check(node: exp.Anonymous, least: int, most: int, form: str) -> None:
    if not least <= len(node.expressions) <= most:
        raise InvalidRequestError(
            f"{node.name} was given {len(node.expressions)} arguments; write {node.name}({form})."
        )


def _typed(node: exp.Anonymous, kind: Kind, least: int, most: int, form: str) -> Call:
    _check(node, least, most, form)
    model, *arguments = node.expressions
    name = _text(model, node, "the model", form)
    schema = ""
    if kind == "json":
        schema = _text(arguments.pop(), node, "the schema", form)
    if kind == "transcribe":
        arguments[0] = as_base64(arguments[0])
    return Call(node, Function(node.name, name), kind, name, tuple(arguments), schema)


def _text(value: exp.Expr, node: exp.Anonymous, what: str, form: str) -> str:
    if isinstance(value, exp.Literal) and value.is_string:
        return str(value.this)
    raise InvalidRequestError(
        f"{what.capitalize()} of {node.name} is {value.sql('duckdb')}; it must be a text that "
        f"stands there as it is: {node.name}({form})."
    )


def conjuncts(condition: exp.Expr | None) -> Sequence[exp.Expr]:
    """The parts of a condition that must all hold."""
    if condition is None:
        return []
    if isinstance(condition, exp.And):
        return [*conjuncts(condition.left), *conjuncts(condition.right)]
    if isinstance(condition, exp.Paren) and isinstance(condition.this, exp.And):
        return conjuncts(condition.this)
    return [condition]
