"""Sounds, pictures and transcripts as a cell shows and keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from byzer_lab.client.media import Medium, Picture, medium
from byzer_lab.speech import Transcript
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
            shown(shell, medium(data, self.media_type))


def shown(shell: Any, one: Medium) -> None:
    """Show a sound or a picture, or tell what it is."""
    if in_notebook(shell):
        show(one._repr_mimebundle_())
    else:
        print(f"[{one.words}; --as NAME keeps them in NAME.data]")


class Pictures(list[Picture]):
    """Pictures, each shown below the other as a cell's result.

    Attributes:
        data: The bytes of the first.
        media_type: Of it.
    """

    @property
    def data(self) -> bytes:
        return self[0].data

    @property
    def media_type(self) -> str:
        return self[0].media_type

    def _ipython_display_(self) -> None:
        from IPython.core.getipython import get_ipython

        for one in self:
            shown(get_ipython(), one)


class Transcription:
    """Transcripts of one or several sounds.

    Args:
        transcripts: Of each.
        names: Of each, as they were written.
        form: ``text``, ``srt`` or ``vtt``.
        times: What has times.

    Attributes:
        transcripts: All of them.
        transcript: The first.
        text: What the cell shows, as a text.
    """

    def __init__(
        self,
        transcripts: Sequence[Transcript],
        names: Sequence[str],
        form: str,
        times: Sequence[str],
    ) -> None:
        self.transcripts = list(transcripts)
        self.transcript = self.transcripts[0]
        self._names = list(names)
        self._form = form
        self._times = times

    @property
    def text(self) -> str:
        parts = [self._one(one) for one in self.transcripts]
        if len(parts) == 1:
            return parts[0]
        return "\n\n".join(f"{name}\n{part}" for name, part in zip(self._names, parts, strict=True))

    def _one(self, one: Transcript) -> str:
        if self._form != "text":
            return one.written(self._form)
        if "word" in self._times:
            return "\n".join(f"{w.start:8.2f} {w.end:8.2f}  {w.word}" for w in one.words)
        if "segment" in self._times:
            return "\n".join(f"{s.start:8.2f} {s.end:8.2f}  {s.text}" for s in one.segments)
        return one.text

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return self.text

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Bundle:
        told = " · ".join(
            part
            for part in (
                self.transcript.language if len(self.transcripts) == 1 else "",
                f"{sum(one.duration for one in self.transcripts):.1f} s",
            )
            if part
        )
        plain = self._form == "text" and not self._times
        style = "white-space: pre-wrap; " + (
            "font-family: var(--jp-content-font-family); font-size: var(--jp-content-font-size1)"
            if plain
            else "font-family: var(--jp-code-font-family); font-size: var(--jp-code-font-size)"
        )
        small = "color: var(--jp-ui-font-color2); font-size: var(--jp-ui-font-size1)"
        body = (
            f'<div style="{style}">{escape(self.text)}</div>'
            f'<div style="{small}">{escape(told)}</div>'
        )
        return {"text/html": body, "text/plain": self.text}
