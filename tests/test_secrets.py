"""References to secrets, and what is hidden of their values."""

from __future__ import annotations

import pytest

from byzer_lab.errors import EngineError, InvalidRequestError
from byzer_lab.providers.table import PROVIDERS, find_provider
from byzer_lab.secrets import HIDDEN, Redactor, collect, conceal, names_secret, resolve

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


def test_written_secrets_become_references() -> None:
    given = {
        "saas.api_key": "sk-1",
        "saas.secret_key": 123456789,
        "saas.proxies": "http://me:pass@proxy:3128",
        "headers": {"Authorization": "Bearer sk-0123456789abcdef0123"},
        "saas.model": "gpt-4o",
        "max_tokens": 5,
        "tokenizer": "slow",
        "eos_token": "</s>",
        "hf_token": "${HF_TOKEN}",
        "api_key": "",
        "token": True,
    }
    kept, values = conceal(given)
    assert values == {
        "SAAS_API_KEY": "sk-1",
        "SAAS_SECRET_KEY": "123456789",
        "SAAS_PROXIES": "http://me:pass@proxy:3128",
        "HEADERS_AUTHORIZATION": "Bearer sk-0123456789abcdef0123",
    }
    assert resolve(kept, {**values, "HF_TOKEN": "x"}) == {
        **given,
        "saas.secret_key": "123456789",
        "hf_token": "x",
    }
    assert {name for name, value in kept.items() if value == given[name]} == given.keys() - {
        "saas.api_key",
        "saas.secret_key",
        "saas.proxies",
        "headers",
    }
    assert conceal(kept) == (kept, {})


def test_a_new_reference_takes_no_others_place() -> None:
    kept, values = conceal({"saas.api_key": "sk-1", "saas.base_url": "${SAAS_API_KEY}"})
    assert kept == {"saas.api_key": "${SAAS_API_KEY_}", "saas.base_url": "${SAAS_API_KEY}"}
    assert values == {"SAAS_API_KEY_": "sk-1"}


def test_every_secret_of_a_provider_is_known_by_its_name() -> None:
    no_secrets = {"public_key", "token_url", "aws_access_key_id"}
    for provider in PROVIDERS:
        for info in find_provider(f"saas/{provider}").parameters():
            for name in (info.name, *info.aliases):
                bare = name.removeprefix("saas.")
                if any(word in bare for word in ("key", "secret", "token", "password")):
                    assert names_secret(name) is (bare not in no_secrets), name
