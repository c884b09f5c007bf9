"""Macros that look at the types of their arguments, where DuckDB does not know these yet.

Of an aggregate or a window function DuckDB knows the type too late to choose the right overload. In
the body of a lambda it does know: ``spark_text(max(x))`` becomes
``list_transform([{'a0': max(x)}], lambda s__:
spark_text(struct_extract(s__, 'a0')))[1]``, so to say.
"""

from __future__ import annotations

from sqlglot import exp

from byzer_lab.sql.spark.functions import call, typed

GATHERING = frozenset(
    {
        *("any_value", "arg_max", "arg_min", "bool_and", "bool_or", "first", "first_value"),
        *("kurtosis_pop", "last", "last_value", "list", "quantile_cont", "quantile_disc"),
        *("skewness", "stddev_samp"),
    }
)
"""Names of aggregates that sqlglot does not know as such."""


def settle(tree: exp.Expr) -> None:
    """Put such calls into lambdas."""
    for node in reversed(list(tree.bfs())):
        if not isinstance(node, exp.Anonymous) or node.name not in typed():
            continue
        late = [one for one in node.expressions if _gathers(one)]
        if late:
            node.replace(_settled(node, late))


def _gathers(node: exp.Expr) -> bool:
    """An aggregate or a window function of this query stands in it."""
    if isinstance(node, exp.AggFunc | exp.Window | exp.Filter):
        return True
    if isinstance(node, exp.Anonymous) and node.name.lower() in GATHERING:
        return True
    if isinstance(node, exp.Query):
        return False
    return any(_gathers(child) for child in node.iter_expressions())


def _settled(node: exp.Anonymous, late: list[exp.Expr]) -> exp.Expr:
    name = exp.to_identifier("s__")
    fields: list[exp.Expr] = []
    for number, argument in enumerate(late):
        key = f"a{number}"
        fields.append(exp.PropertyEQ(this=exp.to_identifier(key), expression=argument.copy()))
        # s__.a0 would be taken for a column in HAVING.
        argument.replace(call("struct_extract", name.copy(), exp.Literal.string(key)))
    function = exp.Lambda(this=node.copy(), expressions=[name])
    listed = call("list_transform", exp.array(exp.Struct(expressions=fields)), function)
    return call("list_extract", listed, exp.Literal.number(1))
