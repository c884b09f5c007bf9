"""Training in several processes, through Ray Train; see :func:`run_on_workers`.

A killed process ends the group; it is started again and goes on from the newest checkpoint in the
job's folder, as long as it gets further each time.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from byzer_lab.errors import ByzerLabError, EngineError, describe, from_wire
from byzer_lab.jobs import JobSpec
from byzer_lab.training.channel import Channel
from byzer_lab.training.relay import Line, Relay, Watcher

Loop = Callable[[dict[str, Any], Channel], dict[str, Any]]
"""What each process runs: a function of a module, told the configuration and the line to the job.
It goes on from the newest checkpoint where there is one, and returns figures (rank 0's count)."""

_FAILURES_WITHOUT_PROGRESS = 5
_POLL_S = "0.5"  # how soon Ray Train sees that a process is gone
_START_TIMEOUT_S = "600"  # imports on a busy machine
_PLACE = "workers"  # in the job's folder: what Ray Train keeps while it runs
_SMALLEST_SHARE = 0.01  # of a processor: Ray refuses a process that reserves nothing


def run_on_workers(
    spec: JobSpec, loop: Loop, config: dict[str, Any], channel: Channel
) -> dict[str, Any]:
    """Run a loop in the job's processes.

    One worker runs it in this process. More run it as the ranks of a ``torch.distributed`` group
    (nccl with a GPU each, else gloo), in which RANK, WORLD_SIZE and LOCAL_RANK are set; what rank 0
    prints and reports reaches this process's output and channel. A rank that stops on its own
    leaves the others waiting: decide together, by :func:`any_rank`.

    Args:
        spec: The job; ``workers`` and what each reserves count.
        loop: See :data:`Loop`.
        config: JSON values for it.
        channel: The job's.

    Returns:
        What rank 0's loop returned.

    Raises:
        ByzerLabError: A loop's own error, or a sentence about one that is none of ours.
        EngineError: Processes were lost again and again without getting further.
    """
    if spec.workers == 1:
        return loop(config, channel)
    import ray

    relay = ray.remote(num_cpus=0, max_concurrency=spec.workers + 2)(Relay).remote()
    watcher = Watcher(relay, channel)
    try:
        return _until_done(spec, loop, config, relay, watcher)
    finally:
        watcher.close()
        ray.kill(relay)
        shutil.rmtree(Path(spec.folder) / _PLACE, ignore_errors=True)


def any_rank(wanted: bool) -> bool:
    """Whether any rank wants it; every rank must ask. One process alone decides for itself."""
    import torch.distributed as dist

    if not dist.is_available() or not dist.is_initialized() or dist.get_world_size() == 1:
        return wanted
    import torch

    device = "cuda" if dist.get_backend() == "nccl" else "cpu"
    flag = torch.tensor([int(wanted)], dtype=torch.int32, device=device)
    dist.all_reduce(flag, op=dist.ReduceOp.MAX)
    return bool(flag.item())


def _until_done(
    spec: JobSpec, loop: Loop, config: dict[str, Any], relay: Any, watcher: Watcher
) -> dict[str, Any]:
    from ray.train import ControllerError, TrainingFailedError

    failures, furthest = 0, 0
    while True:
        try:
            _trainer(spec, loop, config, relay).fit()
        except TrainingFailedError as error:
            heard = watcher.settle()
            if heard.error is not None:
                raise from_wire(heard.error) from error
            if isinstance(error, ControllerError):
                raise EngineError(
                    f"The workers of {spec.name!r} can't be started: "
                    f"{describe(error.controller_failure)}"
                ) from error
            failures = 1 if heard.step > furthest else failures + 1
            furthest = max(furthest, heard.step)
            if failures >= _FAILURES_WITHOUT_PROGRESS:
                raise EngineError(
                    f"Processes of {spec.name!r} were lost {failures} times at step {furthest} "
                    f"without getting further: {_words(error)}"
                ) from error
            print(
                f"[{spec.name}] a process of the training was lost at step {heard.step}; the "
                "group is started again and goes on from its newest checkpoint."
            )
            continue
        heard = watcher.settle()
        if heard.result is None:
            raise EngineError(f"The workers of {spec.name!r} ended without a result.")
        return heard.result


def _trainer(spec: JobSpec, loop: Loop, config: dict[str, Any], relay: Any) -> Any:
    # The process that calls fit() hands these on to Ray Train's own.
    os.environ["RAY_TRAIN_HEALTH_CHECK_INTERVAL_S"] = _POLL_S
    os.environ["RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S"] = _START_TIMEOUT_S
    os.environ["RAY_TRAIN_ENABLE_PRINT_PATCH"] = "0"
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    cpus, gpus = spec.cpus_per_worker, spec.gpus_per_worker
    resources = {**spec.resources, "CPU": cpus or _SMALLEST_SHARE}
    if gpus:
        resources["GPU"] = gpus
    threads = str(max(1, int(cpus)))
    told = {"loop": loop, "config": config, "relay": relay}
    return TorchTrainer(
        _run_rank,
        train_loop_config=told,
        torch_config=TorchConfig(backend="nccl" if gpus else "gloo"),
        scaling_config=ScalingConfig(
            num_workers=spec.workers, use_gpu=bool(gpus), resources_per_worker=resources
        ),
        run_config=RunConfig(
            name=f"attempt-{uuid.uuid4().hex[:8]}",
            storage_path=str((Path(spec.folder) / _PLACE).absolute()),
            failure_config=FailureConfig(max_failures=0),  # _until_done counts
            worker_runtime_env={
                "env_vars": {"OMP_NUM_THREADS": threads, "TOKENIZERS_PARALLELISM": "false"}
            },
        ),
    )


def _run_rank(told: dict[str, Any]) -> None:
    """In each process of the group."""
    import ray.train

    rank = ray.train.get_context().get_world_rank()
    line = Line(told["relay"], leader=rank == 0)
    try:
        result = told["loop"](told["config"], line)
    except Exception as error:
        # A rank that lost another one sees a broken connection: that is no reason to give up.
        if not _is_loss(error):
            line.fail(_in_our_words(error))
        raise
    finally:
        line.close()
    line.finish(result)


def _is_loss(error: Exception) -> bool:
    """Whether it may go away by itself: another process or a connection was lost."""
    return isinstance(error, RuntimeError | ConnectionError) and not isinstance(
        error, ByzerLabError | NotImplementedError | RecursionError
    )


def _in_our_words(error: Exception) -> ByzerLabError:
    return error if isinstance(error, ByzerLabError) else EngineError(describe(error))


def _words(error: Any) -> str:
    failures = getattr(error, "worker_failures", {})
    return "; ".join(f"rank {rank}: {describe(failure)}" for rank, failure in failures.items())
