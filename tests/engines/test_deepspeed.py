"""The DeepSpeed engine on two real ranks: a tiny llama, split over two processes."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
import transformers

from byzer_lab.engines import backend_name, find_engine
from byzer_lab.engines.base import EngineConfig
from byzer_lab.engines.deepspeed import DeepSpeedEngine
from byzer_lab.errors import ContextLengthError, InvalidRequestError
from byzer_lab.types import Message, TemplateRequest, TokenizeRequest
from tests.engines.conftest import CONTEXT, answer, ask
from tests.engines.test_structured import check, text_of
from tests.support.ranks import alive, load_ranks, process_ids

ROWS = 4
PROMPTS = [
    "hello",
    "the quick brown fox jumps over the lazy dog",
    "你好，世界",
    "Byzer Lab answers questions about models. " * 4,
    "a",
    "🙂🚀 again and again",
    "tables and notebooks",
    "today",
]


@pytest.fixture(scope="module")
def engine(model_folder: Callable[[str], Path]) -> Iterator[DeepSpeedEngine]:
    made = load_ranks(
        model_folder("llama"), {"tensor_parallel_size": 2, "max_batch_size": ROWS}, concurrency=16
    )
    ranks = process_ids(made)
    assert len(ranks) == 2
    assert all(map(alive, ranks))
    yield made
    asyncio.run(made.close())
    asyncio.run(made.close())
    assert not any(map(alive, ranks))


@pytest.fixture(scope="module")
def whole(model_folder: Callable[[str], Path]) -> Any:
    """The same model in one piece, in this process."""
    return transformers.AutoModelForCausalLM.from_pretrained(model_folder("llama")).eval()


@pytest.fixture(scope="module")
def tokenizer(model_folder: Callable[[str], Path]) -> Any:
    return transformers.AutoTokenizer.from_pretrained(model_folder("llama"))


def generate(model: Any, tokenizer: Any, prompt: str, tokens: int) -> str:
    """The library's own greedy answer."""
    ids = tokenizer(prompt, return_tensors="pt").input_ids
    made = model.generate(
        ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=tokens
    )
    text: str = tokenizer.decode(made[0, ids.shape[1] :], skip_special_tokens=True)
    return text.rstrip("\ufffd")


def test_the_names_of_the_backend() -> None:
    assert backend_name("ray/deepspeed") == "deepspeed"
    assert find_engine("ray/deepspeed") is DeepSpeedEngine


def test_meta_tells_what_each_rank_holds(engine: DeepSpeedEngine, whole: Any) -> None:
    meta = engine.meta()
    assert json.loads(json.dumps(meta)) == meta
    assert {
        "model_deploy_type": "proprietary",
        "backend": "ray/deepspeed",
        "max_model_len": CONTEXT,
        "context_length": CONTEXT,
        "architectures": ["LlamaForCausalLM"],
        "support_stream": True,
        "support_chat_template": True,
        "parameters": whole.num_parameters(),
        "world_size": 2,
        "dtype": "float32",
        "device": "cpu",
        "batching": "padded",
        "zero_offload": "none",
    }.items() <= meta.items()
    first, second = meta["parameters_per_rank"]
    assert first < meta["parameters"]
    assert second < meta["parameters"]
    assert first + second >= meta["parameters"]


async def test_greedy_answers_equal_generate_alone_and_in_a_mixed_batch(
    engine: DeepSpeedEngine, whole: Any, tokenizer: Any
) -> None:
    wanted = [generate(whole, tokenizer, prompt, 24) for prompt in PROMPTS]
    alone = [(await answer(engine, ask(prompt, max_tokens=24)))[0] for prompt in PROMPTS]
    assert [text.rstrip("\ufffd") for text in alone] == wanted
    noise = [
        answer(engine, ask(prompt, max_tokens=40, temperature=1.0, top_p=0.9, seed=number))
        for number, prompt in enumerate(PROMPTS)
    ]
    mixed = [answer(engine, ask(prompt, max_tokens=24)) for prompt in PROMPTS]
    together = await asyncio.gather(*mixed, *noise)
    assert [text for text, _ in together[: len(PROMPTS)]] == alone


