"""What a caller may ask for."""

from __future__ import annotations

from typing import Any

import pytest

from byzer_lab.engines.checks import check_sampling, fit_answer
from byzer_lab.errors import ContextLengthError, InvalidRequestError
from byzer_lab.types import GenerateRequest, Sampling


@pytest.mark.parametrize(
    ("name", "value", "bounds"),
    [
        ("max_tokens", 0, "a whole number of at least 1"),
        ("temperature", -0.1, "a number of at least 0"),
        ("temperature", float("nan"), "a number of at least 0"),
        ("top_p", 0, "a number of more than 0 and at most 1"),
        ("top_p", 1.1, "a number of more than 0 and at most 1"),
        ("top_k", -2, "a whole number of at least -1"),
        ("min_p", 1.5, "a number from 0 to 1"),
        ("repetition_penalty", 0, "a number of more than 0"),
        ("repetition_penalty", float("inf"), "a number of more than 0"),
        ("presence_penalty", 2.5, "a number from -2 to 2"),
        ("frequency_penalty", -2.5, "a number from -2 to 2"),
    ],
)
def test_values_out_of_bounds_name_the_value_and_the_bounds(
    name: str, value: Any, bounds: str
) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        check_sampling(Sampling(**{name: value}), vocabulary=10)
    assert caught.value.message == f"{name} is {value}; it must be {bounds}."


def test_values_on_their_bounds_pass() -> None:
    check_sampling(
        Sampling(
            max_tokens=1,
            temperature=0,
            top_p=1,
            top_k=-1,
            min_p=1,
            presence_penalty=-2,
            frequency_penalty=2,
            stop=["x"],
            stop_token_ids=[0, 9],
        ),
        vocabulary=10,
    )


def test_stop_texts_and_tokens_are_checked() -> None:
    with pytest.raises(InvalidRequestError, match="empty text"):
        check_sampling(Sampling(stop=["a", ""]), vocabulary=10)
    with pytest.raises(InvalidRequestError, match="holds 10; this model's tokens are 0 to 9"):
        check_sampling(Sampling(stop_token_ids=[10]), vocabulary=10)


def asked(max_tokens: int | None, **limits: int) -> GenerateRequest:
    return GenerateRequest("r", prompt="x", sampling=Sampling(max_tokens=max_tokens), **limits)


def test_the_answer_gets_what_is_left_of_the_window() -> None:
    assert fit_answer(asked(None), 10, 16) == 6
    assert fit_answer(asked(6), 10, 16) == 6
    with pytest.raises(ContextLengthError, match=r"10 tokens and max_tokens is 7.*window of 16"):
        fit_answer(asked(7), 10, 16)
    with pytest.raises(ContextLengthError, match="16 tokens, and the model's context window of 16"):
        fit_answer(asked(None), 16, 16)
    with pytest.raises(ContextLengthError, match="16 tokens, more than the 15 that"):
        fit_answer(asked(None, max_input_tokens=15), 16, 100)
    for max_tokens in (None, 5):
        with pytest.raises(ContextLengthError, match="the 16 that setup_max_model_length allows"):
            fit_answer(asked(max_tokens, max_total_tokens=16), 16, 100)
    assert fit_answer(asked(None, max_total_tokens=20), 16, 100) == 4
    assert fit_answer(asked(None, max_total_tokens=200), 16, 100) == 84
