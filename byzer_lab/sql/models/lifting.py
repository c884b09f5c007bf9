"""Model calls, lifted out of a query.

The query is worked through in the order in which it is evaluated: conditions without calls first,
then the calls of WHERE for the rows that are left, those of GROUP BY, HAVING and ORDER BY, then
LIMIT, and last those of the select list, for the rows that the query gives. Each time the distinct
questions are asked in one pass, and the call becomes a look-up in the table of answers. Before the
calls of the select list are answered, the rows are kept in a table, so that every stage sees the
same ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlglot import exp

from byzer_lab.errors import InvalidRequestError
from byzer_lab.sql.engine.base import Engine
from byzer_lab.sql.models.calls import ERROR_OF, Call, Functions, conjuncts
from byzer_lab.sql.models.guards import guard_of
from byzer_lab.sql.models.laterals import set_aside
from byzer_lab.sql.models.parts import Parts
from byzer_lab.sql.models.pushing import push
from byzer_lab.sql.models.splicing import Splicer
from byzer_lab.sql.models.trees import copy_clause, rename

KEY = "__key"


@dataclass(frozen=True)
class Stage:
    """One pass.

    Attributes:
        call: What is called.
        questions: A query with one column :data:`KEY`: the arguments of each distinct question,
            as the text of a JSON array.
        listed: The argument is an array.
    """

    call: Call
    questions: str
    listed: bool


Answering = Callable[[Stage], str]
"""Answers the questions of a stage; the name of their table, see
:mod:`byzer_lab.sql.models.splicing`."""


class Lifter:
    """Lifts the calls out of one query.

    Args:
        engine: Evaluates everything else.
        functions: Finds the calls.
        answering: Answers questions.
        name: Makes the name of a new table.
    """

    def __init__(
        self,
        engine: Engine,
        functions: Functions,
        answering: Answering,
        name: Callable[[str], str],
    ) -> None:
        self._engine = engine
        self._words = engine.words
        self._splicer = Splicer(engine.words)
        self._functions = functions
        self._answering = answering
        self._name = name
        self._kept: list[str] = []
        self._tables: dict[tuple[object, str], str] = {}

    def lift(self, query: exp.Query) -> exp.Query:
        """A query without calls that has the same rows. Tables that it needs stand until
        :meth:`close`."""
        self._functions.gather(query, self._words.texts)
        return self._query(query)

    def close(self) -> None:
        """Drop what was kept on the way."""
        while self._kept:
            self._engine.drop(self._kept.pop())

    def _query(self, query: exp.Query) -> exp.Query:
        if not self._functions.has(query):
            return query
        self._common_tables(query)
        if isinstance(query, exp.Subquery):
            query.set("this", self._query(query.this))
            return query
        if isinstance(query, exp.SetOperation):
            for side in ("this", "expression"):
                lifted = self._query(query.args[side])
                # A kept select is ordered, which a side of a UNION can be in parentheses only.
                query.set(side, exp.paren(lifted) if lifted.args.get("order") else lifted)
            if self._functions.has(query):
                raise InvalidRequestError(
                    "A model is called in the ORDER BY or LIMIT of a UNION; name the answer in the "
                    "select list and order by that name."
                )
            return query
        if not isinstance(query, exp.Select):
            raise InvalidRequestError(
                f"Models can be called in SELECT only, not in {type(query).__name__.upper()}."
            )
        return self._select(query)

    def _common_tables(self, query: exp.Query) -> None:
        """Give each WITH table a name of its own in the engine."""
        clause = query.args.get("with_")
        if clause is None:
            return
        query.set("with_", None)
        for table in clause.expressions:
            body = table.this
            self._push_into(table.alias, body, query, clause)
            names = [column.name for column in table.args["alias"].columns]
            kept = self._keep(self._query(body), names)
            rename(query, table.alias, kept)
            for later in clause.expressions:
                rename(later, table.alias, kept)

    def _push_into(self, name: str, body: exp.Expr, query: exp.Query, clause: exp.Expr) -> None:
        """Let a WITH table know what its only reader demands."""
        readers = [
            table
            for root in (query, clause)
            for table in root.find_all(exp.Table)
            if table.name.lower() == name.lower() and not table.db
        ]
        reader = readers[0].parent_select if len(readers) == 1 else None
        if isinstance(reader, exp.Select) and self._functions.has(body):
            push(reader, readers[0].alias_or_name, body, self._functions)

    def _keep(self, query: exp.Query, columns: Sequence[str] = (), *, placed: bool = False) -> str:
        name = self._name("rows")
        text = self._words.sql(query)
        if columns:
            listed = ", ".join(self._words.quoted(one) for one in columns)
            text = f"select * from ({text}) as kept({listed})"
        self._engine.create(name, text, placed=placed)
        self._kept.append(name)
        return name

    def _select(self, select: exp.Select) -> exp.Query:
        self._sources(select)
        self._inner_queries(select)
        with set_aside(select, self._functions) as views:
            for view in views:
                self._answer(view, select)
        self._where(select)
        self._grouping(select)
        qualify = select.args.get("qualify")
        if qualify is not None:
            self._answer(qualify, select)
        self._inside_aggregates(select)
        places = [*select.expressions, select.args.get("having"), select.args.get("order")]
        if any(self._functions.has(place) for place in places):
            return self._frozen(select)
        return select

    def _sources(self, select: exp.Select) -> None:
        """Derived tables first; the conditions of inner joins are conditions of WHERE."""
        joins = select.args.get("joins") or []
        from_ = select.args.get("from_")
        sources = [from_.this] if from_ else []
        for source in [*sources, *(join.this for join in joins)]:
            if isinstance(source, exp.Subquery) and self._functions.has(source):
                push(select, source.alias, source.this, self._functions)
                alias = source.args.get("alias")
                names = [column.name for column in alias.columns] if alias else []
                table = exp.to_table(self._keep(self._query(source.this), names))
                table.this.set("quoted", True)
                if source.alias:
                    table.set("alias", exp.TableAlias(this=exp.to_identifier(source.alias)))
                source.replace(table)
        for join in joins:
            on = join.args.get("on")
            if on is None or not self._functions.has(on):
                continue
            join.set("on", None)
            join.set("kind", "CROSS")
            select.where(on.copy(), copy=False)

    def _inner_queries(self, select: exp.Select) -> None:
        """Queries inside expressions."""
        for inner in list(select.find_all(exp.Query)):
            if inner is select or not self._functions.has(inner):
                continue
            owner = inner.parent_select
            if owner is select and isinstance(inner, exp.Select | exp.SetOperation):
                inner.replace(self._query(inner))

    def _where(self, select: exp.Select) -> None:
        where = select.args.get("where")
        if where is None or not self._functions.has(where):
            return
        parts = conjuncts(where.this)
        cheap = [part for part in parts if not self._functions.has(part)]
        select.set("where", None)
        for part in cheap:
            select.where(part.copy(), copy=False)
        for part in parts:
            if self._functions.has(part):
                holder = exp.Paren(this=part.copy())
                self._answer(holder, select)
                select.where(holder.this, copy=False)

    def _inside_aggregates(self, select: exp.Select) -> None:
        """Calls whose answers are gathered: asked for rows, before they are grouped."""
        places = [*select.expressions, select.args.get("having"), select.args.get("order")]
        for place in places:
            for node in list(place.find_all(exp.Func, exp.Window)) if place else []:
                gathers = isinstance(node, exp.Window) or self._functions.is_aggregate(node)
                if gathers and self._functions.has(node) and node.parent_select is select:
                    self._answer(node, select)

    def _answer(self, root: exp.Expr, select: exp.Select) -> None:
        """Answer the calls below a node of a select, one stage after another."""
        while (call := next(self._functions.calls(root), None)) is not None:
            first = call.arguments[0]
            rows = exp.select("*")
            for clause in ("from_", "joins", "laterals", "where"):
                copy_clause(select, rows, clause)
            listed = False
            if call.kind == "chat":
                [column] = self._engine.columns(
                    self._words.sql(rows.select(exp.alias_(first.copy(), KEY), append=False))
                )
                listed = column.listed
            key = self._words.json(call.arguments)
            guard = guard_of(call.node, self._functions)
            if len(call.arguments) == 1 and call.kind != "python":
                there = exp.Not(this=exp.Is(this=exp.paren(first), expression=exp.null()))
                guard = exp.and_(guard, there) if guard is not None else there
            rows.select(exp.alias_(_when(guard, key), KEY), append=False, copy=False)
            table = self._answered(call, rows, listed=listed)
            parent = call.node.parent
            error = isinstance(parent, exp.Anonymous) and parent.name.lower() == ERROR_OF
            if error and parent is not None and call.kind != "chat":
                self._splicer.splice(parent, "error", select, table, key)
            else:
                self._splicer.splice(call.node, "answer", select, table, key)

    def _answered(self, call: Call, rows: exp.Select, *, listed: bool) -> str:
        """The table of the answers for these rows."""
        numbered = exp.select(exp.column(KEY), exp.alias_(self._words.number(), "__number"))
        numbered = numbered.from_(rows.subquery("__rows"))
        # In the order of the rows, so that what a budget or an interrupt leaves is the end of them.
        questions = (
            exp.select(exp.column(KEY))
            .from_(numbered.subquery("__numbered"))
            .where(exp.Not(this=exp.Is(this=exp.column(KEY), expression=exp.null())))
            .group_by(exp.column(KEY))
            .order_by(exp.Min(this=exp.column("__number")))
        )
        text = self._words.sql(questions)
        asked = ((call.kind, call.model, call.node.name, call.schema), text)
        if asked not in self._tables:
            self._tables[asked] = self._answering(Stage(call, text, listed))
            self._kept.append(self._tables[asked])
        return self._tables[asked]

    def _grouping(self, select: exp.Select) -> None:
        """Answer the calls of GROUP BY, and let the other clauses use the same answers."""
        group = select.args.get("group")
        if group is None:
            return
        items = {item.alias: item.unalias() for item in select.expressions if item.alias}
        listed = group.expressions
        if group.args.get("all"):
            listed = [
                item.unalias()
                for item in select.expressions
                if not any(self._functions.is_aggregate(node) for node in item.walk())
            ]
            group.set("all", None)
        keys: list[exp.Expr] = []
        for key in listed:
            meant = items.get(key.name) if isinstance(key, exp.Column) and not key.table else None
            if isinstance(key, exp.Literal) and not key.is_string:
                meant = select.expressions[int(key.this) - 1].unalias()
            called = meant is not None and self._functions.has(meant)
            keys.append((meant if meant is not None and called else key).copy())
        group.set("expressions", keys)
        write = self._words.sql
        written = [write(key) if self._functions.has(key) else "" for key in keys]
        self._answer(group, select)
        answered = dict(zip(written, group.expressions, strict=True))
        for clause in ("expressions", "having", "order", "qualify"):
            part = select.args.get(clause)
            for root in part if isinstance(part, list) else [part] if part else []:
                for node in list(root.walk()):
                    if node.parent and self._functions.has(node) and write(node) in answered:
                        node.replace(answered[write(node)].copy())

    def _frozen(self, select: exp.Select) -> exp.Query:
        """Keep the rows with all that the calls of the select list ask, then answer them."""
        items = self._spelt_out(select)
        order = select.args.get("order")
        orders = order.expressions if order else []
        distinct = select.args.get("distinct")
        called = {
            item.alias: item.unalias() for item in items if item.alias and self._functions.has(item)
        }
        inner = select.copy()
        conditions = self._take_having(inner, called)
        outside = bool(distinct or conditions) or any(
            self._functions.has(one) or any(c.name in called for c in one.find_all(exp.Column))
            for one in orders
        )
        inner.set("distinct", None)
        parts = Parts(self._functions, self._words)
        outer = [parts.item(item) for item in items]
        conditions = [parts.condition(one) for one in conditions]
        after = [parts.order(one, {item.alias for item in items}) for one in orders]
        if outside:
            for clause in ("order", "limit", "offset"):
                inner.set(clause, None)
        else:
            parts.drop_orders()
        inner.set("expressions", parts.columns or [exp.alias_(exp.Literal.number(1), "__one")])
        kept = exp.to_table(self._keep(inner, placed=not outside), alias="kept")
        kept.this.set("quoted", True)
        whole = exp.select("*").from_(kept.copy())
        found = [column.name for column in self._engine.columns(self._words.sql(whole))]
        found = [name for name in found if name != self._words.place]
        result = exp.select(*parts.with_stars(outer, found)).from_(kept)
        if distinct:
            result.set("distinct", distinct.copy())
        if outside:
            if after:
                result.set("order", exp.Order(expressions=after))
            for clause in ("limit", "offset"):
                copy_clause(select, result, clause)
        else:
            result = result.order_by(exp.column(self._words.place, table="kept"), copy=False)
        for condition in conditions:
            holder = exp.Paren(this=condition)
            self._answer(holder, result)
            result.where(holder.this, copy=False)
        for part in [*result.expressions, result.args.get("order")]:
            if part is not None:
                self._answer(part, result)
        return result

    def _take_having(self, select: exp.Select, called: dict[str, exp.Expr]) -> list[exp.Expr]:
        """The conditions of HAVING with calls, taken out of a select; names of answers are spelt
        out in them."""
        having = select.args.get("having")
        if having is None:
            return []
        taken: list[exp.Expr] = []
        left: list[exp.Expr] = []
        for part in conjuncts(having.this):
            holder = exp.Paren(this=part.copy())
            for column in list(holder.find_all(exp.Column)):
                if not column.table and column.name in called:
                    column.replace(exp.Paren(this=called[column.name].copy()))
            (taken if self._functions.has(holder) else left).append(holder.this)
        select.set("having", exp.Having(this=exp.and_(*left)) if left else None)
        return taken

    def _spelt_out(self, select: exp.Select) -> list[exp.Expr]:
        """The select list; answers that a later item uses by their name are spelt out there."""
        if not any(item.alias and self._functions.has(item) for item in select.expressions):
            return [item.copy() for item in select.expressions]
        known: set[str] = set()
        if select.args.get("from_") is not None:
            source = exp.select("*")
            for clause in ("from_", "joins", "laterals"):
                copy_clause(select, source, clause)
            known = {
                column.name.lower() for column in self._engine.columns(self._words.sql(source))
            }
        named: dict[str, exp.Expr] = {}
        items = []
        for item in select.expressions:
            copy = item.copy()
            for column in list(copy.find_all(exp.Column)):
                name = column.name.lower()
                if not column.table and name in named and name not in known:
                    column.replace(exp.Paren(this=named[name].copy()))
            if item.alias:
                named[item.alias.lower()] = copy.unalias()
            items.append(copy)
        return items


def _when(guard: exp.Expr | None, key: exp.Expr) -> exp.Expr:
    if guard is None:
        return key.copy()
    return exp.Case(ifs=[exp.If(this=guard, true=key.copy())])
