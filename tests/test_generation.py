"""Generation parameters: one table beside the wire form, and Byzer-LLM's spellings."""

from __future__ import annotations

import pytest

from byzer_lab.errors import InvalidRequestError
from byzer_lab.generation import GENERATION, changed, filled, read_sampling
from byzer_lab.types import Sampling


def test_the_table_and_the_wire_form_have_the_same_names() -> None:
    *described, options = Sampling.__struct_fields__
    assert [info.name for info in GENERATION] == described
    assert options == "options"
    empty = Sampling()
    for info in GENERATION:
        assert info.default == getattr(empty, info.name) or not getattr(empty, info.name)


def test_names_of_the_original() -> None:
    given = {
        "gen.max_length": "20",
        "generation.temperature": "0.1",
        "stopping_sequences": "a,b",
        "gen.stop_token_ids": "1,2",
        "gen.ignore_eos": "false",
        "gen.use_beam_search": False,
        "gen.best_of": "1",
        "gen.early_stopping": "False",
    }
    assert read_sampling(given) == Sampling(
        max_tokens=20,
        temperature=0.1,
        stop=["a", "b"],
        stop_token_ids=[1, 2],
        ignore_eos=False,
    )
    with pytest.raises(InvalidRequestError, match="use_beam_search is True, but no engine here"):
        read_sampling({"gen.use_beam_search": True})


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("max_length", "max_tokens"),
        ("gen.max_length", "generation.max_tokens"),
        ("temperature", "gen.temperature"),
        ("gen.seed", "generation.seed"),
        ("model", "gen.model"),
        ("n", "gen.n"),
    ],
)
def test_two_spellings_of_one_parameter_are_refused(first: str, second: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        read_sampling({first: 1, second: 1})
    assert refused.value.message == f"{first} is given twice, also as {second!r}."


def test_none_is_not_given() -> None:
    for given in ({"seed": None, "gen.seed": 7}, {"seed": 7, "gen.seed": None}):
        assert read_sampling(given) == Sampling(seed=7)


def test_defaults_fill_in_what_is_open() -> None:
    defaults = Sampling(temperature=0.5, stop=["x"], seed=1)
    assert filled(Sampling(temperature=0.0), defaults) == Sampling(
        temperature=0.0, stop=["x"], seed=1
    )
    assert filled(Sampling(stop=["y"]), Sampling()) == Sampling(stop=["y"])
    drawing = Sampling(options={"width": 512, "sampling_steps": 9})
    assert filled(Sampling(options={"width": 256}), drawing) == Sampling(
        options={"width": 256, "sampling_steps": 9}
    )
    switched_off = Sampling(stop=[], ignore_eos=False)
    assert filled(switched_off, Sampling(stop=["x"], ignore_eos=True)) == switched_off


def test_a_change_keeps_the_others_and_removes_what_is_none() -> None:
    stored = Sampling(temperature=0.9, max_tokens=5, stop=["x"])
    assert changed(stored, {"gen.max_length": 7}) == Sampling(
        temperature=0.9, max_tokens=7, stop=["x"]
    )
    assert changed(stored, {"generation.temperature": None, "stop": None}) == Sampling(max_tokens=5)
