"""``select``: translated, its tables found, its calls lifted, its rows kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from byzer_lab.errors import InvalidRequestError
from byzer_lab.sql.commands.session import SqlSession
from byzer_lab.sql.models.answering import Answerer, Budget, Report
from byzer_lab.sql.models.lifting import Lifter
from byzer_lab.sql.models.refusing import refuse
from byzer_lab.sql.models.trees import copy_clause, is_volatile
from byzer_lab.sql.spark import parse_select, to_duckdb

Dialect = Literal["spark", "duckdb"]


@dataclass
class Queries:
    """Runs the queries of one script.

    Attributes:
        session: Where the tables are.
        budget: What their calls may spend.
        report: Where calls are told.
        dialect: Of the queries.
        planned: Called with the text of each part of a plan; ``None``: nobody wants it.
    """

    session: SqlSession
    budget: Budget
    report: Report
    dialect: Dialect = "spark"
    planned: Callable[[str], None] | None = None

    def table(self, name: str, text: str) -> None:
        """Make a table of a query.

        Args:
            name: Of the table.
            text: The query.
        """
        tables = self.session.tables
        engine = self.session.engine
        query = self.parse(text)
        needs = tables.resolve(query)
        functions = self.session.lifted()
        refuse(query, functions, self._columns_of)
        translated = self.translate(query)
        made = tables.fresh(name)
        called = functions.has(translated)
        if called:
            self._make(made, translated.copy())
        elif _changes(translated):
            self._plan(f"{name}: kept, because it would not give the same rows twice")
            engine.create(made, engine.words.sql(translated))
        else:
            self._plan(f"{name}: a view, no model is called")
            engine.view(made, engine.words.sql(translated))
        # Tables that were read stay as long as this one, which a retry makes again from them.
        tables.put(name, made, needs)
        self.session.last = name
        self.session.remake.pop(name.lower(), None)
        if called:
            self.session.remake[name.lower()] = (translated, needs)

    def again(self, name: str) -> None:
        """Make a table that holds answers again: what failed is asked, what is known is not.

        Raises:
            InvalidRequestError: There is no such table, or no answers are in it.
        """
        self.session.tables.find(name)
        if name.lower() not in self.session.remake:
            raise InvalidRequestError(f"{name!r} calls no model, so nothing of it can have failed.")
        query, needs = self.session.remake[name.lower()]
        made = self.session.tables.fresh(name)
        self._make(made, query.copy())
        self.session.tables.put(name, made, needs)
        self.session.last = name

    def _make(self, made: str, query: exp.Query) -> None:
        engine, tables = self.session.engine, self.session.tables
        before = len(self.report.stages)
        answerer = Answerer(
            engine, self.session.models, self.session.store, self.budget, self.report, tables.fresh
        )
        lifter = Lifter(engine, self.session.lifted(), answerer, tables.fresh)
        try:
            engine.create(made, engine.words.sql(lifter.lift(query)))
        finally:
            lifter.close()
            for stage in self.report.stages[before:]:
                counts = stage.counts
                bound = "" if stage.exact else "at most "
                self._plan(
                    f"{made.rpartition('@')[0]}: {stage.label}: {bound}{counts.total:,} distinct "
                    f"question{'' if counts.total == 1 else 's'}, {counts.cached:,} of them "
                    "answered before"
                )

    def parse(self, text: str) -> exp.Query:
        """A query of the script's dialect.

        Raises:
            InvalidRequestError: It can't be read.
        """
        if self.dialect == "spark":
            return parse_select(text)
        if self.session.engine.words.dialect != "duckdb":
            raise InvalidRequestError(
                f"--dialect duckdb needs DuckDB, and the engine is {self.session.engine.name}."
            )
        try:
            query = sqlglot.parse_one(text, read="duckdb")
        except SqlglotError as error:
            raise InvalidRequestError(f"The query can't be read: {error}.") from error
        if not isinstance(query, exp.Query):
            raise InvalidRequestError("This is no query; it must begin with select or with.")
        return query

    def translate(self, query: exp.Query) -> exp.Query:
        """A query as the engine reads it."""
        if self.dialect == self.session.engine.words.dialect:
            return query
        text = to_duckdb(query)
        read = sqlglot.parse_one(text, read="duckdb")
        assert isinstance(read, exp.Query)
        return read

    def rows(self, text: str) -> str:
        """The query of the engine for a query of the script; models can't be called in it."""
        query = self.parse(text)
        self.session.tables.resolve(query)
        translated = self.translate(query)
        if self.session.lifted().has(translated):
            raise InvalidRequestError(
                "Models can't be called here; make a table with select ... as name, and use that."
            )
        return self.session.engine.words.sql(translated)

    def _columns_of(self, select: exp.Select) -> frozenset[str]:
        """Names of the columns that the tables of a select have; none where they can't be told."""
        source = exp.select("*")
        for clause in ("from_", "joins", "laterals"):
            copy_clause(select, source, clause)
        engine = self.session.engine
        try:
            found = engine.columns(engine.words.sql(self.translate(source)))
        except InvalidRequestError:  # a table of a WITH around it
            return frozenset()
        return frozenset(column.name.lower() for column in found)

    def _plan(self, text: str) -> None:
        if self.planned:
            self.planned(text)


def _changes(query: exp.Query) -> bool:
    """Whether a query may give other rows each time."""
    return any(
        is_volatile(node) or isinstance(node, exp.Limit | exp.TableSample) for node in query.walk()
    )
