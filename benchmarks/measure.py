"""Roads that take turns, their medians and ratios, and small tables."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence

import psutil

Figures = dict[str, float]
Road = Callable[[], Figures]


class Cost:
    """Wall time, and processor time of this process and of others, since it was made.

    Args:
        others: Process ids.
    """

    def __init__(self, *others: int) -> None:
        self._others = [psutil.Process(pid) for pid in others]
        self._others_cpu = self._others_used()
        self._cpu = time.process_time()
        self._wall = time.perf_counter()

    def _others_used(self) -> float:
        times = (process.cpu_times() for process in self._others)
        return sum(used.user + used.system for used in times)

    def per(self, count: int) -> Figures:
        """What it came to: ``rate`` per second, and microseconds of processor time for each one,
        of this process (``client``) and of the others (``worker``)."""
        wall = time.perf_counter() - self._wall
        own = time.process_time() - self._cpu
        others = self._others_used() - self._others_cpu
        return {
            "rate": count / wall,
            "client": own / count * 1e6,
            "worker": others / count * 1e6,
        }


class Rounds:
    """Figures of several roads over several rounds.

    Args:
        roads: What to measure; they take turns.
        rounds: How often. One more round before them is not counted.
    """

    def __init__(self, roads: dict[str, Road], rounds: int) -> None:
        self.figures: dict[str, list[Figures]] = {name: [] for name in roads}
        for number in range(rounds + 1):
            for name, road in roads.items():
                figures = road()
                if number:
                    self.figures[name].append(figures)

    def median(self, road: str, figure: str) -> float:
        """The median over the rounds."""
        return statistics.median(round_[figure] for round_ in self.figures[road])

    def ratio(self, road: str, reference: str, figure: str) -> tuple[float, float, float]:
        """Median, least and greatest ratio of two roads within one round."""
        pairs = zip(self.figures[road], self.figures[reference], strict=True)
        ratios = sorted(one[figure] / other[figure] for one, other in pairs)
        return statistics.median(ratios), ratios[0], ratios[-1]


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which this share of them lies."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def spread(ratio: tuple[float, float, float]) -> str:
    """A ratio and its spread as text."""
    return "{:.2f} ({:.2f} to {:.2f})".format(*ratio)


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under column names: the first column to the left, the others to the right."""
    grid = [columns, *rows]
    widths = [max(len(row[i]) for row in grid) for i in range(len(columns))]
    print()
    for row in grid:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        print("  ".join(cells), flush=True)


def goal(what: str, value: float, bound: float, *, at_most: bool) -> None:
    """Print a goal beside what was measured."""
    met = value <= bound if at_most else value >= bound
    word = "at most" if at_most else "at least"
    print(f"goal: {what} {word} {bound:.3g}; measured {value:.3g}: {'met' if met else 'MISSED'}")
