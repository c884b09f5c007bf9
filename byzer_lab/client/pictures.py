"""Pictures that a call brings: ``llm_config={"image": ...}``, and the answers to them.

Byzer-LLM's Qwen-VL answers with JSON, ``{"response": ..., "history": [...]}``, and tells of a
picture in the history with a line ``Picture 1: <img>NAME</img>``. Here the name is made of the
picture itself and is no path: with the history the picture is passed again, as Byzer-LLM's callers
do, and finds its turn by that name.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from byzer_lab.content import media_type_of, picture_uri
from byzer_lab.errors import InvalidRequestError
from byzer_lab.generation import plain_name, spellings
from byzer_lab.types import ImagePart, ImageUrl, Message, TextPart

IMAGE, HISTORY = "image", "history"
SERVER_PATHS = ("temp_image_dir", "input_image_path")
"""Names of Byzer-LLM's: where its server writes pictures. Ours writes none."""
MARK = re.compile(r"Picture \d+: ?<img>([^<]*)</img>\n?")
NAMED = re.compile(r"[0-9a-f]{16}\.[a-z]+")
ADDRESSES = ("http://", "https://")
LONGEST_PATH = 4096
MOST_BYTES = 64 * 2**20
TIMEOUT_S = 30.0


def picture_of(value: Any) -> str:
    """A picture as a ``data:`` URI.

    Args:
        value: A path, an address, base64, a ``data:`` URI, the bytes of a file, a picture of
            Pillow or of ``IPython.display``, what :meth:`ByzerLLM.draw` returns, or a figure of
            matplotlib. Paths and addresses are read here, by the user's own process.

    Raises:
        InvalidRequestError: It is none of these, or can't be read.
    """
    if isinstance(value, str):
        if value.startswith(ADDRESSES):
            return _uri(fetched(value))
        path = _file(value)
        return _uri(path.read_bytes()) if path is not None else picture_uri(value)
    if isinstance(value, Path):
        path = _file(value)
        if path is None:
            raise InvalidRequestError(f"There is no file {str(value)!r}.")
        return _uri(path.read_bytes())
    data = value if isinstance(value, bytes | bytearray) else getattr(value, "data", None)
    if isinstance(data, bytes | bytearray):
        return _uri(bytes(data))
    for method in ("save", "savefig"):  # Pillow, matplotlib
        if callable(save := getattr(value, method, None)):
            buffer = io.BytesIO()
            save(buffer, format="png")
            return _uri(buffer.getvalue())
    raise InvalidRequestError(
        f"A {type(value).__name__} is no picture; pass a path, an address, base64, bytes, or a "
        "picture of Pillow."
    )


def fetched(url: str) -> bytes:
    """The file at an address.

    Raises:
        InvalidRequestError: It can't be had, or is too large.
    """
    import httpx  # here, because loading the magics must be quick

    data = b""
    try:
        with httpx.stream("GET", url, timeout=TIMEOUT_S, follow_redirects=True) as reply:
            reply.raise_for_status()
            for part in reply.iter_bytes():
                data += part
                if len(data) > MOST_BYTES:
                    raise InvalidRequestError(
                        f"The picture at {url} has more than {MOST_BYTES // 2**20} MiB."
                    )
    except httpx.HTTPError as error:
        raise InvalidRequestError(f"The picture at {url} can't be had: {error}.") from error
    return data


def _file(path: str | Path) -> Path | None:
    if len(str(path)) > LONGEST_PATH:
        return None
    try:
        found = Path(path).expanduser()
        return found if found.is_file() else None
    except (OSError, ValueError, RuntimeError):
        return None


def _uri(data: bytes) -> str:
    return f"data:{media_type_of(data)};base64,{base64.b64encode(data).decode()}"


def read_here(message: Message, fetches: bool) -> Message:
    """A message whose pictures' paths were read, and whose addresses, where that is wanted."""
    if not message.images:
        return message
    parts = [
        part
        if isinstance(part, TextPart) or (part.image_url.url.startswith(ADDRESSES) and not fetches)
        else ImagePart(ImageUrl(picture_of(part.image_url.url), part.image_url.detail))
        for part in message.content
        if not isinstance(part, str)
    ]
    return msgspec.structs.replace(message, content=parts)


