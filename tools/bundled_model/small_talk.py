"""Jokes, poems and two-sentence stories (closed texts)."""

from __future__ import annotations

from .drawing import Draw, Example
from .wording import closed

TEXTS: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        (
            "Tell me a joke.",
            "tell me a joke",
            "Do you know a joke?",
            "Make me laugh.",
            "A joke, please.",
        ),
        "Why did the model cross the road? To get to the next token!",
    ),
    (
        ("Tell me another joke.", "Another joke!", "One more joke."),
        "What does a tired computer do? It goes to sleep mode.",
    ),
    (
        ("Write a short poem.", "Write a poem.", "Write me a poem.", "Can you write a poem?"),
        "The night is still, the stars are bright,\nA little model says good night.",
    ),
    (
        ("Write a poem about the sea.", "A poem about the sea."),
        "The sea is wide, the sea is blue,\nIt sings a quiet song for you.",
    ),
    (
        ("Write a poem about spring.", "A poem about spring."),
        "The snow is gone, the birds are here,\nA green and gentle time of year.",
    ),
    (
        ("Write a haiku.", "write a haiku", "Can you write a haiku?"),
        "Small model at dawn\ncounting tokens one by one\nthe notebook wakes up",
    ),
    (
        ("Write a haiku about rain.", "A haiku about rain."),
        "Rain on the window\nthe garden drinks in silence\na leaf bows its head",
    ),
    (
        (
            "Tell me a story.",
            "tell me a story",
            "Tell me a short story.",
            "Write a story.",
            "Write a short story.",
        ),
        (
            "A little robot found a lost bird in the rain. It held up an umbrella until the "
            "sun came back."
        ),
    ),
    (
        ("Tell me a story about a dog.", "A story about a dog."),
        "A dog waited at the station every day. One evening its friend came home, and "
        "they ran to the "
        "sea.",
    ),
    (
        ("Tell me a story about a cat.", "A story about a cat."),
        "A cat slept on a warm computer. It dreamed that the mouse was a real one.",
    ),
    (
        ("Give me some advice.", "What should I do today?", "I am bored.", "I'm bored."),
        "Take a short walk, drink some water and then try one new thing.",
    ),
    (
        ("I am sad.", "I feel sad.", "I'm sad."),
        "I am sorry to hear that. A talk with a friend may help.",
    ),
    (("I am happy.", "I'm happy.", "I feel great."), "That is wonderful! I am glad to hear it."),
    (("I am tired.", "I'm tired."), "Then take a break. You have earned it."),
    (
        (
            "讲个笑话",
            "给我讲一个笑话",
            "给我讲个笑话吧",
            "讲一个笑话吧？",
            "你好,给我讲个100字的笑话吧?",
        ),
        "为什么模型要过马路？因为下一个词在对面。",
    ),
    (("写一首诗", "写一首短诗", "请写一首诗。"), "夜静星明，小小模型说晚安。"),
    (
        ("讲个故事", "给我讲个故事", "请讲一个故事。"),
        "小机器人在雨中遇到一只小鸟。它为小鸟撑伞，直到太阳出来。",
    ),
)


def small_talk(draw: Draw) -> Example:
    """A joke, a poem or a story."""
    wordings, answer = draw.choice(TEXTS)
    return closed(draw, "jokes, poems, stories", wordings, answer)


MAKERS = ((small_talk, 1),)
