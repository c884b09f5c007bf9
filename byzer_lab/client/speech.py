"""``transcribe``, ``speak`` and ``draw``: the part of :class:`ByzerLLM` for sounds and pictures."""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from byzer_lab.client.media import Medium, Picture, Sound, audio_text, medium
from byzer_lab.client.pictures import picture_of
from byzer_lab.client.settings import Settings
from byzer_lab.client.types import metadata_of
from byzer_lab.errors import InvalidRequestError
from byzer_lab.generation import read_sampling
from byzer_lab.speech import Transcript
from byzer_lab.types import Chunk, GenerateRequest, Message, Progress, Sampling

BACKENDS_THAT_SAY = ("transformers", "llama_cpp", "vllm", "deepspeed", "diffusers")
TASKS = {"draws": "image", "speaks": "speech", "transcribes": "transcription"}
"""What each ability is called of a provider's model."""
OnProgress = Callable[[Progress], None]


class MediaCalls(Settings):
    """The calls; mixed into :class:`byzer_lab.client.byzer_llm.ByzerLLM`."""

    def transcribe(
        self,
        audio: Any,
        model: str | None = None,
        *,
        rate: int | None = None,
        language: str | None = None,
        task: str = "transcribe",
        prompt: str | None = None,
        timestamps: str | Sequence[str] = (),
        llm_config: Mapping[str, Any] | None = None,
        on_progress: OnProgress | None = None,
    ) -> Transcript:
        """Have written down what is said.

        Args:
            audio: A path; the bytes of a WAV, FLAC, OGG or MP3; base64 or a ``data:`` URI; a
                :class:`Sound`; samples and rate as a pair; or samples alone, with ``rate``.
            model: Name of the deployment; ``None``: the default model.
            rate: Samples a second.
            language: Such as ``en`` or ``english``; ``None`` finds it out.
            task: ``translate`` writes it down in English.
            prompt: Text that comes before, or how names in it are written.
            timestamps: ``segment``, ``word`` or both.
            llm_config: ``temperature``, ``seed``.
            on_progress: Told how far it is, in seconds of the sound.

        Returns:
            The transcript; as a text it is what was said. ``srt()`` and ``vtt()`` make subtitles.

        Raises:
            InvalidRequestError: The sound or a value is refused, or the model doesn't listen.
            ByzerLabError: As from :meth:`chat_oai`.
        """
        name = self._can("transcribes", "writes down what is said", model)
        times = [timestamps] if isinstance(timestamps, str) else list(timestamps)
        question = {
            "audio": audio_text(audio, rate),
            "language": language,
            "task": None if task == "transcribe" else task,
            "prompt": prompt,
            "timestamp_granularities": times or None,
        }
        texts = []
        with self._chunks(name, question, llm_config) as (_, chunks):
            for chunk in chunks:
                texts.append(chunk.text)
                _tell(on_progress, chunk)
        try:
            return msgspec.json.decode("".join(texts), type=Transcript)
        except msgspec.DecodeError:
            raise _is_none(name, "writes down what is said") from None

    def speak(
        self,
        text: str,
        model: str | None = None,
        *,
        voice: str | None = None,
        response_format: str | None = None,
        llm_config: Mapping[str, Any] | None = None,
        on_progress: OnProgress | None = None,
        **more: Any,
    ) -> Sound:
        """Have a text spoken.

        Args:
            text: The text.
            model: Name of the deployment; ``None``: the default model.
            voice: Who speaks; ``get_meta(model)["voices"]`` of a local model lists them.
            response_format: ``wav``, ``flac``, ``mp3``, ``ogg``, ``opus`` or ``pcm``; default: the
                model's own.
            llm_config: ``seed``, ``temperature``.
            on_progress: Told how far it is, in sentences.
            more: ``speed``, ``silence_s``, and what a provider knows, such as ``instructions``.

        Returns:
            The sound; a notebook shows a player, ``samples`` are its samples and rate, and
            ``save(path)`` writes it.

        Raises:
            InvalidRequestError: The text or a value is refused, or the model doesn't speak.
            ByzerLabError: As from :meth:`chat_oai`.
        """
        name = self._can("speaks", "speaks", model)
        question = {"input": text, "voice": voice, "response_format": response_format, **more}
        found = self._media(name, question, llm_config, on_progress, "audio/", "speaks")
        data = b"".join(one.data for one in found)
        return Sound(data, found[0].media_type, found[-1].metadata)

    def draw(
        self,
        prompt: str,
        model: str | None = None,
        *,
        init_image: Any = None,
        llm_config: Mapping[str, Any] | None = None,
        on_progress: OnProgress | None = None,
        **more: Any,
    ) -> list[Picture]:
        """Have pictures drawn.

        Args:
            prompt: What to draw.
            model: Name of the deployment; ``None``: the default model.
            init_image: To begin with: whatever
                :func:`byzer_lab.client.pictures.picture_of` takes, such as a path or a
                :class:`Picture`.
            llm_config: Parameters by Byzer-LLM's names, such as ``gen.sampling_steps``.
            on_progress: Told of each step.
            more: The same without prefix (:mod:`byzer_lab.drawing` has all of a local model), or
                what a provider knows, such as ``size`` and ``quality``.

        Returns:
            The pictures; a notebook shows them, and ``save(path)`` writes one.

        Raises:
            InvalidRequestError: A value is refused, or the model doesn't draw.
            ByzerLabError: As from :meth:`chat_oai`.
        """
        name = self._can("draws", "draws", model)
        picture = None if init_image is None else picture_of(init_image)
        question = {"input": prompt, "init_image": picture, **more}
        found = self._media(name, question, llm_config, on_progress, "image/", "draws")
        for one in found:
            if isinstance(one, Picture):
                one.prompt = one.prompt or prompt
        return [one for one in found if isinstance(one, Picture)]

    def _media(
        self,
        name: str,
        question: Mapping[str, Any],
        llm_config: Mapping[str, Any] | None,
        on_progress: OnProgress | None,
        kind: str,
        verb: str,
    ) -> list[Medium]:
        """What a model makes, piece by piece; the metadata are those of the whole answer."""
        found: list[Medium] = []
        metadata: dict[str, Any] = {}
        with self._chunks(name, question, llm_config) as (request, chunks):
            for chunk in chunks:
                _tell(on_progress, chunk)
                if chunk.text or (chunk.data and not chunk.media_type.startswith(kind)):
                    raise _is_none(name, verb)
                if chunk.data:
                    found.append(medium(chunk.data, chunk.media_type, metadata))
                    if isinstance(found[-1], Picture):
                        found[-1].prompt = chunk.prompt
                if chunk.usage and chunk.finish_reason:
                    metadata |= metadata_of(
                        name, request.request_id, chunk.finish_reason, chunk.usage, []
                    )
        if not found:
            raise _is_none(name, verb)
        return found

    @contextlib.contextmanager
    def _chunks(
        self, name: str, question: Mapping[str, Any], llm_config: Mapping[str, Any] | None
    ) -> Iterator[tuple[GenerateRequest, Iterator[Chunk]]]:
        """Ask; leaving early cancels on the worker."""
        asked = {key: value for key, value in question.items() if value is not None}
        sampling = read_sampling(llm_config) if llm_config else Sampling()
        text = json.dumps(asked, ensure_ascii=False)
        request = GenerateRequest(
            secrets.token_hex(8), messages=[Message("user", text)], sampling=sampling
        )
        stream = self._session.data_plane.stream(name, request, self._pins.get("chat"))
        with contextlib.closing(stream) as chunks:
            yield request, chunks

    def _can(self, ability: str, verb: str, model: str | None) -> str:
        """The name of a model, after a look at what its engine says of itself.

        An engine of the user's own may say nothing; it is asked.
        """
        name = self._model(model)
        record = self._record(name)
        task = record.meta.get("task")  # of a provider's model
        ours = record.spec.backend in BACKENDS_THAT_SAY and record.meta
        if task not in (None, TASKS[ability]) or (ours and not record.meta.get(ability)):
            raise _is_none(name, verb)
        return name


def _tell(on_progress: OnProgress | None, chunk: Chunk) -> None:
    if on_progress is not None and chunk.progress is not None:
        on_progress(chunk.progress)


def _is_none(name: str, verb: str) -> InvalidRequestError:
    return InvalidRequestError(f"{name!r} is no model that {verb}.")
