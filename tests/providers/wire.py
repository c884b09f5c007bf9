"""What tests of OpenAI's wire format share: an engine on a scripted server, pieces of answers."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from byzer_lab.engines.base import EngineConfig
from byzer_lab.engines.families import make_engine
from byzer_lab.types import Chunk, GenerateRequest, Message, Sampling
from tests.support.scripted_http import Reply, ScriptedServer, events, scripted_server

KEY = "sk-test-0123456789abcdef"
DONE = b"data: [DONE]\n\n"


def engine(kind: str, **params: Any) -> Any:
    """An engine that is not loaded; parameters are written with ``__`` for the dot of ``saas.``."""
    named = {name.replace("__", "."): value for name, value in params.items()}
    return make_engine("transformers", EngineConfig("", kind, named, 8))


@contextlib.asynccontextmanager
async def asked(
    kind: str = "saas/openai", path: str = "/v1", **params: Any
) -> AsyncIterator[tuple[Any, ScriptedServer]]:
    """A loaded engine and the server that it asks."""
    async with scripted_server() as server:
        given = {"saas__api_key": KEY, "saas__base_url": server.url + path, **params}
        async with engine(kind, **given) as made:
            made.load(lambda progress: None)
            yield made, server


def question(
    content: Any = "Hello?", *, options: dict[str, Any] | None = None, **sampling: Any
) -> GenerateRequest:
    """A request of one user message."""
    turns = [Message("user", content)]
    return GenerateRequest("r", turns, sampling=Sampling(**sampling, options=options or {}))


def delta(text: str = "", finish: str | None = None, **fields: Any) -> dict[str, Any]:
    """A piece of a streamed answer."""
    content = {"content": text} if text else {}
    choice = {"index": 0, "delta": {**content, **fields}, "finish_reason": finish}
    return {"id": "chatcmpl-1", "model": "gpt-4o-mini-2024-07-18", "choices": [choice]}


def usage(asked: int = 3, made: int = 2, **details: Any) -> dict[str, Any]:
    """The piece that tells the counts."""
    counts = {"prompt_tokens": asked, "completion_tokens": made, **details}
    return {"id": "chatcmpl-1", "choices": [], "usage": counts}


def streamed(*texts: str, **options: Any) -> Reply:
    """A whole streamed answer."""
    return events(*map(delta, texts), delta(finish="stop"), usage(), DONE, **options)


async def chunks(made: Any, request: GenerateRequest) -> list[Chunk]:
    """All chunks of an answer."""
    return [chunk async for chunk in made.generate(request)]


async def text(made: Any, request: GenerateRequest | None = None) -> str:
    """The text of an answer."""
    return "".join(chunk.text for chunk in await chunks(made, request or question()))
