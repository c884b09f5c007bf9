"""What Anthropic's clients send: ``POST /v1/messages``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta


class TextBlock(msgspec.Struct, tag_field="type", tag="text"):
    text: str


class ImageSource(msgspec.Struct):
    type: Literal["base64", "url"]
    media_type: str = "image/png"
    data: str = ""
    url: str = ""


class ImageBlock(msgspec.Struct, tag_field="type", tag="image"):
    source: ImageSource


class ToolUseBlock(msgspec.Struct, tag_field="type", tag="tool_use"):
    id: str
    name: str
    input: dict[str, Any] = {}


class ToolResultBlock(msgspec.Struct, tag_field="type", tag="tool_result"):
    tool_use_id: str
    content: str | list[TextBlock | ImageBlock] = ""
    is_error: bool = False


class ThinkingBlock(msgspec.Struct, tag_field="type", tag="thinking"):
    thinking: str = ""


class RedactedBlock(msgspec.Struct, tag_field="type", tag="redacted_thinking"):
    data: str = ""


Block = TextBlock | ImageBlock | ToolUseBlock | ToolResultBlock | ThinkingBlock | RedactedBlock


class Turn(msgspec.Struct):
    role: Literal["user", "assistant", "system"]
    content: str | list[Block]


class Tool(msgspec.Struct):
    name: str
    description: str = ""
    input_schema: dict[str, Any] = {}
    type: str | None = None


class ToolChoice(msgspec.Struct):
    type: Literal["auto", "any", "tool", "none"]
    name: str = ""
    disable_parallel_tool_use: bool = False


class Asked(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A conversation. Unknown fields are refused, as Anthropic refuses them; unknown fields inside
    turns are ignored, such as ``cache_control``."""

    model: str
    messages: Annotated[list[Turn], Meta(min_length=1)]
    system: str | list[TextBlock] | None = None
    tools: list[Tool] | None = None
    tool_choice: ToolChoice | None = None
    thinking: dict[str, Any] | None = None
    output_config: dict[str, Any] | None = None
    cache_control: dict[str, Any] | None = None


class CountBody(Asked, kw_only=True):
    """``POST /v1/messages/count_tokens``."""


class MessagesBody(Asked, kw_only=True):
    """``POST /v1/messages``."""

    max_tokens: Annotated[int, Meta(ge=1, le=2**63 - 1)]
    temperature: float | None = None
    top_p: float | None = None
    top_k: Annotated[int, Meta(ge=0, le=2**63 - 1)] | None = None
    stop_sequences: list[str] | None = None
    stream: bool = False

    # asked of the service, not of the model: accepted, and nothing follows from them
    metadata: dict[str, Any] | None = None
    service_tier: str | None = None
    inference_geo: str | None = None
