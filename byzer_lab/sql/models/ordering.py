"""The order in which questions are asked, where many begin alike.

A model that keeps what it has read answers the second question about a text faster, if the text is
still there and has been read: not while the first question is being answered, and not after many
other texts. So questions that begin alike follow one another at a distance that is a little more
than the requests in flight.
"""

from __future__ import annotations

from collections.abc import Sequence

from byzer_lab.sql.models.questions import Question

Keyed = tuple[bytes, Question]
BEGINNING = 512
"""Characters that questions must share; what is shorter is read again in no time."""

DISTANCE = 2
"""Times the requests in flight: the first of a group has surely been read when the second comes."""


def ordered(questions: Sequence[Keyed], in_flight: int) -> list[Keyed]:
    """The questions, those of some beginnings by turns.

    Args:
        questions: In the order of their rows; it stays where no two begin alike, or all do.
        in_flight: Requests at a time.
    """
    groups: dict[str, list[Keyed]] = {}
    for keyed in questions:
        groups.setdefault(_beginning(keyed[1]), []).append(keyed)
    if len(groups) in (1, len(questions)):
        return list(questions)
    waiting = [group[::-1] for group in groups.values()][::-1]
    turns = [waiting.pop() for _ in range(min(DISTANCE * in_flight, len(waiting)))]
    made: list[Keyed] = []
    while turns:
        left: list[list[Keyed]] = []
        for group in turns:
            made.append(group.pop())
            if group:
                left.append(group)
            elif waiting:
                left.append(waiting.pop())
        turns = left
    return made


def _beginning(question: Question) -> str:
    parts: list[str] = []
    length = 0
    for message in question.messages:
        parts.append(message.text)
        length += len(message.text)
        if length >= BEGINNING:
            break
    return "\0".join(parts)[:BEGINNING]
