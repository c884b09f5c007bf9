"""Names, words and numbers to copy: short pools of real ones and an endless supply of made-up ones.

Copying generalises only when the values are many and variable in length, so most of them are
made up from syllables; the real ones keep the demonstration natural.
"""

from __future__ import annotations

from .drawing import Draw


def words(text: str) -> list[str]:
    """The words of a text as a list (shorter to read than a list of quoted words)."""
    return text.split()


FIRST_NAMES = words(
    "Anna Ben Carla David Emma Felix Grace Hugo Ida Jack Karen Leo Maria Nina Oscar Paula Quinn "
    "Rosa Sam Tina Uma Victor Wanda Xavier Yara Zoe Adam Bella Chris Diana Erik Fiona George Helen "
    "Ivan Julia Kevin Laura Martin Nora Omar Peter Rita Simon Tom Ursula Vera William Alice Bob "
    "Clara Dora Elias Frank Greta Henry Irene Jonas Kira Linda Max Noah Olga Paul Ruth Sofia Theo"
)
LAST_NAMES = words(
    "Zhu Smith Brown Wilson Miller Garcia Novak Rossi Silva Kim Tanaka Weber Moreau Berg Larsen "
    "Costa Ivanov Kowalski Green Stone Baker Fisher Young King Reed Wood Hill Lopez Chen Wang Li "
    "Zhang Lin Zhao Sun Zhou Wu Xu"
)
CITIES = words(
    "Oslo Paris Rome Madrid Berlin Vienna Lisbon Dublin London Athens Cairo Lima Delhi Tokyo Seoul "
    "Beijing Shanghai Hangzhou Boston Chicago Denver Austin Dallas Miami Toronto Sydney Geneva "
    "Zurich Milan Naples Porto Seville Lyon Nice Prague Warsaw Bergen Malmo Bonn Hamburg Munich "
    "Dresden Leipzig Kyoto Osaka Hanoi Manila Nairobi Lagos Tunis Quito Bogota Havana Riga Tallinn"
)
THINGS = words(
    "book lamp chair table phone bottle pen bag cup door window garden river bridge train bus boat "
    "bike car apple banana orange lemon bread cheese milk coffee tea sugar salt soup rice fish cat "
    "dog horse bird mouse rabbit tiger lion bear wolf tree flower leaf stone cloud rain snow wind "
    "star moon sun sky hill road house school market museum hotel park piano guitar violin drum "
    "shirt jacket shoe hat glove ring watch coin paper box basket key map ticket letter camera"
)
COLOURS = words("red blue green yellow black white brown pink purple grey orange silver")
JOBS = words(
    "teacher doctor baker farmer pilot nurse driver painter singer writer lawyer cook waiter "
    "engineer gardener dentist plumber actor judge tailor"
)

_ONSETS = words("b d f g h j k l m n p r s t v w z br dr fl gr kl pl st tr sh ch")
_VOWELS = words("a e i o u ai ea io ou")
_CODAS = ["", "", "", "n", "l", "r", "s", "t", "k", "m", "x", "nd", "rt"]


def _syllables(draw: Draw, low: int, high: int) -> str:
    return "".join(
        draw.choice(_ONSETS)
        + draw.choice(_VOWELS[:5] if draw.chance(0.8) else _VOWELS)
        + draw.choice(_CODAS)
        for _ in range(draw.integer(low, high))
    )


def made_up_word(draw: Draw) -> str:
    """A pronounceable lower-case word of one to three syllables."""
    return draw.make(lambda: _syllables(draw, 1, 3))


def word(draw: Draw) -> str:
    """A lower-case word: made up more often than real."""
    return made_up_word(draw) if draw.chance(0.6) else draw.pick(THINGS)


def first_name(draw: Draw) -> str:
    """A first name, real or made up."""
    if draw.chance(0.4):
        return draw.pick(FIRST_NAMES)
    return draw.make(lambda: _syllables(draw, 1, 3).capitalize())


def full_name(draw: Draw) -> str:
    """One or two capitalised words, in either order of first and last name."""

    def maker() -> str:
        first = (
            draw.choice(FIRST_NAMES) if draw.chance(0.4) else _syllables(draw, 1, 3).capitalize()
        )
        last = draw.choice(LAST_NAMES) if draw.chance(0.4) else _syllables(draw, 1, 2).capitalize()
        return draw.choice((first, f"{first} {last}", f"{last} {first}"))

    return draw.make(maker)


def place(draw: Draw) -> str:
    """A city, real or made up."""
    if draw.chance(0.5):
        return draw.pick(CITIES)
    return draw.make(lambda: _syllables(draw, 2, 3).capitalize())


def number(draw: Draw, low_digits: int = 1, high_digits: int = 6) -> str:
    """A whole number without a leading zero."""

    def maker() -> str:
        digits = draw.integer(low_digits, high_digits)
        return str(draw.integer(1, 9)) + "".join(str(draw.integer(0, 9)) for _ in range(digits - 1))

    return draw.make(maker)


def code(draw: Draw) -> str:
    """A short code such as B7-402."""
    letters = "ABCDEFGHJKLMNPRSTUVWXYZ"

    def maker() -> str:
        head = "".join(draw.choice(letters) for _ in range(draw.integer(1, 3)))
        tail = "".join(str(draw.integer(0, 9)) for _ in range(draw.integer(2, 4)))
        return head + draw.choice(("", "-")) + tail

    return draw.make(maker)


def email(draw: Draw) -> str:
    """An address at an example host."""
    return draw.make(
        lambda: f"{_syllables(draw, 1, 2)}@{draw.choice(('example.com', 'mail.org', 'test.net'))}"
    )


def any_value(draw: Draw) -> str:
    """Any kind of value that can be copied."""
    return draw.choice((word, word, first_name, place, number, code))(draw)
