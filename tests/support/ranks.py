"""The DeepSpeed engine on processors, and what is left of its processes."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import psutil

from byzer_lab.engines.base import EngineConfig
from byzer_lab.engines.deepspeed import DeepSpeedEngine


def load_ranks(
    model: Path | str, infer_params: dict[str, Any], *, concurrency: int = 16, gpus: float = 0
) -> DeepSpeedEngine:
    """Load as a worker does: on a thread of its own, which ends."""
    engine = DeepSpeedEngine(
        EngineConfig(
            str(model), "custom/auto", {"num_threads": 2, **infer_params}, concurrency, gpus
        )
    )
    outcome: list[BaseException] = []

    def load() -> None:
        try:
            engine.load(lambda _: None)
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=load)
    thread.start()
    thread.join()
    if outcome:
        raise outcome[0]
    return engine


def process_ids(engine: DeepSpeedEngine) -> list[int]:
    """Of the ranks, in their order."""
    assert engine._loaded is not None
    return engine._loaded.group.process_ids


def alive(process_id: int) -> bool:
    """Whether a process runs; one that only waits to be reaped doesn't."""
    try:
        return bool(psutil.Process(process_id).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
