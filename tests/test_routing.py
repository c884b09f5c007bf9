"""The choice of a worker, and why there is none."""

from __future__ import annotations

import pytest

from byzer_lab.errors import NotReadyError
from byzer_lab.records import Endpoint, Route
from byzer_lab.routing import Router


def router(state: str, workers: int) -> Router:
    endpoints = [Endpoint(worker=f"w{n}", url=f"http://w{n}") for n in range(workers)]
    return Router(lambda name: Route(deployment=name, state=state, endpoints=endpoints))


def test_the_longest_unused_worker_is_next() -> None:
    route = router("ready", 3)
    assert [route.pick("fast", set()).worker for _ in range(4)] == ["w0", "w1", "w2", "w0"]
    assert route.pick("fast", {"w1"}).worker == "w2"


@pytest.mark.parametrize(
    ("state", "workers", "sentence"),
    [
        ("ready", 1, "Every worker of 'fast' was lost or is going down; ask again in a moment."),
        ("loading", 0, "'fast' is not ready yet, it is loading"),
        ("failed", 0, "'fast' has failed"),
        ("draining", 1, "'fast' is being undeployed"),
    ],
)
def test_nobody_can_answer(state: str, workers: int, sentence: str) -> None:
    with pytest.raises(NotReadyError, match=sentence):
        router(state, workers).pick("fast", {"w0"})
