"""What a job tells, put into its record."""

from __future__ import annotations

import time
from collections.abc import Iterable

from byzer_lab.jobs import JobRecord, JobReport
from byzer_lab.registry.store import joined
from byzer_lab.secrets import Redactor

WARNINGS_KEPT = 50
_AS_THEY_ARE = (
    *("phase", "progress", "step", "total_steps", "epoch", "tokens"),
    *("memory_mb", "gpu_memory_mb", "eta_s", "checkpoints", "node", "pid"),
)


def apply_report(record: JobRecord, report: JobReport, redact: Redactor) -> None:
    """Bring a record up to date.

    Args:
        record: Of a job that has not ended.
        report: What it tells; the points of its curves are kept elsewhere.
        redact: Hides secrets.
    """
    if report.state and not record.ending:
        if report.state != record.state:
            record.progress = None
        record.state = report.state
    if report.phase is not None and report.phase != record.phase:
        record.progress = None  # of the phase before
    for field in _AS_THEY_ARE:
        value = getattr(report, field)
        if value is not None and not (record.ending and field == "phase"):
            setattr(record, field, value)
    record.phase = redact(record.phase)
    for point in report.points:
        record.point = joined(record.point, point)
    record.artefacts = {**record.artefacts, **report.artefacts}
    add_warnings(record, [redact(warning) for warning in report.warnings])
    if record.started_at is None:
        record.started_at = time.time()


def add_warnings(record: JobRecord, sentences: Iterable[str]) -> None:
    """Each sentence once; the oldest go first."""
    record.warnings = list(dict.fromkeys([*record.warnings, *sentences]))[-WARNINGS_KEPT:]


def begin_again(record: JobRecord) -> None:
    """A record whose next attempt begins; what was reached stays until that one tells."""
    fresh = JobRecord(id=record.id, spec=record.spec)
    for field in ("phase", "progress", "eta_s", "error", "ending", "node", "pid", "finished_at"):
        setattr(record, field, getattr(fresh, field))
    record.memory_mb = record.gpu_memory_mb = 0.0
    record.result = {}
    record.state = "queued"
    record.attempt += 1


def newest_checkpoint(record: JobRecord) -> int:
    """Its step; 0 where there is none."""
    return max((checkpoint.step for checkpoint in record.checkpoints), default=0)
