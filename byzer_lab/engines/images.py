"""Pictures of a request, decoded without trust: nothing is fetched, opened by path, or unpacked
before its size is known."""

from __future__ import annotations

import base64
import binascii
import io
import warnings
from typing import Any

from byzer_lab.errors import InvalidRequestError

MOST_BYTES = 64 * 2**20
"""Of one picture's file."""
MOST_PIXELS = 50_000_000
"""Of one picture; it takes three bytes for each in memory, and a model looks at far fewer."""
KINDS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")


def decode_picture(given: str, name: str = "The picture") -> Any:
    """A picture of a request.

    Args:
        given: A ``data:`` URI with base64, or base64 alone.
        name: What it is called in messages.

    Returns:
        A picture of Pillow in RGB, turned upright; what is transparent is white. Of an animation,
        its first picture.

    Raises:
        InvalidRequestError: It is an address or a path, which a model's server doesn't read; or
            no base64, no picture, broken, or too large.
    """
    return _open(_data_of(given, name), name)


def _data_of(given: str, name: str) -> bytes:
    if given.startswith("data:"):
        _, comma, text = given.partition(",")
        if not comma:
            raise InvalidRequestError(f"{name} is a data: URI without data.")
    elif "://" in given[:16] or given.startswith("file:"):
        raise InvalidRequestError(
            f"{name} is the address {given[:100]!r}, and a model's server fetches nothing; send "
            "the picture itself, as base64."
        )
    else:
        text = given
    if len(text) > MOST_BYTES * 4 // 3 + 4:
        raise InvalidRequestError(
            f"{name} has more than {MOST_BYTES // 2**20} MiB; send a smaller file."
        )
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        shown = f" ({given[:60]!r})" if len(given) <= 300 else ""
        raise InvalidRequestError(
            f"{name} is no base64{shown}; a model's server reads no paths, send the picture itself."
        ) from None
    if not data:
        raise InvalidRequestError(f"{name} is empty.")
    return data


def _open(data: bytes, name: str) -> Any:
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # ours is stricter
            picture = Image.open(io.BytesIO(data), formats=KINDS)
        width, height = picture.size
        if width * height > MOST_PIXELS:
            raise _too_large(name, f"{width:,} x {height:,} pixels")
        picture.load()
        picture = ImageOps.exif_transpose(picture)
        if "A" in picture.getbands() or "transparency" in picture.info:
            picture = picture.convert("RGBA")
            ground = Image.new("RGBA", picture.size, "white")
            picture = Image.alpha_composite(ground, picture)
        return picture.convert("RGB")
    except InvalidRequestError:
        raise
    except Image.UnidentifiedImageError:
        raise InvalidRequestError(f"{name} is no {', '.join(KINDS[:-1])} or {KINDS[-1]}.") from None
    except Image.DecompressionBombError:
        raise _too_large(name, "far more pixels") from None
    except Exception as error:  # each decoder has exceptions of its own
        raise InvalidRequestError(
            f"{name} is broken: {' '.join(str(error).split()) or type(error).__name__}."
        ) from error


def _too_large(name: str, found: str) -> InvalidRequestError:
    return InvalidRequestError(
        f"{name} has {found}, more than the {MOST_PIXELS // 10**6} million that are decoded here; "
        "send a smaller one."
    )
