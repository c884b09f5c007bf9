"""What a model that draws refuses, and how it ends; no training is needed for that."""

from __future__ import annotations

import asyncio
import base64
import gc
import io
import json
import shutil
import weakref
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from byzer_lab.drawing import DRAWING, Drawing, read_drawing
from byzer_lab.engines.base import EngineConfig, LoadProgress
from byzer_lab.engines.diffusers import DiffusersEngine
from byzer_lab.engines.families import make_engine
from byzer_lab.errors import EngineError, InvalidRequestError
from byzer_lab.types import GenerateRequest, Message, Sampling, Tool
from tests.support.painted import asked, chunks_of, drawn, opened

inside = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.support.painter import make_painter

    return make_painter(tmp_path_factory.mktemp("random"), steps=0)


def load(folder: Path, progress: list[LoadProgress] | None = None, **params: Any) -> Any:
    made = DiffusersEngine(EngineConfig(str(folder), "custom/stable_diffusion", params, 4))
    made.load((progress if progress is not None else []).append)
    return made


@pytest.fixture(scope="module")
async def engine(folder: Path) -> AsyncIterator[DiffusersEngine]:
    made = load(folder)
    yield made
    await made.close()


def test_defaults_are_those_of_byzer_llm() -> None:
    found = {info.name: info.default for info in DRAWING}
    assert found.pop("output_format") == "png"
    assert found == {
        "negative_prompt": "",
        "sampler_name": "euler_a",
        "sampling_steps": 25,
        "batch_size": 1,
        "batch_count": 1,
        "cfg_scale": 7.5,
        "width": 768,
        "height": 768,
        "enable_hires": False,
        "upscaler_mode": "bilinear",
        "scale_slider": 1.5,
        "enable_multidiff": False,
        "views_batch_size": 4,
        "window_size": 64,
        "stride": 16,
        "init_image": None,
        "strength": 0.5,
    }


def test_values_may_be_texts_as_sql_writes_them() -> None:
    given = {"batch_size": "3", "enable_hires": "true", "cfg_scale": "2.5", "sampler_name": "lms"}
    assert read_drawing(given) == Drawing(
        batch_size=3, enable_hires=True, cfg_scale=2.5, sampler_name="lms"
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sampler_name": "eulr"}, "sampler_name is 'eulr'; it must be one of euler_a, "),
        ({"sampling_steps": 0}, "sampling_steps is 0; it must be a whole number from 1 to 100"),
        ({"sampling_steps": 101}, "from 1 to 100"),
        ({"batch_size": 51}, "batch_size is 51; it must be a whole number from 1 to 50"),
        ({"batch_count": 0}, "batch_count is 0"),
        ({"cfg_scale": 0.5}, "cfg_scale is 0.5; it must be a number from 1 to 20"),
        ({"width": 63}, "width is 63; it must be a whole number from 64 to 2048"),
        ({"width": 100}, "width is 100; it must be a multiple of 8, such as 96 or 104"),
        ({"height": 4096}, "height is 4096"),
        ({"upscaler_mode": "lanczos"}, "it must be one of bilinear, bilinear-antialiased"),
        ({"scale_slider": 5}, "scale_slider is 5; it must be a number from 1 to 4"),
        ({"enable_hires": "yes"}, "enable_hires is 'yes'; it must be true or false"),
        ({"strength": 0}, "strength is 0; it must be a number of more than 0 and at most 1"),
        (
            {"enable_multidiff": True, "window_size": 8, "stride": 9},
            "stride is 9 and window_size 8; a stride of more than the window leaves gaps",
        ),
        (
            {"enable_hires": True, "strength": 0.05, "sampling_steps": 10},
            "strength is 0.05 and sampling_steps 10, which leaves no step to draw",
        ),
        ({"negativ_prompt": "x"}, "no parameter 'negativ_prompt'; did you mean negative_prompt?"),
        ({"init_image": "/etc/passwd"}, "init_image is no base64 ('/etc/passwd'); a model's"),
        ({"init_image": "http://x/y.png"}, "a model's server fetches nothing"),
        ({"init_image": base64.b64encode(b"hello").decode()}, "init_image is no PNG, JPEG"),
    ],
)
@inside
async def test_values_that_mean_nothing(
    engine: DiffusersEngine, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        await drawn(engine, "red", **options)
    assert words in refused.value.message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("  ", "The prompt is empty"),
        ('{"input": ""}', "The prompt is empty"),
        ('{"input": "red", "size": "big"}', "size is 'big'; it must look like 512x768"),
        ('{"input": "red", "n": 99}', "batch_count is 99"),
        ('{"input": "red", "n": 2, "batch_count": 2}', "n is given twice, also as 'batch_count'"),
        ('{"input": "red", "quality": "hd"}', "quality is 'hd', which this model doesn't have"),
        ('{"input": "red", "colour": 1}', "unknown name 'colour'; known: input, n, size, seed"),
        ('{"input": "red", "seed": "x"}', "seed is 'x'; it must be a whole number"),
    ],
)
@inside
async def test_questions_that_mean_nothing(engine: DiffusersEngine, text: str, words: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        await chunks_of(engine, asked(text))
    assert words in refused.value.message


@inside
async def test_the_question_goes_before_the_options(engine: DiffusersEngine) -> None:
    (data,) = [
        chunk.data
        for chunk in await chunks_of(engine, asked('{"input": "red", "size": "72x80"}'))
        if chunk.data
    ]
    assert opened(data).size == (72, 80)


@inside
async def test_a_prompt_may_begin_with_a_brace(engine: DiffusersEngine) -> None:
    (data,) = await drawn(engine, "{red}, blue", sampling_steps=1)
    assert json.loads(opened(data).info["parameters"])["prompt"] == "{red}, blue"


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (GenerateRequest("r", prompt="x", sampling=Sampling(temperature=1)), "no temperature"),
        (GenerateRequest("r", prompt="x", tools=[Tool("t")]), "no tools"),
        (GenerateRequest("r", prompt="x", response_schema={}), "no response_schema"),
        (GenerateRequest("r", prompt="x", adapter="a"), "There is no adapter 'a'"),
        (GenerateRequest("r"), "either messages or a prompt"),
    ],
)
@inside
async def test_what_concerns_text_alone(
    engine: DiffusersEngine, request_: GenerateRequest, words: str
) -> None:
    with pytest.raises(InvalidRequestError, match=words):
        await chunks_of(engine, request_)


