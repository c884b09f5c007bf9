"""Amazon Bedrock: every model of it through ConverseStream.

Written from
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html and
https://docs.aws.amazon.com/bedrock/latest/userguide/tool-use.html.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from byzer_lab.content import picture_data
from byzer_lab.engines.base import EngineConfig
from byzer_lab.errors import InvalidRequestError, ProviderError
from byzer_lab.providers.aws import Frame, FrameReader, Signer
from byzer_lab.providers.base import Provider
from byzer_lab.providers.ending import Ending, shapes
from byzer_lab.providers.failures import failure, read_refusal
from byzer_lab.providers.schemas import CLAUDE
from byzer_lab.providers.settings import Settings
from byzer_lab.providers.tools import (
    Calls,
    Wanted,
    arguments_of,
    as_text,
    need_closed,
    parameters_of,
    turns_of,
    wanted,
)
from byzer_lab.schema import parameter
from byzer_lab.types import Chunk, FinishReason, GenerateRequest, ImagePart, Message, Part, Tool

if TYPE_CHECKING:
    from byzer_lab.providers.http import Answer

SERVICE = "bedrock"
EVENTS = "application/vnd.amazon.eventstream"
CONFIG = ("maxTokens", "temperature", "topP", "stopSequences")
"""Parameters that all models have; the others go to the model as it takes them."""
FORMATS = ("png", "jpeg", "gif", "webp")
FINISHES: dict[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}
STATUSES = {
    "validationException": 400,
    "modelStreamErrorException": 424,
    "throttlingException": 429,
    "internalServerException": 500,
    "serviceUnavailableException": 503,
}
"""HTTP status that each exception has, for those that come inside of a stream."""


@dataclass(frozen=True)
class BedrockSettings(Settings):
    """What a deployment says: a Bedrock API key, or the two keys of an AWS account."""

    aws_access_key: str | None = parameter(
        None, "Access key of the account.", aliases=("aws_access_key_id",)
    )
    aws_secret_key: str | None = parameter(
        None, "Its secret; write ${NAME}.", aliases=("aws_secret_access_key",)
    )
    aws_session_token: str | None = parameter(None, "Of temporary keys; write ${NAME}.")
    region_name: str | None = parameter(
        None, "Region of the models, such as us-east-1.", aliases=("region", "aws_region")
    )
    model_api_version: str | None = parameter(
        None, "anthropic_version for models of Anthropic; Bedrock knows it by itself."
    )


class Bedrock(Provider):
    """A model of Amazon Bedrock."""

    settings_class = BedrockSettings
    settings: BedrockSettings
    needs_key = False

    def __init__(self, config: EngineConfig) -> None:
        super().__init__(config)
        self.need("region_name", "AWS_REGION")
        if self.settings.api_key is None:
            self.need("aws_access_key", "AWS_ACCESS_KEY_ID")
            self.need("aws_secret_key", "AWS_SECRET_ACCESS_KEY")

    @property
    def region(self) -> str:
        """The region of the models."""
        return self.need("region_name", "AWS_REGION")

    @property
    def base_url(self) -> str:
        """Where the region's models listen."""
        if self.settings.base_url:
            return super().base_url
        domain = "amazonaws.com.cn" if self.region.startswith("cn-") else "amazonaws.com"
        return f"https://bedrock-runtime.{self.region}.{domain}"

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk]:
        """See :meth:`byzer_lab.engines.base.Generates.generate`."""
        from byzer_lab.providers.http import Call

        model = request.sampling.options.get("model") or self.model
        asked = wanted(self, request)
        url = f"{self.base_url}/model/{quote(model, safe='')}/converse-stream"
        content = msgspec.json.encode(self._body(request, model, asked))
        call = Call(url, content=content, headers=self._headers(url, content))
        async with self.http.stream(call) as answer:
            with shapes(self.type, answer.facts):
                async with aclosing(self._chunks(answer, model, asked)) as chunks:
                    async for chunk in chunks:
                        yield chunk

    def _headers(self, url: str, content: bytes) -> dict[str, str]:
        """Headers with the key, or signed with it."""
        headers = {"Content-Type": "application/json", "Accept": EVENTS}
        if self.settings.api_key is not None:
            return {**headers, **self.key_headers()}
        signer = Signer(
            key=self.need("aws_access_key", "AWS_ACCESS_KEY_ID"),
            secret=self.need("aws_secret_key", "AWS_SECRET_ACCESS_KEY"),
            token=self.settings.aws_session_token,
            region=self.region,
            service=SERVICE,
        )
        return signer.headers("POST", url, content, headers, datetime.now(UTC))

    def _body(self, request: GenerateRequest, model: str, asked: Wanted) -> dict[str, Any]:
        self.refuse_logprobs(request.sampling)
        messages = self.conversation(request)
        if not asked.tools:  # calls without their tools are refused
            messages = as_text(messages)
        sampling = self.sampling(request.sampling)
        config = {name: sampling.pop(name) for name in CONFIG if name in sampling}
        more = {**sampling, **self.options(request.sampling)}
        if self.settings.model_api_version and "anthropic." in model:
            more.setdefault("anthropic_version", self.settings.model_api_version)
        system = [{"text": message.text} for message in messages if message.role == "system"]
        return {
            "messages": turns_of(messages, self._turn, _result),
            **({"system": system} if system else {}),
            **({"inferenceConfig": config} if config else {}),
            **self._tools(asked),
            **({"additionalModelRequestFields": more} if more else {}),
        }

    def _tools(self, asked: Wanted) -> dict[str, Any]:
        """What a body says of tools and of the answer's form."""
        fields: dict[str, Any] = {}
        if asked.tools:
            config: dict[str, Any] = {"tools": [_tool(tool) for tool in asked.tools]}
            if asked.named:
                config["toolChoice"] = {"tool": {"name": asked.named}}
            elif asked.choice == "required":
                config["toolChoice"] = {"any": {}}
            fields["toolConfig"] = config
        if asked.schema is not None:
            schema = need_closed(self, asked.schema, CLAUDE)
            text = msgspec.json.encode(schema).decode()
            structure = {"jsonSchema": {"name": "answer", "schema": text}}
            fields["outputConfig"] = {"textFormat": {"type": "json_schema", "structure": structure}}
        return fields

    def _turn(self, message: Message) -> dict[str, Any]:
        content = message.content
        blocks = (
            [{"text": content}] if isinstance(content, str) else [self._block(p) for p in content]
        )
        if message.tool_calls:
            blocks = [block for block in blocks if block.get("text", "x").strip()]
            blocks += [
                {
                    "toolUse": {
                        "toolUseId": call.id,
                        "name": call.name,
                        "input": arguments_of(self, call.name, call.arguments),
                    }
                }
                for call in message.tool_calls
            ]
        return {"role": message.role, "content": blocks}

    def _block(self, part: Part) -> dict[str, Any]:
        if not isinstance(part, ImagePart):
            return {"text": part.text}
        data = picture_data(part.image_url.url)
        if data is None:
            raise InvalidRequestError(
                f"{self.type} takes pictures themselves, not their addresses; send them as data: "
                "URIs."
            )
        kind = data[0].removeprefix("image/")
        if kind not in FORMATS:
            raise InvalidRequestError(
                f"{self.type} takes pictures of the formats {', '.join(FORMATS)}, not {data[0]}."
            )
        return {"image": {"format": kind, "source": {"bytes": data[1]}}}

    async def _chunks(self, answer: Answer, model: str, asked: Wanted) -> AsyncGenerator[Chunk]:
        calls = Calls(asked, one=True)
        ending = Ending(self.type, answer.facts)
        usage: dict[str, Any] = {}
        async with aclosing(self._frames(answer)) as frames:
            async for kind, news in frames:
                if kind == "contentBlockStart":
                    if call := news["start"].get("toolUse"):
                        place, identity = news["contentBlockIndex"], call["toolUseId"]
                        for chunk in calls.begin(place, call["name"], identity):
                            yield ending.wrote(chunk)
                elif kind == "contentBlockDelta":
                    delta = news["delta"]
                    if text := delta.get("text"):
                        yield ending.wrote(Chunk(text=text, tokens=1))
                    elif call := delta.get("toolUse"):
                        for chunk in calls.more(news["contentBlockIndex"], call["input"]):
                            yield ending.wrote(chunk)
                    elif thought := (delta.get("reasoningContent") or {}).get("text"):
                        yield Chunk(reasoning=thought, tokens=1)
                elif kind == "messageStop":
                    ending.reason = news["stopReason"]
                elif kind == "metadata":
                    usage = news.get("usage") or {}
                    answer.facts.latency_ms = float((news.get("metrics") or {}).get("latencyMs", 0))
        finish = calls.finish(ending.finish(FINISHES))
        for chunk in calls.end(finish):
            yield chunk
        cached = usage.get("cacheReadInputTokens") or 0
        fresh = (usage.get("inputTokens") or 0) + (usage.get("cacheWriteInputTokens") or 0)
        made = usage.get("outputTokens") or 0
        told = self.usage(answer.facts, fresh + cached, made, model=model, cached_tokens=cached)
        yield Chunk(finish_reason=finish, usage=told)

    async def _frames(self, answer: Answer) -> AsyncGenerator[tuple[str, dict[str, Any]]]:
        """Kind and content of each event.

        Raises:
            ProviderError: An exception came in the place of an event, or something unreadable.
        """
        reader = FrameReader()
        try:
            async for block in answer.blocks():
                for frame in reader.feed(block):
                    if frame.headers.get(":message-type") != "event":
                        raise self._refused(frame, answer.facts.request_id)
                    yield frame.headers.get(":event-type", ""), answer.decode(frame.payload)
        except ValueError as error:
            raise ProviderError(
                f"{self.type} sent something that is no frame of an event stream: {error}.",
                provider=self.type,
                request_id=answer.facts.request_id,
            ) from error

    def _refused(self, frame: Frame, request_id: str) -> ProviderError:
        headers = frame.headers
        kind = headers.get(":exception-type") or headers.get(":error-code") or ""
        said = headers.get(":error-message")
        if said is None:
            _, said = read_refusal(frame.payload)
        status = STATUSES.get(kind, 0)
        return failure(self.type, status, f"{kind}: {said}", kind=kind, request_id=request_id)


def _tool(tool: Tool) -> dict[str, Any]:
    described = {"description": tool.description} if tool.description else {}
    return {
        "toolSpec": {
            "name": tool.name,
            **described,
            "inputSchema": {"json": parameters_of(tool)},
        }
    }


def _result(message: Message) -> dict[str, Any]:
    text = [{"text": message.text}]
    return {"toolResult": {"toolUseId": message.tool_call_id, "content": text}}
