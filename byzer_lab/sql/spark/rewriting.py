"""Calls whose translation needs the text of an argument, or more than a macro can say."""

from __future__ import annotations

import re
from collections.abc import Callable

from sqlglot import exp
from sqlglot.errors import SqlglotError

from byzer_lab.sql.language.dates import strftime_pattern
from byzer_lab.sql.spark.casting import cast
from byzer_lab.sql.spark.functions import COERCIONS, PREFIX, call, macro
from byzer_lab.sql.spark.refusing import refused
from byzer_lab.sql.spark.schemas import structure

Arguments = list[exp.Expr]
Rewrite = Callable[[exp.Anonymous, Arguments], exp.Expr]
text, joined = COERCIONS["text"], COERCIONS["joined"]

_SPECIFIER = re.compile(r"%(?:(?P<flags>[-0+ #,]*)(?P<size>\d*)(?P<dot>\.\d+)?(?P<kind>.)|$)", re.S)
_UNITS = {
    "yyyy": "year", "yy": "year", "year": "year", "years": "year", "y": "year",
    "q": "quarter", "quarter": "quarter", "quarters": "quarter",
    "month": "month", "months": "month", "mon": "month", "mm": "month",
    "week": "week", "weeks": "week",
    "day": "day", "days": "day", "dd": "day",
    "hour": "hour", "hours": "hour", "minute": "minute", "minutes": "minute",
    "second": "second", "seconds": "second", "millisecond": "millisecond",
    "microsecond": "microsecond",
}  # fmt: skip
_TRUNCATED = ("year", "yyyy", "yy", "quarter", "month", "mon", "mm", "week")
"""What ``trunc`` takes; Spark gives NULL for everything else."""
_FIELDS = {
    "year": "year", "years": "year", "y": "year", "yr": "year", "quarter": "quarter",
    "qtr": "quarter", "month": "month", "months": "month", "mon": "month", "week": "weekofyear",
    "weeks": "weekofyear", "w": "weekofyear", "day": "day", "days": "day", "d": "day",
    "dayofweek": "dayofweek", "dow": "dayofweek", "dayofweek_iso": "dayofweek_iso",
    "dow_iso": "dayofweek_iso", "doy": "dayofyear", "hour": "hour", "hours": "hour", "h": "hour",
    "minute": "minute", "minutes": "minute", "m": "minute", "second": "seconds",
    "seconds": "seconds", "s": "seconds", "yearofweek": "yearofweek",
}  # fmt: skip


def literal(node: exp.Anonymous, argument: exp.Expr, what: str) -> str:
    """The value of an argument that must be written out."""
    if isinstance(argument, exp.Literal):
        return argument.name
    raise refused(
        node, f"{what} of `{node.name}` must be written out, not be `{argument.sql('spark')}`"
    )


def unit_of(node: exp.Expr, name: str) -> str:
    """A unit of time in DuckDB's words."""
    if name.lower() in _UNITS:
        return _UNITS[name.lower()]
    raise refused(node, f"`{name}` is no unit of time", f"Units are {', '.join(_UNITS)}.")


def field(node: exp.Expr, name: str, value: exp.Expr) -> exp.Expr:
    """A field of a date: ``extract`` and ``date_part``."""
    if name.lower() not in _FIELDS:
        raise refused(node, f"`{name}` is no field of a date", f"One of {', '.join(_FIELDS)}.")
    made = macro(_FIELDS[name.lower()], [value])
    assert made is not None
    return made


def _pattern(node: exp.Anonymous, argument: exp.Expr) -> exp.Expr:
    try:
        return exp.Literal.string(strftime_pattern(literal(node, argument, "The pattern")))
    except ValueError as error:
        raise refused(node, str(error)) from None