async def test_tokens_come_one_by_one(engine: DeepSpeedEngine) -> None:
    stream = engine.generate(ask("hello", max_tokens=60, ignore_eos=True))
    first = await anext(stream)
    assert first.tokens < 60
    assert group(engine).open_requests == 1
    rest = [chunk async for chunk in stream]
    assert len(rest) > 10
    assert first.tokens + sum(chunk.tokens for chunk in rest) == 60
    assert rest[-1].finish_reason == "length"


async def test_a_cancelled_request_leaves_the_batch_and_the_others_go_on(
    engine: DeepSpeedEngine,
) -> None:
    wanted, _ = await answer(engine, ask("hello", max_tokens=200, ignore_eos=True))
    other = asyncio.create_task(answer(engine, ask("hello", max_tokens=200, ignore_eos=True)))
    cancelled = [engine.generate(ask("a", ignore_eos=True)) for _ in range(ROWS - 1)]
    for one in cancelled:
        await anext(one)
    # Every row is taken: the next request waits until one is cancelled.
    waiting = asyncio.create_task(answer(engine, ask("today", max_tokens=2, ignore_eos=True)))
    for one in cancelled:
        await one.aclose()
    async with asyncio.timeout(20):
        await waiting
        assert not other.done()
        assert (await other)[0] == wanted
    assert group(engine).open_requests == 0


async def test_cancelling_a_task_ends_its_request(engine: DeepSpeedEngine) -> None:
    tasks = [asyncio.create_task(answer(engine, ask("hello", ignore_eos=True))) for _ in range(8)]
    async with asyncio.timeout(20):
        while group(engine).open_requests < 8:
            await asyncio.sleep(0.002)
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(result, asyncio.CancelledError) for result in results)
        assert group(engine).open_requests == 0
        await answer(engine, ask("hello", max_tokens=2))


async def test_a_seed_repeats_whatever_else_is_in_the_batch(engine: DeepSpeedEngine) -> None:
    def seeded(seed: int | None) -> Any:
        return answer(
            engine, ask("the quick", max_tokens=30, temperature=1.0, top_p=0.95, seed=seed)
        )

    alone, _ = await seeded(42)
    crowd = [answer(engine, ask(prompt, max_tokens=50, temperature=1.5)) for prompt in PROMPTS]
    results = await asyncio.gather(*crowd, seeded(42), seeded(43), seeded(None), seeded(None))
    again, other, free, freer = (text for text, _ in results[len(crowd) :])
    assert again == alone
    assert len({alone, other, free, freer}) == 4


async def test_stop_texts_and_stop_tokens_end_an_answer(
    engine: DeepSpeedEngine, tokenizer: Any
) -> None:
    full, last = await answer(engine, ask("hello", max_tokens=60, ignore_eos=True))
    assert last.finish_reason == "length"
    middle = len(full) // 2
    stop = full[middle : middle + 3]
    text, last = await answer(engine, ask("hello", max_tokens=60, ignore_eos=True, stop=[stop]))
    assert text == full[: full.index(stop)]
    assert last.finish_reason == "stop"
    probe = engine.generate(ask("hello", max_tokens=20, ignore_eos=True, logprobs=0))
    tokens = [told.token async for chunk in probe for told in chunk.logprobs]
    end = tokens[10]
    _, last = await answer(
        engine, ask("hello", max_tokens=20, ignore_eos=True, stop_token_ids=[end])
    )
    assert last.finish_reason == "stop"
    assert last.usage is not None
    assert last.usage.output_tokens == tokens.index(end) + 1


async def test_logprobs_are_the_models_own(
    engine: DeepSpeedEngine, whole: Any, tokenizer: Any
) -> None:
    asked = ask("the quick", max_tokens=6, temperature=0.9, seed=3, ignore_eos=True, logprobs=3)
    chunks = [chunk async for chunk in engine.generate(asked)]
    told = [one for chunk in chunks for one in chunk.logprobs]
    assert len(told) == 6
    assert all(len(chunk.logprobs) == chunk.tokens for chunk in chunks)
    ids = tokenizer.encode("the quick")
    for one in told:
        with torch.inference_mode():
            logprobs = whole(torch.tensor([ids])).logits[0, -1].log_softmax(-1)
        assert one.logprob == pytest.approx(float(logprobs[one.token]), abs=1e-3)
        assert one.text == tokenizer.decode([one.token])
        best = logprobs.topk(3)
        assert [other.token for other in one.top] == best.indices.tolist()
        values = [other.logprob for other in one.top]
        assert values == pytest.approx(best.values.tolist(), abs=1e-3)
        ids.append(one.token)


