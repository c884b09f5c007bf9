"""The choice of a worker, and why there is none."""

from __future__ import annotations

import contextlib
from collections import Counter
from typing import Any

import pytest

from byzer_lab.errors import InvalidRequestError, NotReadyError, QueueFullError
from byzer_lab.records import Endpoint, Route
from byzer_lab.routing import Attempts, Router, prefix_of
from byzer_lab.types import GenerateRequest, Message


def router(state: str, busy: list[int], **route: Any) -> Router:
    endpoints = [
        Endpoint(worker=f"w{n}", url=f"http://w{n}", index=n, busy=load)
        for n, load in enumerate(busy)
    ]
    return Router(
        lambda name: Route(
            deployment=name, state=state, endpoints=endpoints, workers=len(endpoints), **route
        )
    )


def picked(by: Router, count: int) -> list[str]:
    return [by.pick("fast", Attempts()).endpoint.worker for _ in range(count)]


def test_the_longest_unused_worker_is_next() -> None:
    by = router("ready", [0, 0, 0])
    assert picked(by, 4) == ["w0", "w1", "w2", "w0"]
    attempts = Attempts()
    attempts.failed = {"w1"}
    assert by.pick("fast", attempts).endpoint.worker == "w2"


def test_a_new_client_begins_with_the_least_busy_worker() -> None:
    assert picked(router("ready", [3, 0, 5]), 3) == ["w1", "w0", "w2"]


def test_round_robin_is_exact_and_lets_requests_wait() -> None:
    by = router("ready", [9, 0, 0, 0], load_balance="round_robin")
    choices = [by.pick("fast", Attempts()) for _ in range(40)]
    assert set(Counter(choice.endpoint.worker for choice in choices).values()) == {10}
    assert all(choice.may_wait for choice in choices)


def test_the_same_beginning_goes_to_the_same_worker() -> None:
    def worker(text: str, workers: int, *, busy: str = "") -> str:
        by = router("ready", [0] * workers, load_balance="prefix")
        attempts = Attempts(request=GenerateRequest("r", prompt=text))
        attempts.busy = {busy: 1} if busy else {}
        return by.pick("fast", attempts).endpoint.worker

    texts = [f"question {number}" for number in range(300)]
    before = {text: worker(text, 4) for text in texts}
    assert before == {text: worker(text, 4) for text in texts}  # of another client too
    assert all(50 < count < 100 for count in Counter(before.values()).values())
    fewer = {text: worker(text, 3) for text in texts}
    assert all(fewer[text] == one for text, one in before.items() if one != "w3")
    assert worker(texts[0], 4, busy=before[texts[0]]) != before[texts[0]]


def test_a_conversation_keeps_its_beginning() -> None:
    turns = [Message(role="system", content="x" * 2000), Message(role="user", content="one")]
    more = [*turns, Message(role="assistant", content="1"), Message(role="user", content="two")]
    first, second = (prefix_of(GenerateRequest("r", messages=one)) for one in (turns, more))
    assert first == second != ""


def test_the_least_loaded_worker_is_next() -> None:
    by = router("ready", [2, 1, 0], load_balance="least_loaded")
    with contextlib.ExitStack() as running:
        for expected in ("w2", "w1", "w2", "w1"):
            choice = by.pick("fast", Attempts())
            assert choice.endpoint.worker == expected
            running.enter_context(by.running(choice.endpoint))
    assert picked(by, 1) == ["w2"]  # what ran has ended


@pytest.mark.parametrize("policy", ["lru", "least_loaded"])
def test_busy_workers_are_passed_over_until_all_are(policy: str) -> None:
    by = router("ready", [0, 0, 0], load_balance=policy)
    attempts = Attempts()
    for requests in (7, 5, 6):
        choice = by.pick("fast", attempts)
        assert not choice.may_wait
        attempts.busy[choice.endpoint.worker] = requests
    assert len(attempts.busy) == 3
    last = by.pick("fast", attempts)
    assert (attempts.busy[last.endpoint.worker], last.may_wait) == (5, True)
    attempts.full[last.endpoint.worker] = QueueFullError("full")
    assert attempts.busy[by.pick("fast", attempts).endpoint.worker] == 6


def test_when_all_queues_are_full_their_words_are_the_error() -> None:
    attempts = Attempts()
    attempts.full = {"w0": QueueFullError("w0 is full"), "w1": QueueFullError("w1 is full")}
    with pytest.raises(QueueFullError, match="w0 is full"):
        router("ready", [0, 0]).pick("fast", attempts)


def test_the_only_worker_lets_requests_wait() -> None:
    assert router("ready", [99]).pick("fast", Attempts()).may_wait


def test_a_pin_names_the_worker() -> None:
    by = router("ready", [0, 0])
    assert [by.pick("fast", Attempts(pin=1)).endpoint.index for _ in range(3)] == [1, 1, 1]
    assert by.pick("fast", Attempts(pin=1)).may_wait
    with pytest.raises(InvalidRequestError, match="pinned to worker 2, but 'fast' has .* 0 to 1"):
        by.pick("fast", Attempts(pin=2))
    attempts = Attempts(pin=1)
    attempts.failed = {"w1"}
    with pytest.raises(NotReadyError, match="pinned to worker 1 of 'fast', which is not ready"):
        by.pick("fast", attempts)


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
    attempts = Attempts()
    attempts.failed = {"w0"}
    with pytest.raises(NotReadyError, match=sentence):
        router(state, [0] * workers).pick("fast", attempts)
