"""What a worker reserves, and whether a cluster could hold it."""

from __future__ import annotations

from typing import Any

import pytest

from byzer_lab.engines import BACKENDS
from byzer_lab.records import DeploymentSpec
from byzer_lab.registry.placement import bundles, shortage, waiting_phase

NODES = [{"CPU": 8.0, "GPU": 2.0}, {"CPU": 8.0, "GPU": 2.0}]


def spec(**fields: Any) -> DeploymentSpec:
    return DeploymentSpec(name="chat", **fields)


def test_a_worker_is_on_one_node_unless_its_backend_spreads() -> None:
    wide = {"gpus_per_worker": 4, "cpus_per_worker": 2}
    assert bundles(spec(**wide)) == [{"CPU": 2, "GPU": 4}]
    assert BACKENDS["vllm"].spreads
    spread = bundles(spec(backend="vllm", **wide))
    assert spread == [{"CPU": 2, "GPU": 1}, {"GPU": 1}, {"GPU": 1}, {"GPU": 1}]
    assert bundles(spec(backend="vllm", gpus_per_worker=0.5)) == [{"CPU": 0, "GPU": 0.5}]


def test_what_fits_has_no_shortage() -> None:
    assert shortage(spec(workers=1000), NODES) is None  # nothing is reserved
    assert shortage(spec(workers=8, gpus_per_worker=0.5), NODES) is None
    assert shortage(spec(workers=2, gpus_per_worker=2, cpus_per_worker=8), NODES) is None
    assert shortage(spec(workers=1, gpus_per_worker=4, backend="vllm"), NODES) is None


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        (
            {"gpus_per_worker": 4},
            "One worker of 'chat' wants 4 GPUs, but the cluster's nodes have 8 CPUs and 2 GPUs; "
            "8 CPUs and 2 GPUs; ask for less, or add a larger node.",
        ),
        (
            {"gpus_per_worker": 2, "workers": 3},
            "'chat' wants 3 workers of 2 GPUs each, but the cluster's nodes have 8 CPUs and "
            "2 GPUs; 8 CPUs and 2 GPUs, which is room for 2; ask for fewer, or add a node.",
        ),
        (
            {"resources": {"a100": 1}},
            "One worker of 'chat' wants 1 a100, but the cluster's nodes have 8 CPUs and 2 GPUs and "
            "0 a100; 8 CPUs and 2 GPUs and 0 a100; ask for less, or add a larger node.",
        ),
    ],
)
def test_a_shortage_says_what_is_wanted_and_what_is_there(
    fields: dict[str, Any], sentence: str
) -> None:
    assert shortage(spec(**fields), NODES) == sentence


def test_a_waiting_worker_says_for_what() -> None:
    free = {"CPU": 3.5, "GPU": 0.0}
    wants = spec(cpus_per_worker=1, gpus_per_worker=2)
    assert waiting_phase(wants, NODES, free) == (
        "waiting for 1 CPU (3.5 of 16 free) and 2 GPUs (0 of 4 free)"
    )
    assert waiting_phase(spec(), NODES, free) == "waiting for a place in the cluster"
