"""Models that make samples of a sentence, each in its own way."""

from __future__ import annotations

import json
import threading
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from transformers import BarkModel, StoppingCriteriaList, VitsModel
from transformers.utils import cached_file

from byzer_lab.engines.audio import Samples
from byzer_lab.engines.base import ReportProgress
from byzer_lab.engines.folder import ModelSource
from byzer_lab.engines.speech import loading
from byzer_lab.engines.speech.parameters import SpeakingParameters
from byzer_lab.engines.speech.questions import Said
from byzer_lab.engines.speech.sentences import is_chinese
from byzer_lab.engines.speech.stopping import Watch, seeded
from byzer_lab.errors import InvalidRequestError

_PRESETS = "speaker_embeddings_path.json"
_PROMPTS = {"semantic_prompt": 1, "coarse_prompt": 2, "fine_prompt": 2}
_BARK_TOKENS = 256


class Voice(Protocol):
    """A loaded model that speaks; used by one thread at a time."""

    model: Any
    rate: int

    @property
    def names(self) -> list[str]:
        """Who can speak; empty where there is one voice only."""

    def check(self, said: Said) -> None:
        """Raise :class:`InvalidRequestError` where the model can't speak so."""

    def warm_up(self, said: Said) -> None:
        """A first, short pass: what fails for every request fails here."""

    def speak(self, sentence: str, said: Said, seed: int | None, stop: threading.Event) -> Samples:
        """One sentence as samples.

        Args:
            sentence: The sentence.
            said: What was asked.
            seed: Of the chance; ``None``: a new one.
            stop: Ends it.
        """


def load_voice(
    source: ModelSource, parameters: SpeakingParameters, report: ReportProgress
) -> Voice:
    """Load a model that speaks.

    Raises:
        InvalidRequestError: It is none that is known here, or its voices are broken.
        EngineError: Its files lack some of its weights.
    """
    config = loading.read_config(source, parameters)
    kinds: dict[str, tuple[Any, type[Any]]] = {
        "bark": (BarkModel, Bark),
        "vits": (VitsModel, Vits),
    }
    if config.model_type not in kinds:
        raise loading.wrong_kind(source, config, "a model that speaks (Bark, VITS)")
    kind, voice = kinds[config.model_type]
    tokenizer = loading.load_tokenizer(source, parameters)
    model = loading.load_weights(kind, source, config, parameters, report)
    made: Voice = voice(model, tokenizer, source)
    return made


