"""Ranks of a training as plain processes: what Ray Train arranges, without a cluster.

``python -m tests.support.training_ranks FOLDER`` runs one rank of what :func:`run_in_processes`
has written there.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec

from byzer_lab.cluster.bootstrap import connect, ray_environment
from byzer_lab.cluster.runtime import Runtime
from byzer_lab.errors import ByzerLabError, EngineError, describe, from_wire
from byzer_lab.jobs import JobEnd, JobReport, JobSpec
from byzer_lab.training.channel import Channel
from byzer_lab.training.distributed import Loop
from tests.support.notes import Notes

FILES_LIMIT = "TEST_LARGEST_FILE"
"""Environment variable: bytes that a rank's files may have, for a disk that is full."""
REPOSITORY = Path(__file__).parents[2]


class RankLost(Exception):
    """A rank ended without a word."""


class FileChannel:
    """Writes reports into a file. A loop asks once a step whether it shall stop.

    Args:
        folder: Of the file.
        rank: The process's.
        stop_after: Stop after so many steps; 0: never.
        die_after: Be killed after so many steps; 0: never.
    """

    def __init__(self, folder: Path, rank: int, stop_after: int, die_after: int) -> None:
        self._reports = (folder / f"reports-{rank}.jsonl").open("ab")
        self._stop_after = stop_after
        self._die_after = die_after
        self._asked = 0
        self.attempt = 1

    @property
    def stop_requested(self) -> bool:
        self._asked += 1
        if self._asked == self._die_after + 1 > 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return self._asked > self._stop_after > 0

    def report(self, report: JobReport) -> None:
        self._reports.write(msgspec.json.encode(report) + b"\n")
        self._reports.flush()


def run_in_processes(
    spec: JobSpec,
    loop: Loop,
    config: dict[str, Any],
    channel: Channel,
    *,
    stop_after: int = 0,
    kill_after: int = 0,
) -> dict[str, Any]:
    """As :func:`byzer_lab.training.distributed.run_on_workers`, but without a second try.

    Args:
        stop_after: Rank 0 is asked to stop after so many steps of this attempt.
        kill_after: The last rank is killed after so many.

    Raises:
        RankLost: A rank was killed.
        ByzerLabError: What a rank failed with.
    """
    folder = Path(spec.folder) / "ranks"
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    told = {
        "loop": f"{loop.__module__}:{loop.__name__}",
        "config": config,
        "stop_after": stop_after,
        "kill_after": kill_after,
    }
    (folder / "told.json").write_text(json.dumps(told))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    processes = []
    for rank in range(spec.workers):
        env = {
            **os.environ,
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "WORLD_SIZE": str(spec.workers),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
            "OMP_NUM_THREADS": "1",
            "TOKENIZERS_PARALLELISM": "false",
            "GLOO_SOCKET_IFNAME": "lo",
        }
        command = [sys.executable, "-m", "tests.support.training_ranks", str(folder)]
        with (folder / f"output-{rank}.txt").open("wb") as output:
            processes.append(
                subprocess.Popen(
                    command, cwd=REPOSITORY, env=env, stdout=output, stderr=subprocess.STDOUT
                )
            )
    try:
        _watch(processes, folder, channel)
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
            process.wait()
    result: dict[str, Any] = json.loads((folder / "result-0.json").read_text())
    return result


def _watch(processes: list[subprocess.Popen[bytes]], folder: Path, channel: Channel) -> None:
    handed = 0
    while True:
        lines = []
        with contextlib.suppress(FileNotFoundError):
            lines = (folder / "reports-0.jsonl").read_bytes().splitlines()
        for line in lines[handed:]:
            channel.report(msgspec.json.decode(line, type=JobReport))
        handed = len(lines)
        codes = [process.poll() for process in processes]
        for rank, code in enumerate(codes):
            failed = folder / f"error-{rank}.json"
            if code and failed.exists():
                raise from_wire(json.loads(failed.read_text()))
        if any(codes):
            words = [(folder / f"output-{n}.txt").read_text()[-3000:] for n in range(len(codes))]
            raise RankLost(f"{codes}: {words}")
        if all(code == 0 for code in codes) and handed == len(lines):
            return
        time.sleep(0.05)


def run_on_ray(cluster: Runtime, spec: JobSpec, notes: Notes) -> JobEnd:
    """Run a job over Ray's workers, from a process that is one of Ray's as a job's is."""
    told = base64.b64encode(msgspec.json.encode(spec)).decode()
    command = [sys.executable, "-m", __name__, "ray", cluster.ray_address, told]
    done = subprocess.run(
        command,
        cwd=REPOSITORY,
        env={**os.environ, **ray_environment()},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-12000:].decode()
    *_, reports, end = done.stdout.splitlines()
    for report in msgspec.json.decode(reports, type=list[JobReport]):
        notes.report(report)
    return msgspec.json.decode(end, type=JobEnd)


def _drive(address: str, told: str) -> None:
    from byzer_lab.training.running import run_job

    ray = connect(address)
    notes = Notes()
    end = run_job(msgspec.json.decode(base64.b64decode(told), type=JobSpec), notes)
    ray.shutdown()
    print(msgspec.json.encode(notes.reports).decode())
    print(msgspec.json.encode(end).decode())


def main() -> None:
    """One rank."""
    if sys.argv[1] == "ray":
        _drive(*sys.argv[2:])
        return
    import torch.distributed as dist

    folder, rank = Path(sys.argv[1]), int(os.environ["RANK"])
    if FILES_LIMIT in os.environ:
        limit = int(os.environ[FILES_LIMIT])
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    told = json.loads((folder / "told.json").read_text())
    module, _, name = told["loop"].partition(":")
    loop = getattr(import_module(module), name)
    world = int(os.environ["WORLD_SIZE"])
    channel = FileChannel(
        folder,
        rank,
        told["stop_after"] if rank == 0 else 0,
        told["kill_after"] if rank == world - 1 else 0,
    )
    if world > 1:
        dist.init_process_group("gloo")
    try:
        result = loop(told["config"], channel)
    except RuntimeError as error:
        if "onnection" in str(error):  # another rank was lost
            raise
        _fail(folder, rank, error)
        raise
    except Exception as error:
        _fail(folder, rank, error)
        raise
    (folder / f"result-{rank}.json").write_text(json.dumps(result))


def _fail(folder: Path, rank: int, error: Exception) -> None:
    known = error if isinstance(error, ByzerLabError) else EngineError(describe(error))
    (folder / f"error-{rank}.json").write_text(json.dumps(known.to_wire()))


if __name__ == "__main__":
    main()
