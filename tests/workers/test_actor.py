"""A worker outside its cluster: what it tells the registry holds no secret."""

from __future__ import annotations

from typing import Any

import pytest

from byzer_lab.engines.base import EngineConfig, LoadProgress, ReportProgress
from byzer_lab.errors import EngineError
from byzer_lab.records import DeploymentSpec, WorkerReport
from byzer_lab.workers import actor
from byzer_lab.workers.actor import Worker

KEY = "sk-very-secret"


class TalkativeEngine:
    """Loading it tells its key in every way there is."""

    def __init__(self, config: EngineConfig) -> None:
        self._key = config.infer_params["key"]

    def load(self, report: ReportProgress) -> None:
        report(LoadProgress(f"logging in with {self._key}", None))
        raise EngineError(f"401 wrong key {self._key}", headers={"key": self._key})

    def meta(self) -> dict[str, Any]:
        return {}

    async def close(self) -> None:
        """Nothing to free."""


class FakeRegistry:
    """Keeps reports, as a handle of an actor would send them."""

    def __init__(self) -> None:
        self.reports: list[WorkerReport] = []

    @property
    def worker_report(self) -> FakeRegistry:
        return self

    def remote(self, _: str, report: WorkerReport) -> None:
        self.reports.append(
            WorkerReport(**{f: getattr(report, f) for f in report.__struct_fields__})
        )


class NoCapture:
    """The test's own output stays where it is."""

    def __init__(self, *_: Any) -> None:
        pass

    def flush(self) -> None:
        pass


async def test_phases_and_the_error_of_a_load(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(actor, "LogCapture", NoCapture)
    spec = DeploymentSpec(
        name="saas",
        backend=f"{__name__}:TalkativeEngine",
        model_path="",
        infer_params={"key": "${KEY}"},
    )
    registry = FakeRegistry()
    error = await Worker("w", spec, {"KEY": KEY}, registry, "token").run()
    assert isinstance(error, EngineError)
    assert error.message == "401 wrong key ******"
    assert error.details == {"headers": {"key": "******"}}
    assert "logging in with ******" in [report.phase for report in registry.reports]
    assert KEY not in capsys.readouterr().out + str(registry.reports)