def test_nobody_asking_costs_next_to_nothing(engine: DeepSpeedEngine) -> None:
    ranks = [psutil.Process(process_id) for process_id in process_ids(engine)]

    def busy() -> float:
        return sum(times.user + times.system for times in (one.cpu_times() for one in ranks))

    def idle_share() -> float:
        start = busy()
        time.sleep(1)
        return busy() - start

    assert min(idle_share() for _ in range(3)) < 0.05


async def test_messages_tokens_and_templates(engine: DeepSpeedEngine, tokenizer: Any) -> None:
    messages = [Message("user", "hello")]
    prompt = (await engine.apply_chat_template(TemplateRequest(messages))).text
    assert prompt == "<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\n"
    tokens = (await engine.tokenize(TokenizeRequest(prompt))).tokens
    assert tokens == tokenizer.encode(prompt, add_special_tokens=False)
    from_messages, last = await answer(engine, ask(messages, max_tokens=10))
    assert last.usage is not None
    assert last.usage.input_tokens == len(tokens)
    assert (await answer(engine, ask(prompt, max_tokens=10)))[0] == from_messages


async def test_what_cannot_be_served_is_refused_before_it_reaches_a_rank(
    engine: DeepSpeedEngine,
) -> None:
    with pytest.raises(ContextLengthError, match=rf"max_tokens is 300.*window of {CONTEXT}"):
        await answer(engine, ask("hello", max_tokens=300))
    with pytest.raises(InvalidRequestError, match="temperature"):
        await answer(engine, ask("hello", temperature=-1.0))
    adapted = ask("hello")
    adapted.adapter = "mine"
    with pytest.raises(InvalidRequestError, match="adapter .mine."):
        await answer(engine, adapted)
    _, last = await answer(engine, ask("hello", ignore_eos=True))
    assert last.usage is not None
    assert last.usage.input_tokens + last.usage.output_tokens == CONTEXT


@pytest.mark.parametrize(
    ("given", "gpus", "words"),
    [
        ({"tensor_paralel_size": 2}, 0, "did you mean tensor_parallel_size"),
        ({"tensor_parallel_size": 0}, 0, "at least 1|from 1"),
        ({"tensor_parallel_size": 2}, 4, "gpus_per_worker is 4, and each GPU runs one rank"),
        ({"tensor_parallel_size": 2, "zero_offload": "cpu"}, 0, "leave one of the two out"),
        ({"zero_offload": "disk"}, 0, "one of none, cpu, nvme"),
        ({"zero_offload": "nvme"}, 0, "nvme_path is missing"),
        ({"nvme_path": "/somewhere"}, 0, "zero_offload is none"),
    ],
)
def test_wrong_parameters_are_refused_without_loading(
    given: dict[str, Any], gpus: float, words: str
) -> None:
    with pytest.raises(InvalidRequestError, match=words):
        DeepSpeedEngine(EngineConfig("nowhere", "custom/auto", given, 4, gpus))


def group(engine: DeepSpeedEngine) -> Any:
    assert engine._loaded is not None
    return engine._loaded.group


async def test_answers_are_held_to_schemas(engine: DeepSpeedEngine) -> None:
    assert engine.meta()["structured_output"] == "constrained"
    schema = {
        "type": "object",
        "properties": {
            "name": {"type": "string", "maxLength": 12},
            "age": {"type": "integer", "minimum": 0, "maximum": 120},
            "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 3},
        },
        "required": ["name", "age", "tags"],
    }
    free = ask("the quick brown", max_tokens=20, temperature=0, ignore_eos=True)
    alone, _ = await text_of(engine, free)
    requests = [free]
    for seed in range(6):
        requests.append(ask("the quick brown", max_tokens=150, temperature=1.0, seed=seed))
        requests[-1].response_schema = schema
    answers = await asyncio.gather(*(text_of(engine, one) for one in requests))
    assert answers[0][0] == alone
    for text, last in answers[1:]:
        assert last.finish_reason == "stop"
        check(schema, text)
    assert len({text for text, _ in answers}) == len(answers)
    refused = ask("hello")
    refused.response_schema = {"not": {}}
    with pytest.raises(InvalidRequestError, match="'not'"):
        await text_of(engine, refused)
