"""Small things about the trees of queries."""

from __future__ import annotations

from sqlglot import exp

VOLATILE = (exp.Rand, exp.Randn, exp.Uuid, exp.CurrentTimestamp, exp.CurrentDate)
_VOLATILE_NAMES = frozenset(
    {
        *("random", "rand", "randn", "randstr", "uniform", "uuid", "gen_random_uuid"),
        *("shuffle", "spark_shuffle", "monotonically_increasing_id"),
        *("now", "current_timestamp", "localtimestamp", "current_date", "curdate"),
    }
)
_CLOCKS = frozenset({"unix_timestamp", "spark_unix_timestamp", "to_unix_timestamp"})
"""They tell the time where they are given nothing to tell the time of."""


def is_volatile(node: exp.Expr) -> bool:
    """Whether a function gives another value each time it is evaluated."""
    if isinstance(node, VOLATILE):
        return True
    if not isinstance(node, exp.Anonymous):
        return False
    name = node.name.lower()
    return name in _VOLATILE_NAMES or (name in _CLOCKS and not node.expressions)


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
