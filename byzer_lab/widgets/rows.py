"""One field of the form: its name, its input, and what there is to say about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets as widgets

from byzer_lab.schema import ParameterInfo
from byzer_lab.secrets import names_secret
from byzer_lab.widgets.references import refusal
from byzer_lab.widgets.style import LABEL_WIDTH, span

INPUT_WIDTH = "470px"


class Row(widgets.HBox):
    """A field.

    Args:
        info: The parameter that it sets.
        changed: Called when its value has changed.
        label: How it is called; default: the parameter's name.
        example: What stands in an empty input; default: the parameter's default and unit.
        options: What may be chosen; default: the parameter's choices, if it has some.
        proposals: What is offered beside free text.
        removed: Called when the row is taken away; without it the row stays.

    Attributes:
        info: The parameter.
        input: Its input.
    """

    def __init__(
        self,
        info: ParameterInfo,
        changed: Callable[[], None],
        *,
        label: str = "",
        example: str = "",
        options: Sequence[str] = (),
        proposals: Sequence[str] = (),
        removed: Callable[[Row], None] | None = None,
    ) -> None:
        self.info = info
        self.input = _input(info, label or info.name, example, options, proposals)
        self._changed = changed
        self._refused = ""
        self._said = widgets.HTML()
        self.input.observe(self._take, "value")
        children = [self.input, self._said]
        if removed is not None:
            remove = widgets.Button(icon="times", tooltip=f"Leave {info.name} open")
            remove.on_click(lambda _: removed(self))
            children.insert(1, remove)
        super().__init__(children)
        self.add_class("bl-row")
        self.say()

    @property
    def value(self) -> Any:
        """What is filled in; ``None`` where it is left open."""
        value = self.input.value
        return value.strip() or None if isinstance(value, str) else value

    @value.setter
    def value(self, value: Any) -> None:
        self.input.value = value

    @property
    def said(self) -> str:
        """What stands beside the input, as HTML."""
        return str(self._said.value)

    def say(self, problem: str = "", note: str = "") -> None:
        """Show what is wrong, else what is known, else what the field is for."""
        problem = self._refused or problem
        left_open = self.value is None and not self._refused
        said = span("muted" if left_open else "problem", problem)
        text = said or span("muted", note or self.info.help)
        if self._said.value != text:
            self._said.value = text

    def _take(self, _: Any) -> None:
        """A secret leaves the input at once: what stands there may be saved with the notebook."""
        text = self.input.value
        if isinstance(text, str):
            if reason := refusal(self.info.name, text.strip()):
                self._refused = reason
                self.input.value = ""  # comes back here
                return
            if text:
                self._refused = ""
        self.say()
        self._changed()


def _input(
    info: ParameterInfo,
    label: str,
    example: str,
    options: Sequence[str],
    proposals: Sequence[str],
) -> Any:
    default = "" if info.default in (None, "", (), [], {}) else _text(info.default)
    usual = {
        "description": label,
        "tooltip": f"{info.name}: {info.accepted}",
        "layout": widgets.Layout(width=INPUT_WIDTH),
        "style": {"description_width": LABEL_WIDTH},
    }
    if options:
        return widgets.Dropdown(options=options, **usual)
    if info.kind is bool:
        return widgets.Dropdown(options=_truths(info), **usual)
    if info.choices:
        return widgets.Dropdown(options=_choices(info, default), **usual)
    usual["placeholder"] = example or f"{default} {info.unit}".strip() or "default"
    if proposals:
        return widgets.Combobox(options=tuple(proposals), ensure_option=False, **usual)
    # A secret must not be looked at while it is typed: half of one says nothing.
    return widgets.Text(continuous_update=not names_secret(info.name), **usual)


def _truths(info: ParameterInfo) -> list[tuple[str, bool | None]]:
    left_open = "default" if info.default is None else f"{_text(info.default)} (default)"
    truths = [("true", True), ("false", False)]
    return [(left_open, None), *((word, t) for word, t in truths if t is not info.default)]


def _choices(info: ParameterInfo, default: str) -> list[tuple[str, str | None]]:
    left_open = f"{default} (default)" if default else "default"
    return [(left_open, None), *((c, c) for c in info.choices if c != default)]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
