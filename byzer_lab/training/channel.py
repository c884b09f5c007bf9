"""What a job's code may say to the world, and hear from it."""

from __future__ import annotations

from typing import Protocol

from byzer_lab.jobs import JobReport


class Channel(Protocol):
    """The line between a running job and the registry.

    What a job prints goes to its log by itself; progress goes through here.
    """

    @property
    def stop_requested(self) -> bool:
        """The user wants it to save what it has and end."""
        ...

    @property
    def attempt(self) -> int:
        """How often the job was started; above 1 it goes on from its newest checkpoint."""
        ...

    def report(self, report: JobReport) -> None:
        """Tell how it goes; cheap, at any rate: what comes too often is put together."""
        ...
