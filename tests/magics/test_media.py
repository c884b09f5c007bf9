"""``%%llm_speak``, ``%%llm_draw`` and ``%%llm_transcribe`` in a real kernel."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.magics.kernel_driver import KernelDriver
from tests.support.drawing import PNG

STEPPING = "tests.support.drawing:SteppingEngine"


@pytest.fixture(scope="module")
def studio(kernel: KernelDriver, hearing_model: Path) -> Iterator[KernelDriver]:
    """The kernel, with models that draw, speak and listen."""
    line = f"--model_path none --backend {STEPPING}"
    for cell in (
        f"%%llm_deploy painter {line}\ndraws = true\ndelay_s = 0.05",
        f"%%llm_deploy slow {line}\ndraws = true\ndelay_s = 0.5\nsteps = 400",
        f"%%llm_deploy mouth {line}\ndraws = false",
        f"%llm_deploy ear --model_path {hearing_model}",
    ):
        ran = kernel.run(cell)
        assert ran.status == "ok", ran.messages
    kernel.run("from tests.support.hearing import RATE, spoken")
    yield kernel
    for name in ("painter", "slow", "mouth", "ear"):
        kernel.run(f"%llm_undeploy {name} --force")


def test_steps_are_shown_and_the_picture_stays(studio: KernelDriver) -> None:
    ran = studio.run("%%llm_draw painter --width 64 --seed 7 --n 2 --as drawn\na red {{ 1 + 1 }}")
    assert ran.status == "ok", ran.messages
    line, *pictures = ran.bundles
    assert "painter" in line["text/plain"]
    assert [bundle["image/png"] for bundle in pictures] == [base64.b64encode(PNG).decode()] * 2
    told = "".join(content["data"]["text/plain"] for content in ran.of("update_display_data"))
    assert "drawing" in told
    assert "100 %" in told
    asked = studio.run("print(drawn[0].prompt)").stdout
    assert json.loads(asked) == {"input": "a red 2", "width": 64, "seed": 7, "n": 2}


def test_flags_pictures_to_begin_with_and_files(studio: KernelDriver, tmp_path: Path) -> None:
    target = tmp_path / "cat"
    ran = studio.run(
        "start = drawn[0].data\n"
        f"p = %llm_draw --model painter --enable_hires --image start --save {target}.png a cat\n"
        "print(p[0].prompt)"
    )
    asked = json.loads(ran.stdout.strip().splitlines()[-1])
    assert asked["enable_hires"] is True
    assert base64.b64decode(asked["init_image"].partition(",")[2]) == PNG
    assert (tmp_path / "cat.png").read_bytes() == PNG


def test_an_interrupt_ends_the_drawing(studio: KernelDriver) -> None:
    began = time.monotonic()
    ran = studio.run("%%llm_draw slow\na cat", interrupt_after_s=1.5)
    assert ran.error[0] == "KeyboardInterrupt"
    assert time.monotonic() - began < 100  # 400 steps would take 200 s
    rows = "get_ipython().run_line_magic('llm_list', '')"
    count = f"print('busy' if any(row['in flight'] for row in {rows}) else 'idle')"
    assert studio.eventually(count, "idle") == "idle\n"


def test_a_player_stays(studio: KernelDriver) -> None:
    ran = studio.run("%%llm_speak mouth --voice one --as said\nGood morning")
    assert ran.status == "ok", ran.messages
    _, player = ran.bundles
    assert player["text/html"].startswith('<audio controls src="data:audio/wav;base64,UklGR')
    assert player["text/plain"] == "audio/wav, 8,044 bytes"
    assert studio.run("print(said.media_type, said.samples[1])").stdout == "audio/wav 8000\n"


def test_what_is_heard_is_shown_and_kept(studio: KernelDriver, tmp_path: Path) -> None:
    studio.run("voice = (spoken(['low', 'high'], 'de'), RATE)")
    ran = studio.run("%llm_transcribe ear voice --as heard")
    assert ran.texts[-1] == "tief hoch"
    assert "german · 1.0 s" in ran.bundles[-1]["text/html"]
    assert studio.run("%llm_transcribe voice --task translate").texts[-1] == "low high"
    timed = studio.run("%llm_transcribe ear voice --timestamps segment").texts[-1]
    assert [line.split()[-1] for line in timed.splitlines()] == ["tief", "hoch"]
    path = tmp_path / "a.srt"
    studio.run(f"%%llm_transcribe ear --format srt --save {path}\nvoice")
    assert path.read_text().startswith("1\n00:00:0")
    both = studio.run("%%llm_transcribe ear\nvoice\nvoice").texts[-1]
    assert both == "voice\ntief hoch\n\nvoice\ntief hoch"
    assert studio.run("print(heard.transcript.language)").stdout == "german\n"


@pytest.mark.parametrize(
    ("cell", "sentence"),
    [
        ("%%llm_draw painter\n ", "There is no text"),
        ("%%llm_draw mouth\na cat", "'mouth' is no model that draws"),
        ("%%llm_speak ear\nhello", "'ear' is no model that speaks"),
        ("%llm_transcribe painter voice", "writes down what is said"),
        ("%%llm_draw\na cat", "name one: %%llm_draw"),
        ("%llm_transcribe ear nothing_here", "no file 'nothing_here'"),
        ("%llm_transcribe", "name a file or a variable"),
        ("%%llm_draw painter --as 1x\na cat", "not a name that a variable can have"),
        ("%%llm_draw painter --upscaler_mode soft\na", "wants bilinear"),
        ("%%llm_speak mouth --voise x\na", "did you mean --voice"),
        ("%%llm_speak mouth\n{{ nobody }}", "nobody"),
    ],
)
def test_mistakes_are_told_in_one_sentence(studio: KernelDriver, cell: str, sentence: str) -> None:
    ran = studio.run(cell)
    assert ran.status == "error"
    told = [content["evalue"] for content in ran.of("error")]  # a wrong line is told on stderr
    assert sentence in "".join([*told, ran.stderr])


def test_help_lists_the_parameters(kernel: KernelDriver) -> None:
    for magic, words in (
        ("llm_draw", ("--negative_prompt", "--sampler_name", "--strength")),
        ("llm_speak", ("--voice", "--silence_s", "--format")),
        ("llm_transcribe", ("--language", "--timestamps", "--task")),
    ):
        shown = kernel.run(f"%{magic} --help").stdout
        assert all(word in shown for word in words)
