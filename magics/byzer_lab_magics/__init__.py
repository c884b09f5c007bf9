"""The magics of Byzer Lab: ``%load_ext byzer_lab``.

Each magic prints its options with ``--help``. One file, one subject: ``registration`` is the table
of magics, ``prompting``, ``deploying`` and ``looking`` do the work, the others serve them.
"""

from __future__ import annotations

from typing import Any

from byzer_lab_magics.registration import ByzerMagics, Registration
from byzer_lab_magics.reply import Reply

__all__ = ["ByzerMagics", "Reply", "load_ipython_extension", "unload_ipython_extension"]

_registrations: dict[int, Registration] = {}


def load_ipython_extension(shell: Any) -> None:
    """Register the magics with IPython; a second time does nothing."""
    if id(shell) not in _registrations:
        _registrations[id(shell)] = Registration(shell)


def unload_ipython_extension(shell: Any) -> None:
    """Take the magics away again."""
    registration = _registrations.pop(id(shell), None)
    if registration is not None:
        registration.undo()
