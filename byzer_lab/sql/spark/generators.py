"""Functions that give rows: ``explode`` and its kin, in LATERAL VIEW and in a select list."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from byzer_lab.sql.spark.functions import call, macro
from byzer_lab.sql.spark.refusing import refused

GENERATORS = (
    "explode",
    "explode_outer",
    "inline",
    "inline_outer",
    "json_tuple",
    "posexplode",
    "posexplode_outer",
    "stack",
)


def generator_of(node: exp.Expr) -> exp.Anonymous | None:
    """The generator that a node is."""
    if isinstance(node, exp.Anonymous) and node.name.lower() in GENERATORS:
        return node
    return None


@dataclass(frozen=True)
class Rows:
    """The rows of a generator.

    Attributes:
        query: Gives them.
        names: Of its columns; empty: those of the query.
        outer: A row without values where there are none.
    """

    query: exp.Select
    names: list[str]
    outer: bool


def rows_of(node: exp.Anonymous, aliases: list[str]) -> Rows:
    """What a generator gives.

    Args:
        node: The call, its arguments translated.
        aliases: The names that the query gives its columns; empty: none.
    """
    name = node.name.lower()
    outer = name.endswith("_outer")
    arguments = node.expressions
    if not arguments:
        raise refused(node, f"`{name}` needs an argument", "")
    if name.startswith(("explode", "posexplode")):
        query, names = _exploded(node, arguments[0], len(aliases))
    elif name.startswith("inline"):
        inner = exp.select(exp.alias_(call("unnest", arguments[0].copy()), "s__"))
        query = exp.select(call("unnest", exp.column("s__"))).from_(inner.subquery("q__"))
        names = []
    elif name == "stack":
        query, names = _stacked(node)
    else:
        values = [macro("get_json_object", [arguments[0], _path(one)]) for one in arguments[1:]]
        names = [f"c{number}" for number in range(len(values))]
        listed = [exp.alias_(value, one) for value, one in zip(values, names, strict=True) if value]
        query = exp.select(*listed)
    if aliases and names and len(aliases) != len(names):
        raise refused(
            node, f"`{name}` gives {len(names)} columns, and {len(aliases)} names are given", ""
        )
    return Rows(query, aliases or names, outer)


def _exploded(node: exp.Anonymous, value: exp.Expr, aliases: int) -> tuple[exp.Select, list[str]]:
    with_place = node.name.lower().startswith("pos")
    columns = 2 if isinstance(value, exp.Map | exp.VarMap) else max(1, aliases - with_place)
    if aliases and columns > 2:
        raise refused(node, f"`{node.name}` does not give {aliases} columns", "")
    listed: list[exp.Expr] = []
    names: list[str] = []
    arrays = [value]
    if columns == 2:
        arrays = [call("map_keys", value.copy()), call("map_values", value.copy())]
    if with_place:
        subscripts = call("generate_subscripts", arrays[0].copy(), exp.Literal.number(1))
        listed.append(exp.Sub(this=subscripts, expression=exp.Literal.number(1)))
        names.append("pos")
    listed += [call("unnest", one.copy()) for one in arrays]
    names += ["key", "value"] if columns == 2 else ["col"]
    aliased = [exp.alias_(one, name) for one, name in zip(listed, names, strict=True)]
    return exp.select(*aliased), names


def _path(key: exp.Expr) -> exp.Expr:
    if isinstance(key, exp.Literal):
        return exp.Literal.string(f'$."{key.name}"')
    return exp.DPipe(this=exp.Literal.string("$."), expression=key.copy())


def _stacked(node: exp.Anonymous) -> tuple[exp.Select, list[str]]:
    number, *values = node.expressions
    if not isinstance(number, exp.Literal) or not number.name.isdigit() or number.name == "0":
        raise refused(node, "the first value of `stack` must be a number of rows")
    rows = int(number.name)
    width = -(-len(values) // rows)
    values += [exp.null() for _ in range(rows * width - len(values))]
    names = [f"col{place}" for place in range(width)]
    tuples = [
        exp.Tuple(expressions=[one.copy() for one in values[start : start + width]])
        for start in range(0, rows * width, width)
    ]
    alias = exp.TableAlias(
        this=exp.to_identifier("v__"), columns=[exp.to_identifier(one) for one in names]
    )
    return exp.select("*").from_(exp.Values(expressions=tuples, alias=alias)), names


def lateral(rows: Rows, alias: str) -> exp.Join:
    """The join that adds the rows to those before it."""
    table = exp.TableAlias(
        this=exp.to_identifier(alias), columns=[exp.to_identifier(one) for one in rows.names]
    )
    source = exp.Lateral(this=exp.Subquery(this=rows.query), alias=table)
    if rows.outer:
        return exp.Join(this=source, side="LEFT", on=exp.true())
    return exp.Join(this=source, kind="CROSS")


def expand(select: exp.Select) -> None:
    """Turn the generators of a select, whose parts are translated, into joins and ``unnest``."""
    numbers = iter(range(1000))
    for view in select.args.get("laterals") or []:
        node = generator_of(view.this)
        if node is None:
            raise refused(view, f"`{view.this.sql('spark')}` gives no rows for LATERAL VIEW")
        alias = view.args.get("alias")
        names = [column.name for column in alias.columns] if alias else []
        rows = rows_of(node, names)
        if view.args.get("outer"):
            rows = Rows(rows.query, rows.names, True)
        name = (alias.name if alias else "") or f"g{next(numbers)}__"
        _join(select, lateral(rows, name))
    select.set("laterals", None)
    items: list[exp.Expr] = []
    for item in select.expressions:
        node = generator_of(item.unalias() if isinstance(item, exp.Alias) else item)
        names = []
        if isinstance(item, exp.Aliases):
            node = generator_of(item.this)
            names = [one.name for one in item.expressions]
        elif isinstance(item, exp.Alias):
            names = [item.alias]
        if node is None:
            items.append(item)
            continue
        items += _selected(select, node, names, f"g{next(numbers)}__")
    select.set("expressions", items)
    for inner in select.expressions:
        for found in inner.find_all(exp.Anonymous):
            if generator_of(found) and found.find_ancestor(exp.Select) is select:
                raise refused(
                    found,
                    f"`{found.name}` stands inside of another expression",
                    "Give it a column of its own in an inner select.",
                )


def _selected(
    select: exp.Select, node: exp.Anonymous, names: list[str], alias: str
) -> list[exp.Expr]:
    name = node.name.lower()
    value = node.expressions[0] if node.expressions else None
    single = len(names) < 2 and not isinstance(value, exp.Map | exp.VarMap)
    if name in ("explode", "explode_outer") and single and value is not None:
        if name == "explode_outer":
            some = exp.GT(this=call("cardinality", value.copy()), expression=exp.Literal.number(0))
            nothing = exp.array(exp.null())
            value = exp.Case().when(some, value.copy()).else_(nothing)
        return [exp.alias_(call("unnest", value.copy()), names[0] if names else "col")]
    if select.args.get("group"):
        raise refused(node, f"`{name}` in a query with GROUP BY", "Group in an inner select.")
    rows = rows_of(node, names)
    _join(select, lateral(rows, alias))
    if not rows.names:
        return [exp.Column(this=exp.Star(), table=exp.to_identifier(alias))]
    return [exp.column(one, table=alias) for one in rows.names]


def _join(select: exp.Select, join: exp.Join) -> None:
    if select.args.get("from_") is None:
        one = exp.select(exp.alias_(exp.Literal.number(1), "one__")).subquery("one__")
        select.set("from_", exp.From(this=one))
    select.append("joins", join)
