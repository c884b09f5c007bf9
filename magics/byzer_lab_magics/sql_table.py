"""The last table of a script, typed and scrollable.

Plain HTML without a script: it is there in a saved notebook, in one that is not trusted, and
without a network.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from byzer_lab_magics.show import escape

if TYPE_CHECKING:
    from byzer_lab.sql.engine.base import Engine
    from byzer_lab.sql.models.answering import Report

LONGEST = 2000
"""Characters of a cell that are shown."""
PLAIN_WIDTH = 40

_BOX = (
    "max-height: 420px; overflow: auto; display: inline-block; max-width: 100%; "
    "border: 1px solid var(--jp-border-color2, #ccc)"
)
_TABLE = (
    "border-collapse: collapse; margin: 0; font-family: var(--jp-ui-font-family); "
    "font-size: var(--jp-ui-font-size1)"
)
_HEAD = (
    "position: sticky; top: 0; text-align: left; padding: 3px 10px; vertical-align: top; "
    "background: var(--jp-layout-color2, #eee); color: var(--jp-ui-font-color1)"
)
_TYPE = "font-weight: normal; color: var(--jp-ui-font-color2); font-size: var(--jp-ui-font-size0)"
_CELL = (
    "text-align: {align}; padding: 2px 10px; vertical-align: top; white-space: pre-wrap; "
    "max-width: 480px; border-top: 1px solid var(--jp-border-color3, #eee)"
)
_NULL = '<span style="color: var(--jp-ui-font-color3)">NULL</span>'
_FOOT = (
    "color: var(--jp-ui-font-color2); font-family: var(--jp-ui-font-family); "
    "font-size: var(--jp-ui-font-size1); padding-top: 2px"
)


class SqlTable:
    """A table as a cell shows it.

    Attributes:
        columns: Names and types.
        rows: Those shown.
        total: How many there are.
    """

    def __init__(
        self, columns: list[tuple[str, str]], rows: list[tuple[Any, ...]], total: int
    ) -> None:
        self.columns = columns
        self.rows = rows
        self.total = total

    @classmethod
    def of(cls, engine: Engine, name: str, limit: int, report: Report) -> SqlTable:
        """The first rows of a table of an engine."""
        rows = f"select * from {engine.words.quoted(name)}"
        columns = [(c.name, c.type) for c in engine.columns(rows)]
        shown = engine.query(f"{rows} limit {int(limit)}")
        total = shown.num_rows
        if total == limit:
            counted = f"select count(*) as n from {engine.words.quoted(name)}"
            total = engine.query(counted).column(0)[0].as_py()
        cells = [column.to_pylist() for column in shown.columns]
        return cls(columns, list(zip(*cells, strict=True)), total)

    def __len__(self) -> int:
        return self.total

    @property
    def _footer(self) -> str:
        rows = f"{self.total:,} row{'' if self.total == 1 else 's'}"
        shown = f", the first {len(self.rows):,} shown" if len(self.rows) < self.total else ""
        columns = f"{len(self.columns):,} column{'' if len(self.columns) == 1 else 's'}"
        return f"{rows}{shown} · {columns}"

    def _repr_html_(self) -> str:
        if not self.columns:
            return f'<div style="{_FOOT}">an empty table</div>'
        head = "".join(
            f'<th style="{_HEAD}">{escape(name)}<div style="{_TYPE}">{escape(kind.lower())}</div>'
            "</th>"
            for name, kind in self.columns
        )
        body = "".join(
            "<tr>" + "".join(_html_cell(value) for value in row) + "</tr>" for row in self.rows
        )
        return (
            f'<div style="{_BOX}"><table style="{_TABLE}"><thead><tr>{head}</tr></thead>'
            f'<tbody>{body}</tbody></table></div><div style="{_FOOT}">{self._footer}</div>'
        )

    def __repr__(self) -> str:
        names = [name for name, _ in self.columns]
        grid = [names, *([_short(_words(value)) for value in row] for row in self.rows)]
        widths = [max((len(row[i]) for row in grid), default=0) for i in range(len(names))]
        lines = [
            "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in grid
        ]
        return "\n".join([*lines, self._footer])


def _html_cell(value: Any) -> str:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    style = _CELL.format(align="right" if number else "left")
    if value is None:
        return f'<td style="{style}">{_NULL}</td>'
    text = _words(value)
    cut = text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
    return f'<td style="{style}">{escape(cut)}</td>'


def _words(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    if isinstance(value, bytes):
        return f"{len(value):,} bytes"
    return str(value)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= PLAIN_WIDTH else line[: PLAIN_WIDTH - 1] + "…"
