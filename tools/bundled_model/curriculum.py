"""The training stream: which skill at what share, at which stage.

Copying comes first and alone with short prompts, because every other skill (tool arguments, JSON
values, names) is copying into a format; measured, a mix without this start learns the formats and
never the copying. The later stages add the formats and keep copying in the mix.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from . import (
    byzer_lab_help,
    chinese,
    conversations,
    copying,
    facts,
    greetings,
    json_answers,
    small_talk,
    synthetic_tools,
    system_messages,
    tool_calls,
    word_games,
)
from .drawing import Draw, Example, NothingOnThisSide

Maker = Callable[[Draw], Example]
GROUPS: dict[str, tuple[tuple[Maker, int], ...]] = {
    "copying": copying.MAKERS,
    "word_games": word_games.MAKERS,
    "greetings": greetings.MAKERS,
    "help": byzer_lab_help.MAKERS,
    "facts": facts.MAKERS,
    "small_talk": small_talk.MAKERS,
    "chinese": chinese.MAKERS,
    "tools": tool_calls.MAKERS,
    "made_up_tools": synthetic_tools.MAKERS,
    "json": json_answers.MAKERS,
    "system": system_messages.MAKERS,
    "conversations": conversations.MAKERS,
}
SECOND_PHASE = 1.0
# (end of the stage as a share of the first phase, share of every group)
STAGES: tuple[tuple[float, dict[str, float]], ...] = (
    (0.175, {"copying": 10, "word_games": 1, "facts": 0.5, "greetings": 0.5}),
    (
        0.325,
        {
            "copying": 5,
            "word_games": 1.5,
            "facts": 1,
            "greetings": 0.7,
            "help": 0.5,
            "small_talk": 0.3,
            "chinese": 1,
            "made_up_tools": 1,
            "json": 1,
            "tools": 0.7,
            "conversations": 0.4,
        },
    ),
    (
        0.465,
        {
            "copying": 3,
            "word_games": 1.5,
            "facts": 1.5,
            "greetings": 1.2,
            "help": 1,
            "small_talk": 0.5,
            "chinese": 1,
            "made_up_tools": 2,
            "json": 2.2,
            "tools": 2,
            "system": 0.5,
            "conversations": 1,
        },
    ),
    (
        1.00,
        {
            "copying": 3,
            "word_games": 3.5,
            "facts": 1.5,
            "greetings": 1.2,
            "help": 0.9,
            "small_talk": 0.5,
            "chinese": 1,
            "made_up_tools": 1.6,
            "json": 2.6,
            "tools": 2,
            "system": 0.9,
            "conversations": 1,
        },
    ),
    (
        SECOND_PHASE + 1.0,  # what the first phase leaves weak: letters, lists, fields
        {
            "copying": 3,
            "word_games": 5,
            "facts": 1.2,
            "greetings": 1.2,
            "help": 0.7,
            "small_talk": 0.4,
            "chinese": 1,
            "made_up_tools": 2,
            "json": 2.8,
            "tools": 1.7,
            "system": 1.2,
            "conversations": 1,
        },
    ),
)
_AFTER_TURNS = ("copying", "word_games", "json", "chinese", "small_talk")
TURNS_SHARE = 0.06  # of these groups' examples follow other exchanges
SYSTEM_SHARE = 0.12  # of all examples get a neutral system message


def shares_at(progress: float) -> dict[str, float]:
    """The shares of the groups at a point of the run: 0 to 1, from 1 on the second phase."""
    return next(shares for end, shares in STAGES if progress < end)


def draw_example(draw: Draw, shares: dict[str, float]) -> Example:
    """One example of the mix, on the side of the draw."""
    while True:
        group = draw.rng.choices(list(shares), list(shares.values()))[0]
        makers = GROUPS[group]
        maker = draw.rng.choices([m for m, _ in makers], [w for _, w in makers])[0]
        try:
            example = maker(draw)
        except NothingOnThisSide:
            continue
        plain = not example.tools and example.messages[0]["role"] != "system"
        if plain and group in _AFTER_TURNS and draw.chance(TURNS_SHARE):
            example = conversations.after_other_turns(draw, example, most=2)
        return system_messages.with_system(draw, example) if draw.chance(SYSTEM_SHARE) else example


def training_chunk(seed: int, index: int, count: int, progress: float) -> list[Example]:
    """The ``index``-th chunk of the stream: a pure function of its arguments, so a resumed run
    continues with the very examples that an uninterrupted one would have seen."""
    draw = Draw(random.Random(f"{seed}/{index}"))
    shares = shares_at(progress)
    return [draw_example(draw, shares) for _ in range(count)]


def held_out_examples(seed: int, per_skill: int) -> dict[str, list[Example]]:
    """Prompts for the gates: by skill, all different, none of which training can contain."""
    found: dict[str, dict[str, Example]] = {}
    for group, makers in GROUPS.items():
        for maker, _ in makers:
            draw = Draw(random.Random(f"held out/{seed}/{group}/{maker.__name__}"), held_out=True)
            for example in _stream(draw, maker, per_skill * 3):
                prompt = repr((example.messages[:-1], example.tools))
                found.setdefault(example.skill, {}).setdefault(prompt, example)
    rng = random.Random(seed)
    return {
        skill: rng.sample(list(by_prompt.values()), min(per_skill, len(by_prompt)))
        for skill, by_prompt in sorted(found.items())
    }


def _stream(draw: Draw, maker: Maker, count: int) -> Iterator[Example]:
    for _ in range(count):
        try:
            yield maker(draw)
        except NothingOnThisSide:
            continue
