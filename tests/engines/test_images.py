"""Hostile pictures: each is refused in one sentence, before it takes time or memory."""

from __future__ import annotations

import base64
import io
import struct
import tracemalloc
import zlib
from typing import Any

import pytest

from byzer_lab.engines.images import MOST_BYTES, decode_picture
from byzer_lab.errors import InvalidRequestError


def png(width: int, height: int, data: bytes = b"", *more: tuple[bytes, bytes]) -> bytes:
    """A PNG whose size is claimed, and whose data is whatever is given."""

    def part(kind: bytes, content: bytes) -> bytes:
        check = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", header), *more, (b"IDAT", zlib.compress(data)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(part(*one) for one in parts)


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (text(png(30_000, 30_000)), "more than the 50 million that are decoded here"),
        (text(png(9_000, 9_000)), "has 9,000 x 9,000 pixels"),
        (text(png(100, 100, b"\0" * 50)), "The picture is broken: "),
        (text(png(100, 100, bytes(range(256)) * 200)[:-60]), "The picture is broken: "),
        (text(b"GIF89a"), "The picture is "),
        (text(b"<svg xmlns='http://www.w3.org/2000/svg'/>"), "is no PNG, JPEG, WEBP, GIF or BMP"),
        (text(b"%!PS-Adobe-3.0 EPSF-3.0"), "is no PNG, JPEG, WEBP, GIF or BMP"),
        ("", "The picture is empty"),
        ("data:image/png;base64,", "The picture is empty"),
        ("data:image/png", "is a data: URI without data"),
        ("not base64!", "is no base64 ('not base64!'); a model's server reads no paths"),
        ("/etc/passwd", "reads no paths"),
        ("../../secret.png", "reads no paths"),
        ("C:\\picture.png", "reads no paths"),
        ("file:///etc/passwd", "fetches nothing"),
        ("http://127.0.0.1:1/x.png", "fetches nothing"),
        ("https://example.com/x.png", "fetches nothing"),
        ("ftp://example.com/x.png", "fetches nothing"),
        ("A" * (MOST_BYTES * 4 // 3 + 100), "has more than 64 MiB"),
    ],
    ids=lambda value: value[:30],
)
def test_refused(given: str, words: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        decode_picture(given)
    assert words in refused.value.message
    assert "\n" not in refused.value.message
    assert len(refused.value.message) < 300


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    """900 million pixels , of which a small file says that they follow."""
    stretch = zlib.compressobj(9)
    packed = b"".join(stretch.compress(b"\0" * 2**20) for _ in range(128)) + stretch.flush()
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    given = text(png(30_000, 30_000).replace(zlib.compress(b""), packed, 1))
    assert header in base64.b64decode(given)
    tracemalloc.start()
    with pytest.raises(InvalidRequestError, match="more than the 50 million"):
        decode_picture(given)
    assert tracemalloc.get_traced_memory()[1] < 20 * 2**20
    tracemalloc.stop()


def test_a_bomb_in_the_words_of_a_picture() -> None:
    bomb = b"note\0\0" + zlib.compress(b"\0" * 2**26)
    with pytest.raises(InvalidRequestError, match="is broken: "):
        decode_picture(text(png(1, 1, b"\0\0\0\0", (b"zTXt", bomb))))


def saved(picture: Any, kind: str = "png", **more: Any) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **more)
    return text(buffer.getvalue())


def test_what_is_transparent_is_white() -> None:
    from PIL import Image

    clear = Image.new("RGBA", (2, 1), (255, 0, 0, 0))
    clear.putpixel((1, 0), (0, 0, 255, 255))
    found = decode_picture(saved(clear))
    assert [found.getpixel((x, 0)) for x in range(2)] == [(255, 255, 255), (0, 0, 255)]


def test_a_photograph_is_turned_upright() -> None:
    from PIL import Image

    wide = Image.new("RGB", (40, 20), "red")
    exif = Image.Exif()
    exif[0x0112] = 6  # taken with the camera on its side
    assert decode_picture(saved(wide, "jpeg", exif=exif)).size == (20, 40)


def test_an_animation_is_its_first_picture() -> None:
    from PIL import Image

    first, second = (Image.new("RGB", (4, 4), colour) for colour in ("red", "blue"))
    found = decode_picture(saved(first, "gif", save_all=True, append_images=[second]))
    assert found.getpixel((0, 0)) == (255, 0, 0)


def test_a_name_for_messages() -> None:
    with pytest.raises(InvalidRequestError, match="^Picture 2 is empty"):
        decode_picture("", "Picture 2")


def test_base64_in_lines() -> None:
    from PIL import Image

    plain = base64.b64decode(saved(Image.effect_noise((40, 40), 50)))
    assert decode_picture(base64.encodebytes(plain).decode()).size == (40, 40)
