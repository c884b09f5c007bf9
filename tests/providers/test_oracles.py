"""What is sent with tools and schemas, against the types of the providers' own libraries."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from byzer_lab.types import GenerateRequest
from tests.providers.calls import ASKED, STORY, with_schema, with_tools
from tests.providers.dialects import (
    DIALECTS,
    bedrock_frames,
    bedrock_reply,
    claude_events,
    named_events,
)
from tests.providers.wire import asked, chunks, streamed

REQUESTS = {
    "tools": with_tools(messages=ASKED),
    "a tool": with_tools(tool_choice="now", parallel_tool_calls=False),
    "any tool": with_tools(tool_choice="required"),
    "a schema": with_schema(STORY),
}


@pytest.fixture(params=REQUESTS)
def request_(request: pytest.FixtureRequest) -> GenerateRequest:
    return REQUESTS[request.param]


def check(kind: Any, body: dict[str, Any]) -> None:
    """Hold a body to a ``TypedDict`` of a library; no key in it is unknown."""
    import pydantic

    adapter = pydantic.TypeAdapter(kind)  # lives as long as what it has not yet validated
    assert plain(adapter.validate_python(body)) == body


def plain(value: Any) -> Any:
    """Plain data; what pydantic validates when it is read is validated by that."""
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [plain(inner) for inner in value]
    return value


async def test_openai(request_: GenerateRequest) -> None:
    completions = pytest.importorskip("openai.types.chat.completion_create_params")
    async with asked() as (made, server):
        server.script(streamed("No."))
        await chunks(made, request_)
        check(completions.CompletionCreateParamsStreaming, server.only.json)


@pytest.mark.parametrize("model", ["claude-opus-5-5", "claude-3-haiku-20240307"])
async def test_anthropic(request_: GenerateRequest, model: str) -> None:
    messages = pytest.importorskip("anthropic.types.message_create_params")
    async with asked("saas/claude", path="", saas__model=model) as (made, server):
        server.script(named_events(*claude_events("No.")))
        await chunks(made, request_)
        check(messages.MessageCreateParamsStreaming, server.only.json)


@pytest.mark.parametrize(
    "model", ["anthropic.claude-sonnet-4-6", "anthropic.claude-3-haiku-20240307-v1:0"]
)
async def test_amazon(request_: GenerateRequest, model: str) -> None:
    loaders = pytest.importorskip("botocore.loaders")
    from botocore.model import ServiceModel  # type: ignore[import-untyped]
    from botocore.validate import ParamValidator  # type: ignore[import-untyped]

    service = ServiceModel(loaders.Loader().load_service_model("bedrock-runtime", "service-2"))
    shape = service.operation_model("ConverseStream").input_shape
    params = {**DIALECTS["bedrock"].params, "saas__model": model}
    async with asked("saas/aws_bedrock", path="", **params) as (made, server):
        server.script(bedrock_reply(*bedrock_frames("No.")))
        await chunks(made, request_)
        body = server.only.json
        assert body.keys() <= shape.members.keys()
        report = ParamValidator().validate({"modelId": model, **body}, shape)
        assert not report.has_errors(), report.generate_report()
