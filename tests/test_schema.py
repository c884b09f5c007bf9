"""A backend's parameters: read from text or values, refused in one sentence, described once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from byzer_lab.engines.transformers.parameters import Parameters
from byzer_lab.errors import InvalidRequestError
from byzer_lab.schema import describe_parameters, parameter, read_parameters


@dataclass(frozen=True)
class Sample:
    layers: int | None = parameter(
        None, "Layers on the GPU.", least=-1, aliases=("n_gpu_layers", "num_gpu_layers")
    )
    share: float = parameter(0.9, "Share of the memory.", least=0, most=1)
    verbose: bool = parameter(False, "Write more.")
    mode: str = parameter("fast", "How.", choices=("fast", "exact"))


def read(**given: Any) -> Sample:
    return read_parameters(Sample, given, "sample")


def test_defaults_and_texts() -> None:
    assert read() == Sample()
    given = read(layers="3", share="0.5", verbose="True", mode="exact")
    assert given == Sample(layers=3, share=0.5, verbose=True, mode="exact")
    assert read(share=1).share == 1.0
    assert read(layers=None).layers is None


def test_aliases_mean_the_same() -> None:
    assert read(num_gpu_layers=-1) == read(n_gpu_layers="-1") == read(layers=-1)
    with pytest.raises(InvalidRequestError, match="num_gpu_layers is given twice, also as 'n_gpu"):
        read(num_gpu_layers=1, n_gpu_layers=2)
    assert read(layers=None, n_gpu_layers=2).layers == 2


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"layers": -2}, "layers is -2; it must be a whole number of at least -1."),
        ({"layers": "many"}, "layers is 'many'; it must be a whole number of at least -1."),
        ({"layers": True}, "layers is True"),
        ({"layers": 1.5}, "layers is 1.5"),
        ({"share": 1.1}, "share is 1.1; it must be a number from 0 to 1."),
        ({"share": "nan"}, "share is 'nan'"),
        ({"verbose": "yes"}, "verbose is 'yes'; it must be true or false."),
        ({"mode": "slow"}, "mode is 'slow'; it must be one of fast, exact."),
        ({"mode": 1}, "mode is 1"),
        ({"layer": 1}, "The sample backend has no parameter 'layer'; did you mean layers"),
        ({"zzz": 1}, "no parameter 'zzz'; it has: layers, mode"),
    ],
)
def test_refusals_are_one_sentence(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        read(**given)
    assert sentence in refused.value.message.replace("n_gpu_layers, num_gpu_layers, ", "")


def test_every_parameter_is_described() -> None:
    for info in describe_parameters(Parameters):
        assert info.help.endswith(".")
        assert info.kind in (bool, int, float, str, list, dict)
        assert info.accepted


@dataclass(frozen=True)
class Lists:
    stops: list[str] | None = parameter(None, "Texts.")
    numbers: list[int] | None = parameter(None, "Numbers.", least=0)
    adapters: dict[str, str] | None = parameter(None, "Paths by name.")
    share: float = parameter(0.5, "A share.", above=0, most=1)


def test_lists_and_mappings() -> None:
    def read(**given: Any) -> Lists:
        return read_parameters(Lists, given, "lists")

    assert read(stops="a, b", numbers="1,2") == Lists(stops=["a", "b"], numbers=[1, 2])
    assert read(stops=["a,b"], numbers=7).numbers == [7]
    assert read(adapters='{"poet": "/a"}').adapters == {"poet": "/a"}
    for given, sentence in (
        ({"numbers": "1,x"}, "numbers is '1,x'; it must be a list, each item a whole number."),
        ({"numbers": [-1]}, "numbers is .-1.; it must be a list"),
        ({"adapters": "poet"}, "adapters is 'poet'; it must be a mapping"),
        ({"share": 0}, "share is 0; it must be a number of more than 0 and at most 1."),
    ):
        with pytest.raises(InvalidRequestError, match=sentence):
            read(**given)
