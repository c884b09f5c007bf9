"""The body of ``%%llm_deploy``: one ``key = value`` per line."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from IPython.core.error import UsageError

from byzer_lab.generation import GENERATION, PREFIXES
from byzer_lab.schema import ParameterInfo

_KEY = re.compile(r"[A-Za-z_][\w.\-]*")
_COMMENT = re.compile(r"\s+#.*$")
_PYTHON_WORDS = {"True": True, "False": False, "None": None}


def parse_parameters(body: str) -> dict[str, Any]:
    """Read infer parameters.

    A value is a JSON scalar, list or object (Python's spelling of them too) where it reads as one,
    otherwise text. Quotes keep a text as it stands; a comment begins with ``#``, after a value
    with a space before it. ``${NAME}`` stays a reference.

    Raises:
        UsageError: A line that is not ``key = value``, or a key that was given before. The
            sentence has the line's number in the body and never its value, which may be secret.
    """
    values: dict[str, Any] = {}
    lines_of: dict[str, int] = {}
    for number, raw in enumerate(body.splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        key, equals, value = (part.strip() for part in line.partition("="))
        if not equals or not _KEY.fullmatch(key):
            shown = key.split()[0] if key else "="
            problem = "is not a name" if equals else "has no value"
            raise UsageError(
                f"Line {number} of the body is not 'key = value': {_short(shown)!r} {problem}."
            )
        if key in lines_of:
            raise UsageError(
                f"Line {number} of the body sets {key!r} again; line {lines_of[key]} did already."
            )
        lines_of[key] = number
        try:
            values[key] = _read(value)
        except ValueError as error:
            raise UsageError(f"Line {number} of the body: the value of {key!r} {error}.") from None
    return values


def split_generation(values: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Infer parameters, and the generation parameters among them, which have a prefix."""
    generation = {name: value for name, value in values.items() if name.startswith(PREFIXES)}
    return {n: v for n, v in values.items() if n not in generation}, generation


def body_candidates(
    parameters: Sequence[ParameterInfo], line: str, others: Iterable[str]
) -> tuple[list[str], str]:
    """What may stand at the end of a line of the body.

    Args:
        parameters: The infer parameters that the body may set.
        line: The line, up to the cursor.
        others: The other lines, whose parameters are not offered again.

    Returns:
        All candidates, and what of them stands there already.
    """
    generation = {f"{PREFIXES[-1]}{info.name}": info for info in GENERATION}
    known = {**{info.name: info for info in parameters}, **generation}
    key, equals, value = (part.strip() for part in line.partition("="))
    aliases = {alias: info for info in known.values() for alias in info.aliases}
    if equals:
        info = (aliases | known).get(key)
        if info is None:
            return [], value
        return list(("true", "false") if info.kind is bool else info.choices), value
    given = {other.partition("=")[0].strip() for other in others}
    names = [name for name in known if name not in given]
    if not any(name.startswith(key) for name in names):
        names = [alias for alias in aliases if alias not in given]
    return names, key


def _short(text: str) -> str:
    return text if len(text) <= 30 else text[:29] + "…"


def _read(text: str) -> Any:
    if not text or text.startswith("#"):
        raise ValueError('is empty; write "" for an empty text')
    try:
        value, end = json.JSONDecoder(parse_constant=_no_constant).raw_decode(text)
        if not text[end:].strip() or _COMMENT.fullmatch(text[end:]):
            return value
    except ValueError:
        pass
    bare = _COMMENT.sub("", text)
    if bare in _PYTHON_WORDS:
        return _PYTHON_WORDS[bare]
    if text[0] in "\"'[{":
        return _read_python(text, bare)
    return bare


def _read_python(text: str, bare: str) -> Any:
    """A value in Python's spelling, such as ``['a', 'b']``; else text."""
    for candidate in (text, bare):
        try:
            value = ast.literal_eval(candidate)
            json.dumps(value, allow_nan=False)
            return value
        except (ValueError, SyntaxError, TypeError):
            continue
    if text[0] in "\"'":
        raise ValueError("has a quotation mark that is not closed")
    return bare


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
