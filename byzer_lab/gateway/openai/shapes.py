"""What OpenAI's clients send: bodies, turns, tools.

Unknown fields of a body are refused, as OpenAI refuses them. Unknown fields inside turns are
ignored, because clients send a model's earlier turns back with whatever else they had.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

Whole = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Seed = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Count = Annotated[int, Meta(ge=1, le=128)]


class Body(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Of every request that names a model."""

    model: str


class TextContent(msgspec.Struct, tag_field="type", tag="text"):
    text: str


class RefusalContent(msgspec.Struct, tag_field="type", tag="refusal"):
    refusal: str


class ImageAddress(msgspec.Struct):
    url: str
    detail: Literal["low", "high", "auto"] | None = None


class ImageContent(msgspec.Struct, tag_field="type", tag="image_url"):
    image_url: ImageAddress


class AudioContent(msgspec.Struct, tag_field="type", tag="input_audio"):
    input_audio: dict[str, Any]


class FileContent(msgspec.Struct, tag_field="type", tag="file"):
    file: dict[str, Any]


Content = TextContent | RefusalContent | ImageContent | AudioContent | FileContent
Contents = str | list[Content] | None


class FunctionCall(msgspec.Struct):
    name: str
    arguments: str = "{}"


class CalledTool(msgspec.Struct):
    id: str
    function: FunctionCall
    type: Literal["function"] = "function"


class SystemTurn(msgspec.Struct, tag_field="role", tag="system"):
    content: Contents = None


class DeveloperTurn(msgspec.Struct, tag_field="role", tag="developer"):
    content: Contents = None


class UserTurn(msgspec.Struct, tag_field="role", tag="user"):
    content: Contents = None


class AssistantTurn(msgspec.Struct, tag_field="role", tag="assistant"):
    content: Contents = None
    tool_calls: list[CalledTool] | None = None
    function_call: FunctionCall | None = None


class ToolTurn(msgspec.Struct, tag_field="role", tag="tool"):
    tool_call_id: str
    content: Contents = None


class FunctionTurn(msgspec.Struct, tag_field="role", tag="function"):
    name: str
    content: Contents = None


Turn = SystemTurn | DeveloperTurn | UserTurn | AssistantTurn | ToolTurn | FunctionTurn


class Function(msgspec.Struct):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class FunctionTool(msgspec.Struct):
    function: Function
    type: Literal["function"] = "function"


class Named(msgspec.Struct):
    name: str


class NamedTool(msgspec.Struct, tag_field="type", tag="function"):
    function: Named


class AllowedList(msgspec.Struct):
    tools: list[dict[str, Any]]
    mode: Literal["auto", "required"] = "auto"


class AllowedTools(msgspec.Struct, tag_field="type", tag="allowed_tools"):
    allowed_tools: AllowedList


ToolChoice = Literal["none", "auto", "required"] | NamedTool | AllowedTools


class NamedSchema(msgspec.Struct):
    name: str
    schema: dict[str, Any] = {}
    description: str | None = None
    strict: bool | None = None


class TextFormat(msgspec.Struct, tag_field="type", tag="text"):
    pass


class JsonFormat(msgspec.Struct, tag_field="type", tag="json_object"):
    pass


class SchemaFormat(msgspec.Struct, tag_field="type", tag="json_schema"):
    json_schema: NamedSchema


class StreamOptions(msgspec.Struct):
    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class Sampled(Body, kw_only=True):
    """Generation parameters, OpenAI's and this server's own (the second group)."""

    temperature: float | None = None
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: Seed | None = None
    stop: str | list[str] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    user: str | None = None
    logit_bias: dict[str, float] | None = None

    top_k: Whole | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None
    stop_token_ids: list[Seed] | None = None
    ignore_eos: bool | None = None


class ChatBody(Sampled, kw_only=True):
    """``POST /v1/chat/completions``."""

    messages: Annotated[list[Turn], Meta(min_length=1)]
    n: Count | None = None
    max_tokens: Whole | None = None
    max_completion_tokens: Whole | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    response_format: TextFormat | JsonFormat | SchemaFormat | None = None
    tools: list[FunctionTool] | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    functions: list[Function] | None = None
    function_call: Literal["none", "auto"] | Named | None = None
    reasoning_effort: str | None = None
    modalities: list[str] | None = None
    audio: dict[str, Any] | None = None
    web_search_options: dict[str, Any] | None = None

    # asked of the service, not of the model: accepted, and nothing follows from them
    metadata: dict[str, Any] | None = None
    store: bool | None = None
    service_tier: str | None = None
    verbosity: str | None = None
    prediction: dict[str, Any] | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    moderation: Any = None
    prompt_cache_options: Any = None


class CompletionBody(Sampled, kw_only=True):
    """``POST /v1/completions``."""

    prompt: str | list[Any]
    n: Count | None = None
    max_tokens: Whole | None = None
    logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    echo: bool | None = None
    best_of: int | None = None
    suffix: str | None = None


class EmbeddingBody(Body, kw_only=True):
    """``POST /v1/embeddings``."""

    input: str | list[Any]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = None
    user: str | None = None


class Document(msgspec.Struct):
    text: str


class RerankBody(Body, kw_only=True):
    """``POST /v1/rerank``."""

    query: str
    documents: Annotated[list[str | Document], Meta(min_length=1)]
    top_n: Annotated[int, Meta(ge=1)] | None = None
    return_documents: bool = False


class ImageBody(Body, kw_only=True):
    """``POST /v1/images/generations``."""

    prompt: str
    n: Annotated[int, Meta(ge=1, le=10)] | None = None
    size: str | None = None
    quality: str | None = None
    style: str | None = None
    background: str | None = None
    output_format: str | None = None
    response_format: Literal["url", "b64_json"] | None = None
    user: str | None = None


class SpeechBody(Body, kw_only=True):
    """``POST /v1/audio/speech``."""

    input: str
    voice: str | dict[str, Any] | None = None
    instructions: str | None = None
    response_format: str | None = None
    speed: float | None = None
    stream_format: Literal["audio"] | None = None
