"""Functions whose arguments are functions, where a macro can't say what they do."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from byzer_lab.sql.spark.functions import call, macro
from byzer_lab.sql.spark.refusing import refused

Arguments = list[exp.Expr]


def _function(node: exp.Expr, argument: exp.Expr, *numbers: int) -> exp.Lambda:
    if isinstance(argument, exp.Lambda) and len(argument.expressions) in numbers:
        return argument
    many = " or ".join(map(str, numbers))
    raise refused(node, f"`{_name(node)}` needs a function with {many} parameters", "x -> x + 1")


def _name(node: exp.Expr) -> str:
    return node.name.lower() if isinstance(node, exp.Anonymous) else node.key


def filled(function: exp.Lambda, *values: exp.Expr) -> exp.Expr:
    """The body of a function with values in place of its parameters."""
    names = {one.name: value for one, value in zip(function.expressions, values, strict=True)}
    holder = exp.Paren(this=function.this.copy())
    for found in list(holder.find_all(exp.Identifier)):
        if found.name not in names or found.find_ancestor(exp.Lambda, exp.Query):
            continue
        parent = found.parent
        place = parent if isinstance(parent, exp.Column) and parent.this is found else found
        if isinstance(parent, exp.Dot) and parent.expression is found:
            continue
        if isinstance(parent, exp.Column) and parent.args.get("table") is found:
            # x.field: what looks like a table is the parameter.
            parent.replace(exp.Dot(this=names[found.name].copy(), expression=parent.this))
            continue
        place.replace(names[found.name].copy())
    body: exp.Expr = holder.this
    return body


def indexed(node: exp.Expr, function: exp.Expr) -> exp.Expr:
    """A function of ``(value, index)``, whose index counts from 1 in DuckDB and from 0 in Spark."""
    if not isinstance(function, exp.Lambda) or len(function.expressions) != 2:
        return function
    value, index = function.expressions
    one = exp.Literal.number(1)
    less = exp.Paren(this=exp.Sub(this=exp.to_identifier(index.name), expression=one))
    body = filled(function, exp.to_identifier(value.name), less)
    return exp.Lambda(this=body, expressions=[value.copy(), index.copy()])


def _field(name: str, field: str) -> exp.Expr:
    return exp.Dot(this=exp.to_identifier(name), expression=exp.to_identifier(field))


def _place(name: str, number: int) -> exp.Expr:
    return call("struct_extract", exp.to_identifier(name), exp.Literal.number(number))


def _lambda(body: exp.Expr, *names: str) -> exp.Lambda:
    return exp.Lambda(this=body, expressions=[exp.to_identifier(name) for name in names])


def _filter(node: exp.Anonymous, arguments: Arguments) -> exp.Expr:
    return call("list_filter", arguments[0].copy(), indexed(node, arguments[1]))


def _zip_with(node: exp.Anonymous, arguments: Arguments) -> exp.Expr:
    function = _function(node, arguments[2], 2)
    first, second = (_place("z__", number) for number in (1, 2))
    zipped = call("list_zip", arguments[0].copy(), arguments[1].copy())
    return call("list_transform", zipped, _lambda(filled(function, first, second), "z__"))


def _map_function(what: str) -> Callable[[exp.Anonymous, Arguments], exp.Expr]:
    def made(node: exp.Anonymous, arguments: Arguments) -> exp.Expr:
        function = _function(node, arguments[1], 2)
        key, value = _field("e__", "key"), _field("e__", "value")
        body = filled(function, key, value)
        entries = call("map_entries", arguments[0].copy())
        if what == "filter":
            kept = call("list_filter", entries, _lambda(body, "e__"))
            return call("map_from_entries", kept)
        pair = (body, value) if what == "keys" else (key, body)
        one = exp.Struct(
            expressions=[
                exp.PropertyEQ(this=exp.to_identifier(name), expression=part.copy())
                for name, part in zip(("key", "value"), pair, strict=True)
            ]
        )
        return call("map_from_entries", call("list_transform", entries, _lambda(one, "e__")))

    return made


def _map_zip_with(node: exp.Anonymous, arguments: Arguments) -> exp.Expr:
    function = _function(node, arguments[2], 3)
    first, second = arguments[0], arguments[1]
    keys = call("map_keys", first.copy()), call("map_keys", second.copy())
    all_keys = macro("array_union", keys)
    assert all_keys is not None
    values = (
        exp.Bracket(this=one.copy(), expressions=[exp.to_identifier("k__")])
        for one in (first, second)
    )
    body = filled(function, exp.to_identifier("k__"), *values)
    made = call("list_transform", all_keys.copy(), _lambda(body, "k__"))
    return call("map", all_keys, made)


def _array_sort(node: exp.Anonymous, arguments: Arguments) -> exp.Expr:
    if len(arguments) > 1:
        raise refused(
            node,
            "`array_sort` with a function is not supported",
            "Sort structs whose first field is what to sort by.",
        )
    made = macro("array_sort", arguments)
    assert made is not None
    return made


def _arrays_zip(node: exp.Anonymous, arguments: Arguments) -> exp.Expr:
    fields = []
    for number, argument in enumerate(arguments):
        name = argument.name if isinstance(argument, exp.Column) else str(number)
        item = _place("z__", number + 1)
        fields.append(exp.PropertyEQ(this=exp.to_identifier(name, quoted=True), expression=item))
    zipped = call("list_zip", *(one.copy() for one in arguments))
    return call("list_transform", zipped, _lambda(exp.Struct(expressions=fields), "z__"))


LAMBDAS: dict[str, Callable[[exp.Anonymous, Arguments], exp.Expr]] = {
    "array_sort": _array_sort,
    "arrays_zip": _arrays_zip,
    "filter": _filter,
    "map_filter": _map_function("filter"),
    "map_zip_with": _map_zip_with,
    "transform_keys": _map_function("keys"),
    "transform_values": _map_function("values"),
    "zip_with": _zip_with,
}
"""By Spark's name, in lower case."""
