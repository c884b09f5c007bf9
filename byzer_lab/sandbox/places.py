"""What confined code may read: Python's own library, installed packages, shared libraries."""

from __future__ import annotations

import os
import sys
import sysconfig

SYSTEM = (
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/usr/share/zoneinfo",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/dev/urandom",
    "/dev/random",
    "/dev/zero",
    "/sys/devices/system/cpu",  # numerical libraries count processors
)

PACKAGES = {"site-packages", "dist-packages"}


def package_folders() -> list[str]:
    """The folders of installed packages that this Python looks in."""
    return [path for path in sys.path if os.path.basename(path) in PACKAGES]


def readable() -> list[str]:
    """Files and folders for this process's interpreter; see the module."""
    paths = sysconfig.get_paths()
    library = [paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    beside = [sysconfig.get_config_var("LIBDIR"), os.path.join(sys.base_prefix, "lib")]
    zipped = [path for path in sys.path if path.endswith(".zip")]
    found = [*library, *package_folders(), *filter(None, beside), *zipped, *SYSTEM]
    home = os.path.expanduser("~")
    return [path for path in dict.fromkeys(map(os.path.realpath, found)) if not _holds(path, home)]


def _holds(path: str, home: str) -> bool:
    """Whether a folder would open the user's own."""
    return os.path.commonpath([path, os.path.realpath(home)]) == path
