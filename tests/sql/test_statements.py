"""Statements: files, variables, tables, commands, checks."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import openpyxl  # type: ignore[import-untyped]
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from byzer_lab.errors import ByzerLabError, InvalidRequestError
from byzer_lab.sql.commands.checks import AssertionFailedError
from tests.sql.conftest import Lab

PEOPLE = [{"id": 1, "name": "Ann"}, {"id": 2, "name": "Bob"}, {"id": 3, "name": None}]


@pytest.fixture
def people(lab: Lab) -> Lab:
    lab.names["people"] = PEOPLE
    return lab


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("parquet", ""),
        ("json", ""),
        ("jsonl", ""),
        ("csv", 'where header="true" and inferSchema="true"'),
    ],
)
@pytest.mark.parametrize("path", ["out/data", "out/data.{}", "out/{}"])
def test_files_there_and_back(people: Lab, kind: str, options: str, path: str) -> None:
    path = path.format(kind)
    header = 'where header="true"' if kind == "csv" else ""
    people.run(f"save overwrite people as {kind}.`{path}` {header};")
    rows = people.run(
        f"load {kind}.`{path}` {options} as back; select * from back order by id as b;"
    )
    assert rows == PEOPLE
    assert Path(path).is_dir() == ("." not in path)
    assert [file.name for file in Path("out").iterdir()] == [Path(path).name]  # nothing half-done


def test_the_four_modes(people: Lab) -> None:
    count = "load parquet.`out` as back; select count(*) as c from back as counted;"
    people.run("save people as parquet.`out`;")
    with pytest.raises(InvalidRequestError, match="is there already"):
        people.run("save people as parquet.`out`;")
    people.run("save ignore people as parquet.`out`;")
    assert "nothing was saved" in people.said[-1]
    assert people.run(count) == [{"c": 3}]
    people.run("save append people as parquet.`out`;")
    assert people.run(count) == [{"c": 6}]
    people.run("save overwrite people as parquet.`out`;")
    assert people.run(count) == [{"c": 3}]


def test_a_save_that_fails_leaves_what_is_there(people: Lab) -> None:
    people.run("save people as csv.`out.csv`;")
    before = Path("out.csv").read_text()
    with pytest.raises(InvalidRequestError, match="no option 'hedaer'; did you mean 'header'"):
        people.run('save overwrite people as csv.`out.csv` where hedaer="true";')
    assert Path("out.csv").read_text() == before
    assert [file.name for file in Path().glob("*out*")] == ["out.csv"]


def test_parts_and_partitions(people: Lab) -> None:
    people.run('save people as json.`parts` where fileNum="3";')
    assert len(list(Path("parts").iterdir())) == 3
    people.run("save people as parquet.`by` partitionBy name;")
    assert Path("by/name=Ann").is_dir()
    rows = people.run("load parquet.`by` as back; select id from back where name = 'Bob' as b;")
    assert rows == [{"id": 2}]


def test_csv_as_spark_reads_it(lab: Lab) -> None:
    Path("a.csv").write_text("id;name\n1;'x;y'\n")
    assert lab.run("load csv.`a.csv` where sep=';' and quote=\"'\" as t;") == [
        {"_c0": "id", "_c1": "name"},
        {"_c0": "1", "_c1": "x;y"},
    ]


def test_texts(lab: Lab) -> None:
    folder = Path("texts")
    folder.mkdir()
    (folder / "a.txt").write_text("one\ntwo\n")
    (folder / "b.txt").write_text("three")
    whole = lab.run(
        f'load text.`file://{folder.absolute()}/*` where wholetext="true" as t;'
        "select value as text, file from t order by file as n;"
    )
    assert [row["text"] for row in whole] == ["one\ntwo\n", "three"]
    assert [Path(row["file"]).name for row in whole] == ["a.txt", "b.txt"]
    lines = lab.run("load text.`texts` as t; select value from t order by value as n;")
    assert [row["value"] for row in lines] == ["one", "three", "two"]


def test_workbooks(people: Lab) -> None:
    people.run("save people as excel.`a.xlsx`;")
    rows = people.run('load excel.`a.xlsx` where header="true" and inferSchema="true" as back;')
    assert rows == PEOPLE
    book = openpyxl.load_workbook("a.xlsx")
    book.create_sheet("more")["B6"] = "here"
    book.save("a.xlsx")
    assert people.run("load excel.`a.xlsx` where dataAddress=\"'more'!B6:C7\" as t;")[0] == {
        "_c0": "here",
        "_c1": None,
    }
    with pytest.raises(InvalidRequestError, match="no sheet 'nope'; it has: Sheet1, more"):
        people.run('load excel.`a.xlsx` where sheetName="nope" as t;')


def test_texts_of_the_script(lab: Lab) -> None:
    rows = lab.run(
        'set j=\'\'\'{"a": 1, "b": "it\'s; ok"}\n{"a": 2}\'\'\';'
        "load jsonStr.`j` as t; select * from t order by a as n;"
    )
    assert rows == [{"a": 1, "b": "it's; ok"}, {"a": 2, "b": None}]
    assert lab.run("set c='''a,b\n1,2''';load csvStr.`c` where header='true' as t;") == [
        {"a": "1", "b": "2"}
    ]
    assert lab.run("set s='''x; 'y''';load script.`s` as t;") == [{"content": "x; 'y"}]


@pytest.mark.parametrize(
    "data",
    [
        pd.DataFrame(PEOPLE),
        pl.DataFrame(PEOPLE),
        pl.DataFrame(PEOPLE).lazy(),
        pa.Table.from_pylist(PEOPLE),
        PEOPLE,
        {"id": [1, 2, 3], "name": ["Ann", "Bob", None]},
    ],
    ids=["pandas", "polars", "lazy", "arrow", "list", "dict"],
)
def test_data_of_the_notebook(lab: Lab, data: object) -> None:
    lab.names["data"] = data
    assert lab.run("select name from data where id = 2 as t;") == [{"name": "Bob"}]


def test_the_notebooks_data_is_looked_up_anew(lab: Lab) -> None:
    for value in (1, 2):
        lab.names["data"] = [{"a": value}]
        assert lab.run("select a from data as t;") == [{"a": value}]


def test_a_name_made_again_leaves_others_alone(people: Lab) -> None:
    people.run("select id from people as t; select id + 1 as id from t as u;")
    people.run("select id * 10 as id from t as t;")
    assert people.run("select min(id) as i from t as x;") == [{"i": 10}]
    assert people.run("select min(id) as i from u as x;") == [{"i": 2}]


def test_variables(lab: Lab) -> None:
    rows = lab.run(
        "set a='''${b} and c'''; set b='it''s'; set n='`x`' where scope='session';"
        "select '${a}' as a, '${nobody}' as n as t;"
    )
    assert rows[0]["n"] == "${nobody}"
    assert rows[0]["a"].endswith("and c")
    assert lab.run("select '${n}' as n, '${a}' as a as t;") == [{"n": "`x`", "a": "${a}"}]
    assert lab.run("set d='1' where type='defaultParam'; set d='2' where type='defaultParam';"
                   "select '${d}' as d as t;") == [{"d": "1"}]  # fmt: skip
    assert lab.run("select 7 as x as t; set q=`select max(x) from t` where type='sql';"
                   "select ${q} + 1 as q as u;") == [{"q": 8}]  # fmt: skip


def test_values_are_data_and_no_code(lab: Lab) -> None:
    hostile = "x'); drop table t; select (' "
    rows = lab.run(f"set v='''{hostile}'''; select '${{v}}' as v as t;")
    assert rows == [{"v": hostile}]
    assert lab.run("select * from t as u;") == rows


def test_secrets_enter_no_query_and_no_error(lab: Lab) -> None:
    script = "set key='hunter-secret' where visibility='un_select'; "
    assert lab.run(script + "select '${key}' as k as t;") == [{"k": "${key}"}]
    with pytest.raises(InvalidRequestError) as caught:
        lab.run(script + "load csv.`/nowhere/${key}` as t;")
    assert "hunter" not in caught.value.message
    assert "/nowhere/" in caught.value.message


def test_the_shell_is_off(lab: Lab) -> None:
    script = "set x=`echo hello` where type='shell'; select '${x}' as x as t;"
    with pytest.raises(InvalidRequestError, match="is off"):
        lab.run(script)
    lab.session.allow_shell = True
    assert lab.run(script) == [{"x": "hello"}]


def test_macros(lab: Lab) -> None:
    lab.run("set make='''select {0} as a, '{1:none}' as b as made;''' where scope='session';")
    assert lab.run("!make 5;") == [{"a": 5, "b": "none"}]
    assert lab.run("""!make 5 "it's";""") == [{"a": 5, "b": "it's"}]


def test_functions_of_python(people: Lab) -> None:
    rows = people.run(
        "register ScriptUDF.`` as shout where lang='python' and code='''\n"
        "def apply(text: str, times: int = 1) -> str:\n    return (text or '?').upper() * times\n"
        "'''; select shout(name) as a, shout(name, 2) as b from people order by id as t;"
    )
    assert rows[0] == {"a": "ANN", "b": "ANNANN"}
    assert rows[2]["a"] == "?"
    with pytest.raises(InvalidRequestError, match=r"shout\(.*failed: TypeError"):
        people.run("select shout(name, 'x') as a from people as t;")
    with pytest.raises(InvalidRequestError, match="written in Python only"):
        people.run("register ScriptUDF.`` as f where lang='scala' and code='''x''';")


def test_databases(people: Lab) -> None:
    people.run(
        "connect jdbc where url='jdbc:sqlite:a.db' and driver='org.sqlite.JDBC' as db1;"
        "save overwrite people as jdbc.`db1.people`; save append people as jdbc.`db1.people`;"
    )
    assert sqlite3.connect("a.db").execute("select count(*) from people").fetchone() == (6,)
    rows = people.run(
        "load jdbc.`db1.people` where directQuery='select max(id) m from people' as t;"
    )
    assert rows == [{"m": 3}]
    people.run("connect jdbc where url='jdbc:duckdb:b.duckdb' as db2; save people as jdbc.`db2.p`;")
    rows = people.run("load jdbc.`db2.p` as t; select count(*) as c from t as u;")
    assert rows == [{"c": 3}]
    with pytest.raises(InvalidRequestError, match="connections: db1, db2"):
        people.run("load jdbc.`db3.p` as t;")


def test_includes(lab: Lab) -> None:
    Path("inner.bsql").write_text("set x='1';\nselect ${x} as a as within;")
    Path("outer.bsql").write_text("include project.`inner.bsql`;\n")
    assert lab.run("include project.`outer`; select a + 1 as b from within as t;") == [{"b": 2}]
    Path("loop.bsql").write_text("include project.`loop.bsql`;")
    with pytest.raises(InvalidRequestError, match="include one another"):
        lab.run("include project.`loop.bsql`;")


def test_branches(people: Lab) -> None:
    script = """
        !if ''' select count(*) from people as :n; :n > {} ''';
        !then; !println '''many'''; select 'many' as a as t;
        !elif ''' :n = 3 '''; select 'three' as a as t;
        !else; select 'few' as a as t;
        !fi;
    """
    assert people.run(script.format(2)) == [{"a": "many"}]
    assert people.said == ["many"]
    assert people.run(script.format(3)) == [{"a": "three"}]
    assert people.run(script.format(3).replace("= 3", "= 4")) == [{"a": "few"}]


def test_checks(people: Lab) -> None:
    people.run("select * from people as t; !assert t ''' id > 0 ''' \"positive\";")
    with pytest.raises(AssertionFailedError, match="named all"):
        people.run('!assertNotNull t "id,name" "not named all";')
    people.run('!assertUniqueKey t "id";')
    with pytest.raises(AssertionFailedError, match="rows do not fit"):
        people.run("!assertCondition t \"name = 'Ann'\";")


def test_commands(people: Lab) -> None:
    people.run("select * from people as t;")
    assert people.run("!desc t;")[0] == {"col_name": "id", "data_type": "BIGINT"}
    assert people.run("!show tables;") == [{"tableName": "t", "columns": 2}]
    assert people.run("select 1 as a as u; !lastTableName;") == [{"tableName": "u"}]
    assert people.run("select 2 as a as u; !lastCommand named w;") == [{"a": 2}]
    with pytest.raises(InvalidRequestError, match="no command !shw; did you mean !show"):
        people.run("!shw tables;")
    with pytest.raises(InvalidRequestError, match="!hdfs is not supported"):
        people.run("!hdfs -ls /;")
    assert people.run('!byzerllm setup single; !byzerllm setup "num_gpus=4";')[1]["value"] == "4"
    with pytest.raises(InvalidRequestError, match="no key 'num_gpsu'"):
        people.run('!byzerllm setup "num_gpsu=4";')


def test_repartition(people: Lab) -> None:
    rows = people.run(
        'run people as TableRepartition.`` where partitionNum="12" and partitionCols="id" \nas t;'
        "select count(*) as c from t as u;"
    )
    assert rows == [{"c": 3}]
    with pytest.raises(InvalidRequestError, match="needs partitionNum"):
        people.run("run people as TableRepartition.`` as t;")


def test_tables_of_sql(lab: Lab) -> None:
    lab.run("create table t as select 1 as a; insert into t select 2;")
    assert lab.run("select sum(a) as s from t as u;") == [{"s": 3}]
    lab.run("drop table t;")
    with pytest.raises(InvalidRequestError, match="no table 't'"):
        lab.run("select * from t as v;")


def test_errors_have_their_line(lab: Lab) -> None:
    with pytest.raises(ByzerLabError) as caught:
        lab.run("select 1 as a as t;\n\nselect nothing from t as u;")
    assert caught.value.message.startswith("Line 3: ")
    assert "@" not in caught.value.message
    assert lab.session.tables.names() == ["t"]


def test_errors_in_a_query_have_their_place(lab: Lab) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        lab.run("select 1 as a as t;\n\nselect a,\n  java_method(a) as b\nfrom t as u;")
    assert caught.value.message.startswith("Line 4, column 3: ")
    assert caught.value.message.splitlines()[1:] == ["    java_method(a) as b", "    ^"]
    with pytest.raises(InvalidRequestError) as caught:
        lab.run("set x='a' where visibility='un_select';\n\nset y='b'; select ${y} + from as t;")
    assert caught.value.message.startswith("Line 3, ")


@pytest.mark.parametrize("kind", ["hive", "kafka", "xml", "nope"])
def test_formats_that_are_not_there(lab: Lab, kind: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"{kind}"):
        lab.run(f"load {kind}.`x` as t;")
