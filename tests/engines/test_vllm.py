"""Requests to the vLLM backend: the bundled model and two LoRA adapters on one engine."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("vllm", reason="vLLM is not installed here")

from byzer_lab.bundled import bundled_model
from byzer_lab.engines.base import EngineConfig, LoadProgress, RendersChats, Tokenizes
from byzer_lab.engines.transformers import TransformersEngine
from byzer_lab.engines.vllm import VLLMEngine
from byzer_lab.errors import ContextLengthError, InvalidRequestError
from byzer_lab.types import (
    GenerateRequest,
    Message,
    Sampling,
    TemplateRequest,
    TokenizeRequest,
)
from tests.engines.conftest import answer, ask, load_engine
from tests.engines.test_structured import check, held, text_of
from tests.engines.test_structured_tools import calling, calls_of
from tests.support.random_schemas import random_schema, refused_schema

CONCURRENCY = 24
QUESTIONS = [
    "hello",
    "What is Byzer Lab?",
    "Say it in upper case: notebook",
    "你好",
    "Repeat: lamp, river, stone",
    "What is the capital of France?",
    "Write JSON with the name Ada and the age 36",
    "Tell me a joke",
]
PHASES = ["importing", "starting the engine", "loading weights", "warming up"]


def make_adapter(folder: Path, seed: int, rank: int) -> Path:
    """A LoRA adapter of the bundled model with random weights, saved by PEFT."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_pretrained(bundled_model(), dtype=torch.float32)
    lora = LoraConfig(
        r=rank,
        lora_alpha=4 * rank,
        target_modules=["q_proj", "v_proj", "down_proj"],
        init_lora_weights=False,
        task_type="CAUSAL_LM",
    )
    get_peft_model(model, lora).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def adapters(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("adapters")
    return {
        "small": str(make_adapter(folder / "small", 1, 2)),
        "large": str(make_adapter(folder / "large", 2, 12)),
    }


@pytest.fixture(scope="module")
def progress() -> list[LoadProgress]:
    return []


@pytest.fixture(scope="module")
def engine(adapters: dict[str, str], progress: list[LoadProgress]) -> Iterator[VLLMEngine]:
    given = {"adapters": adapters, "backend.disable_log_stats": "false"}
    made = VLLMEngine(EngineConfig(str(bundled_model()), "custom/auto", given, CONCURRENCY))
    made.load(progress.append)
    yield made
    asyncio.run(made.close())


@pytest.fixture(scope="module")
def reference() -> Iterator[TransformersEngine]:
    made = load_engine(bundled_model())
    yield made
    asyncio.run(made.close())


def question(text: str, adapter: str | None = None, **sampling: Any) -> GenerateRequest:
    request = ask([Message("user", text)], **{"temperature": 0, "max_tokens": 60, **sampling})
    request.adapter = adapter
    return request


async def said(engine: Any, request: GenerateRequest) -> str:
    return (await answer(engine, request))[0]


def test_loading_is_told_phase_by_phase(engine: VLLMEngine, progress: list[LoadProgress]) -> None:
    told = [step.phase for step in progress]
    assert [phase for n, phase in enumerate(told) if phase not in told[:n]] == PHASES


def test_meta(engine: VLLMEngine) -> None:
    meta = engine.meta()
    assert (
        meta.items()
        >= {
            "model_deploy_type": "proprietary",
            "backend": "ray/vllm",
            "max_model_len": 2048,
            "architectures": ["LlamaForCausalLM"],
            "support_stream": True,
            "support_chat_template": True,
            "context_length": 2048,
            "dtype": "float32",
            "quantization": None,
            "tensor_parallel_size": 1,
            "adapters": ["large", "small"],
            "batching": "continuous",
            "device": "cpu",
        }.items()
    )
    assert meta["engine_version"]
    assert meta["kv_cache_tokens"] >= CONCURRENCY * 1024
    assert isinstance(engine, Tokenizes)
    assert isinstance(engine, RendersChats)


def test_answers_are_constrained_by_guidance(engine: VLLMEngine) -> None:
    _, runtime = engine._ready()
    config = runtime.llm.vllm_config.structured_outputs_config
    assert config.backend == "guidance"
    assert config.disable_any_whitespace is True


async def test_the_same_text_as_the_librarys_own_generate(
    engine: VLLMEngine, reference: TransformersEngine
) -> None:
    import torch

    loaded = reference._loaded
    assert loaded is not None
    for text in QUESTIONS:
        template = TemplateRequest([Message("user", text)])
        prompt = (await engine.apply_chat_template(template)).text
        assert prompt == (await reference.apply_chat_template(template)).text
        tokens = (await engine.tokenize(TokenizeRequest(prompt))).tokens
        assert tokens == (await reference.tokenize(TokenizeRequest(prompt))).tokens
        own = loaded.model.generate(torch.tensor([tokens]), max_new_tokens=60, do_sample=False)
        expected = loaded.decode(own[0, len(tokens) :].tolist())
        assert await said(engine, question(text)) == expected
        assert await said(engine, ask(prompt, temperature=0, max_tokens=60)) == expected
        assert await said(reference, question(text)) == expected


@pytest.mark.parametrize(
    "sampling",
    [
        {"repetition_penalty": 1.5},
        {"presence_penalty": 1.5},
        {"frequency_penalty": 0.8},
        {"temperature": None},  # the model's own default
        {"temperature": 5e-6},
        {"temperature": 1.0, "top_k": 1},
        {"temperature": 1.0, "top_p": 1e-6},
        {"temperature": 1.5, "min_p": 1.0},
        {"ignore_eos": True, "max_tokens": 40},
    ],
    ids=str,
)
async def test_sampling_means_the_same_as_on_transformers(
    engine: VLLMEngine, reference: TransformersEngine, sampling: dict[str, Any]
) -> None:
    for text in QUESTIONS[:3]:
        found, last = await answer(engine, question(text, **sampling))
        expected, other = await answer(reference, question(text, **sampling))
        assert found == expected
        assert last.finish_reason == other.finish_reason
        assert last.usage is not None
        assert other.usage is not None
        assert last.usage.output_tokens == other.usage.output_tokens
        assert last.usage.input_tokens == other.usage.input_tokens


async def test_text_comes_in_pieces(engine: VLLMEngine) -> None:
    pieces = [c.text async for c in engine.generate(question("What is Byzer Lab?"))]
    assert len(pieces) > 5
    assert max(map(len, pieces)) < len("".join(pieces)) / 2


async def test_many_at_once_and_none_lost(
    engine: VLLMEngine, reference: TransformersEngine
) -> None:
    texts = [f"Repeat: {word}, {number}" for number in range(6) for word in "abcd"]
    assert len(texts) == CONCURRENCY
    found = await asyncio.gather(*(said(engine, question(text)) for text in texts))
    expected = await asyncio.gather(*(said(reference, question(text)) for text in texts))
    assert found == expected


async def test_a_seed_gives_the_same_answer_whatever_else_runs(engine: VLLMEngine) -> None:
    def random(seed: int) -> GenerateRequest:
        return question("hello", temperature=2.0, seed=seed, ignore_eos=True, max_tokens=30)

    alone = await said(engine, random(7))
    # Seeds of every size, as on the other backends: vLLM itself takes -1 for none.
    seeds = [7, -1, -1, 2**70, 2**70, *range(10)]
    together = await asyncio.gather(*(said(engine, random(seed)) for seed in seeds))
    assert together[0] == together[seeds.index(7, 1)] == alone
    assert together[1] == together[2]
    assert together[3] == together[4]
    assert len(set(together)) == len(set(seeds))


async def test_stop_texts_and_stop_tokens(engine: VLLMEngine) -> None:
    whole = await said(engine, question("hello"))
    for stop in (whole[6:9], whole[-4:-1]):
        text, last = await answer(engine, question("hello", stop=[stop, "never said"]))
        assert text == whole[: whole.index(stop)]
        assert last.finish_reason == "stop"
    tokens = (await engine.tokenize(TokenizeRequest(whole))).tokens
    text, last = await answer(engine, question("hello", stop_token_ids=[tokens[4]]))
    assert whole.startswith(text)
    assert last.usage is not None
    assert last.usage.output_tokens == tokens.index(tokens[4]) + 1
    assert last.finish_reason == "stop"
    # A stop text that is a special token ends the answer as a token.
    asked = {"ignore_eos": True, "max_tokens": 50}
    assert await said(engine, question("hello", stop=["<|im_end|>"], **asked)) == whole


async def test_logprobs_are_those_of_transformers(
    engine: VLLMEngine, reference: TransformersEngine
) -> None:
    for temperature in (0, 1.0):
        asked = {"logprobs": 3, "temperature": temperature, "top_k": 1, "max_tokens": 20}
        found, expected = [], []
        async for chunk in engine.generate(question("Tell me a joke", **asked)):
            assert len(chunk.logprobs) == chunk.tokens
            found += chunk.logprobs
        async for chunk in reference.generate(question("Tell me a joke", **asked)):
            expected += chunk.logprobs
        assert [one.token for one in found] == [one.token for one in expected]
        assert [one.text for one in found] == [one.text for one in expected]
        for mine, theirs in zip(found, expected, strict=True):
            assert mine.logprob == pytest.approx(theirs.logprob, abs=2e-3)
            assert len(mine.top) == 3
            assert mine.top[0].token == theirs.top[0].token == mine.token
            assert [one.logprob for one in mine.top] == pytest.approx(
                [one.logprob for one in theirs.top], abs=2e-2
            )
    chunks = [c async for c in engine.generate(question("hello", logprobs=0))]
    assert all(not one.top for chunk in chunks for one in chunk.logprobs)
    assert sum(len(chunk.logprobs) for chunk in chunks) == sum(chunk.tokens for chunk in chunks)


async def test_each_adapter_answers_as_with_peft(
    engine: VLLMEngine, adapters: dict[str, str], reference: TransformersEngine
) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    loaded = reference._loaded
    assert loaded is not None
    plain = await said(engine, question("What is Byzer Lab?", max_tokens=24))
    expected: dict[str | None, str] = {None: plain}
    for name, folder in adapters.items():
        base = AutoModelForCausalLM.from_pretrained(bundled_model(), dtype=torch.float32)
        model = PeftModel.from_pretrained(base, folder).eval()
        template = TemplateRequest([Message("user", "What is Byzer Lab?")])
        prompt = (await engine.apply_chat_template(template)).text
        tokens = (await engine.tokenize(TokenizeRequest(prompt))).tokens
        own = model.generate(
            input_ids=torch.tensor([tokens]), max_new_tokens=24, do_sample=False, pad_token_id=0
        )
        expected[name] = loaded.decode(own[0, len(tokens) :].tolist())
    assert len(set(expected.values())) == 3
    # In one batch.
    names = [None, "small", "large"] * 4
    asked = (question("What is Byzer Lab?", name, max_tokens=24) for name in names)
    found = await asyncio.gather(*(said(engine, request) for request in asked))
    assert found == [expected[name] for name in names]


@pytest.mark.parametrize(
    ("sampling", "text"),
    [
        ({"temperature": -1}, "temperature is -1"),
        ({"temperature": 3.0}, r"vLLM refuses the request: temperature must be in \[0, 2\]"),
        ({"top_p": 0}, "top_p is 0"),
        ({"stop": [""]}, "stop holds an empty text"),
        ({"stop_token_ids": [10**6]}, "stop_token_ids holds 1000000"),
        ({"logprobs": 21}, "logprobs is 21"),
    ],
)
async def test_what_can_not_be_sampled_is_refused(
    engine: VLLMEngine, sampling: dict[str, Any], text: str
) -> None:
    with pytest.raises(InvalidRequestError, match=text):
        await said(engine, question("hello", **sampling))


async def test_what_can_not_be_asked_is_refused(engine: VLLMEngine) -> None:
    with pytest.raises(InvalidRequestError, match="no adapter 'smal'; .* has: small, large"):
        await said(engine, question("hello", "smal"))
    with pytest.raises(InvalidRequestError, match="either messages or a prompt"):
        await said(engine, GenerateRequest("nothing"))
    with pytest.raises(InvalidRequestError, match="prompt is empty"):
        await said(engine, GenerateRequest("empty", prompt=""))
    with pytest.raises(ContextLengthError, match="window of 2048"):
        await said(engine, question("hello", max_tokens=2048))
    with pytest.raises(ContextLengthError, match="window of 2048 must hold the answer too"):
        await said(engine, question("hello " * 3000))
    limited = question("hello")
    limited.max_input_tokens = 3
    with pytest.raises(ContextLengthError, match="more than the 3"):
        await said(engine, limited)
    limited = question("hello", max_tokens=None, ignore_eos=True)
    limited.max_total_tokens = 30
    _, last = await answer(engine, limited)
    assert last.usage is not None
    assert last.usage.input_tokens + last.usage.output_tokens == 30
    assert last.finish_reason == "length"


async def test_closing_an_answer_aborts_it_in_vllm(engine: VLLMEngine) -> None:
    _, runtime = engine._ready()

    async def begin() -> None:
        running = engine.generate(question("hello", max_tokens=1900, ignore_eos=True))
        assert (await anext(running)).text
        await running.aclose()

    await asyncio.gather(*(begin() for _ in range(CONCURRENCY)))
    async with asyncio.timeout(30):
        while runtime.unfinished():
            await asyncio.sleep(0.01)
    # vLLM's scheduler, in its own process, counts what it runs with each step.
    await said(engine, question("hello"))
    assert running_in_vllm() <= 1


def running_in_vllm() -> float:
    from prometheus_client import REGISTRY

    (metric,) = [one for one in REGISTRY.collect() if one.name == "vllm:num_requests_running"]
    return sum(sample.value for sample in metric.samples)


async def test_a_cancelled_task_aborts_too(engine: VLLMEngine) -> None:
    _, runtime = engine._ready()
    begun = asyncio.Event()

    async def read() -> None:
        async for _ in engine.generate(question("hello", max_tokens=1900, ignore_eos=True)):
            begun.set()

    task = asyncio.create_task(read())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(30):
        while runtime.unfinished():
            await asyncio.sleep(0.01)


async def test_defaults_of_the_model_are_kept(engine: VLLMEngine) -> None:
    """As on the transformers backend: greedy unless generation_config.json says do_sample."""
    loaded, _ = engine._ready()
    plain = Sampling()
    assert loaded.model.generation_config.do_sample in (None, False)
    assert loaded.end_of_text
    texts = {await said(engine, ask([Message("user", "hello")])) for _ in range(3)}
    assert len(texts) == 1
    assert plain.temperature is None


async def test_answers_are_held_to_schemas(engine: VLLMEngine) -> None:
    assert engine.meta()["structured_output"] == "constrained"
    schemas = [random_schema(seed, level) for level in (1, 3, 5) for seed in range(6)]
    requests = [held(schema, temperature=1.0, seed=number) for number, schema in enumerate(schemas)]
    complete = 0
    for schema, (text, last) in zip(
        schemas, await asyncio.gather(*(text_of(engine, one) for one in requests)), strict=True
    ):
        if last.finish_reason == "stop":
            check(schema, text)
            complete += 1
    assert complete >= len(schemas) // 2
    schema, word = refused_schema(1, 2)
    with pytest.raises(InvalidRequestError, match=re.escape(word)):
        await text_of(engine, held(schema))


async def test_tools_are_called(engine: VLLMEngine) -> None:
    assert engine.meta()["support_tools"] is True
    call = ("compute_date_range", {"count": 3, "unit": "month"})
    assert await calls_of(engine, calling("最近三个月趋势")) == ("", [call], "tool_calls")
    text, calls, finish = await calls_of(engine, calling("你吃饭了么？"))
    assert "人工智能" in text
    assert (calls, finish) == ([], "stop")
    named = await calls_of(engine, calling("hello", tool_choice="compute_now"))
    assert named == ("", [("compute_now", {})], "tool_calls")
