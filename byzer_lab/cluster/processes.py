"""The embedded head's processes: all of them share the session that its leader opened."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

import psutil

GRACE_S = 10.0
MARK = "BYZER_LAB_HEAD"
"""Environment variable of every process of an embedded head; its value is the head's folder."""


def is_alive(pid: int, created: float) -> bool:
    """Whether that very process still runs (a zombie doesn't)."""
    try:
        process = psutil.Process(pid)
        same: bool = abs(process.create_time() - created) < 1.0
        return same and bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def session_members(leader: int) -> list[psutil.Process]:
    """Living processes of the session that ``leader`` opened."""
    members = []
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError, PermissionError, psutil.NoSuchProcess):
            if os.getsid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                members.append(process)
    return members


def _members_of(leader: int, folder: str) -> list[psutil.Process]:
    return [process for process in session_members(leader) if _belongs(process, folder)]


def _belongs(process: psutil.Process, folder: str) -> bool:
    """Whether a process is of the head with that folder: named so, or writing its log there.

    Ray's actors write their titles over their environment, but each one has a log open.
    """
    try:
        if process.environ().get(MARK) == folder:
            return True
        return any(Path(file.path).is_relative_to(folder) for file in process.open_files())
    except (psutil.Error, OSError):
        return False


def end_session(leader: int, created: float, folder: str) -> None:
    """End the processes of a head: the leader politely first, the rest by force.

    Args:
        leader: Process that opened the head's session; it may be gone.
        created: When it was created, in seconds since the epoch.
        folder: Ray's folder of the head. The session's number may meanwhile be another program's,
            whose processes are left alone.
    """
    if is_alive(leader, created):
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(leader).terminate()
    deadline = time.monotonic() + GRACE_S
    while (left := _members_of(leader, folder)) and time.monotonic() < deadline:
        if not is_alive(leader, created):
            deadline = min(deadline, time.monotonic() + 2.0)  # nobody is left to tidy up
        psutil.wait_procs(left, timeout=0.2)
    for process in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(left, timeout=GRACE_S)
