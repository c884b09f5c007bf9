"""Gemini: what is sent to Google, and what becomes of its pieces."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from byzer_lab.errors import (
    ContentFilterError,
    ProviderAuthenticationError,
    ProviderError,
    ProviderRateLimitError,
    ProviderRequestError,
    ProviderUnavailableError,
)
from byzer_lab.types import (
    GenerateRequest,
    ImagePart,
    ImageUrl,
    Message,
    Sampling,
    TextPart,
)
from byzer_lab.vectors import EmbedRequest
from tests.providers.dialects import gemini_events, gemini_piece
from tests.providers.wire import KEY, asked, chunks, question, text
from tests.support.scripted_http import answer

PNG = "iVBORw0KGgoAAAANSUhEUg=="


def gemini(**params: Any) -> Any:
    return asked("saas/gemini", path="/v1beta", **{"saas__model": "gemini-2.5-flash", **params})


async def test_what_is_sent() -> None:
    async with gemini() as (made, server):
        server.script(gemini_events(gemini_piece("Hi", "STOP")))
        turns = [
            Message("system", "Be short."),
            Message("user", "Hello?"),
            Message("assistant", "Yes?"),
            Message("user", "Well."),
        ]
        sampling = Sampling(max_tokens=7, temperature=0.0, top_p=0.9, top_k=5, seed=3, stop=["END"])
        await chunks(made, GenerateRequest("r", turns, sampling=sampling))
        seen = server.only
        assert seen.target == "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse"
        assert seen.headers["x-goog-api-key"] == KEY
        assert KEY not in seen.target
        assert seen.json == {
            "systemInstruction": {"parts": [{"text": "Be short."}]},
            "contents": [
                {"role": "user", "parts": [{"text": "Hello?"}]},
                {"role": "model", "parts": [{"text": "Yes?"}]},
                {"role": "user", "parts": [{"text": "Well."}]},
            ],
            "generationConfig": {
                "maxOutputTokens": 7,
                "temperature": 0.0,
                "topP": 0.9,
                "topK": 5,
                "seed": 3,
                "stopSequences": ["END"],
            },
        }


async def test_nothing_is_sent_that_was_not_set() -> None:
    async with gemini(saas__model="models/gemini-pro") as (made, server):
        server.script(gemini_events(gemini_piece("Hi", "STOP")))
        await chunks(made, question())
        assert server.only.path == "/v1beta/models/gemini-pro:streamGenerateContent"
        assert set(server.only.json) == {"contents"}


async def test_pictures_and_options() -> None:
    async with gemini() as (made, server):
        server.script(gemini_events(gemini_piece("A cat.", "STOP")))
        parts = [
            TextPart("What?"),
            ImagePart(ImageUrl(f"data:image/png;base64,{PNG}")),
            ImagePart(ImageUrl("https://example.com/cat.webp")),
        ]
        thoughts = {"generationConfig": {"thinkingConfig": {"includeThoughts": True}}}
        await chunks(made, question(parts, max_tokens=5, options={"extra": thoughts}))
        sent = server.only.json
        assert sent["contents"][0]["parts"] == [
            {"text": "What?"},
            {"inlineData": {"mimeType": "image/png", "data": PNG}},
            {"fileData": {"mimeType": "image/webp", "fileUri": "https://example.com/cat.webp"}},
        ]
        assert sent["generationConfig"] == {
            "maxOutputTokens": 5,
            "thinkingConfig": {"includeThoughts": True},
        }


async def test_usage_thoughts_and_facts() -> None:
    async with gemini() as (made, server):
        final = gemini_piece("2", "STOP")
        final["usageMetadata"] |= {"thoughtsTokenCount": 5, "cachedContentTokenCount": 1}
        server.script(gemini_events(gemini_piece("Hm.", thought=True), gemini_piece("4"), final))
        first, *pieces, last = await chunks(made, question())
        assert first.reasoning == "Hm."
        assert [piece.text for piece in pieces] == ["4", "2"]
        usage = last.usage
        assert (usage.input_tokens, usage.output_tokens) == (4, 12)
        assert (usage.cached_tokens, usage.reasoning_tokens) == (1, 5)
        facts = usage.provider
        assert (facts.request_id, facts.model) == ("resp_1", "gemini-2.5-flash")
        assert (facts.finish_reason, facts.currency) == ("STOP", "USD")


@pytest.mark.parametrize(
    ("word", "finish"), [("MAX_TOKENS", "length"), ("SAFETY", "content_filter"), ("OTHER", "stop")]
)
async def test_why_it_ended(word: str, finish: str) -> None:
    async with gemini() as (made, server):
        server.script(gemini_events(gemini_piece("a"), gemini_piece("", word)))
        last = (await chunks(made, question()))[-1]
        assert (last.finish_reason, last.usage.provider.finish_reason) == (finish, word)


@pytest.mark.parametrize(
    ("piece", "known"),
    [
        ({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}, ContentFilterError),
        (gemini_piece("", "RECITATION"), ContentFilterError),
        (gemini_piece("", "MALFORMED_FUNCTION_CALL"), ProviderError),
        ({"candidates": []}, ProviderUnavailableError),
        ({"candidates": "none"}, ProviderError),
        (
            {"error": {"code": 503, "status": "UNAVAILABLE", "message": "overload"}},
            ProviderUnavailableError,
        ),
    ],
)
async def test_no_answer(piece: dict[str, Any], known: type[Exception]) -> None:
    async with gemini() as (made, server):
        server.script(gemini_events(piece))
        with pytest.raises(known):
            await chunks(made, question())


async def test_a_wrong_key_is_a_bad_request_to_google() -> None:
    async with gemini() as (made, server):
        reason = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
        error = {
            "code": 400,
            "status": "INVALID_ARGUMENT",
            "message": "API key not valid.",
            "details": [reason],
        }
        server.script(answer({"error": error}, 400))
        with pytest.raises(ProviderAuthenticationError, match="API key not valid"):
            await chunks(made, question())


async def test_the_wait_stands_in_the_body() -> None:
    async with gemini(saas__max_retries=0) as (made, server):
        retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}
        error = {
            "code": 429,
            "status": "RESOURCE_EXHAUSTED",
            "message": "Quota exceeded",
            "details": [retry],
        }
        server.script(answer([{"error": error}], 429))
        with pytest.raises(ProviderRateLimitError, match="ask again in 34.5 s") as caught:
            await chunks(made, question())
        assert caught.value.details["retry_after_s"] == 34.5


async def test_an_empty_answer_is_one() -> None:
    async with gemini() as (made, server):
        server.script(gemini_events(gemini_piece("", "STOP")))
        assert await text(made) == ""


def vectors(**params: Any) -> Any:
    return gemini(saas__model="gemini-embedding-001", **params)


async def test_vectors() -> None:
    """https://ai.google.dev/api/embeddings#method:-models.batchembedcontents"""
    async with vectors(saas__dimensions=2, saas__task_type="RETRIEVAL_QUERY") as (made, server):
        assert made.meta()["embedding_mode"]
        rows = [{"values": [3.0, 4.0]}, {"values": [0.0, 1.0]}]
        server.script(answer({"embeddings": rows}))
        got = await made.embed(EmbedRequest("r", ["你好", "b"], normalize=True))
        assert [struct.unpack("<2f", vector) for vector in got.vectors] == [
            pytest.approx((0.6, 0.8)),
            (0.0, 1.0),
        ]
        seen = server.only
        assert seen.target == "/v1beta/models/gemini-embedding-001:batchEmbedContents"
        assert seen.headers["x-goog-api-key"] == KEY
        more = {"outputDimensionality": 2, "taskType": "RETRIEVAL_QUERY"}
        assert seen.json == {
            "requests": [
                {
                    "model": "models/gemini-embedding-001",
                    "content": {"parts": [{"text": text}]},
                    **more,
                }
                for text in ("你好", "b")
            ]
        }


async def test_vectors_that_are_missing_or_refused() -> None:
    async with vectors() as (made, server):
        refused = {"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": "too long"}}
        server.script(
            answer({"embeddings": [{"values": [1.0]}]}),
            answer({"embeddings": [{}]}),
            answer(refused, 400),
        )
        with pytest.raises(ProviderError, match="asked for 2 vectors and sent 1"):
            await made.embed(EmbedRequest("r", ["a", "b"]))
        with pytest.raises(ProviderError, match="JSON of another shape"):
            await made.embed(EmbedRequest("r", ["a"]))
        with pytest.raises(ProviderRequestError, match="too long"):
            await made.embed(EmbedRequest("r", ["a"]))


async def test_many_vectors_go_in_parts() -> None:
    async with vectors() as (made, server):
        rows = [{"values": [1.0]}] * 100
        server.script(*(answer({"embeddings": rows}) for _ in range(3)))
        got = await made.embed(EmbedRequest("r", ["x"] * 300))
        assert len(got.vectors) == 300
        assert [len(seen.json["requests"]) for seen in server.seen] == [100, 100, 100]