def _with_pattern(name: str, place: int = 1) -> Rewrite:
    def rewrite(node: exp.Anonymous, arguments: Arguments) -> exp.Expr:
        if len(arguments) <= place:
            return _macro(node, name, arguments)
        pattern = _pattern(node, arguments[place])
        first = arguments[0]
        if name in ("unix_timestamp", "to_unix_timestamp"):
            return call(PREFIX + "unix_of", first, pattern)
        return _macro(node, name, [first, pattern])

    return rewrite


def _macro(node: exp.Expr, name: str, arguments: Arguments) -> exp.Expr:
    made = macro(name, arguments)
    if made is None:
        raise refused(node, f"`{name}` does not take {len(arguments)} arguments", "")
    return made


def _date_trunc(node: exp.Anonymous, arguments: Arguments) -> exp.Expr:
    unit = exp.Literal.string(unit_of(node, literal(node, arguments[0], "The unit")))
    return _macro(node, "date_trunc", [unit, arguments[1]])


def _trunc(node: exp.Anonymous, arguments: Arguments) -> exp.Expr:
    if literal(node, arguments[1], "The unit").lower() not in _TRUNCATED:
        return exp.null()
    unit = exp.Literal.string(unit_of(node, literal(node, arguments[1], "The unit")))
    return _macro(node, "trunc", [arguments[0], unit])


def _add(node: exp.Anonymous, arguments: Arguments) -> exp.Expr:
    if len(arguments) == 2:
        return _macro(node, "date_add", arguments)
    unit = unit_of(node, arguments[0].name)
    span = call(f"to_{unit}s", COERCIONS["long"](arguments[1]))
    return exp.Paren(this=exp.Add(this=COERCIONS["time"](arguments[2]), expression=span))


def _difference(node: exp.Anonymous, arguments: Arguments) -> exp.Expr:
    if len(arguments) == 2:
        return _macro(node, "datediff", arguments)
    unit = exp.Literal.string(unit_of(node, arguments[0].name))
    return _macro(node, "whole_between", [unit, *arguments[1:]])


def _date_part(node: exp.Anonymous, arguments: Arguments) -> exp.Expr:
    return field(node, literal(node, arguments[0], "The field"), arguments[1])


def _now(node: exp.Anonymous, arguments: Arguments) -> exp.Expr:
    return exp.cast(exp.CurrentTimestamp(), "timestamp", dialect="duckdb")


def _format_string(node: exp.Anonymous, arguments: Arguments) -> exp.Expr:
    pattern = literal(node, arguments[0], "The format")
    values = iter(arguments[1:])
    given: Arguments = []

    def one(found: re.Match[str]) -> str:
        kind = found["kind"]
        if kind in ("%", "n"):
            return "%%" if kind == "%" else "\n"
        if kind not in ("s", "S", "d", "x", "X", "f", "e", "E", "g", "c", "b"):
            raise refused(node, f"`{found[0]}` of the format `{pattern}` is not supported")
        value = next(values, None)
        if value is None:
            raise refused(node, f"the format `{pattern}` needs more values than are given", "")
        if "," in found["flags"] and kind in ("d", "f"):
            if found["size"] or found["flags"] != ",":
                raise refused(node, f"`{found[0]}` of the format `{pattern}` is not supported")
            shape = "{:,}" if kind == "d" else "{:," + (found["dot"] or ".6") + "f}"
            number = COERCIONS["long" if kind == "d" else "number"](value)
            if kind == "f":
                number = exp.cast(number, "double", dialect="duckdb")
            given.append(call("format", exp.Literal.string(shape), number))
            return "%s"
        if kind in ("s", "S", "b"):
            shown = exp.func("coalesce", text(value), exp.Literal.string("null"))
            given.append(exp.func("upper", shown) if kind == "S" else shown)
            return found[0][:-1] + "s"
        if kind in ("d", "x", "X"):
            given.append(COERCIONS["long"](value))
        elif kind == "c":
            given.append(text(value))
            return found[0][:-1] + "s"
        else:
            given.append(exp.cast(value.copy(), "double", dialect="duckdb"))
        return found[0]

    made = _SPECIFIER.sub(one, pattern)
    return call("printf", exp.Literal.string(made), *given)


