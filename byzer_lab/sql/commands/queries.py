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
from byzer_lab.sql.models.trees import sql
from byzer_lab.sql.spark import parse_select, to_duckdb

Dialect = Literal["spark", "duckdb"]

_VOLATILE = (exp.Rand, exp.Randn, exp.Uuid, exp.Limit, exp.TableSample, exp.CurrentTimestamp)
_VOLATILE_NAMES = {"random", "now", "gen_random_uuid", "shuffle", "monotonically_increasing_id"}


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
        query = self.parse(text)
        needs = tables.resolve(query)
        translated = self.translate(query)
        made = tables.fresh(name)
        called = self.session.lifted().has(translated)
        if called:
            self._make(made, translated.copy())
        elif _is_volatile(translated):
            self._plan(f"{name}: kept, because it would not give the same rows twice")
            self.session.engine.create(made, sql(translated))
        else:
            self._plan(f"{name}: a view, no model is called")
            self.session.engine.view(made, sql(translated))
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
            engine.create(made, sql(lifter.lift(query)))
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
        try:
            query = sqlglot.parse_one(text, read="duckdb")
        except SqlglotError as error:
            raise InvalidRequestError(f"The query can't be read: {error}.") from error
        if not isinstance(query, exp.Query):
            raise InvalidRequestError("This is no query; it must begin with select or with.")
        return query

    def translate(self, query: exp.Query) -> exp.Query:
        """A query as the engine reads it."""
        if self.dialect == "duckdb":
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
        return sql(translated)

    def _plan(self, text: str) -> None:
        if self.planned:
            self.planned(text)


def _is_volatile(query: exp.Query) -> bool:
    return any(
        isinstance(node, _VOLATILE)
        or (isinstance(node, exp.Anonymous) and node.name.lower() in _VOLATILE_NAMES)
        for node in query.walk()
    )
