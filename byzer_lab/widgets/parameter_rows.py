"""The parameters of an engine: the usual ones as fields, the others found by a word and added."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets as widgets

from byzer_lab.schema import ParameterInfo
from byzer_lab.widgets.rows import Row
from byzer_lab.widgets.style import LABEL_WIDTH

LIST_ROWS = 8


class ParameterRows(widgets.VBox):
    """Fields for described parameters.

    Args:
        changed: Called when a value has changed.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._rows: dict[str, Row] = {}
        self._basic: list[ParameterInfo] = []
        self._others: list[ParameterInfo] = []
        self._fields = widgets.VBox()
        self._filter = widgets.Text(
            description="More parameters",
            style={"description_width": LABEL_WIDTH},
            layout=widgets.Layout(width="470px"),
        )
        self._list = widgets.Select(
            rows=LIST_ROWS,
            layout=widgets.Layout(width="auto", margin=f"2px 2px 2px calc({LABEL_WIDTH} + 10px)"),
        )
        self._filter.observe(lambda _: self._show_list(), "value")
        self._list.observe(self._choose, "value")
        super().__init__([self._fields, self._filter, self._list])

    @property
    def values(self) -> dict[str, Any]:
        """What is filled in, by name."""
        return {name: row.value for name, row in self._rows.items() if row.value is not None}

    def offer(self, basic: Sequence[ParameterInfo], others: Sequence[ParameterInfo]) -> None:
        """Offer these parameters; what was filled in stays where it is offered still."""
        if [self._basic, self._others] == [list(basic), list(others)]:
            return
        self._basic, self._others = list(basic), list(others)
        infos = {info.name: info for info in (*basic, *others)}
        added = [name for name in self.values if name in infos]
        wanted = dict.fromkeys([*(info.name for info in basic), *added])
        self._rows = {name: self._row_of(infos[name]) for name in wanted}
        self._filter.value = ""
        self._show_rows()

    def add(self, name: str) -> Row:
        """The field of a parameter that is offered; made where there is none yet."""
        if name not in self._rows:
            (info,) = (info for info in self._others if info.name == name)
            self._rows[name] = self._row_of(info)
            self._show_rows()
        return self._rows[name]

    def say(self, problems: dict[str, str], prefix: str) -> None:
        """Show the problems of the fields.

        Args:
            problems: By name, with a prefix.
            prefix: The prefix.
        """
        for name, row in self._rows.items():
            row.say(problems.get(prefix + name, ""))

    def _row_of(self, info: ParameterInfo) -> Row:
        kept = self._rows.get(info.name)
        if kept is not None and kept.info == info:
            return kept
        stays = any(info is basic for basic in self._basic)
        return Row(info, self._changed, removed=None if stays else self._remove)

    def _remove(self, row: Row) -> None:
        del self._rows[row.info.name]
        self._show_rows()
        self._changed()

    def _show_rows(self) -> None:
        self._fields.children = tuple(self._rows.values())
        self._show_list()

    def _show_list(self) -> None:
        words = self._filter.value.lower().split()
        left = [info for info in self._others if info.name not in self._rows]
        found = [info for info in left if _speaks_of(info, words)]
        self._filter.placeholder = f"filter {len(left)} by a word, choose one below"
        self._list.unobserve(self._choose, "value")
        self._list.options = [(f"{info.name} · {info.help}", info.name) for info in found]
        self._list.value = None
        self._list.rows = min(LIST_ROWS, max(2, len(found)))
        self._list.observe(self._choose, "value")
        shown = "flex" if left else "none"
        self._filter.layout.display = self._list.layout.display = shown

    def _choose(self, change: Any) -> None:
        if change["new"] is not None:
            self.add(change["new"])
            self._filter.value = ""
            self._changed()


def _speaks_of(info: ParameterInfo, words: list[str]) -> bool:
    text = " ".join([info.name, *info.aliases, info.help]).lower()
    return all(word in text for word in words)
