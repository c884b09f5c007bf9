"""What a supervisor's answer means, in words."""

from __future__ import annotations

import json
import signal
from typing import Any

from byzer_lab.sandbox.limits import Limit, Limits, Outcome, SandboxError
from byzer_lab.sandbox.support import INSTEAD

KNOWN = {"memory", "file", "threads"}
"""Limits that the code itself meets as an exception."""


def outcome(answer: list[bytes], limits: Limits, duration_s: float) -> Outcome:
    """Read an answer.

    Args:
        answer: The supervisor's report as JSON, what the child wrote as its answer, and what was
            printed. Only the report can be trusted.
        limits: Of the call.
        duration_s: Seconds that it took.

    Raises:
        SandboxError: The child could not be confined, and has run nothing; or the supervisor
            failed.
    """
    report: dict[str, Any] = json.loads(answer[0])
    if "failed" in report:
        raise SandboxError(f"The sandbox failed: {report['failed']}.")
    code: int = report["exit_code"]
    if not report["confined"]:
        said = answer[1].decode(errors="replace").strip().splitlines() or ["no reason was given"]
        raise SandboxError(f"The code was not run, as it can't be confined: {said[-1]}. {INSTEAD}")
    limit: Limit | None = report["limit"]
    written = _read(answer[1])
    value, error, trace = None, None, ""
    if limit is not None:
        error = f"The code was stopped: {_limit_words(limit, limits)}."
    elif written is None or code != 0:
        error = f"The code {_end_words(code)} before it answered."
    elif written.get("error") is not None:
        error, trace = str(written["error"]), str(written.get("traceback") or "")
        limit = written["limit"] if written.get("limit") in KNOWN else None
    else:
        value = written.get("value")
    return Outcome(
        value=value,
        stdout=answer[2].decode(errors="replace"),
        cut=report["printed"] > len(answer[2]),
        error=error,
        traceback=trace,
        limit=limit,
        duration_s=duration_s,
    )


def _read(data: bytes) -> dict[str, Any] | None:
    try:
        written = json.loads(data, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    return written if isinstance(written, dict) else None


def _refuse(word: str) -> None:
    """``NaN`` and its kin are no JSON; the child writes none, but the code may."""
    raise ValueError(word)


def _limit_words(limit: Limit, limits: Limits) -> str:
    words = {
        "time": f"it ran longer than {limits.time_s:g} s",
        "cpu": f"it used more than {limits.cpu_s:g} s of processor time",
        "threads": f"it had more than {limits.threads} threads",
        "scratch": f"its files took more than {limits.scratch_mib:g} MiB, or were too many",
        "output": f"it printed more than {limits.output_mib:g} MiB",
        "result": f"its result is larger than {limits.result_mib:g} MiB",
    }
    return words[limit]


def _end_words(code: int) -> str:
    if code >= 0:
        return f"ended its process with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"was ended by {name}"
