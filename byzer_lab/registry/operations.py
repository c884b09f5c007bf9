"""How an operation goes and how it ends, in its record."""

from __future__ import annotations

import time

from byzer_lab.errors import ByzerLabError, DeployCancelledError
from byzer_lab.records import DeploymentRecord, OperationRecord


def finish(operation: OperationRecord, error: ByzerLabError | None) -> None:
    """Note how an operation ended."""
    operation.finished_at = time.time()
    if error is None:
        operation.state, operation.phase, operation.progress = "succeeded", "", 1.0
    else:
        cancelled = isinstance(error, DeployCancelledError)
        operation.state = "cancelled" if cancelled else "failed"
        operation.error = error.to_wire()


def show_progress(operation: OperationRecord, record: DeploymentRecord, ready: int) -> None:
    """Let an operation say what the slowest worker is at."""
    coming = [w for w in record.workers if w.state not in ("ready", "draining")]
    slowest = min(coming, key=lambda w: w.progress or 0.0, default=None)
    operation.phase = (slowest and (slowest.phase or slowest.state)) or record.state
    operation.progress = slowest.progress if slowest else None
    if record.spec.workers > 1:
        operation.phase += f" ({ready} of {record.spec.workers} workers ready)"
