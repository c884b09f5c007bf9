"""The formats of ``load``: files by the engine, Excel by openpyxl, texts of the script by DuckDB,
whatever the engine is."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path

import pyarrow as pa

from byzer_lab.errors import InvalidRequestError
from byzer_lab.sql.engine.base import Engine
from byzer_lab.sql.engine.duck import DuckEngine
from byzer_lab.sql.engine.excel import read_excel
from byzer_lab.sql.engine.options import Options
from byzer_lab.sql.engine.paths import files
from byzer_lab.sql.engine.reading import FORMATS

_TEXTS = {"jsonstr": "json", "csvstr": "csv"}


def load(
    engine: Engine,
    name: str,
    kind: str,
    path: str,
    given: Mapping[str, str],
    variable: Callable[[str], str],
) -> None:
    """Make a table of files, or of a text of the script.

    Args:
        engine: Gets the table.
        name: Of the table.
        kind: The format.
        path: Of the files; of ``jsonStr``, ``csvStr`` and ``script`` the name of a variable.
        given: Options.
        variable: Looks a variable up.

    Raises:
        InvalidRequestError: The format or an option is not known, or there is no file.
    """
    options = Options(f"load {kind}", given)
    lower = kind.lower()
    if lower in _TEXTS:
        engine.register(name, _text(_TEXTS[lower], kind, variable(path), given))
    elif lower == "script":
        options.end()
        engine.register(name, pa.table({"content": [variable(path)]}))
    elif lower == "excel":
        table = read_excel(files(path), options)
        options.end()
        engine.register(name, table)
    elif lower in FORMATS:
        engine.read(name, lower, path, given)
    else:
        known = [*FORMATS, "excel", "jsonStr", "csvStr", "script"]
        close = get_close_matches(kind, known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"there is: {', '.join(known)}."
        raise InvalidRequestError(f"There is no format {kind!r} to load; {hint}")


def _text(format_: str, kind: str, text: str, given: Mapping[str, str]) -> pa.Table:
    options = Options(f"load {kind}", given)
    reader = DuckEngine()
    with tempfile.TemporaryDirectory(prefix="byzer-lab-sql-") as folder:
        file = Path(folder) / f"text.{format_}"
        file.write_text(text, encoding="utf-8")
        try:
            query = FORMATS[format_](reader, [str(file)], options)
            options.end()
            return reader.query(query)
        finally:
            reader.close()
