"""A job's line to the registry, with a registry that answers as it is told."""

from __future__ import annotations

import sys
import threading
import types
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import pytest
import ray

from byzer_lab.jobs import JobPoint, JobReport
from byzer_lab.training import memory, sending
from byzer_lab.training.points import kept_points
from byzer_lab.training.sending import Sender, merged


class Registry:
    """Takes reports; ``errors``: what the next ones get instead, ``held``: none is taken yet."""

    def __init__(self) -> None:
        self.errors: list[Exception] = []
        self.taken: list[tuple[JobReport, list[Any]]] = []
        self.held = threading.Event()
        self.held.set()

    @property
    def job_report(self) -> Any:
        return types.SimpleNamespace(remote=lambda *given: given)

    def get(self, call: tuple[str, JobReport, list[Any]]) -> bool:
        self.held.wait(10)
        if self.errors:
            raise self.errors.pop(0)
        self.taken.append(call[1:])
        return True

    def together(self) -> JobReport:
        """All that was taken, as one."""
        told = JobReport()
        for report, _ in self.taken:
            told = merged(told, report)
        return told


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Registry:
    registry = Registry()
    monkeypatch.setattr(ray, "get", registry.get)
    monkeypatch.setattr(sending, "INTERVAL_S", 0.01)
    return registry


def make(registry: Registry) -> Sender:
    return Sender("abc-1", 1, registry, "10.0.0.1")  # type: ignore[arg-type]


def test_what_comes_too_often_is_put_together(registry: Registry) -> None:
    registry.held.clear()
    sender = make(registry)
    for step in range(1, 101):
        sender.report(JobReport(step=step, points=[JobPoint(step=step)], warnings=[f"w{step}"]))
        sender.write([(0.0, f"line {step}")])
    registry.held.set()
    sender.close()
    told = registry.together()
    assert len(registry.taken) <= 3
    assert (told.step, told.node, told.state) == (100, "10.0.0.1", "preparing")
    assert [point.step for point in told.points] == list(range(1, 101))
    assert told.warnings == [f"w{step}" for step in range(1, 101)]
    assert [text for _, lines in registry.taken for _, text in lines] == [
        f"line {step}" for step in range(1, 101)
    ]
    assert told.memory_mb is not None
    assert told.memory_mb > 1


def test_a_registry_that_is_away_misses_nothing(registry: Registry) -> None:
    registry.errors = [ray.exceptions.ActorUnavailableError("away", None) for _ in range(5)]
    registry.errors.append(ray.exceptions.RayError("database or disk is full"))
    sender = make(registry)
    sender.report(JobReport(step=1))
    sender.close()
    assert registry.together().step == 1
    assert registry.together().pid is not None


def test_what_it_can_never_take_does_not_hold_the_job(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sending, "REFUSED_S", 0.05)
    registry.errors = [ray.exceptions.RayError("no such column") for _ in range(10_000)]
    make(registry).close()
    assert "no such column" in capsys.readouterr().err
    assert registry.taken == []


def test_memory_that_cant_be_measured_is_left_out(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> float:
        raise AttributeError("partially initialized module")

    monkeypatch.setattr(sending, "gpu_mb", fail)
    sender = make(registry)
    sender.report(JobReport(step=1))
    sender.close()
    assert (registry.together().step, registry.together().memory_mb) == (1, None)


def test_a_job_that_counts_its_own_memory_is_believed(registry: Registry) -> None:
    registry.held.clear()
    sender = make(registry)
    sender.report(JobReport(step=1, memory_mb=5.0))
    registry.held.set()
    sender.close()
    assert registry.taken[-1][0].memory_mb == 5.0


def test_torch_is_not_asked_while_it_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    half = types.ModuleType("torch")
    half.__spec__ = ModuleSpec("torch", None)
    half.__spec__._initializing = True  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch", half)
    assert memory.gpu_mb() == 0.0
    monkeypatch.delitem(sys.modules, "torch")
    assert memory.gpu_mb() == 0.0


def test_progress_goes_with_its_phase() -> None:
    both = merged(JobReport(phase="one", progress=0.5), JobReport(phase="two"))
    assert (both.phase, both.progress) == ("two", None)
    assert merged(JobReport(phase="one"), JobReport(progress=0.5)).progress == 0.5


def test_points_of_the_attempt_before_are_told_again(tmp_path: Path) -> None:
    assert kept_points(str(tmp_path)) == []
    (tmp_path / "metrics.jsonl").write_text(
        '{"step": 1, "time": 5.0, "loss": 2.5, "mean_token_accuracy": 0.5}\n'
        '{"step": 2, "train_runtime": 3.0}\n'
        '{"step": 2, "loss": NaN}\n'
        '{"step": 3, "eval_loss": 1.5, "epoch": 0.5}\n'
        '{"step": 4, "lo'
    )
    assert kept_points(str(tmp_path)) == [
        JobPoint(step=1, time=5.0, loss=2.5),
        JobPoint(step=3, epoch=0.5, eval_loss=1.5),
    ]
