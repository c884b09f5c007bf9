"""What the registry does about a job's process, with processes that do as they are told."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from byzer_lab.errors import ByzerLabError, ConflictError, EngineError, WorkerLostError
from byzer_lab.jobs import Checkpoint, JobEnd, JobPoint, JobRecord, JobReport, JobSpec
from byzer_lab.registry.jobs import supervisor as module
from byzer_lab.registry.jobs.supervisor import JobSupervisor
from byzer_lab.registry.journal import Journal
from byzer_lab.registry.store import job_key

LOST = "Its process ended unexpectedly (killed, crashed or out of memory)."


class Process:
    """One attempt: ends when it is told how."""

    def __init__(self) -> None:
        self.end: asyncio.Future[JobEnd] = asyncio.get_running_loop().create_future()
        self.stopped = self.killed = False

    async def run(self) -> JobEnd:
        return await asyncio.shield(self.end)

    def stop(self) -> None:
        self.stopped = True

    def kill(self) -> None:
        self.killed = True
        self.lose()

    def lose(self) -> None:
        self.fail(WorkerLostError(LOST))

    def fail(self, error: ByzerLabError) -> None:
        if not self.end.done():
            self.end.set_exception(error)
            self.end.exception()  # somebody may have stopped waiting for it


class Launcher:
    """Makes them; ``room``: whether the cluster has some; ``refuses``: what Ray says instead."""

    def __init__(self) -> None:
        self.room = True
        self.refuses = ""
        self.freed = 0
        self.made: list[tuple[str, Process]] = []
        self.left: dict[str, Process] = {}

    def create(self, process_id: str, spec: JobSpec, attempt: int, secrets: Any) -> Process:
        if self.refuses:
            raise ValueError(self.refuses)
        self.made.append((process_id, Process()))
        return self.made[-1][1]

    def adopt(self, process_id: str) -> Process | None:
        return self.left.get(process_id)

    def free_leftovers(self) -> None:
        self.freed += 1

    def has_room(self, spec: JobSpec) -> bool:
        return self.room

    def waiting_phase(self, spec: JobSpec) -> str:
        return "waiting for 1 GPU (0 of 2 free)"


class World:
    """A job, its supervisor, and what surrounds them."""

    def __init__(self, folder: Path, **fields: Any) -> None:
        self.journal = Journal(folder / "registry.db")
        self.launcher = Launcher()
        spec = {key: fields.pop(key) for key in list(fields) if key in JobSpec.__struct_fields__}
        self.record = JobRecord(
            id="abc",
            spec=JobSpec(name="one", kind="sft", model_path="bundled", **spec),
            **fields,
        )
        self.journal.save_secrets(job_key("abc"), {"KEY": "open-sesame"})
        self.journal.touch(self.record)
        self.supervisor = JobSupervisor(self.record, self.journal, self.launcher)  # type: ignore[arg-type]

    async def process(self, number: int = 1) -> Process:
        """The process of an attempt, once it is made."""
        async with asyncio.timeout(5):
            while len(self.launcher.made) < number:
                await asyncio.sleep(0.001)
        return self.launcher.made[number - 1][1]

    def tell(self, step: int = 0, **told: Any) -> bool:
        report = JobReport(state="running", pid=7, step=step, **told)
        return self.supervisor.report(self.record.attempt, report, [])

    async def ended(self) -> str:
        await asyncio.wait_for(self.supervisor.ended.wait(), 5)
        return self.record.state

    def log(self) -> list[str]:
        return [line.text for line in self.journal._store.log(job_key("abc"), 0, 100)]


async def test_reports_make_the_record(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.supervisor.start()
    process = await world.process()
    assert world.launcher.made[0][0] == "abc-1"
    assert world.tell(
        3,
        total_steps=9,
        phase="training with open-sesame",
        points=[JobPoint(step=3, loss=2.0, learning_rate=0.1)],
        warnings=["one", "one", "two"],
        artefacts={"tensorboard": "/t"},
    )
    world.tell(3, points=[JobPoint(step=3, eval_loss=1.5)], checkpoints=[Checkpoint(3, "/c")])
    record = world.record
    assert (record.state, record.total_steps) == ("running", 9)
    assert record.phase == "training with ******"
    assert (record.point.loss, record.point.eval_loss) == (2.0, 1.5)
    assert world.journal.points("abc", -1, 10) == [
        JobPoint(step=3, loss=2.0, learning_rate=0.1, eval_loss=1.5)
    ]
    assert record.warnings == ["one", "two"]
    assert not world.supervisor.report(0, JobReport(step=1), [])  # of an attempt that is over
    assert record.step == 3
    process.end.set_result(JobEnd(result={"said": "open-sesame"}, artefacts={"adapter": "/a"}))
    assert await world.ended() == "completed"
    assert process.killed  # what it reserved is given back
    assert record.result == {"said": "******"}
    assert record.artefacts == {"tensorboard": "/t", "adapter": "/a"}
    assert (record.progress, record.error) == (1.0, None)
    again = Journal(tmp_path / "registry.db").jobs["one"]
    assert (again.state, again.checkpoints, again.rev) == ("completed", [Checkpoint(3, "/c")], 0)


async def test_progress_belongs_to_its_phase(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.supervisor.start()
    await world.process()
    world.tell(phase="reading", progress=0.7)
    world.tell(phase="tokenising")
    assert (world.record.phase, world.record.progress) == ("tokenising", None)


async def test_an_error_of_the_job_is_its_end(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.supervisor.start()
    process = await world.process()
    process.fail(EngineError("no rows for open-sesame."))
    assert await world.ended() == "failed"
    assert world.record.error is not None
    assert world.record.error["message"] == "no rows for ******."
    assert len(world.launcher.made) == 1


async def test_it_is_given_up_where_it_gets_no_further(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LONGEST_BACKOFF_S", 0.01)
    world = World(tmp_path, max_attempts=3)
    world.supervisor.start()
    for attempt, step in enumerate((5, 5, 9, 8, 9), 1):  # 9 is further: counting begins anew
        process = await world.process(attempt)
        world.tell(step, checkpoints=[Checkpoint(4, "/4")])
        process.lose()
    assert await world.ended() == "failed"
    assert world.record.attempt == 5
    assert world.record.error is not None
    assert world.record.error["message"] == (
        f"{LOST[:-1]} 3 times in a row without getting past step 9."
    )
    assert world.log()[0] == f"{LOST[:-1]} at step 5; attempt 2 goes on from checkpoint 4."


async def test_what_several_processes_reserved_is_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK_AFTER_S", (0.0, 0.0))
    world = World(tmp_path, workers=2)
    world.supervisor.start()
    process = await world.process()
    process.end.set_result(JobEnd())
    assert await world.ended() == "completed"
    await asyncio.sleep(0.05)
    assert world.launcher.freed == 2


async def test_one_attempt_only(tmp_path: Path) -> None:
    world = World(tmp_path, max_attempts=1)
    world.supervisor.start()
    process = await world.process()
    world.tell(5)
    process.lose()
    assert await world.ended() == "failed"
    assert world.record.error is not None
    assert world.record.error["message"] == f"{LOST[:-1]}, at step 5."


async def test_what_ray_refuses_fails(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.launcher.refuses = "Use the 'num_cpus' keyword instead."
    world.supervisor.start()
    assert await world.ended() == "failed"
    assert world.record.error is not None
    assert (
        "Ray refuses its process: ValueError: Use the 'num_cpus'" in world.record.error["message"]
    )


async def test_stopping_asks_the_process(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.supervisor.start()
    process = await world.process()
    world.tell(2)
    world.supervisor.stop()
    assert process.stopped
    assert not process.killed
    world.tell(3)
    assert (world.record.state, world.record.ending) == ("stopping", "stopped")
    process.end.set_result(JobEnd(state="stopped"))
    assert await world.ended() == "stopped"
    for change in (world.supervisor.stop, world.supervisor.cancel):
        with pytest.raises(ConflictError, match="is stopped; there is nothing to"):
            change()


async def test_a_job_that_waits_stops_at_once(tmp_path: Path) -> None:
    world = World(tmp_path, workers=2)
    world.launcher.room = False
    world.supervisor.start()
    await asyncio.sleep(0.01)
    assert world.record.phase == "waiting for 1 GPU (0 of 2 free)"
    world.supervisor.stop()
    assert await world.ended() == "stopped"
    assert world.launcher.made == []


async def test_a_job_in_rays_queue_stops_at_once(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.supervisor.start()
    process = await world.process()
    await asyncio.sleep(0.01)
    assert world.record.phase == "starting its process"
    world.launcher.room = False
    world.supervisor._tell_what_it_waits_for()
    assert world.record.phase == "waiting for 1 GPU (0 of 2 free)"
    world.supervisor.stop()
    assert process.killed
    assert await world.ended() == "stopped"


async def test_cancelling_kills_what_takes_no_notice(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.supervisor.start()
    process = await world.process()
    world.tell(2)
    world.supervisor.cancel(grace_s=0.05)
    assert process.stopped
    assert not process.killed
    assert await world.ended() == "cancelled"
    assert process.killed
    assert world.record.error is None


async def test_a_cancelled_job_that_fails_meanwhile_is_cancelled(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.supervisor.start()
    process = await world.process()
    world.tell(2)
    world.supervisor.cancel()
    process.fail(EngineError("interrupted in the middle."))
    assert await world.ended() == "cancelled"
    assert world.record.error is None


async def test_a_stopping_job_that_is_lost_has_its_checkpoint(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.supervisor.start()
    process = await world.process()
    world.tell(5, checkpoints=[Checkpoint(4, "/4")])
    world.supervisor.stop()
    process.lose()
    assert await world.ended() == "stopped"
    assert world.record.warnings == [f"{LOST} What it has is its checkpoint 4."]


async def test_resuming_begins_the_next_attempt(tmp_path: Path) -> None:
    error = EngineError("disk full.").to_wire()
    world = World(tmp_path, state="failed", attempt=3, step=9, error=error, finished_at=1.0)
    world.supervisor.resume()
    assert (world.record.state, world.record.attempt, world.record.error) == ("queued", 4, None)
    await world.process()
    assert world.launcher.made[0][0] == "abc-4"
    with pytest.raises(ConflictError, match="is queued; there is nothing to resume"):
        world.supervisor.resume()


@pytest.mark.parametrize("there", [True, False])
async def test_a_restarted_registry_finds_its_job(tmp_path: Path, there: bool) -> None:
    world = World(tmp_path, state="running", pid=7, step=6, started_at=1.0)
    left = Process()
    if there:
        world.launcher.left["abc-1"] = left
    world.supervisor.adopt()
    if there:
        left.end.set_result(JobEnd())
        assert await world.ended() == "completed"
        assert world.launcher.made == []
    else:
        await world.process()
        assert world.launcher.made[0][0] == "abc-2"
        assert "Its process was gone when the registry began at step 6" in world.record.warnings[0]


@pytest.mark.parametrize("ending", ["stopped", "cancelled"])
async def test_a_restarted_registry_remembers_how_it_shall_end(
    tmp_path: Path, ending: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CANCEL_GRACE_S", 0.05)
    world = World(tmp_path, state="stopping", pid=7, started_at=1.0, ending=ending)
    left = world.launcher.left["abc-1"] = Process()
    world.supervisor.adopt()
    assert left.stopped
    if ending == "stopped":  # what is cancelled and takes no notice is killed
        left.lose()
    assert await world.ended() == ending
    assert left.killed


async def test_an_ended_job_stays_as_it_is(tmp_path: Path) -> None:
    world = World(tmp_path, state="completed", finished_at=1.0)
    world.supervisor.adopt()
    assert await world.ended() == "completed"
    assert world.launcher.made == []
