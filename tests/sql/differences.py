"""What DuckDB answers where Spark answers something else; run as a module it writes the page.

::

    python -m tests.sql.differences
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import sqlglot

from byzer_lab.sql.language.places import ScriptError
from byzer_lab.sql.spark import install, parse_select, to_duckdb
from tests.sql.spark_answers import ANSWERS, SUBJECTS, answer, is_ordered, tables

PAGE = Path(__file__).parent.parent.parent / "docs" / "sql-differences.md"

SILENT = {
    "select upper('aß') as v": "DuckDB knows no letters that become two",
    "select 1.0 / 3 as v": "decimal numbers are divided exactly, not to a few places",
    "select cast(named_struct('a', 1) as string) as v": "the text of a struct has its names",
    "select date'2024-03-01' - date'2024-02-01' as v": "a number of days, not an interval",
    "select grp, max(named_struct('s', score, 'n', name)).n m from people group by grp order by "
    "grp": "NULL in a struct is larger than every value, not smaller",
}
"""Other values without an error, and why."""


@dataclass(frozen=True)
class Difference:
    """A query that the two do not answer alike.

    Attributes:
        query: Spark's.
        spark: Its rows.
        ours: Our rows, or why there are none.
        refused: There are none.
    """

    query: str
    spark: Any
    ours: Any
    refused: bool


def connect() -> duckdb.DuckDBPyConnection:
    """DuckDB with the tables of the queries."""
    connection = duckdb.connect()
    connection.execute("set timezone='UTC'")
    install(connection)
    for name, query in tables().items():
        connection.execute(f"create table {name} as {to_duckdb(parse_select(query))}")
    return connection


def ask(connection: duckdb.DuckDBPyConnection, query: str, *, again: bool = False) -> Any:
    """Our answer, as Spark's are written down.

    Args:
        connection: See :func:`connect`.
        query: Spark's.
        again: Read the translation once more, as lifting model calls does.
    """
    sql = to_duckdb(parse_select(query))
    if again:
        read = sqlglot.parse_one(sql, read="duckdb")
        sql = read.sql("duckdb", normalize_functions=False, comments=False)
    cursor = connection.execute(sql)
    columns = [column[0] for column in cursor.description or []]
    return answer(columns, cursor.fetchall(), ordered=is_ordered(query))


@cache
def recorded() -> dict[str, dict[str, Any]]:
    """Spark's answers by the query, without those that Spark refuses."""
    found = json.loads(ANSWERS.read_text())
    return {
        one["query"]: one for subject in SUBJECTS for one in found[subject] if "error" not in one
    }


def differences() -> list[Difference]:
    """All of them."""
    connection = connect()
    found = []
    for query, spark in recorded().items():
        try:
            ours: Any = ask(connection, query)["rows"]
            refused = False
        except ScriptError as error:
            ours, refused = f"{error.problem}. {error.hint}", True
        except duckdb.Error as error:
            ours, refused = f"DuckDB: {type(error).__name__}", True
        if ours != spark["rows"]:
            found.append(Difference(query, spark["rows"], ours, refused))
    connection.close()
    return found


def page(found: list[Difference]) -> str:
    """The page of the documentation."""
    number = len(recorded())
    version = json.loads(ANSWERS.read_text())["version"]
    lines = [
        "# Where DuckDB's answers are not Spark's",
        "",
        "Queries of `%%llm_sql` are Spark SQL, run by DuckDB. This page is written by",
        "`python -m tests.sql.differences`: it compares the answers to "
        f"{number} expressions and queries",
        f"(`tests/sql/expressions/`) with those of Spark {version}, ANSI mode off. "
        f"{number - len(found)} are equal",
        f"({100 * (number - len(found)) / number:.1f} %).",
        "",
        "## Other values",
        "",
        "| query | Spark | here | why |",
        "|---|---|---|---|",
        *(
            f"| {_code(one.query)} | {_code(one.spark)} | {_code(one.ours)} | "
            f"{SILENT.get(one.query, '')} |"
            for one in found
            if not one.refused
        ),
        "",
        "What no expression alone can show: `to_json` keeps NULL fields of structs that stand in",
        "arrays; a column without a name has another one (`count_star()`), so give it one with",
        "`as`; regular expressions are RE2's, which has no look-around.",
        "",
        "## Refused",
        "",
        "| query | Spark | what is said |",
        "|---|---|---|",
        *(
            f"| {_code(one.query)} | {_code(one.spark)} | {_cell(one.ours)} |"
            for one in found
            if one.refused
        ),
        "",
    ]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.strip().replace("|", "\\|").replace("\n", " ")


def _code(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"`{_cell(text)}`"


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(differences()))


if __name__ == "__main__":
    main()
