"""Places of a query in which no model can be called, refused before anything is asked."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from byzer_lab.sql.models.calls import Functions
from byzer_lab.sql.spark.refusing import refused

ColumnsOf = Callable[[exp.Select], frozenset[str]]
"""The names of a select's columns, in small letters; empty where they are not known."""


def refuse(query: exp.Query, functions: Functions, columns_of: ColumnsOf) -> None:
    """Refuse the calls that can't be lifted out of a query.

    Args:
        query: As it was read, with the places of its parts.
        functions: Finds calls.
        columns_of: Looks at the tables that a query reads.

    Raises:
        ScriptError: There is one; the place is the call's.
    """
    for call in functions.calls(query):
        node = call.node
        if node.find_ancestor(exp.Lambda) is not None:
            raise refused(
                node,
                f"`{node.name}` is called inside a lambda, whose values no query can ask for",
                "Explode the array, call it on each row, and gather the answers with collect_list.",
            )
        join = node.find_ancestor(exp.Join, exp.Query)
        if isinstance(join, exp.Join) and _is_outer(join):
            raise refused(
                node,
                f"`{node.name}` is called in the condition of a {join.side or join.kind} JOIN",
                "Call it in a table of its own first, and join with that.",
            )
        if recursive := _recursive(node):
            raise refused(
                node,
                f"`{node.name}` is called in a query with a recursive WITH "
                f"(`{recursive}`), which has no end before it has run",
                "Make a table of the recursion first, and call the model on that.",
            )
        if outer := _outer_column(node, columns_of):
            raise refused(
                node,
                f"`{node.name}` is called in a subquery that depends on the row outside of it: "
                f"`{outer.sql('spark')}`",
                "Join the two tables first, and call the model on the joined rows.",
            )


def _is_outer(join: exp.Join) -> bool:
    return bool(join.side) or join.kind not in ("", "INNER", "CROSS")


def _recursive(node: exp.Expr) -> str:
    """The name of a recursive table that a query around a call has; empty: there is none."""
    parent = node.parent
    while parent is not None:
        clause = parent if isinstance(parent, exp.With) else parent.args.get("with_")
        if clause is not None and clause.args.get("recursive"):
            return str(clause.expressions[0].alias)
        parent = parent.parent
    return ""


def _outer_column(node: exp.Expr, columns_of: ColumnsOf) -> exp.Column | None:
    """A column of a row outside of the query that a call stands in."""
    inner = node.find_ancestor(exp.Select)
    while inner is not None:
        around = inner.parent_select
        if around is None:
            return None
        for column in inner.find_all(exp.Column):
            if _is_of_outside(column, inner, columns_of):
                return column
        inner = around
    return None


def _is_of_outside(column: exp.Column, inner: exp.Select, columns_of: ColumnsOf) -> bool:
    if column.find_ancestor(exp.Lambda) is not None:
        return False  # what looks like a column may be a parameter
    select = column.find_ancestor(exp.Select)
    seen: list[exp.Select] = []
    while select is not None:
        seen.append(select)
        select = None if select is inner else select.parent_select
    if column.table:
        names = {name for one in seen for name in _sources(one)}
        return column.table.lower() not in names and _names_a_table(column, inner)
    if len(seen) > 1 or column.name.lower() in {item.alias.lower() for item in inner.expressions}:
        return False
    known = columns_of(inner)
    return bool(known) and column.name.lower() not in known


def _names_a_table(column: exp.Column, inner: exp.Select) -> bool:
    """What stands before the dot is a table outside, and no struct."""
    around = inner.parent_select
    while around is not None:
        if column.table.lower() in _sources(around):
            return True
        around = around.parent_select
    return False


def _sources(select: exp.Select) -> set[str]:
    from_ = select.args.get("from_")
    joins = select.args.get("joins") or []
    laterals = select.args.get("laterals") or []
    sources = [*([from_.this] if from_ else []), *(join.this for join in joins), *laterals]
    return {source.alias_or_name.lower() for source in sources}
