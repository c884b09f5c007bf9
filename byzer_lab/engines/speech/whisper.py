"""A Whisper in memory, and one window of a sound as text."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np
import torch
from transformers import StoppingCriteriaList, WhisperFeatureExtractor
from transformers.models.whisper.tokenization_whisper import (
    TO_LANGUAGE_CODE,
    _combine_tokens_into_words,
)

from byzer_lab.engines.audio import Sound
from byzer_lab.engines.speech.questions import Heard
from byzer_lab.engines.speech.stopping import Watch, seeded
from byzer_lab.errors import InvalidRequestError
from byzer_lab.speech import Segment, Word

# As the model's authors set them: a text that repeats itself, or that the model doubts, is tried
# again by chance; what it takes for no speech and doubts is left out.
_RETRIES = {
    "temperature": (0.0, 0.2, 0.4, 0.6, 0.8, 1.0),
    "compression_ratio_threshold": 1.35,
    "logprob_threshold": -1.0,
    "no_speech_threshold": 0.6,
}
_INAUDIBLE = 1e-4  # three steps of 16 bits
_NAMES: dict[str, str] = {code: name for name, code in reversed(TO_LANGUAGE_CODE.items())}


@dataclass(frozen=True)
class Part:
    """What was said in one window.

    Attributes:
        text: The text, with the space before it.
        segments, words: With times from the beginning of the whole sound; segments without ids.
        tokens: How many were generated.
    """

    text: str
    segments: list[Segment]
    words: list[Word]
    tokens: int


class Whisper:
    """A loaded model; used by one thread at a time.

    Args:
        model: ``WhisperForConditionalGeneration`` on its device.
        tokenizer: Its tokenizer.
        extractor: What makes its input of samples.
    """

    def __init__(self, model: Any, tokenizer: Any, extractor: WhisperFeatureExtractor) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.extractor = extractor
        self.rate = int(extractor.sampling_rate)
        self.window_s = float(extractor.chunk_length)
        config = model.generation_config
        codes: dict[str, int] = getattr(config, "lang_to_id", None) or {}
        many = bool(getattr(config, "is_multilingual", bool(codes)))
        self.languages = {token.strip("<|>"): number for token, number in codes.items() if many}
        self.times_words = bool(getattr(config, "alignment_heads", None))
        self._times_from: int | None = None
        if hasattr(config, "no_timestamps_token_id"):
            self._times_from = int(config.no_timestamps_token_id) + 1
        self._special = set(tokenizer.all_special_ids)

    def check(self, heard: Heard) -> str | None:
        """Check a request against the model.

        Returns:
            Code of the language that it names.

        Raises:
            InvalidRequestError: The model doesn't know the language, can't translate, or has no
                times.
        """
        wanted = heard.wanted
        if not self.languages and (wanted.task == "translate" or wanted.language):
            name = (wanted.language or "").lower()
            if wanted.task == "translate" or TO_LANGUAGE_CODE.get(name, name) != "en":
                raise InvalidRequestError(
                    "This model knows English only; leave language and task out, or deploy a "
                    "Whisper of many languages."
                )
        if heard.segments and self._times_from is None:
            raise InvalidRequestError("This model has no tokens for times; ask for its text alone.")
        if heard.words and not self.times_words:
            raise InvalidRequestError(
                "This model has no alignment_heads in its generation_config.json, so it can't time "
                "words; ask for segments."
            )
        if not wanted.language or not self.languages:
            return None
        return self._code(wanted.language)

    def _code(self, language: str) -> str:
        name = language.lower().strip()
        code: str = TO_LANGUAGE_CODE.get(name, name.partition("-")[0])
        if code in self.languages:
            return code
        known = [*self.languages, *(_NAMES.get(one, one) for one in self.languages)]
        near = get_close_matches(name, known, n=2)
        there = f"did you mean {' or '.join(near)}?" if near else f"it knows {_listed(known)}."
        raise InvalidRequestError(f"The model doesn't know the language {language!r}; {there}")

    def language_of(self, window: Sound) -> str | None:
        """Code of the language that a window is in; ``None`` where nothing is to be heard, or the
        model knows only one."""
        if not self.languages or _is_silent(window):
            return None
        features, _ = self._features(window)
        frames = features.shape[-1]
        found = int(self.model.detect_language(features, num_segment_frames=frames)[0])
        return next((code for code, number in self.languages.items() if number == found), None)

    def name_of(self, code: str | None) -> str:
        """Name of a language, such as ``english``."""
        if code is None:
            return "english" if not self.languages else ""
        return _NAMES.get(code, code)

    def hear(
        self,
        window: Sound,
        begins: float,
        heard: Heard,
        language: str | None,
        stop: threading.Event,
    ) -> Part:
        """Write one window down.

        Args:
            window: At most :attr:`window_s` long, with :attr:`rate` samples a second.
            begins: When it begins, in seconds.
            heard: What was asked.
            language: Code of the language.
            stop: Ends it between two tokens.

        Raises:
            StoppedError: ``stop`` was set.
            EngineError: The model failed.
        """
        if _is_silent(window):
            return Part("", [], [], 0)
        watch = Watch(stop, int(self.model.config.max_target_positions) * 16)
        features, mask = self._features(window)
        options: dict[str, Any] = {"stopping_criteria": StoppingCriteriaList([watch])}
        if self.languages:
            options |= {"task": heard.wanted.task, "language": language}
        if heard.wanted.prompt:
            options["prompt_ids"] = self._prompt(heard.wanted.prompt)
        if heard.temperature:
            options |= {"temperature": heard.temperature, "do_sample": True}
        else:
            options |= _RETRIES
        with seeded(heard.seed or 0):
            found = self.model.generate(
                features,
                attention_mask=mask,
                return_timestamps=heard.segments,
                return_token_timestamps=heard.words or None,
                return_segments=True,
                **options,
            )
        segments, words, texts = [], [], []
        for piece in found["segments"][0]:
            tokens = [int(token) for token in piece["tokens"]]
            text = self._text(tokens)
            texts.append(text)
            if text.strip():
                start, end = float(piece["start"]), min(float(piece["end"]), window.seconds)
                segments.append(Segment(0, begins + start, begins + end, text.strip()))
            if heard.words:
                times = [float(time) for time in piece["token_timestamps"]]
                words += self._words(tokens, times, begins, window.seconds, language)
        return Part("".join(texts), segments, words, watch.tokens)

    def warm_up(self) -> None:
        """A first, tiny pass: what fails for every request fails here."""
        noise = np.random.default_rng(0).normal(0, 0.01, self.rate // 2).astype(np.float32)
        features, _ = self._features(Sound(noise, self.rate))
        with seeded(0):
            self.model.generate(features, max_new_tokens=1)

    def _features(self, window: Sound) -> tuple[Any, Any]:
        found = self.extractor(
            window.samples,
            sampling_rate=self.rate,
            return_tensors="pt",
            return_attention_mask=True,
        )
        features = found.input_features.to(self.model.device, self.model.dtype)
        return features, found.attention_mask.to(self.model.device)

    def _prompt(self, text: str) -> Any:
        """The end of a text that comes before, as much as the model reads."""
        tokens = self.tokenizer.get_prompt_ids(text, return_tensors="pt")
        most = int(self.model.config.max_target_positions) // 2 - 1
        cut = torch.cat([tokens[:1], tokens[1:][-(most - 1) :]])
        return cut.to(self.model.device)

    def _text(self, tokens: list[int]) -> str:
        plain = [token for token in tokens if self._is_text(token)]
        text: str = self.tokenizer.decode(plain)
        return text

    def _is_text(self, token: int) -> bool:
        timed = self._times_from is not None and token >= self._times_from
        return not timed and token not in self._special

    def _words(
        self, tokens: list[int], times: list[float], begins: float, longest: float, code: str | None
    ) -> list[Word]:
        """Words of a segment. The time of a token is when the next one begins."""
        places = [place for place, token in enumerate(tokens) if self._is_text(token)]
        plain = [tokens[place] for place in places]
        if not plain:
            return []
        texts, _, groups = _combine_tokens_into_words(self.tokenizer, plain, self.name_of(code))
        words = []
        for text, group in zip(texts, groups, strict=True):
            first, last = places[group[0]], places[group[-1]]
            start = times[first - 1] if first else 0.0
            end = max(start, min(times[last], longest))
            words.append(Word(text.strip(), round(begins + start, 2), round(begins + end, 2)))
        return words


def _is_silent(window: Sound) -> bool:
    return bool(np.abs(window.samples).max(initial=0) < _INAUDIBLE)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - 12} more" if len(names) > 12 else ""
    return ", ".join(names[:12]) + more
