"""A job in a cell: one line of how it is, a bar, the curve of its loss."""

from __future__ import annotations

import time
from collections.abc import Sequence

from byzer_lab.jobs import ENDED, JobPoint, JobRecord
from byzer_lab_magics.curve import curve, figure, spark
from byzer_lab_magics.show import Bundle, bar, escape

_MARKS = {
    "completed": ("✓", "var(--jp-success-color1)"),
    "failed": ("✗", "var(--jp-error-color1)"),
    "stopped": ("■", "var(--jp-warn-color1)"),
    "cancelled": ("■", "var(--jp-warn-color1)"),
}
_GOING = ("…", "var(--jp-ui-font-color2)")
_FONT = (
    "font-family: var(--jp-ui-font-family); font-size: var(--jp-ui-font-size1); "
    "color: var(--jp-ui-font-color1)"
)
_TRACK = "height: 4px; width: 620px; max-width: 100%; margin: 4px 0; background: #7d7d7d55"
_DONE = "height: 4px; background: #2f7fd6"


def mark(record: JobRecord) -> str:
    """The sign of a job's state."""
    return _MARKS.get(record.state, _GOING)[0]


def progress(record: JobRecord) -> float | None:
    """How far it is, 0 to 1: by its steps, else by its phase; ``None`` where neither is known."""
    if record.state == "running" and record.total_steps:
        return min(1.0, record.step / record.total_steps)
    return record.progress


def words(record: JobRecord) -> str:
    """How it is, in a line."""
    parts: list[str] = []
    ended = record.state in ENDED
    if ended or record.state in ("stopping", "queued"):
        parts.append(record.state)
    training = record.state == "running" and record.total_steps > 0
    if record.phase and not ended and not training:
        parts.append(record.phase)
    if record.total_steps:
        parts.append(f"step {record.step:,}/{record.total_steps:,}")
    point = record.point
    if record.epoch and training:
        parts.append(f"epoch {record.epoch:.3g}")
    if point.loss is not None:
        parts.append(f"loss {figure(point.loss)}")
    if point.eval_loss is not None:
        parts.append(f"held out {figure(point.eval_loss)}")
    if training:
        parts += _figures(record)
    if ended and record.started_at and record.finished_at:
        parts.append(duration(record.finished_at - record.started_at))
    if record.attempt > 1:
        parts.append(f"attempt {record.attempt}")
    return " · ".join(parts or [record.state])


def _figures(record: JobRecord) -> list[str]:
    point = record.point
    parts = []
    if point.learning_rate is not None:
        parts.append(f"lr {figure(point.learning_rate)}")
    if point.tokens_per_second:
        parts.append(f"{figure(point.tokens_per_second)} tokens/s")
    if record.memory_mb:
        parts.append(memory(record.memory_mb))
    if record.gpu_memory_mb:
        parts.append(f"GPU {memory(record.gpu_memory_mb)}")
    if record.eta_s is not None:
        parts.append(f"{duration(record.eta_s)} left")
    return parts


def bundle(record: JobRecord, points: Sequence[JobPoint], note: str = "") -> Bundle:
    """The job for a notebook.

    Args:
        record: The job.
        points: Of its curves.
        note: A sentence below, such as how to go on.
    """
    sign, colour = _MARKS.get(record.state, _GOING)
    share = progress(record) if record.state not in ENDED else None
    done = "" if share is None else _bar(share)
    warnings = "".join(f"<div>⚠ {escape(text)}</div>" for text in record.warnings)
    below = f'<div style="color: var(--jp-ui-font-color2)">{escape(note)}</div>' if note else ""
    html = (
        f'<div style="{_FONT}"><div><span style="color: {colour}">{sign}</span> '
        f"<b>{escape(record.spec.name)}</b>: {escape(words(record))}</div>{warnings}{done}"
        f"{curve(points, record.total_steps)}{below}</div>"
    )
    return {"text/html": html, "text/plain": plain(record, points, note)}


def plain(record: JobRecord, points: Sequence[JobPoint], note: str = "") -> str:
    """The job as text."""
    share = progress(record) if record.state not in ENDED else None
    line = f"{mark(record)} {record.spec.name}: {words(record)}"
    line += "" if share is None else f"  {bar(share)}"
    sparks = spark(points)
    line += f"  {sparks}" if sparks else ""
    return "\n".join([line, *(f"⚠ {text}" for text in record.warnings), *([note] if note else [])])


def _bar(share: float) -> str:
    percent = f"{min(1.0, max(0.0, share)):.1%}"
    return f'<div style="{_TRACK}"><div style="{_DONE}; width: {percent}"></div></div>'


def duration(seconds: float) -> str:
    """Seconds as a person says them: ``45 s``, ``3 min 20 s``, ``2 h 5 min``."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 10 and rest:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(round(whole / 60), 60)
    if not hours:
        return f"{minutes} min"
    days, hours = divmod(hours, 24)
    large, small, units = (days, hours, "d h") if days else (hours, minutes, "h min")
    of_large, of_small = units.split()
    return f"{large} {of_large} {small} {of_small}" if small else f"{large} {of_large}"


def memory(mebibytes: float) -> str:
    """MiB as a person says it."""
    return f"{mebibytes / 1024:.1f} GB" if mebibytes >= 1024 else f"{mebibytes:.0f} MB"


def moment(seconds: float) -> str:
    """A point of time, short."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds)) if seconds else ""
