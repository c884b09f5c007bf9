"""Values that print as tables: HTML in notebooks, aligned text elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from byzer_lab_magics.show import escape

_TABLE = "font-family: var(--jp-ui-font-family); font-size: var(--jp-ui-font-size1)"
_CELL = "text-align: left; padding: 2px 12px 2px 0; vertical-align: top; white-space: pre-wrap"
_HEAD = f"{_CELL}; color: var(--jp-ui-font-color2); font-weight: normal"


class Table:
    """Rows under column names.

    Args:
        columns: Their names.
        rows: One list of values per row.
        empty: What to say when there are no rows.
    """

    def __init__(self, columns: list[str], rows: list[list[Any]], empty: str) -> None:
        self.columns = columns
        self.rows = rows
        self._empty = empty

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """One dict per row."""
        return (dict(zip(self.columns, row, strict=True)) for row in self.rows)

    def __repr__(self) -> str:
        if not self.rows:
            return self._empty
        grid = [self.columns, *([str(cell) for cell in row] for row in self.rows)]
        widths = [max(len(row[i]) for row in grid) for i in range(len(self.columns))]
        lines = ("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in grid)
        return "\n".join(line.rstrip() for line in lines)

    def _repr_html_(self) -> str:
        if not self.rows:
            return f'<div style="{_TABLE}">{escape(self._empty)}</div>'
        head = "".join(f'<th style="{_HEAD}">{escape(name)}</th>' for name in self.columns)
        body = "".join(
            "<tr>" + "".join(f'<td style="{_CELL}">{escape(c)}</td>' for c in row) + "</tr>"
            for row in self.rows
        )
        return (
            f'<table style="{_TABLE}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
        )


class Facts(dict[str, Any]):
    """A dict that a cell shows as a table of two columns."""

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        width = max((len(name) for name in self), default=0)
        lines = (f"{name.ljust(width)}  {_words(value)}" for name, value in self.items())
        printer.text("\n".join(lines))

    def _repr_html_(self) -> str:
        rows = "".join(
            f'<tr><th style="{_HEAD}">{escape(name)}</th>'
            f'<td style="{_CELL}">{escape(_words(value))}</td></tr>'
            for name, value in self.items()
        )
        return f'<table style="{_TABLE}"><tbody>{rows}</tbody></table>'


def _words(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
