"""``llm_config``: Byzer-LLM's names for sampling parameters, turned into :class:`Sampling`."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

import msgspec

from byzer_lab.errors import InvalidRequestError
from byzer_lab.types import Sampling

PREFIXES = ("gen.", "generation.")
ALIASES = {
    "max_length": "max_tokens",
    "max_new_tokens": "max_tokens",
    "stopping_sequences": "stop",
}


def to_sampling(llm_config: Mapping[str, Any]) -> Sampling:
    """Read an ``llm_config``.

    Args:
        llm_config: Names of :class:`Sampling`, the aliases above, each also with the prefix
            ``gen.`` or ``generation.``. Values may be texts, as SQL and the command line write
            them: ``"0.1"``, ``"true"``, ``"a,b"`` for lists.

    Raises:
        InvalidRequestError: An unknown name, or a value that doesn't fit.
    """
    values: dict[str, Any] = {}
    for given, value in llm_config.items():
        name = given
        for prefix in PREFIXES:
            name = name.removeprefix(prefix)
        name = ALIASES.get(name, name)
        if name not in Sampling.__struct_fields__:
            known = [*Sampling.__struct_fields__, *ALIASES]
            close = get_close_matches(name, known, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else f"; known are {', '.join(known)}."
            raise InvalidRequestError(f"llm_config has no parameter {given!r}{hint}")
        values[name] = _listed(value) if name in ("stop", "stop_token_ids") else value
    try:
        return msgspec.convert(values, Sampling, strict=False)
    except msgspec.ValidationError as error:
        raise InvalidRequestError(f"llm_config was refused: {error}") from error


def _listed(value: Any) -> Any:
    """A comma-separated text, or a single value, as a list."""
    if isinstance(value, str):
        return value.split(",")
    return value if isinstance(value, list | tuple) else [value]
