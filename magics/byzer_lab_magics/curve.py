"""The loss of a job as a picture: an SVG inside of an ``<img>``.

In an ``<img>`` it is there in a saved notebook, in one that is not trusted, and in an export. It
can't see the page's theme there, so its colours are those that stand out on white and on black.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Sequence
from html import escape

from byzer_lab.jobs import JobPoint

WIDTH, HEIGHT = 620, 172
LEFT, RIGHT, TOP, BOTTOM = 54, 14, 12, 28
MOST_MARKS = 300

_TRAINED = "#2f7fd6"
_HELD_OUT = "#d9730d"
_QUIET = "#7d7d7d"
_SPARKS = "▁▂▃▄▅▆▇█"

Mark = tuple[int, float]


def figure(value: float) -> str:
    """A measured figure with as many digits as say something: ``0.831``, ``2.5e-4``, ``12,400``."""
    size = abs(value)
    if not math.isfinite(value):
        return str(value)
    if size and (size < 0.001 or size >= 1e7):
        digits, exponent = f"{value:.1e}".split("e")
        return f"{digits.removesuffix('.0')}e{int(exponent)}"
    return f"{value:,.0f}" if size >= 1000 else f"{value:.3g}"


def curve(points: Sequence[JobPoint], total_steps: int) -> str:
    """The loss over the steps as an ``<img>``; empty until there are two points.

    Args:
        points: Of the job's curves.
        total_steps: How far the axis goes; 0 where that can't be known.
    """
    trained = thinned(_marks((p.step, p.loss) for p in points))
    held_out = thinned(_marks((p.step, p.eval_loss) for p in points))
    both = [*trained, *held_out]
    if len(both) < 2:
        return ""
    plane = _Plane(both, total_steps)
    svg = "".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
            f'width="{WIDTH}" height="{HEIGHT}" font-family="system-ui, sans-serif" '
            'font-size="11">',
            plane.axes(),
            plane.line(trained, _TRAINED, ""),
            plane.line(held_out, _HELD_OUT, "5 4"),
            *(plane.dot(mark, _HELD_OUT) for mark in held_out[-60:]),
            _legend() if held_out else "",
            "</svg>",
        ]
    )
    data = base64.b64encode(svg.encode()).decode()
    words = escape(spoken(points), quote=True)
    return (
        f'<img alt="{words}" src="data:image/svg+xml;base64,{data}" width="{WIDTH}" '
        f'height="{HEIGHT}" style="max-width: 100%; height: auto">'
    )


def spoken(points: Sequence[JobPoint]) -> str:
    """The curve in words, for who can't see it."""
    parts = []
    for name, marks in (
        ("loss", _marks((p.step, p.loss) for p in points)),
        ("held-out loss", _marks((p.step, p.eval_loss) for p in points)),
    ):
        if marks:
            (first, begun), (last, now) = marks[0], marks[-1]
            parts.append(f"{name} {figure(begun)} at step {first}, {figure(now)} at step {last}")
    return "; ".join(parts)


def spark(points: Sequence[JobPoint], most: int = 24) -> str:
    """The loss as a line of text, such as ``█▆▄▃▂▁``."""
    values = [value for _, value in thinned(_marks((p.step, p.loss) for p in points), most)]
    if len(values) < 2:
        return ""
    low, high = min(values), max(values)
    scale = (len(_SPARKS) - 1) / (high - low or 1.0)
    return "".join(_SPARKS[round((value - low) * scale)] for value in values)


def thinned(marks: list[Mark], most: int = MOST_MARKS) -> list[Mark]:
    """Fewer marks of the same look: the lowest and the highest of each stretch."""
    if len(marks) <= most:
        return marks
    stretches = max(1, most // 2)
    kept: list[Mark] = []
    for number in range(stretches):
        part = marks[number * len(marks) // stretches : (number + 1) * len(marks) // stretches]
        kept += sorted({min(part, key=_value), max(part, key=_value)})
    return kept


def _value(mark: Mark) -> float:
    return mark[1]


def _marks(pairs: Iterable[tuple[int, float | None]]) -> list[Mark]:
    return [(step, y) for step, y in pairs if y is not None and math.isfinite(y)]


class _Plane:
    """Where steps and values lie in the picture."""

    def __init__(self, marks: list[Mark], total_steps: int) -> None:
        values = [value for _, value in marks]
        room = 0.0 if max(values) > min(values) else abs(max(values)) / 10 or 1.0
        self._low, self._high = min(values) - room, max(values) + room
        self._first = min(step for step, _ in marks)
        self._last = max(total_steps, *(step for step, _ in marks), self._first + 1)

    def axes(self) -> str:
        """Lines at the values' ends and middle, with their figures, and the steps' ends."""
        middle = (self._low + self._high) / 2
        parts = [
            f'<path d="M{LEFT} {self._y(value):.1f}H{WIDTH - RIGHT}" stroke="{_QUIET}" '
            'stroke-opacity="0.35"/>'
            + _text(LEFT - 6, self._y(value) + 4, figure(value), anchor="end")
            for value in (self._high, middle, self._low)
        ]
        foot = HEIGHT - 8
        parts += [
            _text(LEFT, foot, str(self._first), anchor="start"),
            _text((LEFT + WIDTH - RIGHT) / 2, foot, "step", anchor="middle"),
            _text(WIDTH - RIGHT, foot, str(self._last), anchor="end"),
        ]
        return "".join(parts)

    def line(self, marks: list[Mark], colour: str, dashes: str) -> str:
        """The marks joined."""
        places = "L".join(f"{self._x(step):.1f} {self._y(value):.1f}" for step, value in marks)
        dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
        return (
            f'<path d="M{places}" fill="none" stroke="{colour}" stroke-width="1.8" '
            f'stroke-linejoin="round"{dashed}/>'
            if len(marks) > 1
            else "".join(self.dot(mark, colour) for mark in marks)
        )

    def dot(self, mark: Mark, colour: str) -> str:
        """One mark."""
        x, y = self._x(mark[0]), self._y(mark[1])
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.6" fill="{colour}"/>'

    def _x(self, step: int) -> float:
        share = (step - self._first) / (self._last - self._first)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def _y(self, value: float) -> float:
        share = (value - self._low) / (self._high - self._low)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def _text(x: float, y: float, text: str, *, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{_QUIET}" text-anchor="{anchor}">{text}</text>'


def _legend() -> str:
    x = WIDTH - RIGHT - 160
    y = TOP + 14
    return (
        f'<path d="M{x} {y}h18" stroke="{_TRAINED}" stroke-width="1.8"/>'
        + _text(x + 23, y + 4, "trained on", anchor="start")
        + f'<path d="M{x + 90} {y}h18" stroke="{_HELD_OUT}" stroke-width="1.8" '
        'stroke-dasharray="5 4"/>' + _text(x + 113, y + 4, "held out", anchor="start")
    )
