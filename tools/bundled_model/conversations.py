"""Several turns: unrelated exchanges before the question, and questions nobody can answer."""

from __future__ import annotations

from typing import Any

from .byzer_lab_help import help_answer
from .copying import ask_name_later
from .drawing import Draw, Example, chat
from .facts import fact
from .greetings import greeting
from .small_talk import small_talk
from .words import first_name, full_name, made_up_word

_UNKNOWN = "I am only a small demo model and do not know that."
_UNKNOWN_FRAMES = (
    ("Who is {}?", full_name),
    ("What is {}?", made_up_word),
    ("What is a {}?", made_up_word),
    ("Tell me about {}.", full_name),
    ("Explain {}.", made_up_word),
    ("When was {} born?", full_name),
    ("What does {} mean?", made_up_word),
    ("How does a {} work?", made_up_word),
    ("Why is {} famous?", full_name),
    ("What is the capital of {}?", lambda d: made_up_word(d).capitalize()),
    ("How old is {}?", first_name),
    ("Where does {} live?", first_name),
)


def small_exchange(draw: Draw) -> list[dict[str, Any]]:
    """A closed question and its answer."""
    maker = draw.choice((greeting, greeting, fact, fact, small_talk, help_answer))
    return maker(draw).messages


def after_other_turns(draw: Draw, example: Example, most: int = 4) -> Example:
    """The same question after one or more unrelated exchanges."""
    before: list[dict[str, Any]] = []
    for _ in range(draw.integer(1, most)):
        before += small_exchange(draw)
    example.messages[:0] = before
    return example


def name_after_other_turns(draw: Draw) -> Example:
    """A name told first and asked for after unrelated exchanges."""
    told, asked = ask_name_later(draw)
    between: list[dict[str, Any]] = []
    for _ in range(draw.integer(0, 3)):
        between += small_exchange(draw)
    return Example("conversation", told + between + asked)


def closed_after_other_turns(draw: Draw) -> Example:
    """A closed question at the end of a longer conversation."""
    example = after_other_turns(draw, draw.choice((greeting, fact, fact, help_answer))(draw))
    example.skill = "conversation"
    return example


def unknown(draw: Draw) -> Example:
    """A question about something made up: the honest answer is always the same."""
    frame, maker = draw.choice(_UNKNOWN_FRAMES)
    return chat("unknown things", frame.format(maker(draw)), _UNKNOWN)


MAKERS = ((name_after_other_turns, 2), (closed_after_other_turns, 2), (unknown, 2))
