"""Training code without a model: counts steps, saves, dies and fails on demand."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

from byzer_lab.errors import InvalidRequestError
from byzer_lab.jobs import Checkpoint, JobEnd, JobPoint, JobReport, JobSpec
from byzer_lab.training.channel import Channel

COUNTING_JOB = "tests.support.jobs:count"


def count(spec: JobSpec, channel: Channel) -> JobEnd:
    """Count to ``steps``, adding each step's number to a sum that checkpoints keep.

    Parameters: ``steps``, ``step_s``, ``save_steps``; ``say``: a line to print; ``die_at``: steps,
    at each of which the process is killed once; ``always_die_at``: a step; ``fail``: a sentence;
    ``crash``: an exception that is none of ours; ``deaf``: takes no notice of a stop.
    """
    given = spec.parameters
    steps, every = int(given.get("steps", 10)), int(given.get("save_steps", 2))
    folder = Path(spec.folder)
    if given.get("say"):
        print(given["say"])
    group = _reserve(spec) if spec.workers > 1 else None
    if given.get("fail"):
        raise InvalidRequestError(str(given["fail"]))
    if given.get("crash"):
        raise ValueError(str(given["crash"]))
    saved = _checkpoints(folder)
    first, total = 0, 0
    if channel.attempt > 1 and saved:
        first = saved[-1].step
        total = int(json.loads(Path(saved[-1].path).read_text())["sum"])
    channel.report(
        JobReport(
            state="running",
            total_steps=steps,
            phase="",
            checkpoints=saved,
            warnings=[f"attempt {channel.attempt} begins at step {first}"],
        )
    )
    for step in range(first + 1, steps + 1):
        time.sleep(float(given.get("step_s", 0.02)))
        total += step
        channel.report(
            JobReport(
                step=step,
                epoch=step / steps,
                eta_s=float(steps - step),
                points=[JobPoint(step=step, loss=1 / step, time=time.time())],
            )
        )
        stop = channel.stop_requested and not given.get("deaf")
        if step % every == 0 or stop or step == steps:
            (folder / f"checkpoint-{step}").write_text(json.dumps({"sum": total}))
            channel.report(JobReport(checkpoints=_checkpoints(folder)))
        if step == given.get("always_die_at") or _dies_now(folder, step, given.get("die_at", [])):
            time.sleep(1.2)  # what was told shall have arrived
            os.kill(os.getpid(), signal.SIGKILL)
        if stop:
            return JobEnd(state="stopped", result={"sum": total})
    del group
    print("counted")
    return JobEnd(result={"sum": total}, artefacts={"model": spec.folder})


class TrainController:
    """Reserves places for processes, as Ray Train's own actor of that name does."""

    def reserve(self, workers: int, cpus: float) -> bool:
        import ray

        group = ray.util.placement_group([{"CPU": cpus}] * workers)
        return bool(group.wait(60))


def _reserve(spec: JobSpec) -> object:
    import ray

    controller = ray.remote(num_cpus=0)(TrainController).remote()
    assert ray.get(controller.reserve.remote(spec.workers, spec.cpus_per_worker))
    return controller  # it lives as long as this is held


def _checkpoints(folder: Path) -> list[Checkpoint]:
    steps = sorted(int(path.name.partition("-")[2]) for path in folder.glob("checkpoint-*"))
    return [Checkpoint(step, str(folder / f"checkpoint-{step}")) for step in steps]


def _dies_now(folder: Path, step: int, at: list[int]) -> bool:
    mark = folder / f"died-{step}"
    if step not in at or mark.exists():
        return False
    mark.touch()
    return True
