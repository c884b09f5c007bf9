"""The filter of system calls, in the kernel's small machine code, loaded by ``ctypes``."""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import platform
import struct

from byzer_lab.sandbox.libc import LIBC, failed
from byzer_lab.sandbox.syscalls import ARCHITECTURES, NUMBERS, number

ALLOW = 0x7FFF0000
KILL = 0x80000000
ERRNO = 0x00050000
REFUSE = ERRNO | errno.EPERM
UNKNOWN = ERRNO | errno.ENOSYS
"""What a C library takes as "this kernel is older": it falls back to the call before."""

X32 = 0x40000000
"""Set in the numbers of x86's other calling convention, which would get round the list."""

LOAD, AND, EQUAL, ANY_BIT, SKIP, RETURN = 0x20, 0x54, 0x15, 0x45, 0x05, 0x06
NUMBER_AT, MACHINE_AT, ARGUMENTS_AT = 0, 4, 16

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, MODE_FILTER = 38, 22, 2

AF_UNIX = 1
CLONE_THREAD = 0x00010000
NOT_A_THREAD = 0x7E022080
"""Flags of ``clone`` for namespaces and for handing on a tracer."""

FCNTL = (0, 1, 2, 3, 4, 5, 6, 7, 36, 37, 38, 1030, 1032)
"""Descriptors' flags, copies and locks; no owner of signals, no leases, no larger pipes."""

IOCTL = (0x5401, 0x802C542A, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
"""Is it a terminal, how many bytes wait, blocking or not, close on exec."""

PRCTL = (15, 16)
"""A thread's name."""

Code = list[tuple[int, int, int, int]]


def _load(argument: int, high: bool = False) -> tuple[int, int, int, int]:
    return LOAD, 0, 0, ARGUMENTS_AT + 8 * argument + 4 * high


def _end(action: int) -> tuple[int, int, int, int]:
    return RETURN, 0, 0, action


def _one_of(argument: int, values: tuple[int, ...]) -> Code:
    """Go on where an argument (its 32 bits that count) is one of these; else refuse."""
    checks = [(EQUAL, len(values) - place, 0, value) for place, value in enumerate(values)]
    return [_load(argument), *checks, _end(REFUSE)]


def _null(argument: int) -> Code:
    """Go on where a pointer is null; else refuse."""
    check = (EQUAL, 1, 0, 0)
    return [
        _load(argument),
        check,
        _end(REFUSE),
        _load(argument, high=True),
        check,
        _end(REFUSE),
    ]


def _opening(flags: int) -> Code:
    """Go on unless a file is emptied without being opened for writing, or opened for neither.

    Landlock before its third version lets the former pass, and asks nothing for the latter.
    """
    mode, truncate = os.O_ACCMODE, os.O_TRUNC
    return [
        _load(flags),
        (AND, 0, 0, mode | truncate),
        (EQUAL, 3, 0, truncate),
        (EQUAL, 2, 0, mode),
        (EQUAL, 1, 0, mode | truncate),
        (SKIP, 0, 0, 1),
        _end(REFUSE),
    ]


def _thread() -> Code:
    """Go on where ``clone`` makes a thread; else refuse."""
    return [
        _load(0),
        (ANY_BIT, 1, 0, NOT_A_THREAD),
        (ANY_BIT, 1, 0, CLONE_THREAD),
        _end(REFUSE),
    ]


def program(machine: str) -> Code:
    """The filter's instructions, for a machine as ``platform.machine()`` says."""
    checked: dict[str, Code] = {
        "open": _opening(1),
        "openat": _opening(2),
        "socketpair": _one_of(0, (AF_UNIX,)),  # asyncio wakes itself up with one
        "sendto": _null(4),
        "fcntl": _one_of(1, FCNTL),
        "ioctl": _one_of(1, IOCTL),
        "clone": _thread(),
        "prctl": _one_of(0, PRCTL),
        "prlimit64": _one_of(0, (0,)) + _null(2),
    }
    code: Code = [
        (LOAD, 0, 0, MACHINE_AT),
        (EQUAL, 1, 0, ARCHITECTURES[machine]),
        _end(KILL),
        (LOAD, 0, 0, NUMBER_AT),
        (ANY_BIT, 0, 1, X32),
        _end(KILL),
    ]
    plain: dict[str, Code] = {name: [] for name in NUMBERS}
    for name, check in (plain | checked).items():
        known = number(name, machine)
        if known is not None:
            code += [(EQUAL, 0, len(check) + 1, known), *check, _end(ALLOW)]
    for name in ("clone3", "openat2"):
        known = number(name, machine)
        assert known is not None
        code += [(EQUAL, 0, 1, known), _end(UNKNOWN)]
    return [*code, _end(REFUSE)]


@functools.cache
def _packed() -> bytes:
    return b"".join(struct.pack("HBBI", *step) for step in program(platform.machine()))


def prepare() -> None:
    """Do in advance what every process would do again."""
    _packed()
    _ = LIBC.prctl, LIBC.capset, LIBC.syscall


def forbid_new_rights() -> None:
    """No program that is started gets more rights; the kernel asks for it before a filter."""
    if LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise failed("prctl(PR_SET_NO_NEW_PRIVS)")


def load_filter() -> None:
    """Put this process under the filter. It can't be taken off.

    Raises:
        OSError: The kernel refuses it.
    """
    code = _packed()
    text = ctypes.create_string_buffer(code, len(code))
    count = len(code) // struct.calcsize("HBBI")
    head = ctypes.create_string_buffer(struct.pack("HP", count, ctypes.addressof(text)))
    if LIBC.prctl(PR_SET_SECCOMP, MODE_FILTER, head, 0, 0):
        raise failed("prctl(PR_SET_SECCOMP)")
