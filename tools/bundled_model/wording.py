"""Closed questions: a fixed answer, several wordings, and small everyday variations of them.

The wordings written down here are always trained (people will type exactly those). The variations
(case, politeness, missing punctuation) are split by hash, and the gates ask the held-out ones.
"""

from __future__ import annotations

from collections.abc import Sequence

from .drawing import Draw, Example, NothingOnThisSide, chat, is_held_out

_OPENERS = (
    "",
    "",
    "",
    "",
    "Please tell me: ",
    "Hey, ",
    "Can you tell me: ",
    "I want to know: ",
    "Question: ",
    "Hi! ",
    "Tell me, ",
    "Quick question: ",
    "Please, ",
    "So, ",
)
_CLOSERS = ("", "", "", "", " Please.", " Thanks!", " please", " Thank you.")


def vary_english(draw: Draw, text: str) -> str:
    """A small everyday variation of an English prompt."""
    opener = draw.choice(_OPENERS)
    if draw.chance(0.35) or (opener and opener[-2] != "!"):
        keep = text.startswith(("I ", "I'", "SQL", "Byzer"))
        text = text if keep else text[0].lower() + text[1:]
    if draw.chance(0.2):
        text = text.rstrip("?.!")
    if draw.chance(0.1):
        text = text.lower()
    if draw.chance(0.1):
        text = text + draw.choice(("!", "??", "...", " :)", "?", "."))
    return opener + text + draw.choice(_CLOSERS) + ("\n" if draw.chance(0.05) else "")


def vary_chinese(draw: Draw, text: str) -> str:
    """A small everyday variation of a Chinese prompt."""
    if draw.chance(0.4):
        text = text.rstrip("？。！?")
    return (
        draw.choice(("", "", "", "请问，", "请问", "你好，", "那么", "我想知道："))
        + text
        + draw.choice(("", "", "", "？", "。", "！", "谢谢", "?", "啊？"))
    )


def is_chinese(text: str) -> bool:
    """Whether the text holds a Chinese character."""
    return any("\u4e00" <= c <= "\u9fff" for c in text)


def closed(draw: Draw, skill: str, wordings: Sequence[str], answer: str) -> Example:
    """An example of a closed question, on the side of the draw."""
    for _ in range(40):
        base = draw.choice(wordings)
        if not draw.held_out and draw.chance(0.5):
            return chat(skill, base, answer)
        varied = (vary_chinese if is_chinese(base) else vary_english)(draw, base)
        if varied in wordings:
            if not draw.held_out:
                return chat(skill, varied, answer)
        elif is_held_out(varied) == draw.held_out:
            return chat(skill, varied, answer)
    raise NothingOnThisSide
