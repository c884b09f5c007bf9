"""Conversations in OpenAI's wire format: what is sent, and what becomes of what comes back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from byzer_lab.errors import InvalidRequestError
from byzer_lab.types import GenerateRequest, ImagePart, ImageUrl, Message, Sampling, TextPart
from tests.providers.wire import (
    DONE,
    KEY,
    asked,
    chunks,
    delta,
    engine,
    question,
    streamed,
    text,
    usage,
)
from tests.support.scripted_http import Reply, answer, event, events, split_everywhere

PNG = "iVBORw0KGgoAAAANSUhEUg=="


async def test_a_request_byte_for_byte() -> None:
    async with asked() as (made, server):
        server.script(streamed("Hi"))
        request = GenerateRequest(
            "r",
            [Message("system", "Be short."), Message("user", "Hello?")],
            sampling=Sampling(
                max_tokens=7, temperature=0.5, top_p=0.9, seed=3, stop=["\n"], presence_penalty=1.0
            ),
        )
        await chunks(made, request)
        seen = server.only
        assert (seen.method, seen.target) == ("POST", "/v1/chat/completions")
        assert seen.headers["authorization"] == f"Bearer {KEY}"
        assert seen.headers["content-type"] == "application/json"
        assert (
            seen.body
            == json.dumps(
                {
                    "model": "gpt-4o-mini",
                    "messages": [
                        {"role": "system", "content": "Be short."},
                        {"role": "user", "content": "Hello?"},
                    ],
                    "max_tokens": 7,
                    "temperature": 0.5,
                    "top_p": 0.9,
                    "presence_penalty": 1.0,
                    "seed": 3,
                    "stop": ["\n"],
                    "stream": True,
                    "stream_options": {"include_usage": True},
                },
                separators=(",", ":"),
            ).encode()
        )


async def test_pieces_usage_and_facts() -> None:
    async with asked(saas__model="gpt-4o-mini") as (made, server):
        details = {
            "prompt_tokens_details": {"cached_tokens": 400_000},
            "completion_tokens_details": {"reasoning_tokens": 4},
        }
        server.script(
            events(
                delta(role="assistant"),
                delta("one "),
                delta("two"),
                delta(finish="length"),
                usage(1_000_000, 10, **details),
                DONE,
                headers={"x-request-id": "req_7", "openai-processing-ms": "120"},
            )
        )
        *pieces, last = await chunks(made, question())
        assert [(piece.text, piece.tokens) for piece in pieces] == [("one ", 1), ("two", 1)]
        assert last.finish_reason == "length"
        counts = last.usage
        assert (counts.input_tokens, counts.output_tokens) == (1_000_000, 10)
        assert (counts.cached_tokens, counts.reasoning_tokens) == (400_000, 4)
        facts = counts.provider
        assert (facts.request_id, facts.model) == ("req_7", "gpt-4o-mini-2024-07-18")
        assert (facts.finish_reason, facts.latency_ms, facts.attempts) == ("length", 120.0, 1)
        assert facts.cost == pytest.approx(0.6 * 0.15 + 0.4 * 0.075 + 10 * 0.6 / 1e6)
        assert facts.currency == "USD"


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\r"])
async def test_bytes_torn_apart_anywhere(ending: bytes) -> None:
    said = "你好，世界 🙂 “quoted”\n"
    async with asked() as (made, server):
        reply = streamed(said[:3], said[3:])
        reply.pieces = [piece.replace(b"\n", ending) for piece in reply.pieces]
        reply.pieces.insert(1, b": a comment that keeps the connection alive" + ending * 2)
        server.script(split_everywhere(reply))
        assert await text(made) == said


async def test_a_slow_drip_comes_piece_by_piece() -> None:
    async with asked(saas__timeout=5) as (made, server):
        server.script(Reply([event(delta("one"))], content_type="text/event-stream", hold=True))
        answering = made.generate(question())
        assert (await anext(answering)).text == "one"  # while the provider goes on
        await answering.aclose()
        await server.left.wait()  # leaving closes the connection


async def test_thoughts_are_no_part_of_the_answer() -> None:
    async with asked("saas/deepseek", saas__model="deepseek-reasoner") as (made, server):
        server.script(
            events(delta(reasoning_content="Hm."), delta("42"), delta(finish="stop"), usage(), DONE)
        )
        got = await chunks(made, question())
        assert "".join(chunk.text for chunk in got) == "42"
        assert "".join(chunk.reasoning for chunk in got) == "Hm."


async def test_logprobs() -> None:
    told = {"token": "Hi", "logprob": -0.5, "top_logprobs": [{"token": "Ho", "logprob": -1.5}]}
    async with asked() as (made, server):
        piece = delta("Hi")
        piece["choices"][0]["logprobs"] = {"content": [told]}
        server.script(events(piece, delta(finish="stop"), usage(), DONE))
        first, _ = await chunks(made, question(logprobs=1))
        assert server.only.json["logprobs"] is True
        assert server.only.json["top_logprobs"] == 1
        (one,) = first.logprobs
        assert (one.text, one.logprob, one.top[0].text) == ("Hi", -0.5, "Ho")


async def test_an_answer_in_one_piece() -> None:
    """Some servers answer without a stream, whatever they are asked."""
    whole = {
        "id": "x",
        "model": "m",
        "choices": [{"message": {"content": "All."}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2},
    }
    async with asked() as (made, server):
        server.script(answer(whole))
        first, last = await chunks(made, question())
        assert first.text == "All."
        assert last.usage.output_tokens == 2


async def test_pictures_in_openais_form_and_in_byzer_llms() -> None:
    parts = [TextPart("What is it?"), ImagePart(ImageUrl("https://x/y.png", "low"))]
    old = [{"image": PNG, "text": "What is it?"}]
    apart = [{"text": "What is it?"}, {"image": f"data:image/jpg,{PNG}"}]
    async with asked("saas/qianwen_vl", saas__model="qwen-vl-plus") as (made, server):
        server.script(streamed("A"), streamed("B"), streamed("C"))
        await chunks(made, question(parts))
        await chunks(made, question(json.dumps(old)))
        await chunks(made, question(json.dumps(apart)))
    contents = [seen.json["messages"][0]["content"] for seen in server.seen]
    words = {"type": "text", "text": "What is it?"}
    address = {"url": "https://x/y.png", "detail": "low"}
    assert contents[0] == [words, {"type": "image_url", "image_url": address}]
    png = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
    assert contents[1] == [png, words]
    jpeg = {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{PNG}"}}
    assert contents[2] == [words, jpeg]


@pytest.mark.parametrize("said", ['["a", "b"]', '{"text": "x"}', "[1, 2]", '[{"text": "x"}]', "42"])
async def test_json_without_a_picture_is_a_text(said: str) -> None:
    async with asked() as (made, server):
        server.script(streamed("A"))
        await chunks(made, question(said))
        assert server.only.json["messages"][0]["content"] == said


@pytest.mark.parametrize(
    ("kind", "model", "name"),
    [
        ("saas/openai", "gpt-4o", "max_tokens"),
        ("saas/openai", "o3-mini", "max_completion_tokens"),
        ("saas/openai", "gpt-5.1-chat", "max_completion_tokens"),
        ("saas/deepseek", "deepseek-chat", "max_tokens"),
    ],
)
async def test_the_name_of_the_limit(kind: str, model: str, name: str) -> None:
    async with asked(kind, saas__model=model) as (made, server):
        server.script(streamed("A"))
        await chunks(made, question(max_tokens=5))
        assert server.only.json[name] == 5


@pytest.mark.parametrize(
    ("kind", "request_", "says"),
    [
        ("saas/openai", question(top_k=5), "saas/openai has no top_k; leave it out"),
        ("saas/openai", question(stop_token_ids=[1]), "has no stop_token_ids"),
        ("saas/openai", question(temperature=-1.0), "temperature is -1.0"),
        (
            "saas/openai",
            question(options={"enable_search": True}),
            "has no enable_search",
        ),
        ("saas/openai", GenerateRequest("r", prompt="x"), "takes conversations, not prompts"),
        (
            "saas/openai",
            GenerateRequest("r", [Message("user", "x")], adapter="a"),
            "has no adapters",
        ),
        ("saas/deepseek", question([ImagePart(ImageUrl("https://x"))]), "can't see pictures"),
        ("saas/openai", question([ImagePart(ImageUrl("/etc/passwd"))]), "neither an address"),
    ],
)
async def test_what_is_refused_before_anything_is_sent(
    kind: str, request_: GenerateRequest, says: str
) -> None:
    async with asked(kind) as (made, server):
        with pytest.raises(InvalidRequestError, match=says):
            await chunks(made, request_)
        assert not server.seen


async def test_values_that_ask_for_nothing_are_left_out() -> None:
    async with asked() as (made, server):
        server.script(streamed("A"))
        await chunks(made, question(temperature=0.0))
        assert server.only.json["temperature"] == 0.0
        server.seen.clear()
        server.script(streamed("A"))
        await chunks(made, question(top_k=-1, repetition_penalty=1.0, min_p=0.0))
        assert server.only.json.keys() == {"model", "messages", "stream", "stream_options"}


async def test_options_of_a_provider_and_a_model_for_one_request() -> None:
    async with asked("saas/qianwen", saas__model="qwen-max") as (made, server):
        server.script(streamed("A"))
        extra = {"search_options": {"forced_search": True}}
        options: dict[str, Any] = {"enable_search": True, "model": "qwen-plus", "extra": extra}
        await chunks(made, question(options=options))
        sent = server.only.json
        assert (sent["model"], sent["enable_search"]) == ("qwen-plus", True)
        assert sent["search_options"] == {"forced_search": True}


async def test_connections_are_used_again() -> None:
    async with asked() as (made, server):
        server.script(*(streamed("A") for _ in range(4)))
        for _ in range(4):
            await text(made)
        assert server.connections == 1


def test_what_is_known_of_a_model() -> None:
    meta = engine("saas/openai", saas__api_key=KEY, saas__model="gpt-4o").meta()
    assert meta["model_deploy_type"] == meta["backend"] == "saas"
    assert meta["max_model_len"] == 128_000
    assert meta["support_stream"]
    assert not meta["embedding_mode"]
    assert meta["price"]["input"] == 2.5
    assert KEY not in str(meta)
