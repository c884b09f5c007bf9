"""One request from prompt to last chunk, the same on the batch and one at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from byzer_lab.engines.transformers import TransformersEngine
from byzer_lab.engines.transformers.plan import make_plan
from byzer_lab.errors import ContextLengthError, InvalidRequestError
from byzer_lab.types import GenerateRequest, Message
from tests.engines.conftest import CONTEXT, answer, ask, load_engine, make_model


@pytest.fixture(params=["llama", "gptj"])
def engine(request: pytest.FixtureRequest) -> TransformersEngine:
    """One that batches and one that can't."""
    found: TransformersEngine = request.getfixturevalue(request.param)
    assert found.meta()["batching"] == {"llama": "continuous", "gptj": "single"}[request.param]
    return found


async def pieces(engine: TransformersEngine, request: GenerateRequest) -> list[str]:
    return [chunk.text async for chunk in engine.generate(request)]


async def test_text_arrives_in_whole_characters(engine: TransformersEngine) -> None:
    """The random model writes Chinese, Russian, emoji and stray bytes; tokens split all of them."""
    loaded = engine._loaded
    assert loaded is not None
    multi_byte = 0
    for seed in range(6):
        asked = ask("你好 🙂", max_tokens=80, temperature=1.0, seed=seed, ignore_eos=True)
        text = "".join(await pieces(engine, asked))
        again = loaded.tokenizer.encode(text)
        assert loaded.decode(again) == text
        multi_byte += sum(ord(character) > 127 and character != "\ufffd" for character in text)
    assert multi_byte > 30


async def test_a_stop_text_is_cut_wherever_it_falls(engine: TransformersEngine) -> None:
    asked = {"max_tokens": 40, "ignore_eos": True}
    whole, _ = await answer(engine, ask("the quick", **asked))
    for start in range(2, len(whole) - 4, 3):
        for length in (1, 3, 5):
            stop = whole[start : start + length]
            text, last = await answer(engine, ask("the quick", **asked, stop=[stop, "never said"]))
            assert text == whole[: whole.index(stop)]
            assert (last.finish_reason, last.stop) == ("stop", stop)
            assert last.usage is not None
            assert last.usage.output_tokens <= 40


async def test_a_stop_text_that_only_begins_is_given_out_at_the_end(
    engine: TransformersEngine,
) -> None:
    asked = {"max_tokens": 10, "ignore_eos": True}
    whole, _ = await answer(engine, ask("hello", **asked))
    text, last = await answer(engine, ask("hello", **asked, stop=[whole[-3:] + "and more"]))
    assert text == whole
    assert (last.finish_reason, last.stop) == ("length", "")


async def tokens_of(engine: TransformersEngine, request: GenerateRequest) -> list[int]:
    loaded, runner = engine._ready()
    plan = make_plan(request, loaded, runner.longest_request)
    return [token async for tokens in runner.stream(plan) for token in tokens]


async def test_a_stop_token_ends_the_answer_and_is_no_part_of_it(
    engine: TransformersEngine,
) -> None:
    loaded = engine._loaded
    assert loaded is not None
    asked = {"max_tokens": 20, "ignore_eos": True}
    tokens = await tokens_of(engine, ask("hello", **asked))
    place = next(n for n in range(5, 20) if tokens[n] not in tokens[:n])
    request = ask("hello", **asked, stop_token_ids=[tokens[place]])
    text, last = await answer(engine, request)
    assert last.finish_reason == "stop"
    assert text == loaded.decode(tokens[:place])
    assert last.usage is not None
    assert last.usage.output_tokens == place + 1


async def test_the_models_own_end_token_ends_unless_ignored(engine: TransformersEngine) -> None:
    loaded = engine._loaded
    assert loaded is not None
    config = loaded.model.generation_config
    own = config.eos_token_id
    tokens = await tokens_of(engine, ask("hello", max_tokens=20, ignore_eos=True))
    config.eos_token_id = tokens[3]
    try:
        ended, last = await answer(engine, ask("hello", max_tokens=20))
        goes_on, length = await answer(engine, ask("hello", max_tokens=20, ignore_eos=True))
    finally:
        config.eos_token_id = own
    assert last.finish_reason == "stop"
    assert ended == loaded.decode(tokens[: tokens.index(tokens[3])])
    assert length.finish_reason == "length"
    assert goes_on == loaded.decode(tokens).rstrip("\ufffd")


async def test_a_stop_text_that_is_a_special_token_ends_the_answer(
    engine: TransformersEngine,
) -> None:
    loaded = engine._loaded
    assert loaded is not None
    assert loaded.special_tokens["<|im_start|>"] == 1
    asked = {"max_tokens": 20, "ignore_eos": True}
    tokens = await tokens_of(engine, ask("hello", **asked))
    loaded.special_tokens["<|mark|>"] = tokens[4]
    try:
        text, last = await answer(engine, ask("hello", **asked, stop=["<|mark|>"]))
    finally:
        del loaded.special_tokens["<|mark|>"]
    assert last.finish_reason == "stop"
    assert text == loaded.decode(tokens[: tokens.index(tokens[4])])


async def test_a_seed_repeats(engine: TransformersEngine) -> None:
    def seeded(seed: int) -> GenerateRequest:
        return ask("the quick", max_tokens=30, temperature=1.0, top_p=0.9, seed=seed)

    first, _ = await answer(engine, seeded(1))
    (again, _), (other, _) = await asyncio.gather(
        answer(engine, seeded(1)), answer(engine, seeded(2))
    )
    assert again == first != other


