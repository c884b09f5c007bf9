"""References to secrets, and what is hidden of their values."""

from __future__ import annotations

import pytest

from byzer_lab.errors import EngineError, InvalidRequestError
from byzer_lab.secrets import HIDDEN, Redactor, collect, resolve

KEY = "-----BEGIN KEY-----\n  MIIEvQIBADAN\nab\n-----END KEY-----\n"


def test_references_are_collected_and_resolved() -> None:
    parameters = {"key": "Bearer ${MY_KEY}", "more": ["${MY_KEY}", 1]}
    secrets = collect(parameters, {"MY_KEY": "sk-123", "OTHER": "x"})
    assert secrets == {"MY_KEY": "sk-123"}
    assert resolve(parameters, secrets) == {"key": "Bearer sk-123", "more": ["sk-123", 1]}


def test_a_reference_without_a_value_is_named() -> None:
    with pytest.raises(InvalidRequestError, match="MY_KEY is not set in the environment"):
        collect({"key": "${MY_KEY}"}, {})
    with pytest.raises(InvalidRequestError, match="MY_KEY is referred to, but no value"):
        resolve({"key": ["${MY_KEY}"]}, {"OTHER": "x"})


def test_each_line_of_a_secret_is_hidden() -> None:
    redact = Redactor([KEY, "sk-12345", "abc"])
    assert redact(f"the key is {KEY}") == f"the key is {HIDDEN}\n"
    for line in ("-----BEGIN KEY-----", "MIIEvQIBADAN", "key: sk-12345"):
        assert redact(line).removeprefix("key: ") == HIDDEN
    assert (
        redact(
            "MIIEvQIBADAN\\n",
        )
        == f"{HIDDEN}\\n"
    )
    assert redact("abc: a short one is found in ordinary words") == (
        "abc: a short one is found in ordinary words"
    )


def test_details_of_an_error_are_hidden() -> None:
    error = Redactor(["sk-12345"]).error(EngineError("bad sk-12345", header={"key": "sk-12345"}))
    assert type(error) is EngineError
    assert error.message == f"bad {HIDDEN}"
    assert error.details == {"header": {"key": HIDDEN}}