class Bark:
    """Bark: speaks with the voices of its folder, or with one by chance."""

    def __init__(self, model: Any, tokenizer: Any, source: ModelSource) -> None:
        self.model = model
        self._tokenizer = tokenizer
        self._source = source
        config = model.generation_config
        self.rate = int(
            getattr(config, "sample_rate", None) or model.config.codec_config.sampling_rate
        )
        for name in ("semantic_config", "coarse_acoustics_config", "fine_acoustics_config"):
            part = getattr(config, name, None)
            if part is None:
                raise InvalidRequestError(
                    f"The generation_config.json of {source.name!r} has no {name}, without which "
                    "Bark can't speak."
                )
            # The library's generate wants plain mappings, and its own loader makes objects of them.
            setattr(config, name, part if isinstance(part, dict) else part.to_dict())
        self._presets = self._read_presets()
        self._kept: dict[str, Any] = {}

    @property
    def names(self) -> list[str]:
        """See :class:`Voice`."""
        return sorted(self._presets)

    def check(self, said: Said) -> None:
        """See :class:`Voice`."""
        if said.wanted.speed != 1:
            raise InvalidRequestError(
                f"speed is {said.wanted.speed:g}, and Bark speaks as its voice does; leave it out."
            )
        if said.wanted.voice is not None:
            self._preset(self._found(said.wanted.voice))

    def warm_up(self, said: Said) -> None:
        """See :class:`Voice`. Two tokens: on a processor a whole word may take a minute."""
        self._made("a", said, 0, threading.Event(), semantic_max_new_tokens=2)

    def speak(self, sentence: str, said: Said, seed: int | None, stop: threading.Event) -> Samples:
        """See :class:`Voice`."""
        return self._made(sentence, said, seed, stop)

    def _made(
        self, sentence: str, said: Said, seed: int | None, stop: threading.Event, **more: Any
    ) -> Samples:
        encoded = self._tokenizer(
            sentence,
            padding="max_length",
            truncation=True,
            max_length=_BARK_TOKENS,
            add_special_tokens=False,
            return_attention_mask=True,
            return_token_type_ids=False,
            return_tensors="pt",
        ).to(self.model.device)
        options: dict[str, Any] = dict(more)
        name = said.wanted.voice
        voice = self._found(name) if name is not None else self._own(sentence)
        if voice is not None:
            options["history_prompt"] = self._preset(voice)
        if said.temperature is not None:
            hot = said.temperature >= 1e-5
            chance = {"do_sample": hot} | ({"temperature": said.temperature} if hot else {})
            options |= {f"{part}_{key}": value for part in ("semantic", "coarse") for key, value in
                        chance.items()}  # fmt: skip
        watch = Watch(stop)
        with seeded(seed):
            for part in ("semantic", "coarse"):
                options[f"{part}_stopping_criteria"] = StoppingCriteriaList([watch])
            found = self.model.generate(**encoded, **options)
        samples: Samples = found.float().cpu().numpy().squeeze()
        return np.atleast_1d(samples)

    def _own(self, sentence: str) -> str | None:
        """The voice of a sentence's language where nobody is named, as Byzer-LLM chose it."""
        wanted = "zh" if is_chinese(sentence) else "en"
        fitting = [name for name in self.names if f"{wanted}_speaker" in name]
        return min(fitting, default=None, key=lambda name: (not name.startswith("v2/"), name))

    def _found(self, name: str) -> str:
        for spelling in (name, f"v2/{name}"):
            if spelling in self._presets:
                return spelling
        near = get_close_matches(name, self._presets, n=2)
        if near:
            hint = f"did you mean {' or '.join(near)}?"
        else:
            hint = (
                f"it has {', '.join(self.names[:8])}." if self._presets else "it has none by name."
            )
        raise InvalidRequestError(f"The model has no voice {name!r}; {hint}")

    def _read_presets(self) -> dict[str, dict[str, str]]:
        path = self._file(_PRESETS)
        if path is None:
            return {}
        try:
            found = json.loads(Path(path).read_bytes())
            return {name: dict(files) for name, files in found.items() if name != "repo_or_path"}
        except (ValueError, AttributeError, TypeError) as error:
            raise InvalidRequestError(f"{path!r} lists no voices: {error}.") from error

    def _preset(self, name: str) -> dict[str, Any]:
        """The beginning that makes the model go on in a voice."""
        if name in self._kept:
            return dict(self._kept[name])
        preset = {}
        for key, dimensions in _PROMPTS.items():
            file = self._presets[name].get(key, "")
            inside = file and not Path(file).is_absolute() and ".." not in Path(file).parts
            path = self._file(file) if inside else None
            if path is None:
                raise InvalidRequestError(f"The voice {name!r} lacks its file {key} ({file!r}).")
            values = np.load(path, allow_pickle=False)
            if values.ndim != dimensions:
                raise InvalidRequestError(f"The voice {name!r} is broken: {file!r}.")
            preset[key] = torch.from_numpy(values).to(self.model.device)
        self._kept[name] = preset
        return dict(preset)

    def _file(self, name: str) -> str | None:
        path = cached_file(
            self._source.name,
            name,
            local_files_only=self._source.offline,
            _raise_exceptions_for_missing_entries=False,
            _raise_exceptions_for_connection_errors=False,
        )
        return None if path is None else str(path)


class Vits:
    """VITS: one language, one voice or several by number."""

    def __init__(self, model: Any, tokenizer: Any, source: ModelSource) -> None:
        self.model = model
        self._tokenizer = tokenizer
        self.rate = int(model.config.sampling_rate)

    @property
    def names(self) -> list[str]:
        """See :class:`Voice`."""
        count = int(self.model.config.num_speakers or 1)
        return [str(number) for number in range(count)] if count > 1 else []

    def check(self, said: Said) -> None:
        """See :class:`Voice`."""
        voice = said.wanted.voice
        if voice is not None and voice not in self.names:
            there = f"0 to {len(self.names) - 1}" if self.names else "one voice only; leave it out"
            raise InvalidRequestError(f"The model has no voice {voice!r}; it has {there}.")

    def warm_up(self, said: Said) -> None:
        """See :class:`Voice`."""
        self.speak("a", said, 0, threading.Event())

    def speak(self, sentence: str, said: Said, seed: int | None, stop: threading.Event) -> Samples:
        """See :class:`Voice`."""
        encoded = self._tokenizer(sentence, return_tensors="pt").to(self.model.device)
        if not encoded["input_ids"].shape[-1]:
            return np.zeros(0, np.float32)
        config = self.model.config
        self.model.speaking_rate = config.speaking_rate * said.wanted.speed
        heat = said.temperature
        self.model.noise_scale = config.noise_scale if heat is None else heat
        self.model.noise_scale_duration = config.noise_scale_duration if heat is None else heat
        speaker = {"speaker_id": int(said.wanted.voice)} if said.wanted.voice else {}
        with seeded(seed):
            found = self.model(**encoded, **speaker).waveform
        samples: Samples = found.float().cpu().numpy().squeeze()
        return np.atleast_1d(samples)
