"""Small things about the trees of queries."""

from __future__ import annotations

from sqlglot import exp


def sql(query: exp.Expr) -> str:
    """A query as DuckDB reads it."""
    return query.sql("duckdb", normalize_functions=False, comments=False)


def copy_clause(source: exp.Expr, target: exp.Expr, clause: str) -> None:
    """Give a query a clause of another one."""
    found = source.args.get(clause)
    if isinstance(found, list):
        target.set(clause, [item.copy() for item in found])
    elif found is not None:
        target.set(clause, found.copy())


def rename(root: exp.Expr, name: str, kept: str) -> None:
    """Let a query read another table."""
    for table in root.find_all(exp.Table):
        if table.name.lower() == name.lower() and not table.db:
            if not table.alias:
                table.set("alias", exp.TableAlias(this=exp.to_identifier(name, quoted=True)))
            table.set("this", exp.to_identifier(kept, quoted=True))
