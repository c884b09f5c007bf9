"""The table of a deployment's settings says the same as the spec."""

from __future__ import annotations

import msgspec
import pytest

from byzer_lab.deployment import DEPLOYMENT, SETTINGS
from byzer_lab.errors import InvalidRequestError
from byzer_lab.records import DeploymentSpec
from byzer_lab.schema import ParameterInfo

NO_SETTINGS = {"name", "resources", "infer_params", "generation"}
BOUNDED = [info for info in DEPLOYMENT if info.least is not None]


def test_every_field_is_described() -> None:
    assert {*SETTINGS} | NO_SETTINGS == {*DeploymentSpec.__struct_fields__}
    spec = DeploymentSpec(name="chat")
    assert {name: info.default for name, info in SETTINGS.items()} == {
        name: getattr(spec, name) for name in SETTINGS
    }


@pytest.mark.parametrize("info", BOUNDED, ids=lambda info: info.name)
def test_bounds_are_the_specs(info: ParameterInfo) -> None:
    def check(value: float | None) -> None:
        info.read(value)
        most = {"max_workers": 1000} if info.name == "min_workers" else {}
        fields = {**most, info.name: value}
        msgspec.structs.replace(DeploymentSpec(name="chat"), **fields).check()

    assert info.least is not None
    assert info.most is not None
    for value in (info.least, info.most):
        check(info.kind(value))
    for value in (info.least - 1, info.most + 1):
        wrong = msgspec.structs.replace(DeploymentSpec("chat"), **{info.name: info.kind(value)})
        with pytest.raises(InvalidRequestError, match=info.name):
            wrong.check()
        with pytest.raises(InvalidRequestError, match=info.name):
            info.read(info.kind(value))


def test_all_numbers_of_the_spec_have_bounds() -> None:
    assert {info.name for info in DEPLOYMENT if info.kind in (int, float)} == {
        info.name for info in BOUNDED
    }
