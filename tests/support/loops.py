"""Loops for groups of processes, and a process that runs one as a job's process does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec

from byzer_lab.cluster.bootstrap import connect, ray_environment
from byzer_lab.cluster.runtime import Runtime
from byzer_lab.errors import ByzerLabError, InvalidRequestError
from byzer_lab.jobs import JobPoint, JobReport, JobSpec
from byzer_lab.training.channel import Channel
from byzer_lab.training.distributed import any_rank, run_on_workers
from tests.support.notes import Notes


def count(config: dict[str, Any], channel: Channel) -> dict[str, Any]:
    """Ten steps that are kept in a file, and then a wait for a stop.

    The second rank is killed once at step 4; only the first one hears of the stop.
    """
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
    while not any_rank(channel.stop_requested):
        pass
    return {"steps": step, "ranks": dist.get_world_size()}


def refuse(config: dict[str, Any], channel: Channel) -> dict[str, Any]:
    """An error of the data."""
    raise InvalidRequestError("Row 3 has no answer.", row=3)


def drive(cluster: Runtime, what: str, spec: JobSpec, *, stop_at: int = -1) -> dict[str, Any]:
    """Run a loop of this module, or ``run`` of a training's module, in a process of Ray's.

    Args:
        cluster: Where.
        what: Name of the loop, or of the module.
        spec: The job.
        stop_at: The user wants to stop once this step was reported.

    Returns:
        ``result`` or ``error`` (wire form), the steps of the ``points``, and the lines that were
        ``printed``.
    """
    done = subprocess.run(
        [sys.executable, "-m", __name__, cluster.ray_address, what, str(stop_at)],
        env={**os.environ, **ray_environment()},
        input=msgspec.json.encode(spec),
        capture_output=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:].decode()
    *printed, last = done.stdout.decode().splitlines()
    return {**json.loads(last), "printed": printed}


def main(address: str, what: str, stop_at: str) -> None:
    spec = msgspec.json.decode(sys.stdin.buffer.read(), type=JobSpec)
    ray = connect(address)
    notes = Notes(stop_at=int(stop_at) if int(stop_at) >= 0 else None)
    outcome: dict[str, Any] = {}
    try:
        if "." in what:
            from importlib import import_module

            outcome["result"] = msgspec.to_builtins(import_module(what).run(spec, notes))
        else:
            # By its name in the tests' package: here it belongs to __main__, which Ray would copy.
            from tests.support import loops

            config = {"folder": spec.folder}
            outcome["result"] = run_on_workers(spec, getattr(loops, what), config, notes)
    except ByzerLabError as error:
        outcome["error"] = error.to_wire()
    outcome["points"] = [point.step for point in notes.points]
    ray.shutdown()
    print(f"\n{json.dumps(outcome)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