def shown(part: exp.Expr) -> exp.Expr:
    """A part of a concatenation: a text of it, where it is no array."""
    if isinstance(part, exp.DPipe) or (isinstance(part, exp.Literal) and part.is_string):
        return part.copy()
    if isinstance(part, exp.Literal | exp.Cast | exp.TryCast):
        return text(part)
    return joined(part)


def _concat(node: exp.Anonymous, arguments: Arguments) -> exp.Expr:
    if not arguments:
        return exp.Literal.string("")
    made = shown(arguments[0])
    for argument in arguments[1:]:
        made = exp.DPipe(this=made, expression=shown(argument))
    return exp.Paren(this=made) if len(arguments) > 1 else made


def _concat_ws(node: exp.Anonymous, arguments: Arguments) -> exp.Expr:
    listed = [call(PREFIX + "listed", one.copy()) for one in arguments[1:]]
    return call("array_to_string", call("flatten", exp.array(*listed)), arguments[0].copy())


def _str_to_map(node: exp.Anonymous, arguments: Arguments) -> exp.Expr:
    marks = [exp.Literal.string(mark) for mark in (",", ":")]
    return _macro(node, "str_to_map", [*arguments, *marks[len(arguments) - 1 :]])


def _elt(node: exp.Anonymous, arguments: Arguments) -> exp.Expr:
    return _macro(node, "elt_of", [arguments[0], exp.array(*map(text, arguments[1:]))])


def _sha2(node: exp.Anonymous, arguments: Arguments) -> exp.Expr:
    if literal(node, arguments[1], "The length") not in ("0", "256"):
        raise refused(node, "`sha2` is supported with 256 bits only")
    return call("sha256", arguments[0].copy())


def _encode(node: exp.Anonymous, arguments: Arguments) -> exp.Expr:
    name = literal(node, arguments[1], "The character set") if len(arguments) > 1 else "utf-8"
    if name.lower() not in ("utf-8", "utf8"):
        raise refused(node, f"`{node.name}` is supported with UTF-8 only, not `{name}`")
    return _macro(node, "to_binary_utf8", [arguments[0]])


def _decode(node: exp.Anonymous, arguments: Arguments) -> exp.Expr:
    if len(arguments) > 2:
        subject, *pairs = arguments
        cases = exp.Case()
        for wanted, value in zip(pairs[::2], pairs[1::2], strict=False):
            same = exp.NullSafeEQ(this=subject.copy(), expression=wanted.copy())
            cases = cases.when(same, value.copy())
        return cases.else_(pairs[-1].copy()) if len(pairs) % 2 else cases
    name = literal(node, arguments[1], "The character set")
    if name.lower() not in ("utf-8", "utf8"):
        raise refused(node, f"`{node.name}` is supported with UTF-8 only, not `{name}`")
    return _macro(node, "decode_utf8", [arguments[0]])


def _get_json_object(node: exp.Anonymous, arguments: Arguments) -> exp.Expr:
    path = arguments[1]
    name = "get_json_object"
    if isinstance(path, exp.Literal):
        written = re.sub(r"\['([^']*)'\]", r'."\1"', path.name)
        name = "get_json_objects" if "*" in written else name
        path = exp.Literal.string(written)
    return _macro(node, name, [arguments[0], path])


def _from_json(node: exp.Anonymous, arguments: Arguments) -> exp.Expr:
    schema = literal(node, arguments[1], "The schema")
    if len(arguments) > 2:
        raise refused(node, "the options of `from_json` are not supported")
    try:
        shape, nothing = structure(schema)
    except (SqlglotError, ValueError) as error:
        raise refused(
            node, f"the schema `{schema}` can't be read: {error}", "For example: a int, b string"
        ) from None
    shaped = exp.Literal.string(shape)
    if not nothing:
        return _macro(node, "from_json", [arguments[0], shaped, exp.null()])
    empty = call("json_transform", exp.Literal.string(nothing), shaped.copy())
    return _macro(node, "from_json", [arguments[0], shaped, empty])


