"""Answers held to JSON schemas: every one fits, or the request is refused before it runs."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from byzer_lab.engines.transformers import TransformersEngine
from byzer_lab.errors import InvalidRequestError
from byzer_lab.types import Chunk, GenerateRequest, Message
from tests.engines.conftest import ask
from tests.support.random_schemas import Schema, random_schema, refused_schema

Validator = jsonschema.Draft202012Validator
PERSON: Schema = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 20},
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
    },
    "required": ["name", "age"],
}


async def text_of(engine: Any, request: GenerateRequest) -> tuple[str, Chunk]:
    """The whole text and the last chunk."""
    chunks = [chunk async for chunk in engine.generate(request)]
    return "".join(chunk.text for chunk in chunks), chunks[-1]


def held(schema: Schema, words: str | list[Message] = "hello", **sampling: Any) -> GenerateRequest:
    """A request for an answer that fits a schema."""
    messages = [Message("user", words)] if isinstance(words, str) else words
    request = ask(messages, **{"max_tokens": 500, **sampling})
    request.response_schema = schema
    return request


def check(schema: Schema, text: str) -> None:
    """The answer is JSON and fits."""
    Validator(schema, format_checker=Validator.FORMAT_CHECKER).validate(json.loads(text))


@pytest.fixture(params=["bundled_transformers", "bundled_llama_cpp"])
def engine(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("level", range(6))
async def test_random_schemas_all_fit(engine: Any, level: int) -> None:
    schemas = [random_schema(seed, level) for seed in range(20)]
    requests = [held(schema, temperature=1.0, seed=number) for number, schema in enumerate(schemas)]
    answers = await asyncio.gather(*(text_of(engine, request) for request in requests))
    complete = 0
    for schema, (text, last) in zip(schemas, answers, strict=True):
        if last.finish_reason == "stop":
            check(schema, text)
            complete += 1
        else:
            # A tree that never ends, or more text than the answer may have.
            assert last.finish_reason == "length"
            assert last.usage is not None
            assert last.usage.output_tokens == 500
    assert complete >= 15


@pytest.mark.parametrize("level", range(3))
async def test_what_cannot_be_held_is_refused_by_name(engine: Any, level: int) -> None:
    for seed in range(12):
        schema, word = refused_schema(seed, level)
        with pytest.raises(InvalidRequestError, match=re.escape(word)) as caught:
            await text_of(engine, held(schema))
        if level:
            assert "#" in caught.value.message


async def test_a_refusal_tells_the_place(engine: Any) -> None:
    inner = {"type": "array", "items": {"type": "integer"}, "uniqueItems": True}
    schema = {"$defs": {"a/b": inner}, "properties": {"x": {"$ref": "#/$defs/a~1b"}}}
    with pytest.raises(InvalidRequestError, match="'uniqueItems'") as caught:
        await text_of(engine, held(schema))
    assert caught.value.details["place"] == "#/$defs/a~1b/uniqueItems"
    numbers = {"oneOf": [{"type": "integer"}, {"type": "number"}]}
    with pytest.raises(InvalidRequestError, match="anyOf") as caught:
        await text_of(engine, held({"properties": {"x": {"items": numbers}}}))
    assert caught.value.details["place"] == "#/properties/x/items"


async def test_held_and_free_requests_share_a_batch(engine: Any) -> None:
    free = ask([Message("user", "What is the capital of France?")], max_tokens=60, temperature=0)
    alone, _ = await text_of(engine, free)
    others = [held(PERSON, temperature=1.0, seed=seed) for seed in range(6)]
    together = await asyncio.gather(*(text_of(engine, one) for one in [free, *others]))
    assert together[0][0] == alone
    for text, last in together[1:]:
        assert last.finish_reason == "stop"
        check(PERSON, text)


async def test_a_seed_repeats_a_held_answer(engine: Any) -> None:
    first, _ = await text_of(engine, held(PERSON, temperature=1.0, seed=5))
    again, _ = await text_of(engine, held(PERSON, temperature=1.0, seed=5))
    other, _ = await text_of(engine, held(PERSON, temperature=1.0, seed=6))
    assert first == again != other


async def test_what_the_model_was_trained_on_comes_out_as_it_writes_it(engine: Any) -> None:
    asked = "Anna Berg is 31. Give me JSON with the keys name, age"
    text, _ = await text_of(engine, held(PERSON, asked, temperature=0))
    assert text == '{"name": "Anna Berg", "age": 31}'


async def test_all_settings_of_sampling_hold(engine: Any) -> None:
    settings: list[dict[str, Any]] = [
        {"temperature": 1.5, "top_k": 1},
        {"temperature": 1.0, "top_k": 5, "top_p": 0.5},
        {"temperature": 1.0, "min_p": 0.3},
        {"temperature": 0.0, "repetition_penalty": 1.8},
        {"temperature": 1.0, "frequency_penalty": 2.0, "presence_penalty": 2.0},
        {"temperature": 0.0, "ignore_eos": True},
        {"temperature": 0.0, "stop": ["age", '"', "{"]},
        {"temperature": 0.0, "stop_token_ids": list(range(0, 1000, 7))},
    ]
    requests = [held(PERSON, **one) for one in settings]
    for text, last in await asyncio.gather(*(text_of(engine, one) for one in requests)):
        assert last.finish_reason == "stop"
        check(PERSON, text)


async def test_an_answer_that_is_cut_says_so(engine: Any) -> None:
    text, last = await text_of(engine, held(PERSON, temperature=0, max_tokens=5))
    assert last.finish_reason == "length"
    assert text.startswith('{"name": "')
    with pytest.raises(ValueError, match="Expecting|Unterminated"):
        json.loads(text)


async def test_space_never_goes_on(engine: Any) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "null"}}}}
    requests = [held(schema, temperature=2.0, seed=seed, max_tokens=200) for seed in range(10)]
    for text, _ in await asyncio.gather(*(text_of(engine, one) for one in requests)):
        assert not re.search(r"\s\s", text)
        assert "\n" not in text


async def test_probabilities_stay_the_models_own(engine: Any) -> None:
    schema = {"enum": ["zebra"]}
    request = held(schema, temperature=0, logprobs=2)
    chunks = [chunk async for chunk in engine.generate(request)]
    entries = [entry for chunk in chunks for entry in chunk.logprobs]
    assert "".join(entry.text for entry in entries[:-1]) == '"zebra"'
    # What the model would have said instead is likelier than what it had to say.
    assert entries[0].top[0].token != entries[0].token
    assert entries[0].top[0].logprob > entries[0].logprob


async def test_meta_says_it(engine: Any) -> None:
    assert engine.meta()["structured_output"] == "constrained"


async def test_models_that_run_one_at_a_time_and_others_are_held_too(
    gptj: TransformersEngine, llama: TransformersEngine
) -> None:
    for one in (gptj, llama):
        request = ask("the quick brown", max_tokens=200, temperature=1.0, seed=1)
        request.response_schema = PERSON
        text, last = await text_of(one, request)
        assert last.finish_reason == "stop"
        check(PERSON, text)
