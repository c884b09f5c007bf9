"""The curves as a job's folder keeps them, in case the registry was not told all of them."""

from __future__ import annotations

from collections import deque
from pathlib import Path

import msgspec

from byzer_lab.jobs import JobPoint

METRICS = "metrics.jsonl"
NEWEST = 1_000
"""So many are told again: what a killed process had not sent yet is less."""


def kept_points(folder: str) -> list[JobPoint]:
    """The newest points of the attempts before; none where there are none."""
    try:
        with (Path(folder) / METRICS).open("rb") as file:
            lines = deque(file, maxlen=NEWEST)
    except OSError:
        return []
    found = [_point(line) for line in lines]
    return [point for point in found if point is not None]


def _point(line: bytes) -> JobPoint | None:
    try:
        point = msgspec.json.decode(line, type=JobPoint)
    except (msgspec.DecodeError, UnicodeDecodeError):  # cut off, or other figures than a point's
        return None
    return None if point.loss is None and point.eval_loss is None else point
