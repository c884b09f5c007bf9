"""What Spark answers to the expressions in ``expressions/``, and how answers are compared.

Run as a module, it asks a real Spark (a JVM and pyspark are needed) what has no answer yet and
writes it down; without ``spark.json`` it asks everything::

    TZ=UTC python -m tests.sql.spark_answers
"""

from __future__ import annotations

import datetime
import decimal
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

HERE = Path(__file__).parent / "expressions"
ANSWERS = HERE / "spark.json"
SUBJECTS = ("strings", "numbers", "dates", "nested", "queries")
ZONE = "UTC"


def queries(subject: str) -> list[str]:
    """The queries of a file; an expression alone is selected."""
    lines = (HERE / f"{subject}.sql").read_text().splitlines()
    return [
        line if line.startswith(("select ", "with ")) else f"select {line} as v"
        for line in lines
        if line
    ]


def tables() -> dict[str, str]:
    """The tables that the queries use, each with the query that makes it."""
    lines = (HERE / "tables.sql").read_text().splitlines()
    return {name: query for name, _, query in (line.partition(": ") for line in lines)}


def plain(value: Any) -> Any:
    """A value in words of JSON, the same for Spark and DuckDB."""
    if isinstance(value, bool | str) or value is None:
        return value
    if isinstance(value, int | float | decimal.Decimal):
        number = float(value)
        if not math.isfinite(number):
            return f"number {number}"
        return float(f"{number:.12g}")
    if isinstance(value, bytes | bytearray):
        return "bytes " + value.hex()
    if isinstance(value, datetime.datetime | datetime.date | datetime.time | datetime.timedelta):
        return str(value)
    if hasattr(value, "asDict"):
        return {key: plain(value[key]) for key in value.__fields__}
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return str(value)


def answer(columns: list[str], rows: list[Any], *, ordered: bool) -> dict[str, Any]:
    """Rows as they are compared: sorted, where their order means nothing."""
    values = [[plain(value) for value in row] for row in rows]
    if not ordered:
        values.sort(key=json.dumps)
    return {"columns": columns, "rows": values}


def is_ordered(query: str) -> bool:
    """The query says in which order its rows come."""
    return "order by" in query.rpartition(")")[2]


def start_spark() -> SparkSession:
    """A Spark of this machine with the tables of the queries, as Byzer runs it: not ANSI."""
    from pyspark.sql import SparkSession

    spark = (
        SparkSession.builder.master("local[1]")
        .config("spark.sql.ansi.enabled", "false")
        .config("spark.sql.session.timeZone", ZONE)
        .config("spark.sql.shuffle.partitions", "1")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .getOrCreate()
    )
    for name, query in tables().items():
        spark.sql(query).createOrReplaceTempView(name)
    return spark


def ask_spark(spark: SparkSession, query: str) -> dict[str, Any]:
    """Its answer, or the first line of its error."""
    try:
        frame = spark.sql(query)
        rows = frame.collect()
    except Exception as error:
        return {"error": str(error).split("\n")[0][:200]}
    return answer(frame.columns, rows, ordered=is_ordered(query))


def main() -> None:
    """Ask and write down."""
    spark = start_spark()
    known: dict[str, Any] = {}
    if ANSWERS.exists():
        before = json.loads(ANSWERS.read_text())
        known = {one["query"]: one for subject in SUBJECTS for one in before[subject]}
    found = {
        subject: [
            known.get(query) or {"query": query} | ask_spark(spark, query)
            for query in queries(subject)
        ]
        for subject in SUBJECTS
    }
    lines = ",\n".join(
        f'"{subject}": [\n'
        + ",\n".join(json.dumps(one, ensure_ascii=False) for one in answers)
        + "\n]"
        for subject, answers in found.items()
    )
    ANSWERS.write_text(f'{{\n"version": "{spark.version}",\n{lines}\n}}\n')
    spark.stop()


if __name__ == "__main__":
    main()