@inside
async def test_several_pictures_to_begin_with(engine: DiffusersEngine) -> None:
    from byzer_lab.types import ImagePart, ImageUrl, TextPart

    parts: list[Any] = [ImagePart(ImageUrl("data:image/png;base64,AAAA"))] * 2 + [TextPart("red")]
    with pytest.raises(InvalidRequestError, match="several pictures"):
        await chunks_of(engine, GenerateRequest("r", messages=[Message("user", parts)]))


@inside
async def test_file_formats(engine: DiffusersEngine) -> None:
    for name in ("png", "jpeg", "webp"):
        (data,) = await drawn(engine, "red", output_format=name, sampling_steps=1)
        assert opened(data).format == name.upper()


@inside
async def test_closing_frees_the_model_and_ends_what_runs(folder: Path) -> None:
    engine = load(folder)
    parts = [weakref.ref(part) for part in (engine._pipeline.unet, engine._pipeline.vae)]
    running = asyncio.create_task(
        chunks_of(engine, asked("red", sampling_steps=100, batch_count=50))
    )
    waiting = asyncio.create_task(chunks_of(engine, asked("red", sampling_steps=100)))
    while not engine._running or len(engine._running) < 2:
        await asyncio.sleep(0.01)
    await engine.close()
    for task in (running, waiting):
        with pytest.raises(EngineError, match="shut down"):
            await task
    del running, waiting, task
    gc.collect()
    assert [part() for part in parts] == [None, None]
    with pytest.raises(EngineError, match="not loaded, or was shut down"):
        await drawn(engine, "red")
    await engine.close()


@inside
async def test_it_tells_how_loading_goes(folder: Path) -> None:
    told: list[LoadProgress] = []
    engine = load(folder, told, dtype="bfloat16", num_threads=1)
    phases = list(dict.fromkeys(one.phase for one in told))
    assert phases == ["importing", "loading weights", "warming up"]
    assert engine.meta()["dtype"] == "bfloat16"
    assert opened((await drawn(engine, "red"))[0]).size == (64, 64)
    await engine.close()


def test_types_and_backends(folder: Path) -> None:
    for backend, kind in (
        ("transformers", "custom/stable_diffusion"),
        ("transformers", "custom/auto"),
        ("diffusers", "custom/stable_diffusion"),
        ("diffusers", "custom/auto"),
    ):
        engine = make_engine(backend, EngineConfig(str(folder), kind, {}, 1))
        assert isinstance(engine, DiffusersEngine)
    with pytest.raises(InvalidRequestError, match="the vllm backend can't serve it"):
        make_engine("vllm", EngineConfig(str(folder), "custom/stable_diffusion", {}, 1))
    with pytest.raises(InvalidRequestError, match="did you mean dtype"):
        make_engine("diffusers", EngineConfig(str(folder), "custom/auto", {"dtyp": "x"}, 1))


