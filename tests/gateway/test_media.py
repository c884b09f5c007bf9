"""Pictures and speech, asked with OpenAI's own client."""

from __future__ import annotations

import base64
import json
from typing import Any

import openai as sdk
import pytest

from byzer_lab.client.byzer_llm import ByzerLLM

MEDIA = "tests.support.talking:MediaEngine"


def deployed(llm: ByzerLLM, kind: str) -> str:
    llm.setup_infer_backend(MEDIA)
    llm.deploy(udf_name="media", infer_params={"media_type": kind})
    return "media"


def test_pictures(llm: ByzerLLM, openai: Any) -> None:
    name = deployed(llm, "image/png")
    found = openai.images.generate(model=name, prompt="a cat", n=2, size="512x512")
    first, second = (base64.b64decode(one.b64_json) for one in found.data)
    assert json.loads(first) == {"input": "a cat", "n": 2, "size": "512x512"}
    assert second == b"second"
    assert found.usage.output_tokens == 4
    with pytest.raises(sdk.BadRequestError) as caught:
        openai.images.generate(model=name, prompt="a cat", response_format="url")
    assert caught.value.param == "response_format"
    with pytest.raises(sdk.BadRequestError, match="speaks"):
        openai.audio.speech.create(model=name, input="hi", voice="alloy")


def test_speech(llm: ByzerLLM, openai: Any) -> None:
    name = deployed(llm, "audio/mpeg")
    with openai.audio.speech.with_streaming_response.create(
        model=name, input="hi", voice="alloy", speed=1.5, response_format="mp3"
    ) as answer:
        assert answer.headers["content-type"] == "audio/mpeg"
        sound = answer.read()
    question = sound.removesuffix(b"second")
    assert json.loads(question) == {
        "input": "hi",
        "voice": "alloy",
        "speed": 1.5,
        "response_format": "mp3",
    }
