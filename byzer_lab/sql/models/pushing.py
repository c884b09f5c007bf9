"""Conditions and limits of a query that hold for a table inside of it: put there, so that models
are asked about the rows that are left only. They stay where they are as well."""

from __future__ import annotations

from sqlglot import exp

from byzer_lab.sql.models.calls import Functions, conjuncts
from byzer_lab.sql.models.trees import is_volatile


def push(outer: exp.Select, source: str, inner: exp.Expr, functions: Functions) -> None:
    """Put what an outer query demands of the rows of an inner one into it, where that is safe.

    Args:
        outer: Reads the inner one once.
        source: The name under which it does.
        inner: A query that calls models.
        functions: Finds calls.
    """
    if not isinstance(inner, exp.Select) or not _is_plain(inner, functions):
        return
    joins = outer.args.get("joins") or []
    if any(join.side or join.kind not in ("", "INNER", "CROSS") for join in joins):
        return
    alone = not joins and not outer.args.get("laterals")
    items = _items(inner, functions)
    where = outer.args.get("where")
    for condition in conjuncts(where.this) if where is not None else []:
        inside = None if functions.has(condition) else _inside(condition, source, items, alone)
        if inside is not None:
            inner.where(exp.paren(inside), copy=False)
    ends = ("where", "group", "having", "order", "distinct", "qualify", "offset")
    limit = outer.args.get("limit")
    gathers = any(
        functions.is_aggregate(node) for item in outer.expressions for node in item.walk()
    )
    depends = gathers or outer.find(exp.Window, exp.Unnest, exp.Explode) is not None
    if limit and alone and not depends and not any(map(outer.args.get, ends)):
        inner.set("limit", limit.copy())


def _is_plain(inner: exp.Select, functions: Functions) -> bool:
    """Each row of it stands for a row of its source, whatever the others are."""
    clauses = ("group", "having", "distinct", "limit", "offset", "qualify", "with_")
    if any(inner.args.get(clause) for clause in clauses):
        return False
    nodes = [node for item in inner.expressions for node in item.walk()]
    return not any(
        isinstance(n, exp.Window | exp.Unnest) or functions.is_aggregate(n) for n in nodes
    )


def _items(inner: exp.Select, functions: Functions) -> dict[str, exp.Expr | None]:
    """What the columns are, by name; ``None`` where a condition can't use it. The name ``*``:
    all others are the source's own."""
    items: dict[str, exp.Expr | None] = {}
    for item in inner.expressions:
        if isinstance(item, exp.Star) and not inner.args.get("joins"):
            items["*"] = item
            continue
        value = item.unalias()
        fixed = not functions.has(value) and not any(map(is_volatile, value.walk()))
        items[item.alias_or_name.lower()] = value if fixed else None
    return items


def _inside(
    condition: exp.Expr, source: str, items: dict[str, exp.Expr | None], alone: bool
) -> exp.Expr | None:
    """A condition in the words of the inner query; ``None`` where it can't be said there."""
    if condition.find(exp.Query) or any(map(is_volatile, condition.walk())):
        return None
    holder = exp.paren(condition.copy(), copy=False)
    for column in list(holder.find_all(exp.Column)):
        name = column.name.lower()
        if column.table.lower() != source.lower() and not (alone and not column.table):
            return None
        value = items.get(name)
        if name not in items and "*" in items:
            value = exp.column(column.this.copy())
        if value is None:
            return None
        column.replace(exp.paren(value.copy(), copy=False))
    found: exp.Expr = holder.this
    return found
