"""Landlock: which files a process may reach, enforced by the kernel."""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Iterable

from byzer_lab.sandbox.libc import LIBC, failed

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
VERSION = 1
BENEATH = 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 2, 4, 8
REFER, TRUNCATE = 1 << 13, 1 << 14
OF_A_FILE = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | 1 << 15
MAKE_AND_REMOVE = (1 << 4) | (1 << 5) | (1 << 7) | (1 << 8) | (1 << 12)
"""Remove folders and files, make folders, files and symbolic links; no devices, no sockets."""

READ = READ_FILE | READ_DIR
WORK = READ | WRITE_FILE | TRUNCATE | REFER | MAKE_AND_REMOVE

RIGHTS = {1: 13, 2: 14, 3: 15, 5: 16}
"""How many rights of files a version knows, by the version that brought them."""

NET_SINCE, SCOPE_SINCE = 4, 6
CONNECT_AND_BIND = 3
SOCKETS_AND_SIGNALS = 3


def version() -> int:
    """The version of Landlock in this kernel; 0: it is missing or switched off."""
    found = LIBC.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), VERSION)
    return max(int(found), 0)


def restrict(read: Iterable[str], work: Iterable[str]) -> None:
    """Take from this process every right on files but these, and all of TCP. For good.

    Args:
        read: Files and folders whose content may be read; those that are missing are left out.
        work: Files and folders where anything may be made, changed and removed.

    Raises:
        OSError: The kernel refuses it.
    """
    known = version()
    handled = (1 << max(count for since, count in RIGHTS.items() if since <= known)) - 1
    net = CONNECT_AND_BIND if known >= NET_SINCE else 0
    scope = SOCKETS_AND_SIGNALS if known >= SCOPE_SINCE else 0
    size = 24 if known >= SCOPE_SINCE else 16 if known >= NET_SINCE else 8
    attributes = ctypes.create_string_buffer(struct.pack("QQQ", handled, net, scope))
    rules = LIBC.syscall(CREATE_RULESET, attributes, ctypes.c_size_t(size), 0)
    if rules < 0:
        raise failed("landlock_create_ruleset")
    try:
        for path in read:
            _allow(rules, path, READ & handled)
        for path in work:
            _allow(rules, path, WORK & handled)
        if LIBC.syscall(RESTRICT_SELF, rules, 0):
            raise failed("landlock_restrict_self")
    finally:
        os.close(rules)


def _allow(rules: int, path: str, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return
    try:
        if not stat.S_ISDIR(os.fstat(place).st_mode):
            rights &= OF_A_FILE
        rule = ctypes.create_string_buffer(struct.pack("=Qi", rights, place))
        if LIBC.syscall(ADD_RULE, rules, BENEATH, rule, 0):
            raise failed(f"landlock_add_rule {path}")
    finally:
        os.close(place)
