"""Gives up every right of this process. Whoever calls it does so in a process of its own."""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import resource
import struct

from byzer_lab.sandbox import landlock, seccomp
from byzer_lab.sandbox.libc import LIBC, failed
from byzer_lab.sandbox.limits import Limits

PR_SET_PDEATHSIG, PR_CAP_AMBIENT, CLEAR_ALL = 1, 47, 4
CAPABILITIES_VERSION_3 = 0x20080522
SIGKILL = 9
MIB = 1 << 20

FILES = 64
"""Descriptors that may be open at a time."""


def die_with(parent: int) -> None:
    """Let the kernel kill this process when its parent ends."""
    if LIBC.prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0):
        raise failed("prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        os._exit(1)  # it had ended before


def confine(scratch: str, read: list[str]) -> None:
    """No capabilities, no files but these, no system calls but those of the list.

    Args:
        scratch: The folder in which it may write.
        read: What it may read.

    Raises:
        OSError: The kernel refuses a part; nothing may be run then.
    """
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")  # the first to go where the machine runs out of memory
    _drop_capabilities()
    seccomp.forbid_new_rights()
    landlock.restrict(read, [scratch, "/dev/null"])
    seccomp.load_filter()


def limit(pid: int, limits: Limits) -> None:
    """Set the kernel's limits of a process of the same user.

    Raises:
        OSError: The kernel refuses it.
    """
    with open(f"/proc/{pid}/statm") as file:
        pages = int(file.read().split()[0])
    space = pages * resource.getpagesize() + int(limits.memory_mib * MIB)
    seconds = math.ceil(limits.cpu_s)
    size = int(limits.file_mib * MIB)
    for kind, soft, hard in (
        (resource.RLIMIT_AS, space, space),
        (resource.RLIMIT_CPU, seconds, seconds + 1),  # the first signal can be ignored
        (resource.RLIMIT_FSIZE, size, size),
        (resource.RLIMIT_NOFILE, FILES, FILES),
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_MEMLOCK, 0, 0),
        (resource.RLIMIT_MSGQUEUE, 0, 0),
    ):
        most = resource.prlimit(pid, kind)[1]
        if most != resource.RLIM_INFINITY:
            soft, hard = min(soft, most), min(hard, most)
        resource.prlimit(pid, kind, (soft, hard))


def _drop_capabilities() -> None:
    if LIBC.prctl(PR_CAP_AMBIENT, CLEAR_ALL, 0, 0, 0):
        raise failed("prctl(PR_CAP_AMBIENT)")
    head = ctypes.create_string_buffer(struct.pack("Ii", CAPABILITIES_VERSION_3, 0))
    if LIBC.capset(head, ctypes.create_string_buffer(24)):
        raise failed("capset")
