"""Secrets are named, never written down: ``${NAME}`` stands for an environment variable.

A reference stays a reference in cells, specs, state and meta. The client collects the values that
a spec refers to and sends them beside it; the worker puts them in place, and everything the worker
writes is redacted.
"""

from __future__ import annotations

import os
import re
from collections import ChainMap
from collections.abc import Iterable, Mapping
from typing import Any

from byzer_lab.errors import ByzerLabError, InvalidRequestError
from byzer_lab.secret_store import stored_secrets

REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
HIDDEN = "******"
_SECRET_NAME = re.compile(
    r"(^|[._-])((api|access|secret|subscription)_?key|secret|password|passwd"
    r"|(api|access|auth|bearer|session|hf)_?token)$|(^|\.)(key|token)$",
    re.IGNORECASE,
)
_SECRET_VALUE = re.compile(
    r"(?<![\w-])(sk-[\w-]{16,}|(hf|gsk|ghp|gho|github_pat|xox[abp])[_-]\w{20,}|AKIA\w{16}"
    r"|AIza[\w-]{30,}|bce-v3/\S{20,})|://[^/@\s]*:[^/@\s]+@"
)
"""How well-known services write their keys; and an address with a password in it."""
SHORTEST_REDACTED = 4
"""A shorter value would be found in ordinary words."""


def references(value: Any) -> set[str]:
    """Names of all ``${NAME}`` references inside a JSON-like value."""
    if isinstance(value, str):
        return set(REFERENCE.findall(value))
    if isinstance(value, Mapping):
        return {name for item in value.values() for name in references(item)}
    if isinstance(value, list | tuple):
        return {name for item in value for name in references(item)}
    return set()


def collect(value: Any, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Look up every reference inside ``value``: in the environment, then among the stored secrets.

    Raises:
        InvalidRequestError: A variable is not set.
    """
    names = references(value)
    missing = names - environment.keys()
    known = ChainMap(dict(environment), stored_secrets(missing) if missing else {})
    if absent := sorted(missing - known.keys()):
        raise InvalidRequestError(
            f"{', '.join(absent)} is not set in the environment; set it before you refer to it "
            f"(in a notebook: import os; os.environ[{absent[0]!r}] = getpass.getpass()), or store "
            f"it with 'byzer-lab secrets set {absent[0]}'."
        )
    return {name: known[name] for name in names}


def names_secret(name: str) -> bool:
    """Whether a parameter of that name holds a secret, such as ``saas.api_key``."""
    return bool(_SECRET_NAME.search(name))


def looks_secret(value: str) -> bool:
    """Whether a text is written as well-known services write their keys."""
    return bool(_SECRET_VALUE.search(value))


def conceal(infer_params: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Put references in the place of secrets that are written down as they are.

    Args:
        infer_params: Of a deployment; secrets are told by the names of parameters, and by how
            well-known services write their keys.

    Returns:
        A copy without such values, and the values by the names that now stand for them.
    """
    taken = references(infer_params)
    values: dict[str, str] = {}

    def hidden(name: str, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: hidden(f"{name}.{key}", item) for key, item in value.items()}
        if isinstance(value, bool) or not isinstance(value, str | int) or references(value):
            return value
        text = str(value)
        if not text or not (names_secret(name) or looks_secret(text)):
            return value
        variable = re.sub(r"\W", "_", name).upper()
        while variable in taken or variable in values:
            variable += "_"
        values[variable] = text
        return f"${{{variable}}}"

    return {name: hidden(name, value) for name, value in infer_params.items()}, values


def resolve(value: Any, secrets: Mapping[str, str]) -> Any:
    """A copy of ``value`` with each reference replaced by its secret.

    Raises:
        InvalidRequestError: A value is missing.
    """
    missing = sorted(references(value) - secrets.keys())
    if missing:
        raise InvalidRequestError(
            f"{', '.join(missing)} is referred to, but no value came with the deployment; send it "
            "in 'secrets'."
        )
    if isinstance(value, str):
        return REFERENCE.sub(lambda match: secrets[match[1]], value)
    if isinstance(value, Mapping):
        return {key: resolve(item, secrets) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [resolve(item, secrets) for item in value]
    return value


class Redactor:
    """Replaces secrets in text, and each line of a secret that has several.

    Args:
        secrets: The values to hide.

    Attributes:
        longest: Length of the longest text that it hides.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        parts = {part for secret in secrets for part in (secret, *secret.splitlines())}
        parts = {stripped for part in parts if len(stripped := part.strip()) >= SHORTEST_REDACTED}
        hidden = sorted(parts, key=len, reverse=True)
        self.longest = len(hidden[0]) if hidden else 0
        self._pattern = re.compile("|".join(map(re.escape, hidden))) if hidden else None

    def __call__(self, text: str) -> str:
        return self._pattern.sub(HIDDEN, text) if self._pattern else text

    def wire(self, value: Any) -> Any:
        """Redact every text inside a JSON-like value."""
        if isinstance(value, str):
            return self(value)
        if isinstance(value, Mapping):
            return {key: self.wire(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.wire(item) for item in value]
        return value

    def error(self, error: ByzerLabError) -> ByzerLabError:
        """A copy of an error, redacted."""
        return type(error)(self(error.message), **self.wire(error.details))
