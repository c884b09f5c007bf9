"""What a caller may ask for."""

from __future__ import annotations

from typing import Any

import pytest

from byzer_lab.engines.checks import check_sampling, fit_answer
from byzer_lab.errors import ContextLengthError, InvalidRequestError
from byzer_lab.types import Sampling


@pytest.mark.parametrize(
    ("name", "value", "bounds"),
    [
        ("max_tokens", 0, "at least 1"),
        ("temperature", -0.1, "0 or more"),
        ("temperature", float("nan"), "0 or more"),
        ("top_p", 0, "more than 0 and at most 1"),
        ("top_p", 1.1, "more than 0 and at most 1"),
        ("top_k", -2, "1 or more, or 0 or -1 to switch it off"),
        ("min_p", 1.5, "from 0 to 1"),
        ("repetition_penalty", 0, "more than 0"),
        ("repetition_penalty", float("inf"), "more than 0"),
        ("presence_penalty", 2.5, "from -2 to 2"),
        ("frequency_penalty", -2.5, "from -2 to 2"),
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


def test_the_answer_gets_what_is_left_of_the_window() -> None:
    assert fit_answer(10, None, 16) == 6
    assert fit_answer(10, 6, 16) == 6
    with pytest.raises(ContextLengthError, match=r"10 tokens and max_tokens is 7.*window of 16"):
        fit_answer(10, 7, 16)
    with pytest.raises(ContextLengthError, match="16 tokens, but the model's context window is 16"):
        fit_answer(16, None, 16)
