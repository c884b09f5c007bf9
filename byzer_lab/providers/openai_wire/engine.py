"""The engine: address, key, and what its model can do."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, ClassVar, cast
from urllib.parse import urlsplit

from byzer_lab.engines.base import EngineConfig
from byzer_lab.providers.base import Provider
from byzer_lab.providers.openai_wire.chat import chat
from byzer_lab.providers.openai_wire.embeddings import embed
from byzer_lab.providers.openai_wire.images import draw
from byzer_lab.providers.openai_wire.speech import speak
from byzer_lab.providers.openai_wire.transcriptions import transcribe
from byzer_lab.providers.presets import Preset, Structured, preset_of_host
from byzer_lab.providers.settings import Settings
from byzer_lab.schema import parameter
from byzer_lab.types import Chunk, GenerateRequest
from byzer_lab.vectors import EmbedAnswer, EmbedRequest

PATHS = ("/chat/completions", "/text/chatcompletion_pro", "/text/chatcompletion_v2", "/embeddings")
"""Ends of addresses that name one call instead of the place of all."""
WRITERS = {"chat": chat, "speech": speak, "image": draw, "transcription": transcribe}


@dataclass(frozen=True)
class WireSettings(Settings):
    """What a deployment says of a provider with OpenAI's wire format."""

    base_url: str | None = parameter(
        None,
        "Where the provider listens, instead of its own place; it usually ends in /v1.",
        aliases=("api_base", "api_url"),
    )
    organization: str | None = parameter(None, "Who pays, for keys of several organizations.")
    task: str | None = parameter(
        None,
        "What the model does, where its name doesn't tell.",
        choices=("chat", "embedding", "speech", "image", "transcription"),
    )
    structured_output: str | None = parameter(
        None,
        "How answers are held to schemas, instead of what is known of the model.",
        choices=("none", "json_object", "json_schema", "tool"),
    )
    support_tools: bool | None = parameter(
        None, "Whether the model takes tools, instead of what is known of it."
    )
    dimensions: int | None = parameter(
        None, "Length of the vectors, of models that offer several.", least=1
    )


class OpenAIWire(Provider):
    """A model of a provider that speaks OpenAI's wire format.

    Attributes:
        generate: Answers one request, as :class:`byzer_lab.engines.base.Generates` has it; there
            for models that chat, speak, draw or listen.
        embed: As :class:`byzer_lab.engines.base.Embeds` has it; there for models of vectors.
        tool_switch: Set in bodies with tools, for calls in OpenAI's format; empty: they are so.
    """

    settings_class = WireSettings
    settings: WireSettings
    tool_switch: ClassVar[str] = ""
    generate: Callable[[GenerateRequest], AsyncGenerator[Chunk]]
    embed: Callable[[EmbedRequest], Awaitable[EmbedAnswer]]

    def __init__(self, config: EngineConfig) -> None:
        super().__init__(config)
        if self.task == "embedding":
            self.embed = lambda request: embed(self, request)
        else:
            write = WRITERS[self.task]
            self.generate = lambda request: write(self, request)

    @property
    def base_url(self) -> str:
        """Where the provider listens, also where the address of one call was given."""
        url = super().base_url
        for path in PATHS:
            url = url.removesuffix(path)
        return url

    @property
    def hint(self) -> str:
        """That an address usually has a version, where one was given without."""
        given = self.settings.base_url
        if not given or re.search(r"/v\d", given):
            return ""
        return f"saas.base_url is {given}, and such an address usually ends in /v1"

    @property
    def task(self) -> Any:
        """What its model does."""
        return self.settings.task or super().task

    @property
    def abilities(self) -> Preset:
        """What is known of tools and schemas: of who listens at the address."""
        own = urlsplit(self.preset.base_url).hostname
        host = urlsplit(self.base_url).hostname or ""
        return self.preset if host == own else preset_of_host(host) or self.preset

    def takes_tools(self, model: str) -> bool:
        """Whether a model can be given tools."""
        said = self.settings.support_tools
        return super().takes_tools(model) if said is None else said and self.task == "chat"

    def structured(self, model: str) -> Structured:
        """How a model's answers are held to schemas."""
        said = self.settings.structured_output
        if said is None or self.task != "chat":
            return super().structured(model)
        return "" if said == "none" else cast("Structured", said)

    def url(self, path: str) -> str:
        """Address of a call such as ``chat/completions``."""
        return f"{self.base_url}/{path}"

    def params(self) -> dict[str, str] | None:
        """Query of every call."""
        return None

    async def headers(self) -> dict[str, str]:
        """Headers of every call."""
        headers = self.key_headers()
        if self.settings.organization:
            headers["OpenAI-Organization"] = self.settings.organization
        return headers
