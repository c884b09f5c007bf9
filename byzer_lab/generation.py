"""The generation parameters of every engine and provider, described once.

Their wire form is :class:`byzer_lab.types.Sampling`. Checks, help, completion, forms and the
reference page read this table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from byzer_lab.drawing import DRAWING
from byzer_lab.errors import InvalidRequestError
from byzer_lab.schema import ParameterInfo, given_twice, read_values
from byzer_lab.types import Sampling

OWNER = "llm_config"
PREFIXES = ("gen.", "generation.")
GENERATION: tuple[ParameterInfo, ...] = (
    ParameterInfo(
        "max_tokens",
        int,
        None,
        "Most tokens to generate; by default what is left of the context window.",
        unit="tokens",
        least=1,
        aliases=("max_length", "max_new_tokens"),
    ),
    ParameterInfo("temperature", float, None, "0 is greedy.", least=0),
    ParameterInfo(
        "top_p",
        float,
        None,
        "Nucleus: the smallest set of tokens with at least this probability.",
        above=0,
        most=1,
    ),
    ParameterInfo(
        "top_k", int, None, "Only the k likeliest tokens; 0 or -1 switches it off.", least=-1
    ),
    ParameterInfo(
        "min_p",
        float,
        None,
        "Drops tokens less likely than this share of the likeliest one.",
        least=0,
        most=1,
    ),
    ParameterInfo(
        "repetition_penalty",
        float,
        None,
        "Divides the logits of tokens of prompt and answer; 1 switches it off.",
        above=0,
    ),
    ParameterInfo(
        "presence_penalty",
        float,
        None,
        "Subtracted once from the logits of tokens already generated.",
        least=-2,
        most=2,
    ),
    ParameterInfo(
        "frequency_penalty",
        float,
        None,
        "Subtracted once per time a token was generated.",
        least=-2,
        most=2,
    ),
    ParameterInfo("seed", int, None, "Makes sampling repeatable."),
    ParameterInfo(
        "stop",
        list,
        None,
        "Texts that end the answer; an empty list: none, whatever the deployment's default is.",
        aliases=("stopping_sequences",),
    ),
    ParameterInfo(
        "stop_token_ids", list, None, "Tokens that end the answer, by number.", items=int
    ),
    ParameterInfo("ignore_eos", bool, None, "Goes on past the model's end-of-text token."),
    ParameterInfo(
        "logprobs",
        int,
        None,
        "Tell each token's logarithmic probability, and those of so many alternatives.",
        least=0,
        most=20,
    ),
)

OFF: dict[str, tuple[Any, ...]] = {
    "best_of": (1, "1"),
    "n": (1, "1"),
    "use_beam_search": (False, "false", "False"),
    "early_stopping": (False, "false", "False"),
    "length_penalty": (1, 1.0, "1", "1.0"),
}
"""Byzer-LLM's names that no engine offers any more, and the values that ask for nothing."""

PROVIDER_OPTIONS: tuple[str, ...] = (
    "model",
    "enable_search",
    "enable_search_enhance",
    "with_search_enhance",
    "enable_thinking",
    "reasoning_effort",
    "response_format",
    "penalty_score",
    "response_prefix",
    "glyph",
    "user",
    "voice",
    "language",
    "size",
    "quality",
    "style",
)
"""Names that some providers know and no local engine does; they travel in ``options``."""
EXTRA = ("extra_request_params", "extra_body")
"""A mapping that a provider gets as it is."""
STREAMING = ("stream", "incremental_output")
"""Names of the original that say how an answer is delivered, which here the call itself says."""


def plain_name(name: str) -> str:
    """A parameter's name without the prefix ``gen.`` or ``generation.``."""
    for prefix in PREFIXES:
        name = name.removeprefix(prefix)
    return name


