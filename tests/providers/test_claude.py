"""Claude: what is sent to Anthropic, and what becomes of its events."""

from __future__ import annotations

from typing import Any

import pytest

from byzer_lab.errors import (
    ContentFilterError,
    InvalidRequestError,
    ProviderQuotaError,
    ProviderRateLimitError,
    ProviderRequestError,
    ProviderUnavailableError,
)
from byzer_lab.types import GenerateRequest, ImagePart, ImageUrl, Message, Sampling, TextPart
from tests.providers.dialects import claude_events, named_events
from tests.providers.wire import KEY, asked, chunks, engine, question, text
from tests.support.scripted_http import answer

HAIKU = "claude-3-haiku-20240307"
PNG = "iVBORw0KGgoAAAANSUhEUg=="


def claude(**params: Any) -> Any:
    return asked("saas/claude", path="", **{"saas__model": HAIKU, **params})


async def test_what_is_sent() -> None:
    async with claude() as (made, server):
        server.script(named_events(*claude_events("Hi")))
        turns = [
            Message("system", "Be short."),
            Message("user", "Hello?"),
            Message("assistant", "Yes?"),
            Message("system", "Be kind."),
            Message("user", "Well."),
        ]
        sampling = Sampling(max_tokens=7, temperature=0.5, top_p=0.9, top_k=5, stop=["END"])
        await chunks(made, GenerateRequest("r", turns, sampling=sampling))
        seen = server.only
        assert (seen.method, seen.target) == ("POST", "/v1/messages")
        assert seen.headers["x-api-key"] == KEY
        assert seen.headers["anthropic-version"] == "2023-06-01"
        assert seen.headers["content-type"] == "application/json"
        assert "authorization" not in seen.headers
        assert seen.json == {
            "model": HAIKU,
            "max_tokens": 7,
            "system": "Be short.\n\nBe kind.",
            "messages": [
                {"role": "user", "content": "Hello?"},
                {"role": "assistant", "content": "Yes?"},
                {"role": "user", "content": "Well."},
            ],
            "stream": True,
            "temperature": 0.5,
            "top_p": 0.9,
            "top_k": 5,
            "stop_sequences": ["END"],
        }


@pytest.mark.parametrize(
    ("model", "most"), [(HAIKU, 4096), ("claude-3-5-haiku-20241022", 8192), ("claude-x", 32000)]
)
async def test_the_longest_answer_is_the_models_own(model: str, most: int) -> None:
    async with claude(saas__model=model) as (made, server):
        server.script(named_events(*claude_events("Hi")))
        await chunks(made, question())
        assert server.only.json["max_tokens"] == most


@pytest.mark.parametrize("path", ["", "/v1", "/v1/"])
async def test_addresses_with_and_without_the_version(path: str) -> None:
    async with asked("saas/claude", path=path, saas__model=HAIKU) as (made, server):
        server.script(named_events(*claude_events("Hi")))
        await chunks(made, question())
        assert server.only.target == "/v1/messages"


async def test_pictures() -> None:
    async with claude() as (made, server):
        server.script(named_events(*claude_events("A cat.")))
        parts = [
            TextPart("What is this?"),
            ImagePart(ImageUrl(f"data:image/png;base64,{PNG}")),
            ImagePart(ImageUrl("https://example.com/cat.jpg")),
        ]
        await chunks(made, question(parts))
        assert server.only.json["messages"][0]["content"] == [
            {"type": "text", "text": "What is this?"},
            {
                "type": "image",
                "source": {"type": "base64", "media_type": "image/png", "data": PNG},
            },
            {"type": "image", "source": {"type": "url", "url": "https://example.com/cat.jpg"}},
        ]


async def test_an_answer_that_goes_on_and_options_of_its_own() -> None:
    async with claude() as (made, server):
        server.script(named_events(*claude_events("42")))
        thinking = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
        options = {"response_prefix": "It is", "model": "claude-opus-4-1", "extra": thinking}
        await chunks(made, question(options=options))
        sent = server.only.json
        assert sent["messages"][-1] == {"role": "assistant", "content": "It is"}
        assert sent["model"] == "claude-opus-4-1"
        assert sent["thinking"] == thinking["thinking"]


