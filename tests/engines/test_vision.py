"""A model that really sees: colour and place of a square, in several rounds and pictures."""

from __future__ import annotations

import asyncio
import base64
import io
import itertools
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from byzer_lab.client.boxes import find_boxes
from byzer_lab.engines.transformers import TransformersEngine
from byzer_lab.errors import ContextLengthError, InvalidRequestError
from byzer_lab.types import ImagePart, ImageUrl, Message, TextPart
from tests.engines.conftest import answer, ask, load_engine
from tests.support.seer import COLOURS, FIELDS, box, picture

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
async def engine(seer: Path) -> AsyncIterator[TransformersEngine]:
    made = load_engine(seer)
    yield made
    await made.close()


def base64_of(image: Any, kind: str = "png") -> str:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return base64.b64encode(buffer.getvalue()).decode()


def shown(*cells: tuple[str, int, int], text: str, kind: str = "png") -> Message:
    """A turn with pictures and a question."""
    parts: list[Any] = [
        ImagePart(ImageUrl(f"data:image/{kind};base64,{base64_of(picture(*cell), kind)}"))
        for cell in cells
    ]
    return Message("user", [*parts, TextPart(text)])


async def told(engine: TransformersEngine, *messages: Message, **sampling: Any) -> str:
    return (await answer(engine, ask(list(messages), max_tokens=40, **sampling)))[0]


CELLS = [(colour, x, y) for colour, x, y in itertools.product(COLOURS, (0, 2, 3), (1, 3))]


async def test_it_names_the_colour(engine: TransformersEngine) -> None:
    assert [await told(engine, shown(cell, text="colour")) for cell in CELLS] == [
        colour for colour, _, _ in CELLS
    ]


async def test_the_box_is_where_the_square_is(engine: TransformersEngine) -> None:
    right = 0
    for cell in CELLS:
        said = await told(engine, shown(cell, text="where"))
        assert said.startswith(f"<ref>{cell[0]}</ref><box>(")
        (found,) = find_boxes(said)
        assert found.label == cell[0]
        right += found.pixels(1000, 1000) == box(*cell[1:])
    assert right >= len(CELLS) - 1


async def test_a_second_round_is_about_the_same_picture(engine: TransformersEngine) -> None:
    cell = ("green", 3, 0)
    first = shown(cell, text="colour")
    turns = [first, Message("assistant", "green"), Message("user", "where")]
    (found,) = find_boxes(await told(engine, *turns))
    assert found.pixels(FIELDS, FIELDS) == (3, 0, 4, 1)


async def test_the_same_picture_in_other_files_and_forms(engine: TransformersEngine) -> None:
    cell = ("blue", 1, 2)
    expected = await told(engine, shown(cell, text="where"))
    for kind in ("bmp", "webp"):
        assert await told(engine, shown(cell, text="where", kind=kind)) == expected
    plain = base64_of(picture(*cell))
    for given in (
        [{"image": plain, "text": "where"}],  # as Byzer-LLM asks Qwen-VL of a service
        [{"image": f"data:image/jpg,{plain}"}, {"text": "where"}],  # and Yi-VL
        [
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{plain}"}},
            {"type": "text", "text": "where"},
        ],
    ):
        assert await told(engine, Message("user", json.dumps(given))) == expected


async def test_texts_alone_are_answered_too(engine: TransformersEngine) -> None:
    assert isinstance(await told(engine, Message("user", "colour")), str)


async def test_several_pictures_reach_the_model_in_their_order(engine: TransformersEngine) -> None:
    """It was trained with one; that it reads both and which is first shows in its prompt."""
    red, blue = ("red", 0, 0), ("blue", 3, 3)
    alone = await answer(engine, ask([shown(red, text="colour")], max_tokens=4))
    both = await answer(engine, ask([shown(red, blue, text="colour")], max_tokens=4, logprobs=5))
    turned = await answer(engine, ask([shown(blue, red, text="colour")], max_tokens=4, logprobs=5))
    assert alone[1].usage is not None
    assert both[1].usage is not None
    assert turned[1].usage is not None
    more = FIELDS * FIELDS + 2  # its fields, and a mark on either side
    assert both[1].usage.input_tokens == alone[1].usage.input_tokens + more
    assert turned[1].usage.input_tokens == both[1].usage.input_tokens


