"""A query of Spark SQL in the words of DuckDB: its tree is worked through from the leaves up."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from byzer_lab.sql.spark.aggregates import AGGREGATES
from byzer_lab.sql.spark.casting import cast
from byzer_lab.sql.spark.functions import COERCIONS, PREFIX, arities, call, macro, macros
from byzer_lab.sql.spark.generators import expand
from byzer_lab.sql.spark.lambdas import LAMBDAS, indexed
from byzer_lab.sql.spark.refusing import DIALECT_HINT, DIRECTIONS, REFUSED, refused
from byzer_lab.sql.spark.rewriting import REWRITES, field, shown
from byzer_lab.sql.spark.settling import settle

_ARITHMETIC = (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.IntDiv, exp.Mod)
_COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ)
_NUMBERS = (exp.Count, exp.Sum, exp.Avg, exp.Length, exp.RowNumber)
_OF_NUMBERS = (
    *(exp.Abs, exp.Avg, exp.Cbrt, exp.Ceil, exp.Exp, exp.Floor, exp.Pow, exp.Sqrt),
    *(exp.Stddev, exp.StddevPop, exp.StddevSamp, exp.Sum, exp.Variance, exp.VariancePop),
)
_DAYS = ("DAY", "DAYS", "WEEK", "WEEKS", "MONTH", "MONTHS", "QUARTER", "QUARTERS", "YEAR", "YEARS")


def translated(query: exp.Query) -> exp.Query:
    """A copy of a query for DuckDB's generator.

    Raises:
        ScriptError: Something in it can't be translated.
    """
    holder = exp.Paren(this=query.copy())
    for node in reversed(list(holder.bfs())):
        if node is not holder:
            _translate(node)
    settle(holder)
    made = holder.this
    assert isinstance(made, exp.Query)
    return made


def _translate(node: exp.Expr) -> None:
    translate = _BY_CLASS.get(type(node))
    if isinstance(node, exp.Anonymous):
        new = _function(node)
    elif translate is not None:
        new = translate(node)
    else:
        return
    if new is not node:
        node.replace(new)


def _function(node: exp.Anonymous) -> exp.Expr:
    name = node.name.lower()
    arguments = node.expressions
    if isinstance(node.parent, exp.Table):
        return node
    for table in (REWRITES, AGGREGATES, LAMBDAS):
        if name in table:
            try:
                return table[name](node, arguments)
            except IndexError:
                raise refused(
                    node, f"`{name}` needs more arguments than {len(arguments)}", ""
                ) from None
    if name in macros():
        made = macro(name, arguments)
        if made is None:
            many = " or ".join(map(str, arities(name)))
            raise refused(node, f"`{name}` takes {many} arguments, not {len(arguments)}", "")
        return made
    if name in REFUSED:
        raise refused(node, f"`{name}` is not supported", DIRECTIONS.get(name, DIALECT_HINT))
    return node


def _table(node: exp.Expr) -> exp.Expr:
    function = node.this
    if isinstance(function, exp.Anonymous) and function.name.lower() == "range":
        rows = call("range", *function.expressions)
        alias = node.args.get("alias")
        column = exp.alias_(exp.column("range", table="r__"), "id")
        source = exp.Table(this=rows, alias=exp.TableAlias(this=exp.to_identifier("r__")))
        made = exp.select(column).from_(source).subquery()
        made.set(
            "alias", alias.copy() if alias else exp.TableAlias(this=exp.to_identifier("range"))
        )
        return made
    return node


def _is_number(node: exp.Expr) -> bool:
    """Surely a number: not a text that Spark would read as one."""
    if isinstance(node, exp.Paren | exp.Neg):
        return _is_number(node.this)
    if isinstance(node, exp.Literal):
        return not node.is_string
    if isinstance(node, _ARITHMETIC):
        return _is_number(node.left) and _is_number(node.right)
    if isinstance(node, exp.Anonymous):
        return node.name in [
            PREFIX + name for name in ("operand", "divide", "div", "mod", "round", "size")
        ]
    return isinstance(node, _NUMBERS)


def _operand(node: exp.Expr) -> exp.Expr:
    return node.copy() if _is_number(node) else COERCIONS["number"](node)


def _arithmetic(node: exp.Expr) -> exp.Expr:
    left, right = node.args["this"], node.args["expression"]
    if isinstance(node, exp.Add | exp.Sub):
        for value, span in ((left, right), (right, left)):
            if isinstance(span, exp.Interval) and not isinstance(value, exp.Interval):
                minus = isinstance(node, exp.Sub)
                moved = exp.Neg(this=exp.Paren(this=span.copy())) if minus else span.copy()
                unit = span.args.get("unit")
                days = unit is not None and unit.name.upper() in _DAYS
                return call(
                    PREFIX + ("plus_interval" if days else "plus_time"), value.copy(), moved
                )
    if isinstance(node, exp.Div | exp.IntDiv | exp.Mod):
        kind = {exp.Div: "divide", exp.IntDiv: "div", exp.Mod: "mod"}[type(node)]
        made = macro(kind, [left, right])
        assert made is not None
        return made
    if isinstance(left, exp.Interval) or isinstance(right, exp.Interval):
        return node
    return _of_operands(node)


def _comparison(node: exp.Expr) -> exp.Expr:
    left, right = node.args["this"], node.args["expression"]
    if _is_number(left) != _is_number(right):
        return _of_operands(node)
    if not _may_differ(left, right):
        return node
    made = node.copy()
    for side, other in (("this", "expression"), ("expression", "this")):
        made.set(side, call(PREFIX + "compared", node.args[side].copy(), node.args[other].copy()))
    return made


def _may_differ(left: exp.Expr, right: exp.Expr) -> bool:
    """Columns, one of which may be a text and the other none; DuckDB alone knows."""
    sides = (left, right)
    columns = [isinstance(side, exp.Column) for side in sides]
    texts = [isinstance(side, exp.Literal) and side.is_string for side in sides]
    return any(columns) and all(c or t for c, t in zip(columns, texts, strict=True))


def _of_operands(node: exp.Expr) -> exp.Expr:
    """The node on both its sides as numbers."""
    made = node.copy()
    for side in ("this", "expression"):
        made.set(side, _operand(node.args[side]))
    return made


def _numeric(node: exp.Expr) -> exp.Expr:
    """A function of numbers, which reads texts as well."""
    value = node.this
    if _is_number(value) or isinstance(value, exp.Distinct | exp.Star | exp.Interval):
        return node
    made = node.copy()
    made.set("this", COERCIONS["number"](value))
    return made


def _of_text(node: exp.Expr) -> exp.Expr:
    """A function of texts, which reads everything else as one."""
    if isinstance(node.this, exp.Literal) and node.this.is_string:
        return node
    made = node.copy()
    made.set("this", COERCIONS["text"](node.this))
    return made


def _negative(node: exp.Expr) -> exp.Expr:
    if isinstance(node.this, exp.Interval):
        return node
    return _numeric(node)


def _between(node: exp.Expr) -> exp.Expr:
    value, low, high = node.this, node.args["low"], node.args["high"]
    if _may_differ(value, low) or _may_differ(value, high):
        least = _comparison(exp.GTE(this=value.copy(), expression=low.copy()))
        most = _comparison(exp.LTE(this=value.copy(), expression=high.copy()))
        return exp.Paren(this=exp.And(this=least, expression=most))
    if _is_number(value) or not _is_number(low):
        return node
    made = node.copy()
    made.set("this", _operand(value))
    return made


def _in(node: exp.Expr) -> exp.Expr:
    listed = node.expressions
    if _is_number(node.this) or not listed or not _is_number(listed[0]):
        return node
    made = node.copy()
    made.set("this", _operand(node.this))
    return made


def _cast(node: exp.Expr) -> exp.Expr:
    try:
        return cast(node.this.copy(), node.args["to"])
    except ValueError as error:
        raise refused(node, str(error)) from None


def _pipe(node: exp.Expr) -> exp.Expr:
    left, right = node.args["this"], node.args["expression"]
    return exp.DPipe(this=shown(left), expression=shown(right))


def _bracket(node: exp.Expr) -> exp.Expr:
    [place] = node.expressions
    if isinstance(place, exp.Literal) and place.is_string:
        return node
    return call(PREFIX + "item", node.this.copy(), place.copy())


def _dot(node: exp.Expr) -> exp.Expr:
    """A field of all structs of an array that is written out."""
    if not isinstance(node.this, exp.Array):
        return node
    field_of = exp.Dot(this=exp.to_identifier("s__"), expression=node.expression.copy())
    function = exp.Lambda(this=field_of, expressions=[exp.to_identifier("s__")])
    return call("list_transform", node.this.copy(), function)


def _like(node: exp.Expr) -> exp.Expr:
    pattern = node.args["expression"]
    if isinstance(node.parent, exp.Escape) or (
        isinstance(pattern, exp.Literal) and "\\" not in pattern.name
    ):
        return node
    return exp.Escape(this=node.copy(), expression=exp.Literal.string("\\"))


def _extract(node: exp.Expr) -> exp.Expr:
    return field(node, node.this.name, node.args["expression"])


def _trim(node: exp.Expr) -> exp.Expr:
    if node.args.get("expression") is not None:
        return node
    made = node.copy()
    made.set("expression", exp.Literal.string(" "))
    return made


def _known(name: str, *keys: str) -> Callable[[exp.Expr], exp.Expr]:
    """A function that sqlglot reads for its syntax; its arguments by their keys."""

    def made(node: exp.Expr) -> exp.Expr:
        arguments = [node.args[key] for key in keys if node.args.get(key) is not None]
        new = macro(name, arguments)
        assert new is not None
        return new

    return made


def _position(node: exp.Expr) -> exp.Expr:
    arguments = [node.args["substr"], node.this]
    if node.args.get("position") is not None:
        arguments.append(node.args["position"])
    made = macro("locate", arguments)
    assert made is not None
    return made


def _now(node: exp.Expr) -> exp.Expr:
    if isinstance(node.parent, exp.Cast):
        return node
    return exp.cast(exp.CurrentTimestamp(), "timestamp", dialect="duckdb")


def _transform(node: exp.Expr) -> exp.Expr:
    return call("list_transform", node.this.copy(), indexed(node, node.expression))


def _select(node: exp.Expr) -> exp.Expr:
    assert isinstance(node, exp.Select)
    for clause in ("hint", "sort", "distribute", "cluster"):
        node.set(clause, None)
    expand(node)
    return node


def _group(node: exp.Expr) -> exp.Expr:
    """``group by a, b with rollup`` is ``group by rollup (a, b)``."""
    for kind, made in (("rollup", exp.Rollup), ("cube", exp.Cube)):
        listed = node.args.get(kind) or []
        if any(not one.expressions for one in listed):
            node.set(kind, [made(expressions=[one.copy() for one in node.expressions])])
            node.set("expressions", [])
    return node


def _values(node: exp.Expr) -> exp.Expr:
    alias = node.args.get("alias")
    if alias is None or not alias.columns:
        rows = node.expressions
        first = rows[0].expressions if isinstance(rows[0], exp.Tuple) else [rows[0]]
        names = [exp.to_identifier(f"col{place + 1}") for place in range(len(first))]
        name = alias.this.copy() if alias and alias.this else exp.to_identifier("v__")
        node.set("alias", exp.TableAlias(this=name, columns=names))
    return node


_BY_CLASS: dict[type[exp.Expr], Callable[[exp.Expr], exp.Expr]] = {
    **dict.fromkeys(_ARITHMETIC, _arithmetic),
    **dict.fromkeys(_COMPARISONS, _comparison),
    **dict.fromkeys(_OF_NUMBERS, _numeric),
    **dict.fromkeys((exp.Length, exp.Lower, exp.Upper), _of_text),
    exp.Between: _between,
    exp.Dot: _dot,
    exp.Bracket: _bracket,
    exp.Cast: _cast,
    exp.CurrentTimestamp: _now,
    exp.DPipe: _pipe,
    exp.Extract: _extract,
    exp.Group: _group,
    exp.ILike: _like,
    exp.In: _in,
    exp.Like: _like,
    exp.Neg: _negative,
    exp.Overlay: _known("overlay", "this", "expression", "from_", "for_"),
    exp.Select: _select,
    exp.StrPosition: _position,
    exp.Substring: _known("substring", "this", "start", "length"),
    exp.Table: _table,
    exp.Transform: _transform,
    exp.Trim: _trim,
    exp.TryCast: _cast,
    exp.Values: _values,
}
