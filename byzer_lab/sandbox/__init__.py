"""Runs Python that nobody has read: in a confined process of its own, on Linux.

See docs/sandbox.md for what is guaranteed. ``sandbox`` is the caller's side. On the far side,
``zygote`` waits, warm; ``supervisor`` watches one call; ``confined`` and ``confine`` make the
process that has no rights; ``child`` runs the code in it. They need the standard library only.
"""