def spellings(given: Mapping[str, Any]) -> dict[str, str]:
    """Each given name as it is written, by its plain name.

    Raises:
        InvalidRequestError: One is given with a prefix and without, or with both prefixes.
    """
    written: dict[str, str] = {}
    for name, value in given.items():
        first = written.get(plain_name(name))
        if first is None or given[first] is None:
            written[plain_name(name)] = name
        elif value is not None:
            raise given_twice(first, name)
    return written


def read_sampling(given: Mapping[str, Any], beside: Iterable[str] = ()) -> Sampling:
    """Read generation parameters.

    Args:
        given: Names of :data:`GENERATION` or their aliases, each also with the prefix ``gen.`` or
            ``generation.``. Values may be texts, as SQL and the command line write them:
            ``"0.1"``, ``"true"``, ``"a,b"`` for lists. Names of :data:`PROVIDER_OPTIONS`,
            :data:`EXTRA` and :data:`byzer_lab.drawing.DRAWING` become ``options``.
        beside: Names that the caller reads itself, for messages.

    Raises:
        InvalidRequestError: An unknown name, a value that doesn't fit, or something that no
            engine offers, such as beam search.
    """
    written = spellings(given)
    plain = {plain: given[name] for plain, name in written.items()}
    plain = {name: value for name, value in plain.items() if name not in STREAMING}
    options = _options(plain) | _drawing(plain, written)
    for name in OFF.keys() & plain.keys():
        value = plain.pop(name)
        if value is not None and value not in OFF[name]:
            raise InvalidRequestError(
                f"{name} is {value!r}, but no engine here searches among several answers; leave "
                "it out, or ask several times with different seeds."
            )
    names = (*beside, *(info.name for info in DRAWING))
    values = read_values(GENERATION, plain, OWNER, written=written, beside=names)
    return Sampling(**values, options=options)


def _options(plain: dict[str, Any]) -> dict[str, Any]:
    """Take what only providers know out of named parameters."""
    own = {name: plain.pop(name) for name in PROVIDER_OPTIONS if plain.get(name) is not None}
    extra: dict[str, Any] = {}
    for name in EXTRA:
        value = plain.pop(name, None)
        if value is not None and not isinstance(value, dict):
            raise InvalidRequestError(f"{name} is {value!r}; it must be a mapping.")
        extra |= value or {}
    return own | ({"extra": extra} if extra else {})


def _drawing(plain: dict[str, Any], written: Mapping[str, str]) -> dict[str, Any]:
    """Take what only models that draw know out of named parameters, checked."""
    given = {info.name: plain.pop(info.name) for info in DRAWING if info.name in plain}
    return read_values(DRAWING, given, OWNER, written=written)


def check_generation(sampling: Sampling) -> None:
    """Raise :class:`InvalidRequestError` where a value is out of its bounds."""
    for info in GENERATION:
        info.read(getattr(sampling, info.name))


def filled(sampling: Sampling, defaults: Sampling) -> Sampling:
    """What a caller set, and a deployment's defaults where the caller set nothing."""
    empty = Sampling()
    if defaults == empty:
        return sampling
    left_open = {
        name: getattr(defaults, name)
        for name in Sampling.__struct_fields__
        if getattr(sampling, name) == getattr(empty, name)
    }
    left_open["options"] = defaults.options | sampling.options  # each is a default of its own
    return msgspec.structs.replace(sampling, **left_open)


def changed(stored: Sampling, given: Mapping[str, Any]) -> Sampling:
    """Stored parameters with the given ones set; a given ``None`` removes one.

    Args:
        stored: What holds now.
        given: As for :func:`read_sampling`.

    Raises:
        InvalidRequestError: As from :func:`read_sampling`.
    """
    names = {name: info.name for info in GENERATION for name in (info.name, *info.aliases)}
    empty = Sampling()
    removed = {
        names[plain]: getattr(empty, names[plain])
        for name, value in given.items()
        if value is None and (plain := plain_name(name)) in names
    }
    return filled(read_sampling(given), msgspec.structs.replace(stored, **removed))
