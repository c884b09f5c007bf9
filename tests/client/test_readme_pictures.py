"""Byzer-LLM's README, sections Multi Modal and StableDiffusion, with models of the tests' own."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy
import pytest

from byzer_lab.client.boxes import draw_boxes, find_boxes
from byzer_lab.client.byzer_llm import ByzerLLM
from byzer_lab.client.types import InferBackend
from byzer_lab.cluster.runtime import Runtime
from byzer_lab.errors import InvalidRequestError
from tests.support.painted import SMALL, colour_of, opened, pixels
from tests.support.seer import picture

CONFIG = {f"gen.{name}": value for name, value in SMALL.items()}


@pytest.fixture(scope="module")
def lab(cluster: Runtime, seer: Path, painter: Path) -> Iterator[ByzerLLM]:
    llm = ByzerLLM()
    llm.setup_num_workers(1).setup_infer_backend(InferBackend.Transformers)
    llm.deploy(
        model_path=str(seer),
        pretrained_model_type="custom/qwen_vl_chat",
        udf_name="qwen_vl_chat",
        infer_params={},
    )
    llm.deploy(
        model_path=str(painter),
        pretrained_model_type="custom/stable_diffusion",
        udf_name="sd_chat",
        infer_params={},
    )
    yield llm
    llm.undeploy("qwen_vl_chat", force=True)
    llm.undeploy("sd_chat", force=True)


def base64_of(*cell: Any) -> str:
    buffer = io.BytesIO()
    picture(*cell).save(buffer, "png")
    return base64.b64encode(buffer.getvalue()).decode()


def test_two_rounds_about_a_picture(lab: ByzerLLM, tmp_path: Path) -> None:
    image_content = base64_of("red", 2, 1)
    t = lab.chat_oai(
        conversations=[{"role": "user", "content": "colour"}],
        model="qwen_vl_chat",
        llm_config={"image": image_content},
    )
    first = json.loads(t[0].output)
    assert first["response"] == "red"
    question, answer = first["history"]
    assert answer == {"role": "assistant", "content": "red"}
    assert question["role"] == "user"
    assert question["content"].startswith("Picture 1: <img>")
    assert question["content"].endswith("</img>\ncolour")

    history = json.loads(t[0].output)["history"]
    t = lab.chat_oai(
        conversations=[*history, {"role": "user", "content": "where"}],
        model="qwen_vl_chat",
        llm_config={"image": image_content},
    )
    second = json.loads(t[0].output)
    assert second["response"] == "<ref>red</ref><box>(500,250),(750,500)</box>"
    assert len(second["history"]) == 4
    (box,) = find_boxes(t[0].output)
    assert box.pixels(64, 64) == (32, 16, 48, 32)
    drawn = draw_boxes(base64.b64decode(image_content), t[0].output)
    assert drawn.getpixel((32, 24)) != picture("red", 2, 1).getpixel((32, 24))


def test_pictures_in_parts_and_in_streams(lab: ByzerLLM, tmp_path: Path) -> None:
    path = tmp_path / "blue.png"
    picture("blue", 0, 3).save(path)
    parts = [
        {"type": "image_url", "image_url": {"url": str(path)}},
        {"type": "text", "text": "colour"},
    ]
    turn = {"role": "user", "content": parts}
    assert lab.chat_oai([turn], model="qwen_vl_chat")[0].output == "blue"
    streamed = lab.stream_chat_oai(
        [{"role": "user", "content": "colour"}],
        model="qwen_vl_chat",
        llm_config={"image": str(path)},
    )
    assert [text for text, _ in streamed][-1] == "blue"


def test_a_server_reads_no_paths(lab: ByzerLLM, cluster: Runtime, tmp_path: Path) -> None:
    path = tmp_path / "blue.png"
    picture("blue", 0, 3).save(path)
    for url in (str(path), f"file://{path}", "http://127.0.0.1:9/x.png"):
        parts = [
            {"type": "image_url", "image_url": {"url": url}},
            {"type": "text", "text": "colour"},
        ]
        body = {"model": "qwen_vl_chat", "messages": [{"role": "user", "content": parts}]}
        reply = httpx.post(
            f"{cluster.url}/v1/chat/completions",
            json=body,
            headers={"Authorization": f"Bearer {cluster.token}"},
            trust_env=False,
        )
        assert reply.status_code == 400, reply.text
        assert "picture" in reply.text.lower() or "image" in reply.text.lower()


def test_the_same_through_the_openai_server(lab: ByzerLLM, cluster: Runtime) -> None:
    url = f"data:image/png;base64,{base64_of('green', 1, 1)}"
    parts = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": "colour"}]
    body = {"model": "qwen_vl_chat", "messages": [{"role": "user", "content": parts}]}
    headers = {"Authorization": f"Bearer {cluster.token}"}
    reply = httpx.post(
        f"{cluster.url}/v1/chat/completions", json=body, headers=headers, trust_env=False
    )
    assert reply.json()["choices"][0]["message"]["content"] == "green"


def test_pictures_are_drawn(lab: ByzerLLM) -> None:
    t = lab.chat_oai(
        conversations=[{"role": "user", "content": "a red square"}],
        model="sd_chat",
        llm_config={"gen.batch_size": 3, "generation.seed": 4, **CONFIG},
    )
    found = json.loads(t[0].output)
    assert [sorted(res) for res in found] == [["img64", "prompt"]] * 3
    assert {res["prompt"] for res in found} == {"a red square"}
    data = [base64.b64decode(res["img64"]) for res in found]
    assert [colour_of(one) for one in data].count("red") >= 2
    assert opened(data[0]).format == "PNG"
    assert t[0].metadata["media_type"] == "image/png"
    again = lab.chat_oai(
        [{"role": "user", "content": "a red square"}],
        model="sd_chat",
        llm_config={"gen.batch_size": "3", "seed": 4, **CONFIG},
    )
    assert again[0].output == t[0].output


def test_one_picture_is_a_list_too(lab: ByzerLLM) -> None:
    t = lab.chat_oai([{"role": "user", "content": "blue"}], model="sd_chat", llm_config=CONFIG)
    assert len(json.loads(t[0].output)) == 1


def test_a_picture_to_begin_with(lab: ByzerLLM) -> None:
    (start,) = lab.draw("blue", "sd_chat", seed=1, **SMALL)
    little, much = (
        lab.draw("red", "sd_chat", seed=1, init_image=start, strength=strength, **SMALL)[0]
        for strength in (0.1, 1.0)
    )
    far = [numpy.abs(pixels(one.data) - pixels(start.data)).mean() for one in (little, much)]
    assert far[1] > 3 * far[0]


def test_a_stream_tells_the_steps(lab: ByzerLLM) -> None:
    metas = [
        meta
        for _, meta in lab.stream_chat_oai(
            [{"role": "user", "content": "red"}], model="sd_chat", llm_config=CONFIG
        )
    ]
    told = [meta.progress for meta in metas if meta.progress]
    assert told[-1].done == told[-1].total == SMALL["sampling_steps"]
    assert metas[-1].finish_reason == "stop"


def test_pictures_through_the_openai_server(lab: ByzerLLM, cluster: Runtime) -> None:
    body = {"model": "sd_chat", "prompt": "green", "n": 2, "size": "64x64"}
    headers = {"Authorization": f"Bearer {cluster.token}"}
    reply = httpx.post(
        f"{cluster.url}/v1/images/generations",
        json=body,
        headers=headers,
        trust_env=False,
        timeout=60,
    )
    found = [base64.b64decode(one["b64_json"]) for one in reply.json()["data"]]
    assert [opened(one).size for one in found] == [(64, 64)] * 2
    assert "green" in {colour_of(one) for one in found}


def test_wrong_values_are_refused_at_once(lab: ByzerLLM) -> None:
    for config, words in (
        ({"gen.sampler_name": "euler_b"}, "sampler_name is 'euler_b'; it must be one of"),
        ({"gen.sampler_nam": "euler"}, "did you mean sampler_name"),
        ({"image": "nonsense!"}, "neither an address"),
    ):
        with pytest.raises(InvalidRequestError) as refused:
            lab.chat_oai([{"role": "user", "content": "x"}], model="sd_chat", llm_config=config)
        assert words in refused.value.message


def test_a_model_of_texts_draws_nothing(lab: ByzerLLM) -> None:
    with pytest.raises(InvalidRequestError, match="width: only models that draw take that"):
        lab.chat_oai(
            [{"role": "user", "content": "x"}], model="qwen_vl_chat", llm_config={"width": 64}
        )


def test_the_processes_of_undeployed_models_are_gone(lab: ByzerLLM, painter: Path) -> None:
    import psutil

    lab.deploy(
        model_path=str(painter),
        pretrained_model_type="custom/stable_diffusion",
        udf_name="short",
        infer_params={},
    )
    (worker,) = lab._record("short").workers
    process = psutil.Process(worker.pid)
    assert process.memory_info().rss > 200 * 2**20
    lab.draw("red", "short", **SMALL)
    lab.undeploy("short")
    process.wait(30)
    assert not psutil.pid_exists(worker.pid)