def take_pictures(llm_config: Mapping[str, Any]) -> tuple[list[str], list[Any], dict[str, Any]]:
    """Take what concerns pictures out of ``llm_config``.

    Args:
        llm_config: ``image`` is a picture or a list of them, ``history`` turns that come before,
            also as JSON; each also with the prefix ``gen.`` or ``generation.``.

    Returns:
        The pictures, as ``data:`` URIs; the history; and the rest.

    Raises:
        InvalidRequestError: A picture is no picture, or the history no list.
    """
    written = spellings(llm_config)
    own = (IMAGE, HISTORY, *SERVER_PATHS)
    rest = {name: value for name, value in llm_config.items() if plain_name(name) not in own}
    given = llm_config.get(written.get(IMAGE, ""))
    values = [] if given is None else given if isinstance(given, list | tuple) else [given]
    history = llm_config.get(written.get(HISTORY, "")) or []
    if isinstance(history, str):
        try:
            history = json.loads(history)
        except ValueError:
            history = None
    if not isinstance(history, list | tuple):
        raise InvalidRequestError("llm_config: history must be a list of messages, or its JSON.")
    return [picture_of(value) for value in values], list(history), rest


def asks_with_picture(llm_config: Mapping[str, Any]) -> bool:
    """Whether a call passes a picture in Byzer-LLM's way."""
    return any(
        plain_name(name) == IMAGE and value is not None for name, value in llm_config.items()
    )


def with_pictures(messages: Sequence[Message], pictures: Sequence[str]) -> list[Message]:
    """A conversation with its pictures in place.

    Args:
        messages: A turn may tell of a picture in Byzer-LLM's line.
        pictures: As ``data:`` URIs. One that no turn tells of belongs to the last one.

    Raises:
        InvalidRequestError: A turn tells of a picture that is not among them.
    """
    by_name = {name_of(url): url for url in pictures}
    told = [name for message in messages for name in MARK.findall(message.text)]
    left = [url for name, url in by_name.items() if name not in told]
    foreign = [name for name in dict.fromkeys(told) if not NAMED.fullmatch(name)]
    if foreign:  # another server's names, in their order
        by_name |= dict(zip(foreign, left, strict=False))
        left = left[len(foreign) :]
    if missing := [name for name in told if name not in by_name]:
        raise InvalidRequestError(
            f"The conversation tells of the picture {missing[0]!r}, which is not in llm_config; "
            "pass it again as image, together with a new one as a list."
        )
    placed = [_placed(message, by_name) for message in messages]
    if left:
        last = placed[-1]
        parts = [TextPart(last.content)] if isinstance(last.content, str) else last.content
        shown = [ImagePart(ImageUrl(url)) for url in left]
        placed[-1] = msgspec.structs.replace(last, content=[*shown, *parts])
    return placed


def _placed(message: Message, by_name: Mapping[str, str]) -> Message:
    names = MARK.findall(message.text) if isinstance(message.content, str) else []
    if not names or message.role != "user":
        return message
    shown = [ImagePart(ImageUrl(by_name[name])) for name in names]
    parts = [*shown, TextPart(MARK.sub("", message.text))]
    return msgspec.structs.replace(message, content=parts)


def name_of(url: str) -> str:
    """The name by which a history tells of a picture."""
    head, _, data = url.partition(",")
    kind = head.removeprefix("data:image/").removesuffix(";base64")
    return f"{hashlib.sha256(data.encode()).hexdigest()[:16]}.{kind}"


def with_history(messages: Sequence[Message], answer: str) -> str:
    """An answer as Byzer-LLM's Qwen-VL gives it: JSON with ``response`` and ``history``.

    Args:
        messages: The conversation, its pictures in place.
        answer: To it.
    """
    number = 0
    history = []
    for message in messages:
        lines = ""
        for image in message.images:
            number += 1
            lines += f"Picture {number}: <img>{name_of(image.url)}</img>\n"
        history.append({"role": message.role, "content": lines + message.text})
    history.append({"role": "assistant", "content": answer})
    return json.dumps({"response": answer, "history": history}, ensure_ascii=False)