def test_folders_that_draw_nothing(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "config.json").write_text("{}")
    with pytest.raises(InvalidRequestError, match="no model_index.json, so it is no model of the"):
        load(tmp_path / "empty")
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    shutil.rmtree(broken / "unet")
    with pytest.raises(EngineError, match="can't be loaded"):
        load(broken)

    from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel

    unet = UNet2DModel(
        sample_size=8,
        block_out_channels=(8,),
        norm_num_groups=4,
        down_block_types=("DownBlock2D",),
        up_block_types=("UpBlock2D",),
        layers_per_block=1,
    )
    DDPMPipeline(unet, DDPMScheduler()).save_pretrained(tmp_path / "ddpm")
    with pytest.raises(InvalidRequestError, match="DDPMPipeline, which draws no picture of a text"):
        load(tmp_path / "ddpm")


@inside
async def test_a_picture_that_the_models_checker_refuses(engine: DiffusersEngine) -> None:
    from types import SimpleNamespace

    pipeline = engine._pipeline

    def checker(images: Any, clip_input: Any) -> tuple[Any, list[bool]]:
        return images * 0, [True] * len(images)

    def features(images: Any, return_tensors: str) -> Any:
        import torch

        return SimpleNamespace(to=lambda _: SimpleNamespace(pixel_values=torch.zeros(1)))

    before = pipeline.safety_checker, pipeline.feature_extractor
    pipeline.safety_checker, pipeline.feature_extractor = checker, features
    try:
        chunks = await chunks_of(engine, asked("red", sampling_steps=1))
    finally:
        pipeline.safety_checker, pipeline.feature_extractor = before
    assert chunks[-1].finish_reason == "content_filter"


def test_a_picture_made_larger() -> None:
    import torch

    from byzer_lab.engines.diffusers.painter import enlarged

    chess = (torch.arange(64)[:, None] + torch.arange(64)[None]).remainder(2).float()[None, None]
    for mode in ("nearest", "nearest-exact"):
        assert set(enlarged(chess, (128, 128), mode).flatten().tolist()) == {0.0, 1.0}
    # Made smaller, only an antialiased one has the mean of what lies between.
    smooth, rough = (enlarged(chess, (9, 9), mode) for mode in ("bilinear-antialiased", "bilinear"))
    assert (smooth - 0.5).abs().max() < 0.1 < (rough - 0.5).abs().max()


@pytest.mark.parametrize(
    ("factor", "grain", "size"), [(1.5, 8, (72, 96)), (1.1, 8, (48, 64)), (1.1, 16, (48, 64))]
)
def test_enlarged_sizes(factor: float, grain: int, size: tuple[int, int]) -> None:
    from byzer_lab.engines.diffusers.painter import enlarged_size

    how = Drawing(width=64, height=48, scale_slider=factor)
    assert enlarged_size(how, grain) == size


def test_base64_of_a_picture_is_read_in_any_common_format() -> None:
    from PIL import Image

    from byzer_lab.engines.images import decode_picture

    for kind in ("png", "jpeg", "webp", "gif", "bmp"):
        buffer = io.BytesIO()
        Image.new("RGB", (5, 7), "red").save(buffer, kind)
        text = base64.b64encode(buffer.getvalue()).decode()
        for given in (text, f"data:image/{kind};base64,{text}", f"data:image/jpg,{text}"):
            assert decode_picture(given).size == (5, 7)


@inside
async def test_a_pipeline_that_is_no_stable_diffusion(tmp_path: Path) -> None:
    from tests.support.painter import make_flux

    engine = load(make_flux(tmp_path / "flux"))
    meta = engine.meta()
    assert (meta["architectures"], meta["samplers"]) == (["FluxPipeline"], [])
    (data,) = await drawn(engine, "red", sampling_steps=2)
    assert opened(data).size == (64, 64)
    assert await drawn(engine, "red", sampling_steps=2) == [data]
    start = base64.b64encode(data).decode()
    more = {"enable_hires": True, "scale_slider": 1.5, "sampling_steps": 4}
    for one in (more, {**more, "init_image": start, "upscaler_mode": "bicubic"}):
        chunks = await chunks_of(engine, asked("red", **one))
        told = [chunk.progress for chunk in chunks if chunk.progress]
        assert (told[-1].done, told[-1].phase) == (told[-1].total, "enlarging")
        assert [opened(chunk.data).size for chunk in chunks if chunk.data] == [(96, 96)]
    for options, words in (
        ({"sampler_name": "euler"}, "draws with FlowMatchEulerDiscreteScheduler only"),
        ({"enable_multidiff": True}, "enable_multidiff is for Stable Diffusion and its kin"),
    ):
        with pytest.raises(InvalidRequestError, match=words):
            await drawn(engine, "red", **options)
    await engine.close()