async def test_usage_and_facts() -> None:
    async with claude() as (made, server):
        kept = {"cache_creation_input_tokens": 100, "cache_read_input_tokens": 1000}
        server.script(
            named_events(
                *claude_events("a", "b", stop="stop_sequence", **kept),
                headers={"request-id": "req_01"},
            )
        )
        *pieces, last = await chunks(made, question())
        assert [piece.text for piece in pieces] == ["a", "b"]
        assert last.stop == "END"
        usage = last.usage
        assert (usage.input_tokens, usage.cached_tokens, usage.output_tokens) == (1125, 1000, 15)
        facts = usage.provider
        assert (facts.request_id, facts.model) == ("req_01", HAIKU)
        assert facts.finish_reason == "stop_sequence"
        assert facts.cost == pytest.approx((125 * 0.25 + 1000 * 0.03 + 15 * 1.25) / 1e6)


async def test_thoughts() -> None:
    async with claude() as (made, server):
        thought = {"type": "thinking_delta", "thinking": "Hm."}
        signature = {"type": "signature_delta", "signature": "EqQB"}
        given = claude_events("42")
        given[2:2] = [
            {"type": "content_block_delta", "index": 0, "delta": thought},
            {"type": "content_block_delta", "index": 0, "delta": signature},
            {"type": "an_event_of_tomorrow", "what": "ever"},
        ]
        server.script(named_events(*given))
        got = await chunks(made, question())
        assert [chunk.reasoning for chunk in got if chunk.reasoning] == ["Hm."]
        assert "".join(chunk.text for chunk in got) == "42"


@pytest.mark.parametrize(
    ("stop", "finish"),
    [("end_turn", "stop"), ("max_tokens", "length"), ("refusal", "content_filter")],
)
async def test_why_it_ended(stop: str, finish: str) -> None:
    async with claude() as (made, server):
        server.script(named_events(*claude_events("a", stop=stop)))
        assert (await chunks(made, question()))[-1].finish_reason == finish


async def test_a_refusal_without_a_word() -> None:
    async with claude() as (made, server):
        server.script(named_events(*claude_events(stop="refusal")))
        with pytest.raises(ContentFilterError, match="refusal"):
            await chunks(made, question())


async def test_an_empty_answer_is_one() -> None:
    async with claude() as (made, server):
        server.script(named_events(*claude_events()))
        assert await text(made) == ""


@pytest.mark.parametrize(
    ("kind", "known"),
    [
        ("overloaded_error", ProviderUnavailableError),
        ("api_error", ProviderUnavailableError),
        ("rate_limit_error", ProviderRateLimitError),
        ("billing_error", ProviderQuotaError),
        ("invalid_request_error", ProviderRequestError),
    ],
)
async def test_an_error_inside_of_the_stream(kind: str, known: type[Exception]) -> None:
    async with claude() as (made, server):
        error = {"type": "error", "error": {"type": kind, "message": "Bad luck"}}
        server.script(named_events(*claude_events("a")[:4], error))
        with pytest.raises(known, match="Bad luck") as caught:
            await chunks(made, question())
        assert caught.value.details["kind"] == kind


async def test_a_refused_request() -> None:
    async with claude() as (made, server):
        error = {"type": "invalid_request_error", "message": "max_tokens: too many"}
        server.script(answer({"type": "error", "error": error}, 400, request_id="req_9"))
        with pytest.raises(ProviderRequestError, match=r"saas/claude .* \(400\): max_tokens"):
            await chunks(made, question())


async def test_what_it_has_not() -> None:
    async with claude() as (made, _):
        for request, words in [
            (question(seed=3), "has no seed"),
            (question(logprobs=1), "logprobs"),
            (question(presence_penalty=1.0), "presence_penalty"),
            (question(options={"size": "1x1"}), "has no size"),
            (GenerateRequest("r", prompt="x"), "prompts"),
        ]:
            with pytest.raises(InvalidRequestError, match=words):
                await chunks(made, request)


def test_a_key_and_a_model_must_be_given() -> None:
    with pytest.raises(InvalidRequestError, match=r"saas.api_key = \$\{ANTHROPIC_API_KEY\}"):
        engine("saas/claude", saas__model=HAIKU)
    with pytest.raises(InvalidRequestError, match=r"saas.model; known are .*claude-3-haiku"):
        engine("saas/claude", saas__api_key=KEY)


def test_meta() -> None:
    meta = engine("saas/claude", saas__api_key=KEY, saas__model=HAIKU).meta()
    assert meta["model_deploy_type"] == meta["backend"] == "saas"
    assert (meta["model_name"], meta["max_model_len"]) == (HAIKU, 200000)
    assert meta["support_stream"] is True
