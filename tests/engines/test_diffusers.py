"""A pipeline that really paints: each parameter changes the picture as its name says."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import numpy
import pytest

from byzer_lab.drawing import SAMPLERS, UPSCALERS
from byzer_lab.engines.base import EngineConfig
from byzer_lab.engines.diffusers import DiffusersEngine
from byzer_lab.engines.diffusers.windows import windows
from byzer_lab.types import GenerateRequest, ImagePart, ImageUrl, Message, Sampling, TextPart
from tests.support.painted import (
    SMALL,
    asked,
    chunks_of,
    colour_of,
    drawn,
    opened,
    pixels,
    redness,
    steps,
)
from tests.support.painter import COLOURS

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
async def engine(painter: Path) -> AsyncIterator[DiffusersEngine]:
    made = DiffusersEngine(EngineConfig(str(painter), "custom/stable_diffusion", {}, 4))
    made.load(lambda _: None)
    yield made
    await made.close()


async def test_it_paints_what_it_is_told(engine: DiffusersEngine) -> None:
    for colour in COLOURS:
        found = await drawn(engine, f"a {colour} square", batch_size=4)
        assert [colour_of(data) for data in found].count(colour) >= 3


async def test_what_is_not_wanted_is_not_there(engine: DiffusersEngine) -> None:
    free = {colour_of(data) for data in await drawn(engine, "square", batch_size=16)}
    assert free == set(COLOURS)
    for colour in COLOURS:
        found = await drawn(engine, "square", batch_size=16, negative_prompt=colour)
        assert [colour_of(data) for data in found].count(colour) <= 1


async def test_a_seed_repeats_a_picture_to_the_byte(engine: DiffusersEngine) -> None:
    first = await drawn(engine, "red", seed=5)
    assert await drawn(engine, "red", seed=5) == first
    assert await drawn(engine, "red", seed=6) != first


@pytest.mark.parametrize("seed", [None, -1])
async def test_without_a_seed_each_picture_is_new_and_says_its_seed(
    engine: DiffusersEngine, seed: int | None
) -> None:
    first, second = [(await drawn(engine, "red", seed=seed))[0] for _ in range(2)]
    assert not numpy.array_equal(pixels(first), pixels(second))
    notes = json.loads(opened(first).info["parameters"])
    assert await drawn(engine, "red", seed=notes["seed"]) == [first]


async def test_passes_have_seeds_that_are_one_higher(engine: DiffusersEngine) -> None:
    found = await drawn(engine, "red", seed=7, batch_size=2, batch_count=3)
    assert len(found) == 6
    alone = [await drawn(engine, "red", seed=seed, batch_size=2) for seed in (7, 8, 9)]
    assert found == [data for part in alone for data in part]
    assert len(set(found)) == 6


async def test_a_picture_is_an_answers_chunk_with_its_prompt(engine: DiffusersEngine) -> None:
    chunks = await chunks_of(engine, asked("a blue square", batch_size=2))
    shown = [chunk for chunk in chunks if chunk.data]
    assert [(one.media_type, one.prompt) for one in shown] == [("image/png", "a blue square")] * 2
    last = chunks[-1]
    assert last.finish_reason == "stop"
    assert last.usage is not None
    assert last.usage.input_tokens == 5  # with both ends
    assert json.loads(opened(shown[0].data).info["parameters"]) == {
        "prompt": "a blue square",
        **SMALL,
        "batch_size": 2,
        "seed": 1,
    }


async def test_every_sampler_paints(engine: DiffusersEngine) -> None:
    made: dict[bytes, str] = {}
    for name in SAMPLERS:
        found = await drawn(engine, "blue", sampler_name=name, sampling_steps=16, batch_size=4)
        assert [colour_of(data) for data in found].count("blue") >= 3, name
        # With few steps the ways from noise to a picture lie further apart.
        few = await drawn(engine, "blue", sampler_name=name, sampling_steps=5, cfg_scale=2)
        same = made.setdefault(pixels(few[0]).tobytes(), name)
        # With as much fresh noise at each step DDPM's way is that of Euler's ancestral one.
        assert same == name or (same, name) == ("euler_a", "ddpm")


async def test_misspelt_samplers_are_the_right_ones(engine: DiffusersEngine) -> None:
    for misspelt, right in (("unpic", "unipc"), ("pndm:w", "pndm")):
        first, second = [
            (await drawn(engine, "blue", sampler_name=name))[0] for name in (misspelt, right)
        ]
        assert numpy.array_equal(pixels(first), pixels(second))


async def test_the_default_is_euler_a(engine: DiffusersEngine) -> None:
    assert await drawn(engine, "blue", sampler_name="euler_a") == await drawn(engine, "blue")


@pytest.mark.parametrize("name", SAMPLERS)
async def test_one_step_is_enough_for_a_picture(engine: DiffusersEngine, name: str) -> None:
    (data,) = await drawn(engine, "blue", sampler_name=name, sampling_steps=1)
    assert opened(data).size == (64, 64)


async def test_steps_are_told(engine: DiffusersEngine) -> None:
    found = await steps(engine, "red", sampling_steps=6, batch_count=2)
    assert [(one.done, one.total) for one in found] == [
        *((done, 12) for done in range(7)),
        *((done, 12) for done in range(6, 13)),
    ]
    assert {one.phase for one in found} == {"drawing 1 of 2", "drawing 2 of 2"}


@pytest.mark.parametrize("sampler", ["euler_a", "heun", "dpm2", "pndm"])
async def test_steps_add_up(engine: DiffusersEngine, sampler: str) -> None:
    """Some samplers call the model twice for a step, and each call is told."""
    image = base64.b64encode((await drawn(engine, "blue"))[0]).decode()
    for more in (
        {},
        {"enable_hires": True},
        {"init_image": image, "strength": 0.7},
        {"init_image": image, "enable_hires": True, "strength": 0.3},
    ):
        found = await steps(engine, "red", sampler_name=sampler, **more)
        assert found[-1].done == found[-1].total
        done = [one.done for one in found]
        assert done == list(range(found[-1].total + 1)), (sampler, more)


async def test_guidance_brings_the_picture_closer_to_the_prompt(engine: DiffusersEngine) -> None:
    reds = []
    for scale in (1, 3, 12):
        found = await drawn(engine, "red", cfg_scale=scale, batch_size=8)
        reds.append(sum(map(redness, found)))
    assert reds == sorted(reds)
    assert reds[-1] > 1.1 * reds[0]


async def test_sizes(engine: DiffusersEngine) -> None:
    (data,) = await drawn(engine, "red", width=128, height=72)
    assert opened(data).size == (128, 72)


async def test_enlarging_keeps_the_picture_and_makes_it_larger(engine: DiffusersEngine) -> None:
    more = {"enable_hires": True, "scale_slider": 2, "strength": 0.2}
    (small,) = await drawn(engine, "green")
    made = {}
    for mode in UPSCALERS:
        (data,) = await drawn(engine, "green", upscaler_mode=mode, **more)
        assert opened(data).size == (128, 128)
        assert colour_of(data) == "green"
        again = opened(data).convert("RGB").resize((64, 64))
        near = numpy.abs(numpy.asarray(again).astype(float) - pixels(small)).mean()
        other = numpy.abs(pixels((await drawn(engine, "green", seed=99))[0]) - pixels(small)).mean()
        assert near < other
        made[mode] = pixels(data).tobytes()
    # What is made larger has no finer pixels to smooth.
    assert made["bilinear"] != made["bicubic"]
    assert len(set(made.values())) >= 4


async def test_the_enlarging_factor(engine: DiffusersEngine) -> None:
    for factor, side in ((1, 64), (1.5, 96), (2.2, 136)):
        (data,) = await drawn(engine, "red", enable_hires=True, scale_slider=factor)
        assert opened(data).size == (side, side)


def looks_of(engine: DiffusersEngine, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The shape of what each call of the model looks at, as the calls come."""
    unet = type(engine._pipeline.unet)
    look = unet.forward
    shapes: list[tuple[int, ...]] = []

    def spy(self: Any, sample: Any, *args: Any, **others: Any) -> Any:
        shapes.append(tuple(sample.shape))
        return look(self, sample, *args, **others)

    monkeypatch.setattr(unet, "forward", spy)
    return shapes


