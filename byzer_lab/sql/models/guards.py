"""When the value of a part of an expression matters: under CASE, AND, OR, coalesce."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from byzer_lab.sql.models.calls import Functions


def guard_of(node: exp.Expr, functions: Functions) -> exp.Expr | None:
    """The condition under which a part of an expression is looked at; ``None``: always.

    Parts that hold calls themselves say nothing yet.
    """
    found: list[exp.Expr] = []
    child = node
    parent = node.parent
    while parent is not None and not isinstance(parent, exp.Query):
        found += [one for one in _conditions(parent, child) if not functions.has(one)]
        child, parent = parent, parent.parent
    if not found:
        return None
    return exp.and_(*(one.copy() for one in found))


def _conditions(parent: exp.Expr, child: exp.Expr) -> Iterator[exp.Expr]:
    if isinstance(parent, exp.And | exp.Or):
        sibling = parent.right if child is parent.left else parent.left
        yield _not(sibling, isinstance(parent, exp.Or))
    elif isinstance(parent, exp.Coalesce):
        for earlier in [parent.this, *parent.expressions]:
            if earlier is child:
                break
            yield exp.Is(this=exp.Paren(this=earlier.copy()), expression=exp.Null())
    elif isinstance(parent, exp.If) and isinstance(parent.parent, exp.Case):
        yield from _branch(parent.parent, parent, child)
    elif isinstance(parent, exp.If):
        if child is parent.args.get("true"):
            yield _true(parent.this)
        elif child is parent.args.get("false"):
            yield _not(parent.this, True)
    elif isinstance(parent, exp.Case) and child is parent.args.get("default"):
        for branch in parent.args["ifs"]:
            yield _not(_test(parent, branch), True)


def _branch(case: exp.Case, branch: exp.If, child: exp.Expr) -> Iterator[exp.Expr]:
    for earlier in case.args["ifs"]:
        if earlier is branch:
            break
        yield _not(_test(case, earlier), True)
    if child is branch.args.get("true"):
        yield _true(_test(case, branch))


def _test(case: exp.Case, branch: exp.If) -> exp.Expr:
    if case.this is None:
        tested: exp.Expr = branch.this
        return tested
    return exp.EQ(this=exp.Paren(this=case.this.copy()), expression=branch.this.copy())


def _true(condition: exp.Expr) -> exp.Expr:
    return exp.Paren(this=condition.copy())


def _not(condition: exp.Expr, value: bool) -> exp.Expr:
    """Not known to have that value."""
    return exp.NullSafeNEQ(
        this=exp.Paren(this=condition.copy()), expression=exp.Boolean(this=value)
    )
