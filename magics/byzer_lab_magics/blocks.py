"""Where a growing Markdown text can be cut so that the parts render like the whole.

Rendering a long answer anew for each token freezes the page; so finished blocks are rendered once
and only the last, unfinished one again.
"""

from __future__ import annotations

import re
from typing import Literal

Block = Literal["none", "text", "list", "code"]

_FENCE = re.compile(r"( *)(`{3,}|~{3,})(.*)$")
_ITEM = re.compile(r" {0,3}(?:[-*+]|\d{1,9}[.)])(?:\s|$)")
_HEADING = re.compile(r" {0,3}#{1,6}(?:\s|$)")
_MATH = {"$$": "$$", "\\[": "\\]"}


class BlockSplitter:
    """Takes text as it comes and hands out what is finished.

    Everything handed out, in order, and then :attr:`tail` is the text, character for character.
    """

    def __init__(self) -> None:
        self.tail = ""
        self._read = 0
        """How much of the tail has been looked at: its whole lines."""
        self._fence = ""
        """What closes the fence or the formula that is open."""
        self._fence_in_list = False
        self._block: Block = "none"
        self._blank_before = False

    def feed(self, text: str) -> None:
        """Append text."""
        self.tail += text

    def finished(self) -> str:
        """Take the blocks that are finished since the last call; empty when there are none."""
        cut = 0
        start = self._read
        while (end := self.tail.find("\n", start)) != -1:
            if self._line(self.tail[start:end]):
                cut = start
            start = end + 1
        self._read = start
        done, self.tail = self.tail[:cut], self.tail[cut:]
        self._read -= cut
        return done

    def _line(self, line: str) -> bool:
        """Look at the next whole line; tells whether a new block begins with it."""
        line = line.rstrip("\r")
        if self._fence:
            if self._closes(line):
                self._fence = ""
                self._block = "list" if self._fence_in_list else "code"
            return False
        if not line.strip():
            self._blank_before = True
            return False
        begins = self._begins(line)
        self._blank_before = False
        self._enter(line, begins)
        return begins

    def _begins(self, line: str) -> bool:
        if self._block == "none":
            return False
        indented = line.startswith(("  ", "\t"))
        if self._block == "list":
            # A list keeps its items, also loose ones, and whatever is indented below them.
            if indented or _ITEM.match(line):
                return False
            return self._blank_before or bool(_HEADING.match(line) or opening_fence(line))
        if self._block == "code":
            return True
        if _HEADING.match(line) or (opening_fence(line) and not indented):
            return True
        return self._blank_before and not indented

    def _enter(self, line: str, begins: bool) -> None:
        in_list = self._block == "list" and not begins
        fence = opening_fence(line)
        if fence:
            self._fence, self._fence_in_list = fence, in_list
            return
        opening = line.strip()
        closing = _MATH.get(opening[:2], "")
        if closing and closing not in opening[2:]:
            self._fence, self._fence_in_list = closing, in_list
        elif _ITEM.match(line):
            self._block = "list"
        elif not in_list:
            # After a heading anything begins a new block, as after a code block.
            self._block = "code" if _HEADING.match(line) else "text"

    def _closes(self, line: str) -> bool:
        if self._fence[0] in "`~":
            return closes_fence(line, self._fence)
        return line.rstrip().endswith(self._fence)


def closes_fence(line: str, fence: str) -> bool:
    """Whether this line ends the code block that ``fence`` began."""
    bare = line.strip()
    return len(bare) >= len(fence) and not bare.strip(fence[0])


def opening_fence(line: str) -> str:
    """The backticks or tildes that begin a code block on this line; empty when none does."""
    match = _FENCE.match(line)
    if not match or (match[2][0] == "`" and "`" in match[3]):
        return ""
    return match[2]