async def test_windows_look_at_a_part_each(
    engine: DiffusersEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = looks_of(engine, monkeypatch)
    more = {"enable_multidiff": True, "width": 192, "window_size": 8, "sampling_steps": 2}
    for stride, views, largest in ((4, 4, 4), (8, 4, 3), (4, 2, 2), (2, 64, 9)):
        looks.clear()
        await drawn(engine, "red", stride=stride, views_batch_size=views, **more)
        assert {shape[-1] for shape in looks} == {8}
        # Each with the prompt and without, in two steps.
        assert max(shape[0] for shape in looks) == 2 * largest
        assert sum(shape[0] for shape in looks) == 2 * 2 * len(windows(8, 24, 8, stride))


async def test_a_picture_of_windows_is_what_was_asked_for(engine: DiffusersEngine) -> None:
    wide = {"width": 192, "enable_multidiff": True, "window_size": 8, "stride": 4}
    found = await drawn(engine, "blue", batch_size=2, **wide)
    assert [opened(data).size for data in found] == [(192, 64)] * 2
    assert [colour_of(data) for data in found] == ["blue"] * 2
    parts = await drawn(engine, "blue", batch_size=2, views_batch_size=1, **wide)
    for first, second in zip(found, parts, strict=True):
        assert numpy.abs(pixels(first) - pixels(second)).max() <= 2
    other = await drawn(engine, "blue", batch_size=2, **{**wide, "stride": 8})
    assert numpy.abs(pixels(found[0]) - pixels(other[0])).max() > 2


async def test_one_window_changes_nothing(engine: DiffusersEngine) -> None:
    (plain,) = await drawn(engine, "blue")
    (looked,) = await drawn(engine, "blue", enable_multidiff=True)
    assert numpy.abs(pixels(plain) - pixels(looked)).max() <= 1


@pytest.mark.parametrize(("size", "stride"), [(8, 8), (8, 3), (5, 1), (64, 16)])
async def test_windows_cover_everything(size: int, stride: int) -> None:
    for height, width in ((8, 8), (9, 23), (64, 70)):
        seen = numpy.zeros((height, width))
        for rows, columns in windows(height, width, size, stride):
            assert (rows.stop - rows.start, columns.stop - columns.start) == (
                min(size, height),
                min(size, width),
            )
            seen[rows, columns] += 1
        assert seen.min() >= 1


async def test_strength_says_how_much_of_a_picture_stays(engine: DiffusersEngine) -> None:
    blue = next(
        data
        for data in await drawn(engine, "blue", batch_size=4, cfg_scale=4)
        if colour_of(data) == "blue"
    )
    image = base64.b64encode(blue).decode()
    away, reds = [], []
    for strength in (0.1, 0.5, 1.0):
        found = await drawn(engine, "red", init_image=image, strength=strength, batch_size=4)
        away.append(numpy.mean([numpy.abs(pixels(data) - pixels(blue)).mean() for data in found]))
        reds.append(sum(map(redness, found)))
    assert away == sorted(away)
    assert reds == sorted(reds)
    (little,) = await drawn(engine, "red", init_image=image, strength=0.1)
    assert colour_of(little) == "blue"
    assert away[2] > 3 * away[0]


async def test_a_picture_to_begin_with_may_be_part_of_the_message(engine: DiffusersEngine) -> None:
    (blue,) = await drawn(engine, "blue")
    image = base64.b64encode(blue).decode()
    parts = [ImagePart(ImageUrl(f"data:image/png;base64,{image}")), TextPart("red")]
    sampling = Sampling(seed=1, options=SMALL)
    request = GenerateRequest("r", messages=[Message("user", parts)], sampling=sampling)
    (found,) = [chunk.data for chunk in await chunks_of(engine, request) if chunk.data]
    assert numpy.array_equal(
        pixels(found), pixels((await drawn(engine, "red", init_image=image))[0])
    )


async def test_the_picture_to_begin_with_takes_the_wanted_size(engine: DiffusersEngine) -> None:
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (300, 40), "blue").save(buffer, "jpeg")
    image = base64.b64encode(buffer.getvalue()).decode()
    (data,) = await drawn(engine, "red", init_image=image, width=128)
    assert opened(data).size == (128, 64)


