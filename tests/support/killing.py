"""A finetuning whose process is killed again and again, against one that is left alone.

``python -m tests.support.killing --times 10`` prints what became of both, and fails where the
killed one did not end as the other did. ``--workers 2`` kills one of two ranks at a time instead.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import tempfile
import time
from pathlib import Path

from byzer_lab.client.byzer_llm import ByzerLLM
from byzer_lab.client.session import session
from byzer_lab.client.training.job import Job
from byzer_lab.jobs import ENDED
from tests.support.processes import actors

ROWS = [{"instruction": f"What is {n} times 3?", "output": f"It is {3 * n}."} for n in range(64)]


def begin(llm: ByzerLLM, name: str, folder: Path, steps: int, workers: int) -> Job:
    """Begin the finetuning."""
    parameters = {
        "max_steps": steps,
        "save_steps": 3,
        "logging_steps": 1,
        "save_total_limit": 2,
        "per_device_train_batch_size": 2,
        "gradient_accumulation_steps": 1,
        "lora_rank": 4,
    }
    return llm.train(
        "sft",
        name=name,
        model_path="bundled",
        data=ROWS,
        path_prefix=str(folder),
        parameters=parameters,
        workers=workers,
        replace=True,
    )


def kill_at_random(job: Job, times: int, workers: int) -> int:
    """Kill a process of a job so many times, each time some steps after it went on.

    Returns:
        How often it was killed before it ended.
    """
    for number in range(times):
        began = job.record
        wanted = began.step + random.randint(1, 8)
        while (now := job.record).step < wanted or not now.pid:
            if now.state in ENDED:
                return number
            time.sleep(0.05)
        pid = now.pid
        if workers > 1:
            pid = random.choice(actors(session().runtime, "RayTrainWorker")).pid
        print(f"kill {number + 1} at step {now.step}, attempt {now.attempt}", flush=True)
        os.kill(pid, signal.SIGKILL)
        while job.record.pid == now.pid and workers == 1:
            time.sleep(0.05)
    return times


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--workers", type=int, default=1)
    given = parser.parse_args()
    llm = ByzerLLM()
    folder = Path(tempfile.mkdtemp(prefix="byzer-killing-"))
    alone = begin(llm, "left-alone", folder, given.steps, given.workers)
    alone.wait()
    job = begin(llm, "killed", folder, given.steps, given.workers)
    killed = kill_at_random(job, given.times, given.workers)
    end = job.wait()
    left, hit = (one.points()[-1].loss for one in (alone, job))
    adapters = [Path(one.path) / "adapter_model.safetensors" for one in (alone, job)]
    same = adapters[0].read_bytes() == adapters[1].read_bytes()
    print(f"killed {killed} times, {end.attempt} attempts, {end.state}")
    print(f"final loss {hit} against {left}; adapters {'identical' if same else 'differ'}")
    print(f"points {len(job.points())} against {len(alone.points())}")
    for one in (alone, job):
        one.delete(files=True)
    assert killed == given.times, "it ended too soon; give more steps"
    assert abs((left or 0.0) - (hit or 9.0)) < 0.02 * (left or 0.0)


if __name__ == "__main__":
    main()
