"""Loops for groups of processes, and a process that runs one as a job's process does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
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
    """Ten steps, a wait for a stop, of which only the first rank hears, and an error."""
    import torch
    import torch.distributed as dist

    print(f"rank {dist.get_rank()} of {dist.get_world_size()} begins")
    for step in range(1, 11):
        ones = torch.ones(1)
        dist.all_reduce(ones)
        channel.report(JobReport(step=step, points=[JobPoint(step=step, loss=ones.item())]))
    while not any_rank(channel.stop_requested):
        pass
    raise InvalidRequestError("Row 3 has no answer.", row=3)


class Killing(Notes):
    """Kills the process that reports once it has saved a checkpoint, one time."""

    pid = 0
    killed = False

    def report(self, report: JobReport) -> None:
        super().report(report)
        self.pid = report.pid or self.pid
        if report.checkpoints and not self.killed:
            self.killed = True
            os.kill(self.pid, signal.SIGKILL)


def drive(cluster: Runtime, what: str, spec: JobSpec, how: str = "") -> dict[str, Any]:
    """Run a loop of this module, or ``run`` of a training's module, in a process of Ray's.

    Args:
        cluster: Where.
        what: Name of the loop, or of the module.
        spec: The job.
        how: ``stop``: the user wants to stop once step 10 was reported; ``kill``: see
            :class:`Killing`.

    Returns:
        ``result`` or ``error`` (wire form), step and loss of the ``points``, and the lines
        ``printed``.
    """
    done = subprocess.run(
        [sys.executable, "-m", __name__, cluster.ray_address, what, how],
        env={**os.environ, **ray_environment()},
        input=msgspec.json.encode(spec),
        capture_output=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:].decode()
    *printed, last = done.stdout.decode().splitlines()
    return {**json.loads(last), "printed": printed}


def main(address: str, what: str, how: str) -> None:
    spec = msgspec.json.decode(sys.stdin.buffer.read(), type=JobSpec)
    ray = connect(address)
    notes = Killing() if how == "kill" else Notes(stop_at=10 if how == "stop" else None)
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
    outcome["points"] = [(point.step, point.loss) for point in notes.points]
    ray.shutdown()
    print(f"\n{json.dumps(outcome)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
