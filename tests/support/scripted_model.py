"""A client whose model answers as a test scripts it, without a cluster."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from types import SimpleNamespace
from typing import Any

from byzer_lab.client.byzer_llm import ByzerLLM
from byzer_lab.types import Chunk, GenerateRequest, ToolCallDelta, Usage

Said = str | Exception | list[Chunk] | Callable[[GenerateRequest], Any]


class ScriptedLLM(ByzerLLM):
    """Answers one request after the other.

    Args:
        script: What each request is answered with: a text, chunks, an error to raise, or a function
            of the request that returns one of these. The last one is repeated.
        meta: Of the deployment, which is named ``scripted``.

    Attributes:
        requests: What it was asked.
    """

    def __init__(self, *script: Said, **meta: Any) -> None:
        super().__init__()
        self.requests: list[GenerateRequest] = []
        self._script = list(script)
        record = SimpleNamespace(spec=SimpleNamespace(name="scripted"), meta=meta)
        self._fake = SimpleNamespace(
            data_plane=SimpleNamespace(stream=self._stream, astream=self._astream),
            gateway=SimpleNamespace(state=lambda: SimpleNamespace(deployments=[record])),
        )
        self.setup_default_model_name("scripted")

    @property
    def _session(self) -> Any:
        return self._fake

    def _stream(self, model: str, request: GenerateRequest, pin: Any = None) -> Generator[Chunk]:
        self.requests.append(request)
        place = min(len(self.requests), len(self._script)) - 1
        said: Any = self._script[place]
        if callable(said):
            said = said(request)
        if isinstance(said, Exception):
            raise said
        yield from [*pieces(said), end()] if isinstance(said, str) else said

    async def _astream(self, *arguments: Any) -> AsyncGenerator[Chunk]:
        for chunk in self._stream(*arguments):
            yield chunk


def pieces(text: str, size: int = 3) -> list[Chunk]:
    """A text in chunks of a few characters."""
    return [Chunk(text=text[at : at + size], tokens=1) for at in range(0, len(text), size)]


def end(reason: Any = "stop") -> Chunk:
    """The last chunk of an answer."""
    return Chunk(finish_reason=reason, usage=Usage(input_tokens=1, output_tokens=1))


def calls(*named: tuple[str, Any], text: str = "") -> list[Chunk]:
    """An answer that calls tools, its arguments in pieces."""
    chunks = pieces(text)
    for index, (name, arguments) in enumerate(named):
        whole = arguments if isinstance(arguments, str) else json.dumps(arguments)
        half = len(whole) // 2
        first = ToolCallDelta(index, f"call_{index}", name, whole[:half])
        chunks.append(Chunk(tool_calls=[first]))
        chunks.append(Chunk(tool_calls=[ToolCallDelta(index, arguments=whole[half:])]))
    return [*chunks, end("tool_calls")]


def contents(request: GenerateRequest) -> Sequence[str]:
    """The texts of a request's turns."""
    return [message.text for message in request.messages or []]
