"""Spark's queries, translated and run by DuckDB, give what Spark gave."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from importlib.util import find_spec

import duckdb
import pytest
from sqlglot import exp

from byzer_lab.sql.language.places import Position, ScriptError
from byzer_lab.sql.spark import parse_select, to_duckdb, translate
from byzer_lab.sql.spark.functions import macros, typed
from tests.sql import differences
from tests.sql.spark_answers import (
    SUBJECTS,
    ZONE,
    ask_spark,
    queries,
    start_spark,
)


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """DuckDB with our macros and the tables of the queries."""
    made = differences.connect()
    yield made
    made.close()


@pytest.fixture(scope="module")
def found() -> list[differences.Difference]:
    """What is not equal."""
    return differences.differences()


def test_every_expression_has_an_answer_of_spark() -> None:
    listed = [query for subject in SUBJECTS for query in queries(subject)]
    assert len(listed) >= 250
    assert len(listed) == len(set(listed))
    missing = [query for query in listed if query not in differences.recorded()]
    assert missing == [], "run python -m tests.sql.spark_answers where a JVM is"


def test_nearly_all_answers_are_equal(found: list[differences.Difference]) -> None:
    assert len(found) < 0.05 * len(differences.recorded())


def test_no_other_value_is_silent_but_the_known_ones(
    found: list[differences.Difference],
) -> None:
    silent = {one.query for one in found if not one.refused}
    assert silent == set(differences.SILENT)


def test_the_page_of_differences_is_of_today(found: list[differences.Difference]) -> None:
    assert differences.PAGE.read_text() == differences.page(found)


def test_a_translation_that_is_read_again_gives_the_same(
    connection: duckdb.DuckDBPyConnection, found: list[differences.Difference]
) -> None:
    different = {one.query for one in found}
    for query, spark in differences.recorded().items():
        if query not in different:
            assert differences.ask(connection, query, again=True)["rows"] == spark["rows"], query


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(
    shutil.which("java") is None or find_spec("pyspark") is None, reason="needs Java and pyspark"
)
def test_a_real_spark_still_gives_the_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", ZONE)  # times come to Python in its own zone
    time.tzset()
    spark = start_spark()
    try:
        for query, expected in list(differences.recorded().items())[::40]:
            assert ask_spark(spark, query)["rows"] == expected["rows"], query
    finally:
        spark.stop()
        monkeypatch.undo()
        time.tzset()


def test_tables_that_a_query_reads() -> None:
    made = translate(
        "with a as (select * from x.y) select * from a join `b c` on 1 = 1, range(3), x.y"
    )
    assert made.tables == ["b c", "x.y"]


def test_functions_that_nobody_knows_stay_as_they_are() -> None:
    text = "select Chat(llm_param(map('instruction', concat(a, 'x')))) as q, convert(a) from t"
    tree = parse_select(text)
    names = [node.name for node in tree.find_all(exp.Anonymous)]
    assert {"Chat", "llm_param", "convert"} <= set(names)
    made = to_duckdb(tree)
    assert "Chat(llm_param(MAP(['instruction']," in made
    assert "convert(a)" in made
    assert to_duckdb(tree) == made  # the tree is not changed


@pytest.mark.parametrize(
    ("query", "column", "said"),
    [
        ("select a, hash(b) from t", 11, "`hash` is not supported. md5"),
        ("select date_format(d, p) from t", 8, "The pattern of `date_format`"),
        ("select date_format(d, 'QQQ') from t", 8, "`QQQ` of the date pattern"),
        ("select to_date(d, 'yyyy' ) , format_string(f, 1) from t", 30, "The format of"),
        ("select format_string('%q', 1) from t", 8, "`%q` of the format"),
        ("select format_string('%s %s', 1) from t", 8, "needs more values"),
        ("select from_json(a, b) from t", 8, "The schema of `from_json`"),
        ("select from_json(a, 'x in t') from t", 8, "the schema `x in t`"),
        ("select initcap(a, b) from t", 8, "`initcap` takes 1 arguments, not 2"),
        ("select date_trunc('aeon', d) from t", 8, "is no unit of time"),
        ("select sha2(a, 512) from t", 8, "256 bits only"),
        ("select #foreach($a in $b) $a #end", 8, "Velocity"),
        ("select 1 + explode(a) from t", 12, "inside of another expression"),
        ("select id, stack(n, 1) from t", 12, "a number of rows"),
        ("select array_sort(a, (x, y) -> 1) from t", 8, "`array_sort` with a function"),
        ("select encode(a, 'gbk') from t", 8, "UTF-8 only"),
    ],
)
def test_what_is_not_supported_is_refused_by_name_and_place(
    query: str, column: int, said: str
) -> None:
    with pytest.raises(ScriptError) as raised:
        to_duckdb(parse_select(query))
    assert said in raised.value.message
    assert raised.value.at == Position(1, column)


def test_places_of_a_query_are_places_of_its_script() -> None:
    with pytest.raises(ScriptError, match="Line 7, column 3: `hash`"):
        translate("select a,\n  hash(b)\nfrom t", at=Position(6, 12))
    with pytest.raises(ScriptError, match="Line 6, column 19: `hash`"):
        translate("select hash(b) from t", at=Position(6, 12))


@pytest.mark.parametrize("text", ["select from", "select (1", "select 'a", "drop table t", "", "1"])
def test_what_is_no_query_is_told(text: str) -> None:
    with pytest.raises(ScriptError):
        parse_select(text)


@pytest.mark.parametrize("value", ["it's", '"', "'''", "a\\", "\\'; drop table people; --", "\n"])
def test_a_literal_is_data(connection: duckdb.DuckDBPyConnection, value: str) -> None:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    query = parse_select(f"select '{escaped}' as v, concat('{escaped}', '!') as w")
    assert connection.execute(to_duckdb(query)).fetchall() == [(value, value + "!")]


def test_macros_are_found_in_their_files() -> None:
    assert macros()["substring"] == [["text_s", "start"], ["text_s", "start", "size"]]
    assert macros()["cast_tinyint"] == [["whole_x"], ["whole_x"]]
    assert {"spark_text", "spark_date", "spark_sequence"} <= typed()
    assert "spark_substring" not in typed()


def test_macros_are_made_twice_without_harm(connection: duckdb.DuckDBPyConnection) -> None:
    from byzer_lab.sql.spark import install

    install(connection)
    assert connection.execute("select spark_text(1.5::double)").fetchone() == ("1.5",)
