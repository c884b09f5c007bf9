"""Sounds and pictures as user code passes and gets them."""

from __future__ import annotations

import base64
import html
import io
import wave
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from byzer_lab.errors import InvalidRequestError

SHOWN_BYTES = 8 * 1024 * 1024
"""A larger sound or picture is not put into a notebook, which would grow by it with each run."""
SENT_BYTES = 48 * 1024 * 1024
"""The largest sound that is sent: base64 makes a third more of it."""
ENDINGS = {
    "audio/wav": ".wav",
    "audio/flac": ".flac",
    "audio/mpeg": ".mp3",
    "audio/ogg": ".ogg",
    "audio/pcm": ".pcm",
    "audio/aac": ".aac",
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/webp": ".webp",
    "image/gif": ".gif",
}


class Medium:
    """Bytes of one kind that a notebook can show.

    Attributes:
        data: The bytes of a file.
        media_type: Such as ``audio/wav``; raw samples tell their rate: ``audio/pcm;rate=24000``.
        metadata: What is known of the answer that it came with.
    """

    def __init__(
        self, data: bytes, media_type: str, metadata: dict[str, Any] | None = None
    ) -> None:
        self.data = data
        self.media_type = media_type
        self.metadata = {} if metadata is None else metadata

    @property
    def base64(self) -> str:
        """The bytes as Byzer-LLM's ``output`` has them."""
        return base64.b64encode(self.data).decode()

    @property
    def words(self) -> str:
        """Its kind and size."""
        return f"{self.media_type}, {len(self.data):,} bytes"

    def save(self, path: str | Path) -> Path:
        """Write it to a file; where the name has no ending, the kind's own is put to it.

        Returns:
            Where it is.
        """
        target = Path(path).expanduser()
        if not target.suffix:
            target = target.with_suffix(ENDINGS.get(self.media_type.partition(";")[0], ""))
        target.write_bytes(self.data)
        return target

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.words}>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        if len(self.data) > SHOWN_BYTES:
            note = (
                f"{self.words}: too large to be kept in a notebook (at most "
                f"{SHOWN_BYTES >> 20} MiB); it is in .data, and .save(path) writes it to a file."
            )
            return {"text/plain": note, "text/html": f"<em>{html.escape(note)}</em>"}
        return {**self._shown(), "text/plain": self.words}

    def _shown(self) -> dict[str, str]:
        raise NotImplementedError


class Sound(Medium):
    """A sound that a model made; a notebook shows a player."""

    @property
    def samples(self) -> tuple[Any, int]:
        """The samples as a numpy array of floats from -1 to 1, and how many there are a second.

        Raises:
            InvalidRequestError: Its format needs the library soundfile, which is not installed.
        """
        import numpy as np

        kind = self.media_type.partition(";")[0]
        if self._is_raw:
            return np.frombuffer(self.data, "<i2").astype(np.float32) / 32_768, self._rate
        try:
            import soundfile
        except (ImportError, OSError) as error:
            raise InvalidRequestError(
                f"Reading {kind} needs the library soundfile; install byzer-lab[audio]."
            ) from error
        samples, rate = soundfile.read(io.BytesIO(self.data), dtype="float32")
        return samples, int(rate)

    @property
    def file(self) -> bytes:
        """The bytes of a file that players know: raw samples become a WAV."""
        return wav_of(self.data, self._rate) if self._is_raw else self.data

    @property
    def _is_raw(self) -> bool:
        return self.media_type.startswith("audio/pcm")

    @property
    def _rate(self) -> int:
        """Samples a second of raw ones; 24,000 is what services send where they tell nothing."""
        for part in self.media_type.split(";")[1:]:
            name, _, value = part.strip().partition("=")
            if name == "rate" and value.isdigit():
                return int(value)
        return 24_000

    def _shown(self) -> dict[str, str]:
        kind = "audio/wav" if self._is_raw else self.media_type
        text = base64.b64encode(self.file).decode()
        source = f"data:{html.escape(kind)};base64,{text}"
        return {"text/html": f'<audio controls src="{source}"></audio>'}


