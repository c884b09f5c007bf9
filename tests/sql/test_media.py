"""Sounds and pictures as columns."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from byzer_lab.sql.models.media import media_question
from tests.sql.conftest import Lab
from tests.sql.scripted import ScriptedModels

SOUND = bytes(range(256)) * 40
"""Longer than a line of base64."""


def heard(question: str) -> str:
    """Tells the bytes that arrived."""
    told = json.loads(question)
    data = base64.b64decode(told["audio"].removeprefix("data:audio/wav;base64,"))
    return f"{len(data)} {data == SOUND} {told.get('language')}"


def made(question: str) -> str:
    """Bytes that tell the question."""
    return base64.b64encode(question.encode()).decode()


Make = Callable[[ScriptedModels], Lab]


def test_files_are_loaded_as_bytes_and_written_down(lab_of: Make, tmp_path: Path) -> None:
    lab = lab_of(ScriptedModels(heard))
    (tmp_path / "a.wav").write_bytes(SOUND)
    (tmp_path / "b.wav").write_bytes(b"other")
    rows = lab.run(
        f"""load binaryFile.`{tmp_path}/*.wav` as sounds;
        select length, llm_transcribe('m', content) as text,
               llm_transcribe('m', content, map('language', 'de')) as german
        from sounds order by path as told;"""
    )
    assert [row["length"] for row in rows] == [len(SOUND), 5]
    assert [row["text"] for row in rows] == [f"{len(SOUND)} True None", "5 False None"]
    assert rows[0]["german"].endswith("True de")


def test_texts_of_base64_are_sounds_as_well(lab_of: Make) -> None:
    lab = lab_of(ScriptedModels(heard))
    text = base64.b64encode(SOUND).decode()
    [row] = lab.run(
        f"""select llm_transcribe('m', '{text}') as bare,
        llm_transcribe('m', 'data:audio/wav;base64,{text}') as uri,
        llm_transcribe('m', cast(null as binary)) as none as t;"""
    )
    assert row["bare"] == row["uri"] == f"{len(SOUND)} True None"
    assert row["none"] is None


@pytest.mark.parametrize("kind", ["speak", "draw"])
def test_answers_are_bytes(lab_of: Make, kind: str) -> None:
    models = ScriptedModels(made)
    lab = lab_of(models)
    [row] = lab.run(
        f"""select llm_{kind}('m', concat('a ', 'cat')) as one,
        llm_{kind}('m', 'a dog', map('voice', '2', 'speed', '1.5')) as two,
        length(llm_{kind}('m', 'a dog')) as size,
        llm_{kind}('m', cast(null as string)) as none as t;"""
    )
    assert json.loads(row["one"]) == {"input": "a cat"}
    assert json.loads(row["two"]) == {"input": "a dog", "voice": "2", "speed": 1.5}
    assert row["size"] == len('{"input": "a dog"}')
    assert row["none"] is None


def test_the_same_question_is_asked_once(lab_of: Make) -> None:
    models = ScriptedModels(made)
    lab = lab_of(models)
    rows = lab.run("select llm_speak('m', 'hi') as s from range(5) as t;")
    assert [row["s"] for row in rows] == [rows[0]["s"]] * 5
    assert models.calls == 1


def test_times_are_told_where_they_are_asked_for() -> None:
    text = base64.b64encode(SOUND).decode()
    timed = [text, {"timestamp_granularities": "word"}]
    plain, told = (
        json.loads(media_question("transcribe", value).messages[0].text) for value in (text, timed)
    )
    assert plain["response_format"] == "text"
    assert "response_format" not in told
