"""How queries are written for Spark."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlglot import exp

from byzer_lab.sql.engine.json_types import typed_names

_TYPES = {"string": "STRING", "integer": "BIGINT", "number": "DOUBLE", "boolean": "BOOLEAN"}
PLACE = "__place"
AGGREGATES = frozenset(
    {
        *("any", "any_value", "approx_count_distinct", "approx_percentile", "array_agg", "avg"),
        *("bit_and", "bit_or", "bit_xor", "bool_and", "bool_or", "collect_list", "collect_set"),
        *("corr", "count", "count_if", "count_min_sketch", "covar_pop", "covar_samp", "every"),
        *("first", "first_value", "grouping", "grouping_id", "histogram_numeric", "kurtosis"),
        *("last", "last_value", "listagg", "max", "max_by", "mean", "median", "min", "min_by"),
        *("mode", "percentile", "percentile_approx", "percentile_cont", "percentile_disc"),
        *("regr_avgx", "regr_avgy", "regr_count", "regr_intercept", "regr_r2", "regr_slope"),
        *("regr_sxx", "regr_sxy", "regr_syy", "skewness", "some", "std", "stddev", "stddev_pop"),
        *("stddev_samp", "string_agg", "sum", "try_avg", "try_sum", "var_pop", "var_samp"),
        *("variance", "bitmap_construct_agg", "bitmap_or_agg", "hll_sketch_agg", "hll_union_agg"),
    }
)
"""Names of Spark's aggregate functions; it does not tell them itself."""


def quoted(name: str) -> str:
    """A name as an identifier."""
    return "`" + name.replace("`", "``") + "`"


def call(name: str, *arguments: exp.Expr) -> exp.Expr:
    """A call of a function by its name."""
    return exp.Anonymous(this=name, expressions=[one.copy() for one in arguments])


class SparkWords:
    """See :class:`byzer_lab.sql.engine.words.Words`.

    Args:
        expand: Puts Spark's own functions in the place of those that it does not have; given a
            tree that it may change.
    """

    dialect = "spark"
    place = PLACE
    joins = True

    def __init__(self, expand: Callable[[exp.Expr], exp.Expr]) -> None:
        self._expand = expand

    def quoted(self, name: str) -> str:
        """See the protocol."""
        return quoted(name)

    def sql(self, tree: exp.Expr) -> str:
        """See the protocol."""
        expanded = self._expand(tree.copy())
        return expanded.sql("spark", normalize_functions=False, comments=False)

    def json(self, values: Sequence[exp.Expr]) -> exp.Expr:
        """See the protocol."""
        if len(values) == 1:
            return call("to_json", exp.array(values[0].copy()))
        bare = exp.Lambda(
            # Without the brackets of its array.
            this=call(
                "substring",
                exp.to_identifier("j__"),
                exp.Literal.number(2),
                exp.Sub(
                    this=call("length", exp.to_identifier("j__")), expression=exp.Literal.number(2)
                ),
            ),
            expressions=[exp.to_identifier("j__")],
        )
        listed = exp.array(*(self.json([one]) for one in values))
        joined = call("array_join", call("transform", listed, bare), exp.Literal.string(","))
        return call("concat", exp.Literal.string("["), joined, exp.Literal.string("]"))

    def number(self) -> exp.Expr:
        """See the protocol."""
        return call("monotonically_increasing_id")

    def texts(self, value: exp.Expr) -> exp.Expr:
        """See the protocol."""
        return call("sort_array", call("collect_list", value))

    def struct(self, column: str, schema: dict[str, Any]) -> str:
        """See the protocol."""
        written = _type(schema).replace("\\", "\\\\").replace("'", "\\'")
        return f"from_json({column}, '{written}')"

    def repartitioned(
        self, table: str, parts: int, columns: Sequence[str], *, ordered: bool
    ) -> str:
        """See the protocol."""
        hint = "REPARTITION_BY_RANGE" if ordered else "REPARTITION"
        listed = ", ".join([str(parts), *(quoted(column) for column in columns)])
        return f"select /*+ {hint}({listed}) */ * from {quoted(table)}"


def _type(schema: dict[str, Any]) -> str:
    """The shape of a schema as ``from_json`` reads it."""
    kind, parts = typed_names(schema)
    if kind == "object":
        fields = (f"{quoted(name)}: {_type(part)}" for name, part in parts.items())
        return f"STRUCT<{', '.join(fields)}>"
    if kind == "array":
        return f"ARRAY<{_type(parts['items'])}>"
    return _TYPES.get(kind, "STRING")
