"""What one call may use, and what became of it."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

from byzer_lab.errors import ByzerLabError, InvalidRequestError

Limit = Literal["time", "cpu", "memory", "threads", "file", "scratch", "output", "result"]
"""Which limit stopped a call; the names of the fields of :class:`Limits`."""


class SandboxError(ByzerLabError):
    """The sandbox can't run here, or its own process failed."""

    code = "sandbox"
    status = 503


@dataclasses.dataclass(frozen=True)
class Limits:
    """Limits of one call.

    Attributes:
        time_s: Seconds from the start to the answer.
        cpu_s: Seconds of processor time, of all threads together; a fraction counts as a second.
        memory_mib: Address space, in MiB, beyond what the interpreter has before the call.
        threads: Threads at a time, the first one included. Processes can't be started at all.
        file_mib: The size of one file.
        scratch_mib: All files of the scratch folder together; it may hold 2,000 entries.
        output_mib: What may be printed before the call is stopped.
        kept_kib: How much of what is printed is handed back.
        result_mib: The result as JSON.
    """

    time_s: float = 10.0
    cpu_s: float = 10.0
    memory_mib: float = 1024.0
    threads: int = 64
    file_mib: float = 16.0
    scratch_mib: float = 64.0
    output_mib: float = 16.0
    kept_kib: float = 64.0
    result_mib: float = 16.0

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not 0 < value < 1e9:
                raise InvalidRequestError(
                    f"The sandbox's limit {field.name} is {value!r}; it is a number above 0."
                )


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a call gave.

    Attributes:
        value: What the function returned, as plain JSON data; ``None`` after an error.
        stdout: The beginning of what was printed, errors' channel included.
        cut: More was printed than ``stdout`` holds.
        error: One sentence that says why there is no value; ``None``: there is one.
        traceback: The lines of the code that was run, where it raised.
        limit: The limit that stopped it.
        duration_s: Seconds that the caller waited.
    """

    value: Any = None
    stdout: str = ""
    cut: bool = False
    error: str | None = None
    traceback: str = ""
    limit: Limit | None = None
    duration_s: float = 0.0

    @property
    def reason(self) -> str:
        """Error and traceback in one text; empty where there is a value."""
        return "\n".join(part for part in (self.error, self.traceback) if part)