async def test_it_is_asked_as_providers_are(engine: DiffusersEngine) -> None:
    question = {"input": "red", "n": 2, "size": "72x64", "output_format": "webp", "quality": "auto"}
    request = asked(json.dumps({**question, "seed": 3, "style": None}), seed=None)
    request.sampling.options = {"sampling_steps": 4}
    found = [chunk.data for chunk in await chunks_of(engine, request) if chunk.data]
    assert [(opened(data).format, opened(data).size) for data in found] == [("WEBP", (72, 64))] * 2
    again = [chunk.data for chunk in await chunks_of(engine, request) if chunk.data]
    assert again == found


async def test_cancelling_ends_after_a_step(
    engine: DiffusersEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = looks_of(engine, monkeypatch)
    request = asked("red", sampling_steps=100, batch_count=50)
    async with aclosing(engine.generate(request)) as chunks:
        async for chunk in chunks:
            if chunk.progress and chunk.progress.done >= 2:
                break
    await drawn(engine, "blue", sampling_steps=1)  # which waits for the thread
    assert len(looks) < 500


async def test_a_request_that_waits_can_be_cancelled(engine: DiffusersEngine) -> None:
    long = asyncio.create_task(chunks_of(engine, asked("red", sampling_steps=100, batch_count=50)))
    await asyncio.sleep(0)
    waits = asyncio.create_task(chunks_of(engine, asked("blue")))
    await asyncio.sleep(0.05)
    waits.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waits
    long.cancel()
    with pytest.raises(asyncio.CancelledError):
        await long
    assert colour_of((await drawn(engine, "blue"))[0])
    assert not engine._running


async def test_meta(engine: DiffusersEngine) -> None:
    meta = engine.meta()
    assert meta["draws"] is True
    assert set(meta["samplers"]) == set(SAMPLERS)
    assert meta["architectures"] == ["StableDiffusionPipeline"]
    assert (meta["picture_size"], meta["max_model_len"]) == (64, 8)
    assert meta["parameters"] > 100_000
