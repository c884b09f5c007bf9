"""The engine of models that write down what is said."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any

from byzer_lab.engines.base import ReportProgress
from byzer_lab.engines.folder import ModelSource
from byzer_lab.engines.local import NOT_LOADED
from byzer_lab.engines.speech.base import SpeechEngine
from byzer_lab.engines.speech.parameters import ListeningParameters
from byzer_lab.engines.speech.questions import Heard, read_heard
from byzer_lab.errors import EngineError
from byzer_lab.schema import ParameterInfo, describe_parameters
from byzer_lab.speech import Segment, Transcript, Word, joined
from byzer_lab.types import Chunk, GenerateRequest, Progress, Usage

if TYPE_CHECKING:
    from byzer_lab.engines.speech.whisper import Part, Whisper


class ListeningEngine(SpeechEngine):
    """Hosts a Whisper. A request is one message with a sound; see
    :func:`byzer_lab.engines.speech.questions.read_heard`.

    A sound that is longer than the model's window is cut where it is quiet, and the parts follow
    each other. Text comes part by part; of the other forms comes progress, and the whole at last.
    """

    kind = ListeningParameters
    _whisper: Whisper | None = None

    @classmethod
    def parameters(cls) -> list[ParameterInfo]:
        """See :class:`byzer_lab.engines.speech.parameters.ListeningParameters`."""
        return describe_parameters(ListeningParameters)

    def _load_model(self, source: ModelSource, report: ReportProgress) -> None:
        from transformers import WhisperFeatureExtractor, WhisperForConditionalGeneration

        from byzer_lab.engines.speech import loading
        from byzer_lab.engines.speech.whisper import Whisper

        config = loading.read_config(source, self._parameters)
        if config.model_type != "whisper":
            raise loading.wrong_kind(source, config, "a Whisper")
        tokenizer = loading.load_tokenizer(source, self._parameters)
        extractor = WhisperFeatureExtractor.from_pretrained(
            source.name, local_files_only=source.offline
        )
        kind = WhisperForConditionalGeneration
        model = loading.load_weights(kind, source, config, self._parameters, report)
        self._whisper = Whisper(model, tokenizer, extractor)

    def _warm_up(self) -> None:
        self._ready().warm_up()

    def meta(self) -> dict[str, Any]:
        """What is known of the loaded model.

        Beside the keys that every engine has: ``transcribes``, ``languages`` (codes; empty where it
        knows English only), ``word_timestamps``, ``max_audio_s``, ``parameters`` (their number),
        ``dtype``, ``device`` and ``num_threads``.
        """
        whisper = self._ready()
        model = whisper.model
        return {
            "model_deploy_type": "proprietary",
            "backend": "transformers",
            "max_model_len": int(model.config.max_target_positions),
            "architectures": list(model.config.architectures or []),
            "support_stream": True,
            "support_chat_template": False,
            "transcribes": True,
            "languages": sorted(whisper.languages),
            "word_timestamps": whisper.times_words,
            "max_audio_s": self._parameters.max_audio_s,
            "parameters": model.num_parameters(),
            "dtype": str(model.dtype).removeprefix("torch."),
            "device": str(model.device),
            "num_threads": self._threads,
        }

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk]:
        """Write down what is said. See :meth:`byzer_lab.engines.base.Generates.generate`."""
        whisper = self._ready()
        with self._answering(request) as end:
            heard = await self._run(read_heard, request, self._parameters.max_audio_s)
            language = whisper.check(heard)
            windows = heard.recording.windows(whisper.rate, whisper.window_s)
            duration = heard.recording.seconds
            told = _Told(heard)
            while (window := await self._run(next, windows, None)) is not None:
                begins, sound = window
                if language is None:
                    language = await self._run(whisper.language_of, sound)
                part = await self._run(whisper.hear, sound, begins, heard, language, end)
                seconds = begins + sound.seconds
                yield told.add(part, begins, seconds, duration)
            transcript = told.transcript(whisper.name_of(language), duration)
            text = ""
            if heard.form != "text":
                text = transcript.written(heard.form, heard.wanted.task, heard.words)
            usage = Usage(output_tokens=told.tokens)
            yield Chunk(text=text, finish_reason="stop", usage=usage)

    def _ready(self) -> Whisper:
        if self._whisper is None:
            raise EngineError(NOT_LOADED)
        return self._whisper

    def _drop_model(self) -> None:
        self._whisper = None


class _Told:
    """What of a sound has been written down so far."""

    def __init__(self, heard: Heard) -> None:
        self._heard = heard
        self._texts: list[str] = []
        self._segments: list[Segment] = []
        self._words: list[Word] = []
        self.tokens = 0

    def add(self, part: Part, begins: float, ends: float, duration: float) -> Chunk:
        """Take a part; the chunk that tells of it."""
        self.tokens += part.tokens
        text = part.text if self._texts and part.text.strip() else part.text.lstrip()
        if self._texts and text and not text[0].isspace():
            text = " " + text
        if text.strip():
            self._texts.append(text)
        segments = part.segments
        if not self._heard.segments and text.strip():
            segments = [Segment(0, begins, ends, text.strip())]
        self._segments += segments
        self._words += part.words
        if self._heard.form == "text":
            return Chunk(text=text, tokens=part.tokens)
        step = Progress(round(ends), max(1, round(duration)), "listening")
        return Chunk(progress=step)

    def transcript(self, language: str, duration: float) -> Transcript:
        """All of it."""
        segments = [
            Segment(number, round(one.start, 2), round(one.end, 2), one.text)
            for number, one in enumerate(self._segments)
        ]
        return Transcript(joined(self._texts), language, round(duration, 3), segments, self._words)
