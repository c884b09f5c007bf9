"""Take an expression apart: what the rows give, and what is made of it with the models' answers."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from byzer_lab.sql.models.calls import Functions

_NO_VALUES = (
    exp.Alias,
    exp.DataType,
    exp.Identifier,
    exp.Kwarg,
    exp.Lambda,
    exp.Literal,
    exp.Ordered,
    exp.PropertyEQ,
    exp.Slice,
    exp.Star,
    exp.Var,
)


def split(
    expression: exp.Expr,
    functions: Functions,
    column_of: Callable[[exp.Expr], exp.Column],
) -> exp.Expr:
    """A copy in which each part without calls that depends on the row is a column.

    Args:
        expression: What holds calls.
        functions: Finds them.
        column_of: Takes such a part, and answers with the column that stands for it.
    """
    if _is_part(expression, functions):
        return column_of(expression.copy())
    copy = expression.copy()
    for key, value in list(expression.args.items()):
        if isinstance(value, exp.Expr):
            copy.set(key, split(value, functions, column_of))
        elif isinstance(value, list):
            parts = [
                split(item, functions, column_of) if isinstance(item, exp.Expr) else item
                for item in value
            ]
            copy.set(key, parts)
    return copy


def _is_part(node: exp.Expr, functions: Functions) -> bool:
    branch = isinstance(node, exp.If) and isinstance(node.parent, exp.Case)
    if branch or isinstance(node, _NO_VALUES) or functions.has(node):
        return False
    depends = (exp.Column, exp.AggFunc, exp.Window, exp.Query, exp.Func)
    return any(isinstance(found, depends) for found in node.walk()) and not _is_constant(node)


def _is_constant(node: exp.Expr) -> bool:
    """A map's or an array's literal texts: they stay where they are read."""
    return isinstance(node, exp.Array) and all(
        isinstance(item, exp.Literal) for item in node.expressions
    )
