"""What OpenAI's clients send to ``POST /v1/responses``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from byzer_lab.gateway.openai.shapes import JsonFormat, Named, StreamOptions, TextFormat, Whole


class InputText(msgspec.Struct, tag_field="type", tag="input_text"):
    text: str


class OutputText(msgspec.Struct, tag_field="type", tag="output_text"):
    text: str


class PlainText(msgspec.Struct, tag_field="type", tag="text"):
    text: str


class InputRefusal(msgspec.Struct, tag_field="type", tag="refusal"):
    refusal: str


class InputImage(msgspec.Struct, tag_field="type", tag="input_image"):
    image_url: str | None = None
    detail: Literal["low", "high", "auto"] | None = None
    file_id: str | None = None


class MessageItem(msgspec.Struct):
    role: Literal["user", "assistant", "system", "developer"]
    content: str | list[InputText | OutputText | PlainText | InputRefusal | InputImage]


class CallItem(msgspec.Struct):
    call_id: str
    name: str
    arguments: str


class ResultItem(msgspec.Struct):
    call_id: str
    output: str | list[InputText | OutputText]


class FlatTool(msgspec.Struct):
    type: str
    name: str = ""
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class FlatNamedTool(Named, tag_field="type", tag="function"):
    pass


class FlatAllowedTools(msgspec.Struct, tag_field="type", tag="allowed_tools"):
    tools: list[dict[str, Any]]
    mode: Literal["auto", "required"] = "auto"


class FlatSchema(msgspec.Struct, tag_field="type", tag="json_schema"):
    name: str
    schema: dict[str, Any]
    description: str | None = None
    strict: bool | None = None


class TextConfig(msgspec.Struct):
    format: TextFormat | JsonFormat | FlatSchema | None = None
    verbosity: str | None = None


class Reasoning(msgspec.Struct):
    effort: str | None = None
    summary: str | None = None
    generate_summary: str | None = None


class ResponsesBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """``POST /v1/responses``."""

    model: str
    input: str | list[dict[str, Any]]
    instructions: str | None = None
    max_output_tokens: Whole | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    include: list[str] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    text: TextConfig | None = None
    tools: list[FlatTool] | None = None
    tool_choice: Literal["none", "auto", "required"] | FlatNamedTool | FlatAllowedTools | None = (
        None
    )
    parallel_tool_calls: bool | None = None
    reasoning: Reasoning | None = None
    previous_response_id: str | None = None
    conversation: Any = None
    background: bool | None = None
    prompt: dict[str, Any] | None = None

    # asked of the service, not of the model: accepted, and nothing follows from them
    metadata: dict[str, Any] | None = None
    store: bool | None = None
    service_tier: str | None = None
    truncation: str | None = None
    user: str | None = None
    max_tool_calls: int | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    prompt_cache_options: Any = None
