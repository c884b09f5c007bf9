"""Answers the questions of a stage: known answers first, the others in one pass."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import pyarrow as pa

from byzer_lab.client.apart import run_apart
from byzer_lab.errors import ByzerLabError, InvalidRequestError
from byzer_lab.sql.engine.base import Engine
from byzer_lab.sql.models.ask import Model, Models
from byzer_lab.sql.models.kinds import CallKind, Value, kind_of
from byzer_lab.sql.models.lifting import KEY, Stage
from byzer_lab.sql.models.ordering import ordered
from byzer_lab.sql.models.pump import Ask, Counts, Pump
from byzer_lab.sql.models.questions import Question, Read
from byzer_lab.sql.models.splicing import COLUMNS
from byzer_lab.sql.models.store import Answer, AnswerStore


class OverBudgetError(InvalidRequestError):
    """A statement would ask or has asked more than it may."""

    code = "over_budget"


@dataclass
class Budget:
    """What a cell may spend.

    Attributes:
        max_calls: Most questions to ask; ``None``: no bound.
        max_tokens: No question is begun once so many tokens were spent; ``None``: no bound.
        dry: Count and ask nothing.
        fresh: Ask again what is known.
    """

    max_calls: int | None = None
    max_tokens: int | None = None
    dry: bool = False
    fresh: bool = False


@dataclass
class StageReport:
    """What is known of a stage.

    Attributes:
        label: The function, as the query calls it.
        counts: How it went; of a dry run, how it would.
        exact: The count is no bound but the number itself.
    """

    label: str
    counts: Counts
    exact: bool = True


@dataclass
class Report:
    """The stages of the statements so far.

    Attributes:
        stages: All of them.
        watch: Called when something changed.
    """

    stages: list[StageReport] = field(default_factory=list)
    watch: Callable[[StageReport], None] | None = None

    @property
    def total(self) -> Counts:
        """All stages together."""
        total = Counts()
        for stage in self.stages:
            total.add(stage.counts)
        return total


class Answerer:
    """Answers stages.

    Args:
        engine: Has the questions, and gets the answers as a table.
        models: Who answers.
        store: Opens the kept answers; called when the first question is asked.
        budget: What may be spent.
        report: Where it is told how it goes.
        name: Makes the name of a new table.
    """

    def __init__(
        self,
        engine: Engine,
        models: Models,
        store: Callable[[], AnswerStore],
        budget: Budget,
        report: Report,
        name: Callable[[str], str],
    ) -> None:
        self._engine = engine
        self._models = models
        self._store = store
        self._budget = budget
        self._report = report
        self._name = name
        self._depends = False
        self._said: dict[bytes, Answer] = {}  # by this statement's own calls, failed ones too

    def __call__(self, stage: Stage) -> str:
        """Answer a stage; see :data:`byzer_lab.sql.models.lifting.Answering`.

        Raises:
            OverBudgetError: It would ask more, or has spent more, than the budget allows.
            KeyboardInterrupt: Interrupted; what was answered is kept.
        """
        keys: list[str] = self._engine.query(stage.questions).column(KEY).to_pylist()
        call = stage.call
        if call.function.python is not None:
            return self._python(stage, keys)
        model = self._models.find(call.model)
        kind = kind_of(call, model)
        reads = [kind.read(_argument(stage, key)) for key in keys]
        asked = [[(q.key(model.revision), q) for q in read.questions] for read in reads]
        questions = dict(itertools.chain.from_iterable(asked))
        answers = self._ask(model, call.label, questions, kind)
        if self._budget.dry:
            rows: list[Value] = [(None, None)] * len(keys)
        else:
            rows = [
                kind.value(read, [answers.get(key, NOT_ASKED) for key, _ in pairs])
                for read, pairs in zip(reads, asked, strict=True)
            ]
        returns = pa.list_(pa.string()) if stage.listed else kind.arrow
        values = pa.array([value for value, _ in rows], returns)
        return self._table(keys, values, [error for _, error in rows], kind.schema)

    def _ask(
        self, model: Model, label: str, keyed: dict[bytes, Question], kind: CallKind
    ) -> dict[bytes, Answer]:
        """Answers of all questions."""
        store = self._store()
        known = {key: self._said[key] for key in keyed if key in self._said}
        if not self._budget.fresh:
            known = store.get([key for key in keyed if key not in known]) | known
        counts = Counts(total=len(keyed), cached=len(known))
        stage = StageReport(label, counts, exact=not self._depends)
        self._report.stages.append(stage)
        missing = [(key, question) for key, question in keyed.items() if key not in known]
        if self._budget.dry:
            self._depends = self._depends or bool(missing)
        elif missing:
            self._check_calls(len(missing), label)
            if self._budget.max_tokens is None:  # else what is left is the last rows
                missing = ordered(missing, model.limit)
            self._pass(model, missing, known, stage, kind)
        return known

    def _check_calls(self, more: int, label: str) -> None:
        most = self._budget.max_calls
        total = self._report.total
        asked = total.ok + total.failed
        if most is not None and asked + more > most:
            raise OverBudgetError(
                f"{label} has {more:,} questions to ask{f' after {asked:,}' if asked else ''}, and "
                f"--max-calls is {most:,}; nothing of them was asked."
            )

    def _pass(
        self,
        model: Model,
        missing: list[tuple[bytes, Question]],
        known: dict[bytes, Answer],
        stage: StageReport,
        kind: CallKind,
    ) -> None:
        store = self._store()
        spent = self._report.total.tokens
        most = self._budget.max_tokens
        left = None if most is None else most - spent
        if left is not None and left <= 0:
            raise self._out_of_tokens(stage)
        ended = threading.Event()

        def keep(fresh: list[tuple[bytes, Answer]]) -> None:
            store.put(model.name, fresh)
            known.update(fresh)
            self._said.update(fresh)
            if self._report.watch:
                self._report.watch(stage)

        async def ask_all() -> bool:
            try:
                async with self._models.asking(model) as ask:
                    pump = Pump(_checked(ask, kind), keep, model.limit, stage.counts, left)
                    await pump.run(missing)
                    return pump.out_of_tokens
            finally:
                ended.set()

        if self._report.watch:
            self._report.watch(stage)
        try:
            over = run_apart(ask_all())
        except KeyboardInterrupt:
            ended.wait(LAST_WORDS_S)  # what was answered is written
            raise
        except asyncio.CancelledError as error:
            raise KeyboardInterrupt from error
        if over:
            raise self._out_of_tokens(stage)

    def _out_of_tokens(self, stage: StageReport) -> OverBudgetError:
        counts = stage.counts
        return OverBudgetError(
            f"{stage.label} has used up --max-tokens {self._budget.max_tokens:,} after "
            f"{counts.done:,} of {counts.total:,} questions; the answers are kept, and a run with "
            "more goes on from there."
        )

    def _python(self, stage: Stage, keys: list[str]) -> str:
        function = stage.call.function
        assert function.python is not None
        values = []
        for key in keys:
            try:
                values.append(function.python(*msgspec.json.decode(key)))
            except ByzerLabError:
                raise
            except Exception as error:
                raise InvalidRequestError(
                    f"{function.name}({key[1:-1][:200]}) failed: {type(error).__name__}: {error}"
                ) from error
        return self._table(keys, pa.array(values, function.returns), [None] * len(keys))

    def _table(
        self,
        keys: list[str],
        values: pa.Array,
        errors: list[Any],
        schema: dict[str, Any] | None = None,
    ) -> str:
        raw = pa.table(
            {"request": pa.array(keys, pa.string()), "value": values,
             "error": pa.array(errors, pa.string())}
        )  # fmt: skip
        source, name = self._name("given"), self._name("answers")
        words = self._engine.words
        answer = "value" if schema is None else words.struct("value", schema)
        self._engine.register(source, raw)
        try:
            self._engine.create(
                name,
                f"select request as {COLUMNS['request']}, {answer} as {COLUMNS['answer']}, "
                f"error as {COLUMNS['error']} from {words.quoted(source)}",
            )
        finally:
            self._engine.drop(source)
        return name


def _argument(stage: Stage, key: str) -> Any:
    """What a question is made of: the only argument, or the list of all."""
    arguments = msgspec.json.decode(key)
    return arguments[0] if len(stage.call.arguments) == 1 else arguments


def _checked(ask: Ask, kind: CallKind) -> Ask:
    """Asks, and takes an answer that does not fit its kind for a failure, so that it isn't kept."""
    if not kind.typed:
        return ask

    async def checked(question: Question) -> Answer:
        answer = await ask(question)
        _, error = kind.value(Read([question]), [answer])
        return replace(answer, output="", error=error) if error else answer

    return checked


NOT_ASKED = Answer(error="It was not asked.")
LAST_WORDS_S = 0.3