async def test_an_answer_can_be_held_to_a_schema(engine: TransformersEngine) -> None:
    request = ask([shown(("red", 1, 1), text="colour")], max_tokens=20)
    request.response_schema = {"enum": [0, 250]}
    text, last = await answer(engine, request)
    assert int(text) in (0, 250)
    assert last.finish_reason == "stop"


async def test_requests_at_a_time_and_cancelled_ones(engine: TransformersEngine) -> None:
    asking = [asyncio.create_task(told(engine, shown(cell, text="colour"))) for cell in CELLS]
    for task in asking[::3]:
        task.cancel()
    found = await asyncio.gather(*asking, return_exceptions=True)
    for number, ((colour, _, _), said) in enumerate(zip(CELLS, found, strict=True)):
        if number % 3 == 0:
            assert isinstance(said, asyncio.CancelledError)
        else:
            assert said == colour


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("/etc/passwd", "neither an address"),
        ("http://127.0.0.1:9/x.png", "a model's server fetches nothing"),
        ("https://example.com/x.png", "a model's server fetches nothing"),
        ("data:image/png;base64,????", "neither an address"),
        ("data:image/png;base64,aGVsbG8=", "The picture is no PNG, JPEG, WEBP, GIF or BMP"),
    ],
)
async def test_what_is_no_picture(engine: TransformersEngine, url: str, words: str) -> None:
    message = Message("user", [ImagePart(ImageUrl(url)), TextPart("colour")])
    with pytest.raises(InvalidRequestError) as refused:
        await told(engine, message)
    assert words in refused.value.message


async def test_the_wrong_one_of_several_is_named(engine: TransformersEngine) -> None:
    good = shown(("red", 0, 0), text="colour")
    bad = Message("user", [ImagePart(ImageUrl("data:image/png;base64,aGVsbG8="))])
    with pytest.raises(InvalidRequestError, match="^Picture 2 is no PNG"):
        await told(engine, good, bad)


async def test_too_many_pictures(engine: TransformersEngine) -> None:
    with pytest.raises(InvalidRequestError, match="has 33 pictures; 32 are allowed"):
        await told(engine, shown(*[("red", 0, 0)] * 33, text="colour"))


async def test_pictures_count_as_tokens(engine: TransformersEngine) -> None:
    with pytest.raises(ContextLengthError, match="model's context window of 512"):
        await told(engine, shown(*[("red", 0, 0)] * 30, text="colour"))


async def test_meta_says_that_it_sees(engine: TransformersEngine) -> None:
    meta = engine.meta()
    assert meta["support_images"] is True
    assert meta["architectures"] == ["Qwen2VLForConditionalGeneration"]


async def test_a_model_of_texts_says_that_it_sees_nothing(llama: TransformersEngine) -> None:
    assert llama.meta()["support_images"] is False
    with pytest.raises(InvalidRequestError, match="reads text and can't see pictures"):
        await told(llama, shown(("red", 0, 0), text="colour"))


async def test_without_its_processor_it_answers_texts_alone(seer: Path, tmp_path: Path) -> None:
    folder = tmp_path / "blind"
    shutil.copytree(seer, folder)
    for name in ("processor_config.json", "preprocessor_config.json"):
        (folder / name).unlink(missing_ok=True)
    engine = load_engine(folder)
    assert engine.meta()["support_images"] is False
    with pytest.raises(InvalidRequestError, match="can't see pictures"):
        await told(engine, shown(("red", 0, 0), text="colour"))
    await engine.close()


async def test_vllm_says_where_pictures_are_seen(seer: Path) -> None:
    from importlib.util import find_spec

    from byzer_lab.engines.base import EngineConfig
    from byzer_lab.engines.vllm import VLLMEngine
    from byzer_lab.engines.vllm.pictures import refuse_pictures

    with pytest.raises(InvalidRequestError, match="deploy it on the transformers backend"):
        refuse_pictures(ask([shown(("red", 0, 0), text="colour")]))
    refuse_pictures(ask([Message("user", "colour")]))
    if find_spec("torchvision") is None:
        engine = VLLMEngine(EngineConfig(str(seer), "custom/qwen_vl_chat", {}, 1))
        with pytest.raises(InvalidRequestError, match="torchvision only, which is not installed"):
            engine.load(lambda _: None)
        await engine.close()
