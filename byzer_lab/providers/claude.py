"""Claude, on Anthropic's Messages API with its stream of events.

Written from https://docs.anthropic.com/en/api/messages,
https://docs.anthropic.com/en/docs/build-with-claude/streaming,
https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/implement-tool-use,
https://docs.anthropic.com/en/docs/build-with-claude/extended-thinking,
https://docs.anthropic.com/en/docs/build-with-claude/structured-outputs and
https://docs.anthropic.com/en/api/errors.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from byzer_lab.content import picture_data
from byzer_lab.engines.base import EngineConfig
from byzer_lab.errors import ProviderError
from byzer_lab.providers.base import Provider
from byzer_lab.providers.ending import Ending, shapes
from byzer_lab.providers.events import events
from byzer_lab.providers.failures import failure, read_refusal
from byzer_lab.providers.kept import Kept
from byzer_lab.providers.schemas import CLAUDE
from byzer_lab.providers.settings import Settings
from byzer_lab.providers.tools import (
    Calls,
    Wanted,
    arguments_of,
    need_closed,
    parameters_of,
    turns_of,
    wanted,
)
from byzer_lab.schema import parameter
from byzer_lab.types import Chunk, FinishReason, GenerateRequest, ImagePart, Message, Part

if TYPE_CHECKING:
    from byzer_lab.providers.http import Answer

DEFAULT_MAX_TOKENS = 4096
"""The API wants a limit; every model of it can write so much."""
FINISHES: dict[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "content_filter",
}
THOUGHTS = ("thinking", "redacted_thinking")
"""Kinds of blocks that Claude wants back, as they are, with the calls that follow them."""
CHOICES = {"auto": "auto", "none": "none", "required": "any"}
STATUSES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""HTTP status that each kind of error has, for those that come inside of a stream."""


@dataclass(frozen=True)
class ClaudeSettings(Settings):
    """What a deployment says."""

    api_version: str = parameter("2023-06-01", "Version of the API, sent as anthropic-version.")


