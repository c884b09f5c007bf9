"""An interrupt in a real kernel: the cell ends at once, and what was answered is kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from jupyter_client.manager import start_new_kernel

from byzer_lab.sql.models.store import AnswerStore
from tests.magics.kernel_driver import KernelDriver

REPOSITORY = Path(__file__).parent.parent.parent
ROWS = 1000
AFTER = 100
SETUP = f"""
import os, signal, sys, time
from pathlib import Path
sys.path.insert(0, {str(REPOSITORY)!r})
from byzer_lab.sql.commands.session import SqlSession
from byzer_lab.sql.models.store import AnswerStore
from tests.sql.scripted import ScriptedModels
import byzer_lab_magics.sql as magic

class Interrupting(ScriptedModels):
    began = 0.0
    async def _ask(self, question):
        if not self.began and sum(self.finished.values()) >= {AFTER}:
            self.began = time.monotonic()
            os.kill(os.getpid(), signal.SIGINT)
        return await super()._ask(question)

shell = get_ipython()
models = Interrupting(delay_s=0.02, limit=10)
session = SqlSession(models, shell.user_ns.get, AnswerStore(Path("answers.db")))
magic._sessions[id(shell)] = session
ends = []
shell.events.register("post_run_cell", lambda result: ends.append(time.monotonic()))
t = [{{"i": i, "u": f"u{{i}}"}} for i in range({ROWS})]
%load_ext byzer_lab
"""
ASK = "%%llm_sql\nselect u, llm_result(m(u)) as a from t as made;"
COUNT = (
    "%%llm_sql --dialect duckdb\n"
    "select count(*) as c from range(3000000) a cross join range(3000000) b as made;"
)
SOON_S = 5.0  # half a second on an idle machine


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[KernelDriver]:
    """A kernel whose models are scripted; the hundredth answer brings an interrupt."""
    manager, client = start_new_kernel(kernel_name="python3", cwd=str(tmp_path))
    try:
        driver = KernelDriver(manager, client)
        loaded = driver.run(SETUP)
        assert loaded.status == "ok", loaded.traceback
        yield driver
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def test_a_pass(kernel: KernelDriver, tmp_path: Path) -> None:
    ran = kernel.run(ASK)
    assert (ran.status, ran.error[1]) == (
        "error",
        "The script was interrupted; what was answered is kept.",
    )
    said = kernel.run("print(ends[-1] - models.began, sum(models.finished.values()))").stdout
    seconds, finished = float(said.split()[0]), int(said.split()[1])
    print(f"the pass ended {seconds:.3f} s after the interrupt")
    assert seconds < SOON_S
    assert AFTER <= finished < ROWS
    store = AnswerStore(tmp_path / "answers.db")
    assert store.count() == finished
    store.close()

    ran = kernel.run(ASK)
    assert ran.status == "ok"
    assert f"{finished} cached" in "".join(ran.texts)
    said = kernel.run("print(max(models.finished.values()), len(models.finished))").stdout
    assert said.split() == ["1", str(ROWS)]  # no completed answer was paid twice


def test_a_query_without_models(kernel: KernelDriver) -> None:
    assert kernel.run("%llm_sql select 1 as a as t;").status == "ok"  # all is imported
    ran = kernel.run(COUNT + "\n!assert made '''c > 0''';", interrupt_after_s=1.0)
    assert (ran.status, ran.error[0]) == ("error", "KeyboardInterrupt")
    ended = max(moment for moment, _, _ in ran.messages)
    print(f"the query ended {ended - 1.0:.3f} s after the interrupt")
    assert ended - 1.0 < SOON_S
    assert kernel.run("%llm_sql select 2 as a as t;").status == "ok"
