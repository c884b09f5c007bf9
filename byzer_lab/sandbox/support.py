"""Whether this machine can confine code, and a clear word where it can't."""

from __future__ import annotations

import os
import platform
import sys

from byzer_lab.sandbox.limits import SandboxError
from byzer_lab.sandbox.syscalls import ARCHITECTURES

INSTEAD = (
    "Run Byzer Lab on Linux 5.13 or newer with Landlock and seccomp switched on, or, where you "
    "trust the code, pass unsafe=True to run it in this process."
)


def missing() -> str | None:
    """What this machine lacks, as the beginning of a sentence; ``None``: nothing."""
    if sys.platform != "linux":
        return f"The sandbox needs Linux; this is {platform.system()}"
    if platform.machine() not in ARCHITECTURES:
        known = " and ".join(ARCHITECTURES)
        return f"The sandbox knows the system calls of {known}; this is {platform.machine()}"
    from byzer_lab.sandbox import landlock

    if landlock.version() < 1:
        kernel = os.uname().release
        return f"The sandbox needs Landlock, which this kernel ({kernel}) lacks or has switched off"
    if not os.path.exists("/proc/sys/kernel/seccomp/actions_avail"):
        return "The sandbox needs seccomp filters, which this kernel doesn't have"
    if not sys.executable:
        return "The sandbox starts another Python, and this one doesn't know its own path"
    return None


def require() -> None:
    """Refuse where code can't be confined.

    Raises:
        SandboxError: It says what is missing and what to do.
    """
    lacks = missing()
    if lacks is not None:
        raise SandboxError(f"{lacks}. {INSTEAD}")
