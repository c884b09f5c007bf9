"""A training's channel that keeps what was reported."""

from __future__ import annotations

from byzer_lab.jobs import JobPoint, JobReport


class Notes:
    """A :class:`~byzer_lab.training.channel.Channel`.

    Args:
        stop: The user wants to stop from the beginning.
        stop_at: The user wants to stop once this step was reported.
    """

    def __init__(self, *, stop: bool = False, stop_at: int | None = None) -> None:
        self.reports: list[JobReport] = []
        self._stop = stop
        self._stop_at = stop_at

    @property
    def stop_requested(self) -> bool:
        return self._stop

    @property
    def attempt(self) -> int:
        return 1

    def report(self, report: JobReport) -> None:
        self.reports.append(report)
        if self._stop_at is not None and (report.step or 0) >= self._stop_at:
            self._stop = True

    @property
    def points(self) -> list[JobPoint]:
        return [point for report in self.reports for point in report.points]

    @property
    def warnings(self) -> list[str]:
        return [sentence for report in self.reports for sentence in report.warnings]

    @property
    def artefacts(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for report in self.reports:
            found |= report.artefacts
        return found
