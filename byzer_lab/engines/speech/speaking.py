"""The engine of models that speak."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import AsyncGenerator, Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from byzer_lab.engines.base import ReportProgress
from byzer_lab.engines.folder import ModelSource
from byzer_lab.engines.local import NOT_LOADED
from byzer_lab.engines.speech.base import SpeechEngine
from byzer_lab.engines.speech.parameters import SpeakingParameters
from byzer_lab.engines.speech.questions import Said, read_said
from byzer_lab.engines.speech.sentences import sentences
from byzer_lab.errors import EngineError, InvalidRequestError
from byzer_lab.schema import ParameterInfo, describe_parameters
from byzer_lab.speech import MEDIA_TYPES, SAMPLES, Speaking
from byzer_lab.types import Chunk, GenerateRequest, Progress, Usage

if TYPE_CHECKING:
    from byzer_lab.engines.audio import Samples, Sound
    from byzer_lab.engines.speech.voices import Voice


class SpeakingEngine(SpeechEngine):
    """Hosts a model that makes a sound of a text. A request is one message with the text; see
    :func:`byzer_lab.engines.speech.questions.read_said`.

    The text is spoken sentence by sentence, with a pause between them. As ``pcm`` each sentence
    comes when it is spoken; a file's format comes whole, after progress.
    """

    kind = SpeakingParameters
    _voice: Voice | None = None

    @classmethod
    def parameters(cls) -> list[ParameterInfo]:
        """See :class:`byzer_lab.engines.speech.parameters.SpeakingParameters`."""
        return describe_parameters(SpeakingParameters)

    def _load_model(self, source: ModelSource, report: ReportProgress) -> None:
        from byzer_lab.engines.speech.voices import load_voice

        self._voice = load_voice(source, self._parameters, report)
        self._voice.check(self._said("a"))

    def _warm_up(self) -> None:
        self._ready().warm_up(self._said("a"))

    def meta(self) -> dict[str, Any]:
        """What is known of the loaded model.

        Beside the keys that every engine has: ``speaks``, ``voices`` (names), ``sample_rate``,
        ``parameters`` (their number), ``dtype``, ``device`` and ``num_threads``.
        """
        voice = self._ready()
        model = voice.model
        return {
            "model_deploy_type": "proprietary",
            "backend": "transformers",
            "max_model_len": -1,
            "architectures": list(model.config.architectures or []),
            "support_stream": True,
            "support_chat_template": False,
            "speaks": True,
            "voices": voice.names,
            "sample_rate": voice.rate,
            "parameters": model.num_parameters(),
            "dtype": str(model.dtype).removeprefix("torch."),
            "device": str(model.device),
            "num_threads": self._threads,
        }

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk]:
        """Speak a text. See :meth:`byzer_lab.engines.base.Generates.generate`."""
        from byzer_lab.engines.audio import Sound, encode, silence

        voice = self._ready()
        with self._answering(request) as end:
            said = self._with_own_voice(read_said(request, self._parameters.max_characters))
            voice.check(said)
            wanted = said.wanted
            parts = sentences(said.text)
            # One voice by chance for the whole text, and each sentence as it would sound alone.
            seed = secrets.randbits(31) if said.seed is None else said.seed
            spoken: list[Samples] = []
            for number, part in enumerate(parts):
                pause = [silence(wanted.silence_s, voice.rate)] if number else []
                samples = await self._run(voice.speak, part, said, seed, end)
                fresh = [*pause, samples]
                spoken += fresh
                if wanted.response_format == "pcm":
                    for block in fresh:
                        data = encode(Sound(block, voice.rate), "pcm")
                        for chunk in _pieces(data, "pcm", wanted.chunk_size, voice.rate):
                            yield chunk
                else:
                    yield Chunk(progress=Progress(number + 1, len(parts), "speaking"))
            if wanted.response_format != "pcm":
                sound = Sound(_whole(spoken), voice.rate)
                if wanted.response_format == SAMPLES:
                    yield Chunk(text=_numbers(sound))
                else:
                    form = wanted.response_format
                    data = await self._run(encode, sound, form)
                    for chunk in _pieces(data, form, wanted.chunk_size, voice.rate):
                        yield chunk
            yield Chunk(finish_reason="stop", usage=Usage())

    def _with_own_voice(self, said: Said) -> Said:
        if said.wanted.voice is not None or self._parameters.voice is None:
            return said
        wanted = dataclasses.replace(said.wanted, voice=self._parameters.voice)
        return dataclasses.replace(said, wanted=wanted)

    def _said(self, text: str) -> Said:
        return self._with_own_voice(Said(text, Speaking(), None, 0))

    def _ready(self) -> Voice:
        if self._voice is None:
            raise EngineError(NOT_LOADED)
        return self._voice

    def _drop_model(self) -> None:
        self._voice = None


def _whole(spoken: list[Samples]) -> Samples:
    import numpy as np

    whole = np.concatenate(spoken) if spoken else np.zeros(0, np.float32)
    if not len(whole):
        raise InvalidRequestError("There is nothing in the text that this model can speak.")
    return whole


def _numbers(sound: Sound) -> str:
    """Byzer-LLM's form of a sound that Bark made."""
    samples = [round(float(sample), 6) for sample in sound.samples]
    return msgspec.json.encode({"predict": samples, "labels": ""}).decode()


def _pieces(data: bytes, form: str, size: int | None, rate: int) -> Iterator[Chunk]:
    kind = MEDIA_TYPES[form] + (f";rate={rate};channels=1" if form == "pcm" else "")
    step = size or len(data) or 1
    for start in range(0, len(data), step):
        yield Chunk(data=data[start : start + step], media_type=kind)
