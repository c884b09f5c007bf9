"""Sounds and pictures that a model answers with."""

from __future__ import annotations

import base64
from typing import Any

from byzer_lab.types import Chunk
from byzer_lab_magics.show import Bundle, escape, in_notebook, show


class Media:
    """Collects the bytes of an answer.

    Attributes:
        media_type: Of them, such as ``audio/mpeg``; empty where there are none.
        files: The sound, or each picture.
    """

    def __init__(self) -> None:
        self.media_type = ""
        self.files: list[bytes] = []

    def take(self, chunk: Chunk) -> None:
        """Keep what a chunk brings."""
        if not chunk.data:
            return
        if self.files and not chunk.media_type.startswith("image/"):
            self.files[0] += chunk.data
        else:
            self.files.append(chunk.data)
        self.media_type = chunk.media_type

    def show(self, shell: Any) -> None:
        """Show them, where this front end can."""
        for data in self.files:
            words = f"{self.media_type}, {len(data):,} bytes"
            if in_notebook(shell):
                show(bundle(data, self.media_type, words))
            else:
                print(f"[{words}; --as NAME keeps them in NAME.data]")


def bundle(data: bytes, media_type: str, words: str) -> Bundle:
    """A picture as itself, a sound with the browser's player."""
    text = base64.b64encode(data).decode()
    if media_type.startswith("image/"):
        return {media_type: text, "text/plain": words}
    source = f"data:{escape(media_type)};base64,{text}"
    return {"text/html": f'<audio controls src="{source}"></audio>', "text/plain": words}
