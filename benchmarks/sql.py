"""Calls of a model in a query: lifted out, against functions that the database calls.

The model is simulated: 20 ms for each answer, at most 256 at a time. What is measured is how well a
road keeps it busy and how often it asks, not a model.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
from duckdb.func import PythonUDFType

from benchmarks.measure import goal, table
from byzer_lab.sql.commands.running import Runner, Way
from byzer_lab.sql.commands.session import SqlSession
from byzer_lab.sql.models.ask import Model
from byzer_lab.sql.models.pump import Ask, Counts, Pump
from byzer_lab.sql.models.questions import Question
from byzer_lab.sql.models.store import Answer, AnswerStore

DELAY_S = 0.02
AT_ONCE = 256
GOAL_US = 10.0
ARROW = PythonUDFType.ARROW


@dataclass
class Simulated:
    """A model of one deployment; counts its calls."""

    calls: int = 0

    def names(self) -> list[str]:
        return ["m"]

    def find(self, name: str) -> Model:
        return Model(name, AT_ONCE, "simulated", {})

    @asynccontextmanager
    async def asking(self, model: Model) -> AsyncIterator[Ask]:
        yield self._ask

    async def _ask(self, question: Question) -> Answer:
        return Answer(await self.answer(question.messages[-1].text))

    async def answer(self, text: str) -> str:
        self.calls += 1
        await asyncio.sleep(DELAY_S)
        return text.upper()


@dataclass(frozen=True)
class Workload:
    """A query over a table ``t (i, p)``.

    Attributes:
        name: What it is like.
        rows: Of the table.
        distinct: Different texts in ``p``.
        query: With the call as ``m(p)``.
    """

    name: str
    rows: int
    distinct: int
    query: str = "select m(p) as a from t"


def workloads(scale: int) -> list[Workload]:
    """The workloads."""
    return [
        Workload("all texts differ", 2048 * scale, 2048 * scale),
        Workload("1 text in 10 differs", 2048 * scale, 205 * scale),
        Workload(
            "a filter keeps 1 %", 51_200 * scale, 51_200 * scale,
            "select m(p) as a from t where i % 100 = 1",
        ),
        Workload(
            "called twice, a cheap filter last", 2048 * scale, 205 * scale,
            "select m(p) as a from t where m(p) <> '' and i % 2 = 1",
        ),
    ]  # fmt: skip


def run(*, quick: bool) -> None:
    """Measure and print."""
    _overhead(20_000 if quick else 200_000)
    roads: dict[str, Callable[[Workload], tuple[float, int]]] = {
        "function for each row": _each_row,
        "Arrow function, a chunk at a time": _each_chunk,
        "lifted": _lifted,
    }
    for workload in workloads(1 if quick else 2):
        rows = []
        for name, road in roads.items():
            seconds, calls = road(workload)
            rows.append([name, f"{seconds:.2f}", f"{calls:,}", f"{workload.rows / seconds:,.0f}"])
        print(f"\n{workload.name}: {workload.rows:,} rows, {workload.distinct:,} texts")
        table(["road", "seconds", "calls", "rows/s"], rows)


def _overhead(count: int) -> None:
    questions = [(place.to_bytes(32, "big"), Question("chat")) for place in range(count)]

    async def nothing(question: Question) -> Answer:
        return Answer("x")

    with tempfile.TemporaryDirectory() as folder:
        store = AnswerStore(Path(folder) / "answers.db")
        for name, keep in (
            ("the pass alone", lambda fresh: None),
            ("with its answers kept in SQLite", lambda fresh: store.put("m", fresh)),
        ):
            began = time.process_time()
            asyncio.run(Pump(nothing, keep, AT_ONCE, Counts()).run(questions))
            spent = (time.process_time() - began) / count * 1e6
            print(f"{name}: {spent:.1f} µs of processor time for each call")
        store.close()
    goal("µs of processor time for each call", spent, GOAL_US, at_most=True)


def _connected(workload: Workload) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("set enable_progress_bar=false")
    connection.execute(
        f"create table t as select i, 'text number ' || (i % {workload.distinct}) as p "
        f"from range({workload.rows}) r(i)"
    )
    return connection


def _each_row(workload: Workload) -> tuple[float, int]:
    """The database calls the function for one row after another; a twentieth of the rows."""
    model = Simulated()
    part = 20
    connection = _connected(workload)
    connection.execute(f"delete from t where i >= {workload.rows // part}")

    def m(text: str) -> str:
        model.calls += 1
        time.sleep(DELAY_S)
        return text.upper()

    connection.create_function("m", m, ["VARCHAR"], "VARCHAR")
    began = time.perf_counter()
    connection.execute(workload.query).fetchall()
    return (time.perf_counter() - began) * part, model.calls * part


def _each_chunk(workload: Workload) -> tuple[float, int]:
    """The database gives the function 2,048 rows at most; it asks for them all at once."""
    model = Simulated()
    connection = _connected(workload)

    def m(texts: pa.ChunkedArray) -> pa.Array:
        async def gather() -> list[str]:
            slots = asyncio.Semaphore(AT_ONCE)

            async def one(text: str) -> str:
                async with slots:
                    return await model.answer(text)

            return await asyncio.gather(*(one(text) for text in texts.to_pylist()))

        return pa.array(asyncio.run(gather()), pa.string())

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        connection.create_function("m", m, ["VARCHAR"], "VARCHAR", type=ARROW)
        began = time.perf_counter()
        connection.execute(workload.query).fetchall()
    return time.perf_counter() - began, model.calls


def _lifted(workload: Workload) -> tuple[float, int]:
    model = Simulated()
    with tempfile.TemporaryDirectory() as folder:
        session = SqlSession(model, store=AnswerStore(Path(folder) / "answers.db"))
        session.engine.create(
            "t@0",
            f"select i, 'text number ' || (i % {workload.distinct}) as p "
            f"from range({workload.rows}) r(i)",
        )
        session.tables.put("t", "t@0")
        began = time.perf_counter()
        Runner(session, Way(dialect="duckdb")).run(f"{workload.query} as made;")
        seconds = time.perf_counter() - began
        session.close()
    return seconds, model.calls
