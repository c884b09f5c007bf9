"""What a deployment may be told."""

from __future__ import annotations

from typing import Any

import pytest

from byzer_lab.errors import InvalidRequestError
from byzer_lab.records import DeploymentSpec


@pytest.mark.parametrize("name", ["a100", "big_memory", "accelerator_type:H200"])
def test_resources_of_the_clusters_own(name: str) -> None:
    DeploymentSpec(name="x", resources={name: 0.01}).check()


@pytest.mark.parametrize("name", ["CPU", "GPU", "memory", "object_store_memory", "node:1", "", " "])
def test_rays_own_resources_are_refused(name: str) -> None:
    with pytest.raises(InvalidRequestError, match="can't be reserved as a resource"):
        DeploymentSpec(name="x", resources={name: 1}).check()


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"max_workers": 0}, "max_workers is 0; it must be from 1 to 1000"),
        ({"min_workers": 3, "max_workers": 2}, "max_workers is 2; it must be from 3"),
        ({"gpus_per_worker": 1.5}, "gpus_per_worker is 1.5; above 1 it must be a whole number"),
        ({"min_workers": 2}, "min_workers is 2, but max_workers is not given"),
    ],
)
def test_bounds(fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidRequestError, match=sentence):
        DeploymentSpec(name="x", **fields).check()
