"""The folder in which confined code may write: its size, and its removal.

Whoever filled it may have meant harm: folders nested without end, names that are links, folders
that may not be listed. Removing follows no link, and nothing here calls itself.
"""

from __future__ import annotations

import os
import stat

MOST_ENTRIES = 2000


def size(folder: str) -> float:
    """Bytes on disk below a folder; infinite where it holds too much to count."""
    total, entries, waiting = 0, 0, [folder]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as listing:
                for entry in listing:
                    entries += 1
                    if entries > MOST_ENTRIES:
                        return float("inf")
                    try:
                        facts = entry.stat(follow_symlinks=False)
                    except FileNotFoundError:
                        continue  # removed meanwhile
                    total += facts.st_blocks * 512
                    if stat.S_ISDIR(facts.st_mode):
                        waiting.append(entry.path)
        except FileNotFoundError:
            continue
        except OSError:  # may not be listed, or its path is too long
            return float("inf")
    return total


def open_size(pid: int) -> int:
    """Bytes on disk of the files that a process holds open after removing their names."""
    total = 0
    try:
        with os.scandir(f"/proc/{pid}/fd") as listing:
            for entry in listing:
                try:
                    facts = os.stat(entry.path)
                except OSError:
                    continue  # closed meanwhile
                if stat.S_ISREG(facts.st_mode) and facts.st_nlink == 0:
                    total += facts.st_blocks * 512
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        pass  # the process has ended, or is about to: its entries are root's then
    return total


def remove(folder: str) -> None:
    """Remove a folder and everything below it. Nobody writes to it any more.

    Folders below are moved up to the top before they are emptied, so that no path grows.

    Raises:
        OSError: Something can't be removed.
    """
    try:
        top = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return
    moved = 0
    try:
        while names := os.listdir(top):
            for name in names:
                if not _is_folder(name, top):
                    os.unlink(name, dir_fd=top)
                    continue
                inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=top)
                try:
                    for below in os.listdir(inner):
                        if _is_folder(below, inner):
                            os.rename(below, f".{moved}", src_dir_fd=inner, dst_dir_fd=top)
                            moved += 1
                        else:
                            os.unlink(below, dir_fd=inner)
                finally:
                    os.close(inner)
                os.rmdir(name, dir_fd=top)
    finally:
        os.close(top)
    os.rmdir(folder)


def _is_folder(name: str, parent: int) -> bool:
    """Whether it is a folder; its owner may then list and change it."""
    if not stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
        return False
    os.chmod(name, 0o700, dir_fd=parent)
    return True
