"""Errors as a cell shows them: one sentence, not a traceback; the cell still fails."""

from __future__ import annotations

from byzer_lab.errors import ByzerLabError


def interrupted(sentence: str) -> KeyboardInterrupt:
    """The interrupt to raise on, without the frames of whatever it broke into."""
    interrupt = KeyboardInterrupt(sentence)
    # IPython asks the exception itself, and prints this instead of a traceback.
    vars(interrupt)["_render_traceback_"] = lambda: [f"KeyboardInterrupt: {sentence}"]
    return interrupt


def with_log(error: ByzerLabError, lines: list[str]) -> ByzerLabError:
    """The error, with the last lines of a log below its sentence."""
    if lines:
        for note in ("", "The last lines of its log:", *(f"  {line}" for line in lines)):
            error.add_note(note)
    return error