async def test_the_models_generation_config_is_the_default(engine: TransformersEngine) -> None:
    loaded = engine._loaded
    assert loaded is not None
    config = loaded.model.generation_config
    greedy, _ = await answer(engine, ask("hello", max_tokens=30))
    config.do_sample, config.top_k = True, 1
    try:
        assert (await answer(engine, ask("hello", max_tokens=30)))[0] == greedy
        config.top_k = None
        sampled = {(await answer(engine, ask("hello", max_tokens=30)))[0] for _ in range(3)}
        forced, _ = await answer(engine, ask("hello", max_tokens=30, temperature=0.0))
    finally:
        config.do_sample, config.top_k = None, None
    assert len(sampled) == 3
    assert forced == greedy


async def test_penalties_change_what_is_said(engine: TransformersEngine) -> None:
    asked = {"max_tokens": 100, "ignore_eos": True}
    text, _ = await answer(engine, ask("hello", **asked, frequency_penalty=2, presence_penalty=2))
    plain, _ = await answer(engine, ask("hello", **asked))
    assert len(set(text)) > len(set(plain))


async def test_messages_go_through_the_chat_template(engine: TransformersEngine) -> None:
    messages = [Message(role="system", content="Be kind."), Message(role="user", content="hi")]
    rendered = (
        "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nhi<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    by_messages, last = await answer(engine, ask(messages, max_tokens=10))
    by_prompt, same = await answer(engine, ask(rendered, max_tokens=10))
    assert (by_messages, last.usage) == (by_prompt, same.usage)
    assert engine.meta()["support_chat_template"] is True


async def test_what_does_not_fit_is_refused_with_both_numbers(engine: TransformersEngine) -> None:
    long = "again and again " * 100
    loaded = engine._loaded
    assert loaded is not None
    count = len(loaded.tokenizer.encode(long))
    with pytest.raises(ContextLengthError) as caught:
        await answer(engine, ask(long))
    assert str(count) in caught.value.message
    assert str(CONTEXT) in caught.value.message
    assert caught.value.details == {"input_tokens": count, "context_length": CONTEXT}
    with pytest.raises(ContextLengthError, match=f"max_tokens is {CONTEXT}"):
        await answer(engine, ask("hello", max_tokens=CONTEXT))


async def test_bad_requests_are_refused_before_anything_runs(engine: TransformersEngine) -> None:
    with pytest.raises(InvalidRequestError, match="top_p is 0; it must be"):
        await answer(engine, ask("hello", top_p=0))
    with pytest.raises(InvalidRequestError, match="stop_token_ids holds 100000"):
        await answer(engine, ask("hello", stop_token_ids=[100_000]))
    with pytest.raises(InvalidRequestError, match="either messages or a prompt"):
        await answer(engine, GenerateRequest(request_id="empty"))
    with pytest.raises(InvalidRequestError, match="The prompt is empty"):
        await answer(engine, ask(""))
    with pytest.raises(InvalidRequestError, match="refuses these messages: no tools here"):
        await answer(engine, ask([Message(role="tool", content="42")]))


async def test_closing_early_ends_the_request_and_the_next_one_runs(
    engine: TransformersEngine,
) -> None:
    started = engine.generate(ask("hello", ignore_eos=True))
    await anext(started)
    async with asyncio.timeout(10):
        await started.aclose()
        await answer(engine, ask("hello", max_tokens=5))


async def test_a_model_without_a_template_takes_prompts_alone(tmp_path: Path) -> None:
    engine = load_engine(make_model("llama", tmp_path, template=False), concurrency=2)
    try:
        assert engine.meta()["support_chat_template"] is False
        with pytest.raises(InvalidRequestError, match=r"no chat template.*Send a prompt"):
            await answer(engine, ask([Message(role="user", content="hi")]))
        await answer(engine, ask("hi", max_tokens=2))
    finally:
        await engine.close()


async def test_a_model_with_an_encoder_is_served_one_at_a_time(
    model_folder: Callable[[str], Path],
) -> None:
    engine = load_engine(model_folder("t5"), {"max_model_len": 64})
    try:
        assert engine.meta()["batching"] == "single"
        assert engine.meta()["context_length"] == 64
        asked = {"max_tokens": 20, "temperature": 1.0, "seed": 3, "ignore_eos": True}
        results = await asyncio.gather(*(answer(engine, ask("hello", **asked)) for _ in range(3)))
        assert len({text for text, _ in results}) == 1
        assert all(last.usage and last.usage.output_tokens == 20 for _, last in results)
        # Prompt and answer don't share the window of a model with an encoder.
        _, last = await answer(engine, ask("hello", max_tokens=64, ignore_eos=True))
        assert last.usage is not None
        assert last.usage.output_tokens == 64
    finally:
        await engine.close()


BUNDLED = Path(__file__).parents[2] / "byzer_lab" / "bundled" / "byzer-lab-demo"


@pytest.mark.skipif(not (BUNDLED / "config.json").exists(), reason="no bundled model")
async def test_the_bundled_model_answers() -> None:
    engine = load_engine(BUNDLED, concurrency=4)
    try:
        assert engine.meta()["batching"] == "continuous"
        asked = ask([Message(role="user", content="Hello!")], max_tokens=40, temperature=0)
        text, last = await answer(engine, asked)
        assert text.strip()
        assert last.finish_reason == "stop"
    finally:
        await engine.close()
