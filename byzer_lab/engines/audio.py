"""Sounds: read from what a caller sent, within limits, and written into files' formats.

libsndfile (the library soundfile) reads and writes them; nothing else is run, and no path or
address that a caller names is opened.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import soundfile
from scipy.signal import resample_poly  # type: ignore[import-untyped]

from byzer_lab.errors import InvalidRequestError

MOST_BYTES = 64 * 1024 * 1024
"""Of a sound as it is sent; more does not fit into a request."""
MOST_CHANNELS = 16
RATES = (1000, 384_000)
"""Least and most samples a second that are taken."""

WRITTEN = {
    "wav": ("WAV", "PCM_16"),
    "flac": ("FLAC", "PCM_16"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "ogg": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
}
OPUS_RATES = (8000, 12_000, 16_000, 24_000, 48_000)


Samples = np.ndarray[Any, np.dtype[np.float32]]
"""One channel, 32-bit floats from -1 to 1."""


@dataclass(frozen=True)
class Sound:
    """A sound in memory.

    Attributes:
        samples: Its samples.
        rate: Samples a second.
    """

    samples: Samples
    rate: int

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.samples) / self.rate

    def at(self, rate: int) -> Sound:
        """The same with another number of samples a second."""
        if rate == self.rate or not len(self.samples):
            return Sound(self.samples, rate)
        common = math.gcd(rate, self.rate)
        found = resample_poly(self.samples, rate // common, self.rate // common)
        return Sound(found.astype(np.float32), rate)


class Recording:
    """A sound that a caller sent, read part by part, so that a long one takes no more memory.

    Args:
        read: The next samples, at most so many, of one channel; none at the end.
        rate: Samples a second.
        seconds: How long it is.
    """

    def __init__(self, read: Callable[[int], Samples], rate: int, seconds: float) -> None:
        self._read = read
        self.rate = rate
        self.seconds = seconds

    def windows(self, rate: int, longest_s: float) -> Iterator[tuple[float, Sound]]:
        """Its parts, one after the other; a part ends where the sound is quietest near its end.

        Args:
            rate: Samples a second of the parts.
            longest_s: Of a part, in seconds.

        Yields:
            When a part begins, in seconds, and the part.

        Raises:
            InvalidRequestError: Its samples are broken.
        """
        full = round(longest_s * self.rate)
        held: Samples = np.zeros(0, np.float32)
        begun = 0
        while True:
            block = self._read(full - len(held))
            if not np.isfinite(block).all():
                raise InvalidRequestError(
                    "The audio holds samples that are no numbers (NaN or infinity)."
                )
            ends = len(held) + len(block) < full
            held = np.concatenate([held, block])
            cut = len(held) if ends else _quietest(held, self.rate)
            if cut:
                yield begun / self.rate, Sound(held[:cut], self.rate).at(rate)
            if ends:
                return
            begun += cut
            held = held[cut:]


def decode_text(text: str, most_s: float) -> Recording:
    """A sound that came in a message: base64 alone, or as a ``data:`` URI.

    Args:
        text: What the caller sent.
        most_s: Longest sound that is taken, in seconds.

    Raises:
        InvalidRequestError: It is an address, a path, no base64, or no sound that is taken.
    """
    if text.startswith(("http://", "https://", "file://")):
        raise InvalidRequestError(
            "The audio is an address, and addresses are not opened on behalf of a caller; send "
            "the sound itself, as base64."
        )
    head, comma, data = text.partition(",")
    if not (comma and head.startswith("data:")):
        head, data = "", text
    if head and not head.endswith(";base64"):
        raise InvalidRequestError("The audio is a data: URI without ;base64; send it as base64.")
    _check_size(len(data) * 3 // 4)
    try:
        whole = base64.b64decode("".join(data.split()), validate=True)
    except ValueError:
        raise InvalidRequestError(
            "The audio is neither base64 nor a data: URI with base64; files are read by who asks, "
            "and never where the model runs."
        ) from None
    return decode(whole, most_s)


def decode(data: bytes, most_s: float) -> Recording:
    """A sound from a file's bytes: WAV, FLAC, OGG, MP3 and what else libsndfile reads.

    What its header says is checked before anything is decoded, and no more is ever decoded than
    the header says. Several channels become one.

    Raises:
        InvalidRequestError: It is none, or one that is too long or too large.
    """
    _check_size(len(data))
    if not data:
        raise InvalidRequestError("The audio is empty.")
    try:
        file = soundfile.SoundFile(io.BytesIO(data))
    except soundfile.LibsndfileError as error:
        raise InvalidRequestError(
            f"The audio can't be read ({error.error_string.rstrip('.')}); send WAV, FLAC, OGG or "
            "MP3."
        ) from error
    rate, left = int(file.samplerate), int(file.frames)
    _check_rate(rate, file.channels)
    if not left:
        raise InvalidRequestError("The audio has no samples; it is empty or broken.")
    if left > most_s * rate:
        raise _too_long(left / rate, most_s)

    def read(count: int) -> Samples:
        nonlocal left
        try:
            block = file.read(min(count, left), "float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise InvalidRequestError(
                f"The audio is broken ({error.error_string.rstrip('.')})."
            ) from error
        left -= len(block)
        mono: Samples = block.mean(axis=1, dtype=np.float32)
        return mono

    return Recording(read, rate, left / rate)


def from_samples(voice: Any, rate: Any, most_s: float) -> Recording:
    """A sound from numbers: floats from -1 to 1, or whole numbers of 16 bits.

    Args:
        voice: The samples, also several channels as a list of pairs.
        rate: Samples a second.
        most_s: Longest sound that is taken, in seconds.

    Raises:
        InvalidRequestError: They are no numbers, none at all, or too many.
    """
    if isinstance(rate, bool) or not isinstance(rate, int | float) or rate != rate // 1:
        raise InvalidRequestError(f"rate is {rate!r}; it must be a whole number, such as 16000.")
    _check_rate(int(rate), 1)
    if not isinstance(voice, list) or not voice:
        raise InvalidRequestError("voice must be a list of samples, with at least one.")
    if len(voice) > most_s * rate:
        raise _too_long(len(voice) / rate, most_s)
    try:
        samples = np.asarray(voice, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise InvalidRequestError("voice holds something else than numbers.") from None
    if samples.ndim == 2 and 1 <= samples.shape[1] <= MOST_CHANNELS:
        samples = samples.mean(axis=1)
    if samples.ndim != 1:
        raise InvalidRequestError("voice must be a list of samples, or of one pair for each.")
    peak = float(np.abs(samples).max())
    if 1 < peak <= 32_768 and np.array_equal(samples, samples.round()):
        samples = samples / 32_768
    elif peak > 1:
        raise InvalidRequestError(
            f"voice holds {peak:g}; samples are from -1 to 1, or whole numbers of 16 bits."
        )
    left: Samples = samples.astype(np.float32)

    def read(count: int) -> Samples:
        nonlocal left
        block, left = left[:count], left[count:]
        return block

    return Recording(read, int(rate), len(left) / rate)


def _quietest(samples: Samples, rate: int) -> int:
    """Where the last sixth of a sound is quietest, over a fifth of a second."""
    from_here = len(samples) * 5 // 6
    frame = max(1, rate // 50)
    tail = samples[from_here:]
    count = len(tail) // frame
    if count < 2:
        return len(samples)
    loud = np.square(tail[: count * frame]).reshape(count, frame).mean(axis=1)
    width = min(10, count)
    smooth = np.convolve(loud, np.ones(width) / width, "valid")
    quiet = np.flatnonzero(smooth <= smooth.min() * 1.01 + 1e-12)[-1]
    return from_here + (int(quiet) + width // 2) * frame


def encode(sound: Sound, form: str) -> bytes:
    """A sound as a file.

    Args:
        sound: The sound; what is beyond -1 and 1 is cut.
        form: A key of :data:`byzer_lab.speech.MEDIA_TYPES`.
    """
    if form == "opus" and sound.rate not in OPUS_RATES:
        sound = sound.at(48_000)
    samples = np.clip(sound.samples, -1, 1)
    if form == "pcm":
        return (samples * 32_767).astype("<i2").tobytes()
    container, subtype = WRITTEN[form]
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, sound.rate, format=container, subtype=subtype)
    return buffer.getvalue()


def silence(seconds: float, rate: int) -> Samples:
    """So many seconds of nothing."""
    return np.zeros(round(seconds * rate), np.float32)


def _check_size(size: int) -> None:
    if size > MOST_BYTES:
        raise InvalidRequestError(
            f"The audio has {size / 2**20:.0f} MiB, more than the {MOST_BYTES >> 20} MiB that are "
            "taken; send it in parts, or as FLAC, OGG or MP3."
        )


def _check_rate(rate: int, channels: int) -> None:
    least, most = RATES
    if not least <= rate <= most:
        raise InvalidRequestError(
            f"The audio has {rate} samples a second; {least} to {most} are taken."
        )
    if channels > MOST_CHANNELS:
        raise InvalidRequestError(
            f"The audio has {channels} channels; at most {MOST_CHANNELS} are taken."
        )


def _too_long(seconds: float, most_s: float) -> InvalidRequestError:
    return InvalidRequestError(
        f"The audio is {_span(seconds)} long, more than the {_span(most_s)} that this deployment "
        "takes; send it in parts, or deploy with a larger max_audio_s."
    )


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02} h" if hours else f"{minutes}:{rest:02} min"
