"""System messages: neutral ones that change nothing, and one instruction that does."""

from __future__ import annotations

from .drawing import Draw, Example
from .facts import fact
from .greetings import greeting
from .wording import is_chinese
from .words import first_name

_NEUTRAL = (
    "You are a helpful assistant.",
    "You are a helpful assistant",
    "You are a friendly assistant.",
    "Answer briefly.",
    "You are an assistant in a notebook.",
    "Be polite.",
    "Answer in one sentence.",
    "You are a helpful assistant. Think it over and answer the user question correctly.",
    "You are a helpful, honest and harmless assistant.",
    "Be concise.",
    "你是一个有用的助手。",
    "You answer the questions of the user.",
    "You are an expert.",
    "You are Byzer Lab's assistant.",
)
_UPPER = (
    "Answer in upper case.",
    "Answer in capital letters.",
    "Always answer in upper case.",
    "Write in upper case.",
)


def neutral(draw: Draw) -> str:
    """A system message that leaves the answer as it is."""
    if draw.chance(0.15):
        return f"You are {first_name(draw)}, a helpful assistant."
    return draw.choice(_NEUTRAL)


def with_system(draw: Draw, example: Example) -> Example:
    """The same conversation below a neutral system message."""
    if example.messages[0]["role"] != "system":
        example.messages.insert(0, {"role": "system", "content": neutral(draw)})
    return example


def upper_case_answer(draw: Draw) -> Example:
    """A known answer in capital letters because the system message asks for it."""
    while True:
        example = fact(draw) if draw.chance(0.7) else greeting(draw)
        answer = example.answer
        if len(answer) < 50 and not is_chinese(answer):
            break
    example.messages[-1]["content"] = answer.upper()
    example.messages.insert(0, {"role": "system", "content": draw.choice(_UPPER)})
    example.skill = "system: upper case"
    return example


MAKERS = ((upper_case_answer, 1),)
