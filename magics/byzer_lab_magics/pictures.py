"""``--image NAME``: pictures of the notebook in a question."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

from IPython.core.error import UsageError

from byzer_lab.client.pictures import read_here
from byzer_lab.records import StateSnapshot
from byzer_lab.types import GenerateRequest, ImagePart, ImageUrl
from byzer_lab_magics.names import looked_up

_KINDS = {
    b"\x89PNG": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    b"BM": "image/bmp",
}


def picture(shell: Any, name: str) -> ImagePart:
    """A picture.

    Args:
        shell: IPython's shell.
        name: A variable: bytes, a path, a URL, a picture of PIL or of ``IPython.display``, a figure
            of matplotlib; or the path of a file.

    Raises:
        UsageError: It is none of these.
    """
    return ImagePart(ImageUrl(_url(_value(shell, name), name)))


def picture_bytes(shell: Any, name: str) -> bytes:
    """The bytes of a picture's file; arguments and errors of :func:`picture`, but no URL."""
    return _bytes(_value(shell, name), name)


def _value(shell: Any, name: str) -> Any:
    if name in shell.user_ns or not _is_file(name):
        return looked_up(shell, "image", name)
    return Path(name)


def read_addresses(request: GenerateRequest, model: str, snapshot: StateSnapshot) -> None:
    """Fetch the pictures of a question that have an address only, unless a provider does it.

    Args:
        request: The question; it is changed.
        model: Who is asked.
        snapshot: Tells whose model that is.
    """
    metas = {record.spec.name: record.meta for record in snapshot.deployments}
    if metas.get(model, {}).get("model_deploy_type") != "saas":
        turns = request.messages or []
        request.messages = [read_here(turn, fetches=True) for turn in turns]


def _url(value: Any, name: str) -> str:
    if isinstance(value, str) and value.startswith(("data:", "https://", "http://")):
        return value
    data = _bytes(value, name)
    return f"data:{_kind(data, name)};base64,{base64.b64encode(data).decode()}"


def _bytes(value: Any, name: str) -> bytes:
    if isinstance(value, bytes | bytearray):
        return bytes(value)
    if isinstance(value, str | Path):
        if not _is_file(value):
            raise UsageError(f"--image {name}: there is no file {str(value)!r}.")
        return Path(value).expanduser().read_bytes()
    if isinstance(getattr(value, "data", None), bytes):  # %%prompt's reply, IPython.display.Image
        data: bytes = value.data
        return data
    for method in ("save", "savefig"):  # PIL, matplotlib
        if callable(save := getattr(value, method, None)):
            buffer = io.BytesIO()
            save(buffer, format="png")
            return buffer.getvalue()
    raise UsageError(
        f"--image {name}: a {type(value).__name__} is no picture; use bytes, a path, a URL, a "
        "picture of PIL, or a figure."
    )


def _kind(data: bytes, name: str) -> str:
    for start, kind in _KINDS.items():
        if data.startswith(start):
            return kind
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    raise UsageError(f"--image {name}: it is no PNG, JPEG, GIF, WebP or BMP.")


def _is_file(path: str | Path) -> bool:
    try:
        return Path(path).expanduser().is_file()
    except OSError:
        return False
