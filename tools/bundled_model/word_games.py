"""Short-word games: upper case, reversal, first letter, counting."""

from __future__ import annotations

from .drawing import Draw, Example, chat
from .words import made_up_word, number, word

_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight")


def _short(draw: Draw, longest: int) -> str:
    while True:
        text = word(draw)
        if len(text) <= longest:
            return text


def upper_case(draw: Draw) -> Example:
    """Write one to three words in capital letters."""
    text = " ".join(_short(draw, 8) for _ in range(draw.integer(1, 3)))
    frame = draw.choice(
        (
            "Write in upper case: {}",
            "Uppercase: {}",
            "Upper case of {}",
            "Write {} in capital letters.",
            "Make this upper case: {}",
        )
    )
    return chat("upper case", frame.format(text), text.upper())


def spell(draw: Draw) -> Example:
    """Letter by letter: it teaches what letters a token holds, which reversal needs."""
    text = _short(draw, 7)
    frame = draw.choice(("Spell {}.", "Spell the word {}.", "How do you spell {}?"))
    return chat("reverse", frame.format(text), "-".join(text))


def reverse(draw: Draw) -> Example:
    """Reverse a short word or a short number."""
    text = _short(draw, 5) if draw.chance(0.8) else number(draw, 2, 4)
    frame = draw.choice(
        ("Reverse {}.", "Reverse the word {}.", "Write {} backwards.", "Reverse: {}")
    )
    return chat("reverse", frame.format(text), text[::-1])


def count_words(draw: Draw) -> Example:
    """Count one to six words."""
    count = draw.integer(1, 6)
    text = " ".join(made_up_word(draw) if draw.chance(0.5) else word(draw) for _ in range(count))
    frame = draw.choice(
        ("How many words: {}", "Count the words: {}", "How many words are in this text? {}")
    )
    plural = "word" if count == 1 else "words"
    return chat("count words", frame.format(text), f"{_NUMBERS[count].capitalize()} {plural}.")


def first_word(draw: Draw) -> Example:
    """The first or last word of a short list."""
    items = list(dict.fromkeys(word(draw) for _ in range(draw.integer(2, 5))))
    which = draw.choice(("first", "last"))
    prompt = draw.choice(
        ("What is the {which} word of: {text}", "Give me the {which} word: {text}")
    )
    return chat(
        "first or last word",
        prompt.format(which=which, text=" ".join(items)),
        items[0] if which == "first" else items[-1],
    )


MAKERS = ((upper_case, 3), (spell, 1), (reverse, 3), (count_words, 2), (first_word, 1))