class Claude(Provider):
    """A model of Anthropic."""

    settings_class = ClaudeSettings
    settings: ClaudeSettings

    def __init__(self, config: EngineConfig) -> None:
        super().__init__(config)
        self._thoughts: Kept[list[dict[str, Any]]] = Kept()

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk]:
        """See :meth:`byzer_lab.engines.base.Generates.generate`."""
        from byzer_lab.providers.http import Call

        asked = wanted(self, request)
        base = self.base_url
        headers = {**self.key_headers(), "anthropic-version": self.settings.api_version}
        url = f"{base}/messages" if base.endswith("/v1") else f"{base}/v1/messages"
        body = self._body(request, asked)
        async with self.http.stream(Call(url, json=body, headers=headers)) as answer:
            with shapes(self.type, answer.facts):
                async with aclosing(self._chunks(answer, body["model"], asked)) as chunks:
                    async for chunk in chunks:
                        yield chunk

    def _body(self, request: GenerateRequest, asked: Wanted) -> dict[str, Any]:
        sampling = request.sampling
        self.refuse_logprobs(sampling)
        options = self.options(sampling)
        prefix = options.pop("response_prefix", "")
        messages = self.conversation(request)
        system = "\n\n".join(message.text for message in messages if message.role == "system")
        turns = turns_of(messages, self._turn, _result)
        if prefix:
            turns.append({"role": "assistant", "content": prefix})
        known = self.preset.find(self.model)
        most = known.max_output if known and known.max_output else DEFAULT_MAX_TOKENS
        return {
            "model": sampling.options.get("model") or self.model,
            "max_tokens": most,
            "messages": turns,
            "stream": True,
            **({"system": system} if system else {}),
            **self.sampling(sampling),
            **self._tool_fields(asked),
            **options,
        }

    def _tool_fields(self, asked: Wanted) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        if asked.tools:
            fields["tools"] = [
                {
                    "name": tool.name,
                    **({"description": tool.description} if tool.description else {}),
                    "input_schema": parameters_of(tool),
                }
                for tool in asked.tools
            ]
            choice: dict[str, Any] = {"type": CHOICES.get(asked.choice, "tool")}
            if asked.named:
                choice["name"] = asked.named
            if not asked.parallel and asked.choice != "none":
                choice["disable_parallel_tool_use"] = True
            if choice != {"type": "auto"}:
                fields["tool_choice"] = choice
        if asked.schema is not None:
            schema = need_closed(self, asked.schema, CLAUDE)
            fields["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
        return fields

    def _turn(self, message: Message) -> dict[str, Any]:
        content = message.content
        written = content if isinstance(content, str) else [_block(part) for part in content]
        if message.tool_calls:
            said = [{"type": "text", "text": message.text}] if message.text.strip() else []
            calls = [
                {
                    "type": "tool_use",
                    "id": call.id,
                    "name": call.name,
                    "input": arguments_of(self, call.name, call.arguments),
                }
                for call in message.tool_calls
            ]
            thoughts = self._thoughts.get(message.tool_calls[0].id, [])
            written = thoughts + said + calls
        return {"role": message.role, "content": written}

    async def _chunks(self, answer: Answer, model: str, asked: Wanted) -> AsyncGenerator[Chunk]:
        calls = Calls(asked)
        thoughts: dict[int, dict[str, Any]] = {}
        ending = Ending(self.type, answer.facts)
        input_tokens = cached_tokens = output_tokens = 0
        stop = ""
        async for event in events(answer.blocks()):
            news = answer.decode(event.data)
            kind = news.get("type")
            usage: Mapping[str, Any] = {}
            if kind == "message_start":
                message = news.get("message") or {}
                answer.facts.model = message.get("model") or ""
                usage = message.get("usage") or {}
            elif kind == "content_block_start":
                block = news.get("content_block") or {}
                if block.get("type") == "tool_use":
                    if not len(calls):
                        self._thoughts.keep(block["id"], list(thoughts.values()))
                    for chunk in calls.begin(news["index"], block["name"], block["id"]):
                        yield ending.wrote(chunk)
                elif block.get("type") in THOUGHTS:
                    thoughts[news["index"]] = dict(block)
                elif text := block.get("text"):
                    yield ending.wrote(Chunk(text=text, tokens=1))
            elif kind == "content_block_delta":
                delta = news.get("delta") or {}
                if text := delta.get("text"):
                    yield ending.wrote(Chunk(text=text, tokens=1))
                elif delta.get("type") == "input_json_delta" and calls.knows(news["index"]):
                    for chunk in calls.more(news["index"], delta["partial_json"]):
                        yield ending.wrote(chunk)
                elif thought := delta.get("thinking"):
                    block = thoughts.setdefault(news.get("index", 0), {"type": "thinking"})
                    block["thinking"] = block.get("thinking", "") + thought
                    yield Chunk(reasoning=thought, tokens=1)
                elif signature := delta.get("signature"):
                    block = thoughts.setdefault(news.get("index", 0), {"type": "thinking"})
                    block["signature"] = signature
            elif kind == "message_delta":
                usage = news.get("usage") or {}
                delta = news.get("delta") or {}
                ending.reason = delta.get("stop_reason") or ending.reason
                stop = delta.get("stop_sequence") or stop
            elif kind == "error":
                raise self._refused(news, answer.facts.request_id)
            if usage:  # counts of a later event take the place of earlier ones
                cached_tokens = _count(usage, "cache_read_input_tokens", cached_tokens)
                fresh = _count(usage, "input_tokens", -1)
                if fresh >= 0:
                    kept = _count(usage, "cache_creation_input_tokens", 0)
                    input_tokens = fresh + kept + cached_tokens
                output_tokens = _count(usage, "output_tokens", output_tokens)
        finish = calls.finish(ending.finish(FINISHES))
        for chunk in calls.end(finish):
            yield chunk
        told = self.usage(
            answer.facts, input_tokens, output_tokens, model=model, cached_tokens=cached_tokens
        )
        yield Chunk(finish_reason=finish, usage=told, stop=stop)

    def _refused(self, news: dict[str, Any], request_id: str) -> ProviderError:
        kind, said = read_refusal(news)
        status = STATUSES.get(kind, 0)
        return failure(self.type, status, said, kind=kind, request_id=request_id)


def _result(message: Message) -> dict[str, Any]:
    return {
        "type": "tool_result",
        "tool_use_id": message.tool_call_id,
        "content": message.text,
    }


def _block(part: Part) -> dict[str, Any]:
    if not isinstance(part, ImagePart):
        return {"type": "text", "text": part.text}
    url = part.image_url.url
    data = picture_data(url)
    if data is None:
        return {"type": "image", "source": {"type": "url", "url": url}}
    source = {"type": "base64", "media_type": data[0], "data": data[1]}
    return {"type": "image", "source": source}


def _count(usage: Mapping[str, Any], name: str, otherwise: int) -> int:
    value = usage.get(name)
    return value if isinstance(value, int) else otherwise
