"""``POST /v1/audio/transcriptions`` and ``/v1/audio/translations``: a sound as text.

https://platform.openai.com/docs/api-reference/audio/createTranscription
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request
from starlette.responses import Response

from byzer_lab.errors import InvalidRequestError
from byzer_lab.gateway.asking import chunks_of
from byzer_lab.gateway.handling import EVENTS, Handler, Stream, read_whole
from byzer_lab.gateway.openai.media import refuse_adapter
from byzer_lab.gateway.openai.reading import refused
from byzer_lab.gateway.service import Exchange
from byzer_lab.speech import TRANSCRIPTS
from byzer_lab.types import Chunk, GenerateRequest, Message, Sampling
from byzer_lab.web import encode_json

if TYPE_CHECKING:
    from starlette.types import Receive, Scope

MOST_FIELDS = 32
MEDIA_TYPES = {
    "text": "text/plain; charset=utf-8",
    "srt": "application/x-subrip; charset=utf-8",
    "vtt": "text/vtt; charset=utf-8",
}


class Form(msgspec.Struct, omit_defaults=True):
    """The fields of a form.

    Attributes:
        file: The sound.
        temperature: As text, as all of them come.
    """

    file: bytes
    model: str = ""
    language: str | None = None
    prompt: str | None = None
    response_format: str = "json"
    temperature: float | None = None
    timestamp_granularities: list[str] = []
    stream: bool = False


class Transcriptions(Handler[Any]):
    """A sound, uploaded as a form, as text."""

    path = "/v1/audio/transcriptions"
    summary = (
        "Write down what is said. A form: file (WAV, FLAC, OGG, MP3), model, language, prompt, "
        "response_format (json, text, srt, vtt, verbose_json), temperature, "
        "timestamp_granularities[] (word, segment), stream."
    )
    body = Any
    task: ClassVar[str] = "transcribe"

    async def read(self, scope: Scope, receive: Receive) -> Form:
        """The form; the whole of it is read before anything is asked."""
        request = Request(scope, receive)
        kind = request.headers.get("content-type", "")
        if not kind.startswith("multipart/form-data"):
            raise InvalidRequestError(
                f"The body is {kind.partition(';')[0] or 'of no kind'}; send a form "
                "(multipart/form-data) with the file and the model."
            )
        body = await read_whole(request)

        async def blocks() -> AsyncGenerator[bytes]:
            yield body

        parser = MultiPartParser(
            request.headers, blocks(), max_files=1, max_fields=MOST_FIELDS, max_part_size=1 << 20
        )
        try:
            form = await parser.parse()
        except MultiPartException as error:
            raise InvalidRequestError(f"The form can't be read: {error.message}") from error
        try:
            return await _read(form.multi_items())
        finally:
            await form.close()

    async def answer(self, body: Form, exchange: Exchange) -> Response | Stream:
        name, adapter = self.service.find(body.model, exchange)
        refuse_adapter(adapter)
        form = body.response_format
        if form not in TRANSCRIPTS:
            raise refused("response_format", f"{form!r} is none of {', '.join(TRANSCRIPTS)}.")
        if body.timestamp_granularities and form != "verbose_json":
            raise refused(
                "timestamp_granularities", "it is allowed with response_format verbose_json only."
            )
        if body.stream and form not in ("json", "text"):
            raise refused("stream", f"a transcript as {form} comes whole; ask for json or text.")
        request = await asyncio.to_thread(self._request, body, exchange)
        chunks = chunks_of(self.service, name, [request], exchange)
        if body.stream:
            return Stream(_events(chunks, name, exchange), EVENTS)
        texts = []
        async with contextlib.aclosing(chunks):
            async for _, chunk in chunks:
                texts.append(_text(chunk, name))
        text = "".join(texts)
        if form in ("json", "verbose_json"):
            return Response(_checked(text, name), media_type="application/json")
        return Response(text, headers={"content-type": MEDIA_TYPES[form]})

    def _request(self, body: Form, exchange: Exchange) -> GenerateRequest:
        form = "text" if body.stream else body.response_format
        times = body.timestamp_granularities or (["segment"] if form == "verbose_json" else None)
        asked = {
            "audio": base64.b64encode(body.file).decode(),
            "task": None if self.task == "transcribe" else self.task,
            "language": body.language,
            "prompt": body.prompt,
            "response_format": form,
            "timestamp_granularities": times,
        }
        question = json.dumps({key: value for key, value in asked.items() if value is not None})
        return GenerateRequest(
            request_id=exchange.id,
            messages=[Message("user", question)],
            sampling=Sampling(temperature=body.temperature),
        )


class Translations(Transcriptions):
    """A sound as English text."""

    path = "/v1/audio/translations"
    summary = "Write down in English what is said; a form as of /v1/audio/transcriptions."
    task = "translate"


async def _read(items: list[tuple[str, Any]]) -> Form:
    fields: dict[str, Any] = {}
    for written, value in items:
        name = written.removesuffix("[]")
        if name not in Form.__struct_fields__:
            error = InvalidRequestError(f"Unknown parameter: {written!r}.", param=written)
            raise error
        if (name == "file") == isinstance(value, str):
            what = "it must be an uploaded file." if name == "file" else "it must be a text."
            raise refused(name, what)
        if name == "file":
            fields[name] = await value.read()
        elif name == "timestamp_granularities":
            fields.setdefault(name, []).append(value)
        elif name in fields:
            raise refused(name, "it is given twice.")
        else:
            fields[name] = value
    if "file" not in fields:
        raise refused("file", "it is missing; upload a sound.")
    try:
        return msgspec.convert(fields, Form, strict=False)
    except msgspec.ValidationError as error:
        raise InvalidRequestError(f"The form was refused: {error}") from error


def _text(chunk: Chunk, name: str) -> str:
    if chunk.data:
        raise _no_listener(name)
    return chunk.text


def _checked(text: str, name: str) -> str:
    """A transcript as JSON; a model that answers something else doesn't listen."""
    with contextlib.suppress(ValueError):
        found = json.loads(text)
        if isinstance(found, dict) and isinstance(found.get("text"), str):
            return text
    raise _no_listener(name)


def _no_listener(name: str) -> InvalidRequestError:
    return InvalidRequestError(
        f"{name!r} is no model that writes down what is said.", param="model"
    )


async def _events(
    chunks: AsyncGenerator[tuple[int, Chunk]], name: str, exchange: Exchange
) -> AsyncGenerator[bytes]:
    whole = ""
    async with contextlib.aclosing(chunks):
        async for _, chunk in chunks:
            if text := _text(chunk, name):
                whole += text
                yield _event({"type": "transcript.text.delta", "delta": text})
    usage = {
        "type": "tokens",
        "input_tokens": exchange.usage.input_tokens,
        "output_tokens": exchange.usage.output_tokens,
        "total_tokens": exchange.usage.input_tokens + exchange.usage.output_tokens,
    }
    yield _event({"type": "transcript.text.done", "text": whole.strip(), "usage": usage})


def _event(told: dict[str, Any]) -> bytes:
    return b"data: " + encode_json(told) + b"\n\n"
