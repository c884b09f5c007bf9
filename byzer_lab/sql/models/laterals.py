"""``LATERAL VIEW``, where an engine has it: its calls are answered before it unfolds them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlglot import exp

from byzer_lab.sql.models.calls import Functions, conjuncts


@contextmanager
def set_aside(select: exp.Select, functions: Functions) -> Iterator[Sequence[exp.Expr]]:
    """The lateral views of a select that hold calls. Within, the select is without its lateral
    views, calls in its conditions, and conditions of what the views give.

    Args:
        select: Of the views.
        functions: Finds calls.
    """
    views = select.args.get("laterals") or []
    called = [view for view in views if functions.has(view)]
    if not called:
        yield []
        return
    where = select.args.get("where")
    names = {name.lower() for view in views for name in _names(view)}
    select.set("laterals", None)
    select.set("where", None)
    for part in conjuncts(where.this) if where is not None else []:
        columns = part.find_all(exp.Column)
        of_view = any({c.name.lower(), c.table.lower()} & names for c in columns)
        if not of_view and not functions.has(part):
            select.where(part.copy(), copy=False)
    try:
        yield called
    finally:
        select.set("laterals", views)
        select.set("where", where)


def _names(view: exp.Expr) -> list[str]:
    alias = view.args.get("alias")
    return [view.alias, *(column.name for column in alias.columns)] if alias else []
