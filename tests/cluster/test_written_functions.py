"""Functions of the bundled model: the one that it knows by heart, and those that it can't write."""

from __future__ import annotations

import pydantic
import pytest

from byzer_lab import ByzerLLM
from byzer_lab.client.functions.implementation import GeneratedCodeError
from byzer_lab.sandbox.support import missing

pytestmark = [pytest.mark.timeout(300), pytest.mark.slow]
if lacks := missing():
    pytest.skip(lacks, allow_module_level=True)


class Time(pydantic.BaseModel):
    time: str


def test_the_bundled_model(llm: ByzerLLM) -> None:
    llm.deploy(model_path="bundled", udf_name="writer")
    llm.setup_default_model_name("writer")
    brief = {"temperature": 0, "max_tokens": 100}

    @llm.impl(llm_config=brief)
    def calculate_current_time() -> Time:  # type: ignore[empty-body]
        """Compute the time."""

    with pytest.raises(GeneratedCodeError, match="no function calculate_current_time that works"):
        calculate_current_time()

    def calculate_time_range() -> None:
        """Compute a range of time."""

    (answer,) = llm.chat_oai(
        [{"role": "user", "content": "last March"}],
        impl_func=calculate_time_range,
        response_class=Time,
        execute_impl_func=True,
        llm_config=brief,
    )
    assert answer.value is None
    assert answer.metadata["resason"]

    llm.setup_impl_func_format_func("writer", lambda *_: "Write a sort function.")

    @llm.impl(llm_config=brief)
    def sort(items: list[int]) -> list[int]:  # type: ignore[empty-body]
        """Sort a list."""

    assert sort([3, 1, 2]) == [1, 2, 3]
    assert sort(items=[5, 4]) == [4, 5]
    (answer,) = llm.chat_oai(
        "Sort [2, 1].",
        impl_func=sort,
        impl_func_params={"items": [2, 1]},
        response_class=list[int],
        execute_impl_func=True,
        llm_config=brief,
    )
    assert answer.value == [1, 2]
    assert answer.metadata["raw_func"] == "def sort(items):\n    return sorted(items)\n"