def _cast_to(kind: str) -> Rewrite:
    return lambda node, arguments: cast(
        arguments[0].copy(), exp.DataType.build(kind, dialect="spark")
    )


def _llm_prompt(node: exp.Anonymous, arguments: Arguments) -> exp.Expr:
    """Its array may hold texts and numbers, which DuckDB's own can't."""
    if len(arguments) == 2 and isinstance(arguments[1], exp.Array):
        listed = exp.array(*(text(one) for one in arguments[1].expressions))
        return call(node.name, arguments[0].copy(), listed)
    return node


def _row_number(node: exp.Anonymous, arguments: Arguments) -> exp.Expr:
    return exp.Paren(
        this=exp.Sub(this=exp.Window(this=exp.RowNumber()), expression=exp.Literal.number(1))
    )


def _uuid(node: exp.Anonymous, arguments: Arguments) -> exp.Expr:
    return exp.cast(call("uuid"), "varchar", dialect="duckdb")


def _rand(node: exp.Anonymous, arguments: Arguments) -> exp.Expr:
    return call("random")  # a seed would not give Spark's numbers anyway


def _chr(node: exp.Anonymous, arguments: Arguments) -> exp.Expr:
    return _macro(node, "char", arguments)


def _substr(node: exp.Anonymous, arguments: Arguments) -> exp.Expr:
    return _macro(node, "substring", arguments)


def _renamed(name: str) -> Rewrite:
    return lambda node, arguments: _macro(node, name, arguments)


REWRITES: dict[str, Rewrite] = {
    "bigint": _cast_to("bigint"),
    "binary": _cast_to("binary"),
    "boolean": _cast_to("boolean"),
    "chr": _chr,
    "concat": _concat,
    "concat_ws": _concat_ws,
    "date": _cast_to("date"),
    "date_diff": _difference,
    "date_format": _with_pattern("date_format"),
    "date_part": _date_part,
    "date_trunc": _date_trunc,
    "dateadd": _add,
    "datediff": _difference,
    "datepart": _date_part,
    "date_add": _add,
    "decimal": _cast_to("decimal(10, 0)"),
    "decode": _decode,
    "double": _cast_to("double"),
    "elt": _elt,
    "encode": _encode,
    "float": _cast_to("float"),
    "format_string": _format_string,
    "from_json": _from_json,
    "from_unixtime": _with_pattern("from_unixtime"),
    "get_json_object": _get_json_object,
    "int": _cast_to("int"),
    "llm_prompt": _llm_prompt,
    "localtimestamp": _now,
    "monotonically_increasing_id": _row_number,
    "now": _now,
    "printf": _format_string,
    "rand": _rand,
    "random": _rand,
    "sha2": _sha2,
    "smallint": _cast_to("smallint"),
    "spark_partition_id": lambda node, arguments: exp.Literal.number(0),
    "str_to_map": _str_to_map,
    "string": _cast_to("string"),
    "substr": _substr,
    "timestamp": _cast_to("timestamp"),
    "timestampadd": _add,
    "timestampdiff": _difference,
    "tinyint": _cast_to("tinyint"),
    "to_date": _with_pattern("to_date"),
    "to_timestamp": _with_pattern("to_timestamp"),
    "to_timestamp_ntz": _with_pattern("to_timestamp"),
    "to_unix_timestamp": _with_pattern("to_unix_timestamp"),
    "trunc": _trunc,
    "try_divide": _renamed("divide"),
    "try_mod": _renamed("mod"),
    "try_to_date": _with_pattern("to_date"),
    "try_to_timestamp": _with_pattern("to_timestamp"),
    "unix_timestamp": _with_pattern("unix_timestamp"),
    "uuid": _uuid,
}
"""By Spark's name, in lower case. The arguments are translated already."""
