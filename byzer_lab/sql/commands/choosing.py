"""``!if``: which branch runs."""

from __future__ import annotations

from collections.abc import Sequence

from byzer_lab.errors import InvalidRequestError
from byzer_lab.sql.commands.queries import Queries
from byzer_lab.sql.language.conditions import bind, read_condition
from byzer_lab.sql.language.statements import If, Statement


def chosen(queries: Queries, statement: If) -> Sequence[Statement]:
    """The statements of the first branch whose condition holds."""
    variables = queries.session.variables
    known = {name: literal(variables.text(name)) for name in variables.values(secrets=False)}
    values: dict[str, str] = {}

    def value(name: str) -> str:
        if name not in values and name not in known:
            raise InvalidRequestError(
                f"The condition uses :{name}, which is neither a variable nor named in the "
                "condition."
            )
        return values.get(name) or known[name]

    for branch in statement.branches:
        condition = read_condition(variables.fill_query(branch.condition.value))
        for step in condition.steps:
            values[step.name] = literal(first_value(queries, bind(step.query, value)))
        if holds(queries, bind(condition.expression, value)):
            return branch.body
    return statement.otherwise


def holds(queries: Queries, condition: str) -> bool:
    """Whether a condition holds, such as ``1 < 2``; one that is NULL does not."""
    return first_value(queries, f"select cast(({condition}) as boolean) as holds") is True


def first_value(queries: Queries, query: str) -> object:
    """The first value of a query's first row; ``None`` where there is none."""
    rows = queries.session.engine.query(queries.rows(query))
    return rows.column(0)[0].as_py() if rows.num_rows and rows.num_columns else None


def literal(value: object) -> str:
    """A value as Spark SQL writes it; a text that is a number is one."""
    if value is None:
        return "null"
    text = str(value)
    try:
        float(text)
    except ValueError:
        escaped = text.replace("\\", "\\\\").replace("'", "\\'")
        return f"'{escaped}'"
    return text
