"""``register ScriptUDF``: functions of Python in queries."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Mapping
from typing import Any, get_type_hints

import pyarrow as pa

from byzer_lab.errors import InvalidRequestError
from byzer_lab.sql.engine.options import Options
from byzer_lab.sql.models.calls import Function

_TYPES: dict[Any, pa.DataType] = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    list[str]: pa.list_(pa.string()),
    list[int]: pa.list_(pa.int64()),
    list[float]: pa.list_(pa.float64()),
    dict[str, str]: pa.map_(pa.string(), pa.string()),
}
_WORDS: dict[str, pa.DataType] = {
    "string": pa.string(),
    "int": pa.int32(),
    "integer": pa.int32(),
    "long": pa.int64(),
    "bigint": pa.int64(),
    "double": pa.float64(),
    "float": pa.float32(),
    "boolean": pa.bool_(),
    "array(string)": pa.list_(pa.string()),
    "array<string>": pa.list_(pa.string()),
}


def read_function(name: str, code: str, given: Mapping[str, str]) -> Function:
    """A function of Python.

    Args:
        name: The name that queries call.
        code: Its source, as the notebook would run it.
        given: Options, filled: ``methodName`` (default ``apply``, else the only function of the
            code), ``dataType`` (type of its values; default: its annotation), ``lang`` and
            ``udfType``.

    Raises:
        InvalidRequestError: Another language, or the code has no such function.
    """
    options = Options("register ScriptUDF", given)
    language = options.text("lang", default="python").lower()
    kind = options.text("udfType", default="udf").lower()
    method = options.text("methodName")
    wanted = options.text("dataType").lower().replace(" ", "")
    options.skip(("code", "className"))
    options.end()
    if language != "python" or kind != "udf":
        what = f"udfType {kind}" if language == "python" else f"lang {language}"
        raise InvalidRequestError(
            f"{name!r} has {what}; functions can be written in Python only, and take one row: "
            'lang="python" and udfType="udf".'
        )
    function = _function(name, code, method)
    if wanted and wanted not in _WORDS:
        raise InvalidRequestError(
            f"dataType of {name!r} is {wanted!r}; it must be one of {', '.join(_WORDS)}."
        )
    returns = _WORDS.get(wanted) or _annotated(function)
    return Function(name, python=function, returns=returns)


def _function(name: str, code: str, method: str) -> Callable[..., object]:
    scope: dict[str, Any] = {"__name__": f"byzer_sql_{name}"}
    try:
        # The user's own code, in the user's own kernel.
        exec(compile(textwrap.dedent(code), f"<function {name}>", "exec"), scope)
    except Exception as error:
        raise InvalidRequestError(
            f"The code of {name!r} failed: {type(error).__name__}: {error}"
        ) from error
    found = {
        key: value
        for key, value in scope.items()
        if inspect.isfunction(value) and value.__module__ == scope["__name__"]
    }
    wanted = method or ("apply" if "apply" in found else next(iter(found), ""))
    if wanted not in found:
        there = ", ".join(found) or "none"
        raise InvalidRequestError(
            f"The code of {name!r} has no function {wanted or 'apply'!r}; it has: {there}."
        )
    function: Callable[..., object] = found[wanted]
    return function


def _annotated(function: Callable[..., object]) -> pa.DataType | None:
    try:
        return _TYPES.get(get_type_hints(function).get("return"))
    except NameError:  # an annotation that is no name of the code
        return None