class Picture(Medium):
    """A picture that a model drew.

    Attributes:
        prompt: What it was drawn from.
    """

    prompt = ""

    def _shown(self) -> dict[str, str]:
        return {self.media_type: self.base64}


def medium(data: bytes, media_type: str, metadata: dict[str, Any] | None = None) -> Medium:
    """A sound or a picture, by its kind."""
    kind = Picture if media_type.startswith("image/") else Sound
    return kind(data, media_type, metadata)


def wav_of(samples: bytes, rate: int, channels: int = 1) -> bytes:
    """A WAV file of raw samples of 16 bits, little-endian."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples)
    return buffer.getvalue()


def audio_text(audio: Any, rate: int | None = None) -> str:
    """A sound as base64, as a request carries it.

    Args:
        audio: A path; the bytes of a file; base64 or a ``data:`` URI; a :class:`Sound`; a pair of
            samples and rate, in either order; or samples alone, with ``rate``.
        rate: Samples a second of samples that come without.

    Raises:
        InvalidRequestError: It is none of these, or too large.
    """
    if isinstance(audio, Sound):
        audio = audio.file
    if isinstance(audio, str) and not _is_file(audio):
        return _given_text(audio)
    if isinstance(audio, str | Path):
        path = Path(audio).expanduser()
        if not path.is_file():
            raise InvalidRequestError(f"There is no file {str(audio)!r}.")
        _check(path.stat().st_size)
        audio = path.read_bytes()
    if isinstance(audio, bytes | bytearray | memoryview):
        _check(len(audio))
        return base64.b64encode(audio).decode()
    if isinstance(audio, tuple) and len(audio) == 2:
        first, second = audio
        audio, rate = (second, first) if isinstance(first, int) else (first, second)
    return base64.b64encode(_wav_of_numbers(audio, rate)).decode()


def _given_text(text: str) -> str:
    if text.startswith(("http://", "https://")):
        raise InvalidRequestError(
            "The audio is an address; fetch it first and pass the bytes, or the path of a file."
        )
    data = text.partition(",")[2] if text.startswith("data:") else text
    try:
        base64.b64decode(data[:64], validate=True)
    except ValueError:
        shown = text if len(text) <= 80 else f"{text[:77]}..."
        raise InvalidRequestError(
            f"There is no file {shown!r}, and it is no base64 of a sound either."
        ) from None
    _check(len(data) * 3 // 4)
    return text


def _wav_of_numbers(samples: Any, rate: Any) -> bytes:
    if not isinstance(rate, int) or isinstance(rate, bool) or rate < 1:
        raise InvalidRequestError(
            f"The rate of the samples is {rate!r}; pass rate=16000, or however many there are a "
            "second."
        )
    if not isinstance(samples, Sequence) and not hasattr(samples, "__array__"):
        raise InvalidRequestError(
            f"A {type(samples).__name__} is no sound; pass a path, bytes, base64, or samples and "
            "their rate."
        )
    import numpy as np

    try:
        array = np.asarray(samples)
        array = array.astype(np.float64) / (32_768 if array.dtype.kind in "iu" else 1)
    except (TypeError, ValueError) as error:
        raise InvalidRequestError("The samples are no numbers.") from error
    if array.ndim == 2:  # several channels
        array = array.mean(axis=int(np.argmin(array.shape)))
    if array.ndim != 1 or not array.size or not np.isfinite(array).all():
        raise InvalidRequestError("The samples must be one list of numbers, with at least one.")
    whole = (np.clip(array, -1, 1) * 32_767).astype("<i2").tobytes()
    _check(len(whole))
    return wav_of(whole, rate)


def _is_file(text: str) -> bool:
    try:
        return len(text) < 4096 and Path(text).expanduser().is_file()
    except (OSError, ValueError):
        return False


def _check(size: int) -> None:
    if size > SENT_BYTES:
        raise InvalidRequestError(
            f"The sound has {size / 2**20:.0f} MiB, more than the {SENT_BYTES >> 20} MiB that can "
            "be sent; send it in parts, or as FLAC, OGG or MP3."
        )
