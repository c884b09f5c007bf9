"""Loops for groups of processes, and a process that runs one as a job's process does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from byzer_lab.cluster.bootstrap import connect, ray_environment
from byzer_lab.cluster.runtime import Runtime
from byzer_lab.errors import ByzerLabError, InvalidRequestError
from byzer_lab.jobs import JobPoint, JobReport, JobSpec
from byzer_lab.training.channel import Channel
from byzer_lab.training.distributed import any_rank, run_on_workers
from tests.support.notes import Notes


def count(config: dict[str, Any], channel: Channel) -> dict[str, Any]:
    """Ten steps that are kept in a file; the second rank is killed once at step 4."""
    import torch
    import torch.distributed as dist

    kept = Path(config["folder"]) / "step"
    step = int(kept.read_text()) if kept.exists() else 0
    print(f"rank {dist.get_rank()} goes on from step {step}")
    while step < 10:
        ones = torch.ones(1)
        dist.all_reduce(ones)
        step += int(ones.item()) // 2
        if dist.get_rank() == 0:
            kept.write_text(str(step))
            channel.report(JobReport(step=step, points=[JobPoint(step=step)]))
        dist.barrier()
        if dist.get_rank() == 1 and step == 4 and not (kept.parent / "killed").exists():
            (kept.parent / "killed").touch()
            os.kill(os.getpid(), signal.SIGKILL)
    return {"steps": step, "ranks": dist.get_world_size()}


def refuse(config: dict[str, Any], channel: Channel) -> dict[str, Any]:
    """An error of the data."""
    raise InvalidRequestError("Row 3 has no answer.", row=3)


def wait_for_a_stop(config: dict[str, Any], channel: Channel) -> dict[str, Any]:
    """Until the user wants to stop; only the first rank hears of it."""
    while not any_rank(channel.stop_requested):
        time.sleep(0.01)
    return {"stopped": True}


def drive(cluster: Runtime, loop: str, folder: Path, *, stop: bool = False) -> dict[str, Any]:
    """Run a loop on two workers from a process that is one of Ray's.

    Returns:
        ``result`` or ``error`` (wire form), the steps of the ``points``, and what was ``printed``.
    """
    done = subprocess.run(
        [sys.executable, "-m", __name__, cluster.ray_address, loop, str(folder), str(int(stop))],
        env={**os.environ, **ray_environment()},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    *printed, last = done.stdout.splitlines()
    return {**json.loads(last), "printed": "\n".join(printed)}


def main(address: str, loop: str, folder: str, stop: str) -> None:
    ray = connect(address)
    notes = Notes(stop=stop == "1")
    spec = JobSpec(name="pair", kind="sft", model_path="bundled", folder=folder, workers=2)
    outcome: dict[str, Any] = {}
    try:
        # By its name in the tests' package: here it belongs to __main__, which Ray would copy.
        from tests.support import loops

        config = {"folder": folder}
        outcome["result"] = run_on_workers(spec, getattr(loops, loop), config, notes)
    except ByzerLabError as error:
        outcome["error"] = error.to_wire()
    outcome["points"] = [point.step for point in notes.points]
    ray.shutdown()
    print(json.dumps(outcome))


if __name__ == "__main__":
    main(*sys.argv[1:])
