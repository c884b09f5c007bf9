"""Scripts into statements."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings, strategies

from byzer_lab.sql.language import statements as st
from byzer_lab.sql.language.parsing import parse
from byzer_lab.sql.language.places import Position, ScriptError
from byzer_lab.sql.language.statements import Quoting, Statement
from tests.sql import blocks

HOSTILE = [
    'a"b',
    "it's",
    "'''",
    "x'; drop table t; --",
    "`tick`",
    "/* not a comment */ -- nor this",
    "back\\slash\\",
    "line\nbreak\ttab",
    "${not_filled}",
    "数据；和",
    "",
]


def one(script: str) -> Statement:
    """The only statement of a script."""
    [statement] = parse(script)
    return statement


def strings(value: str) -> list[str]:
    """A value in every quoting that can hold it."""
    escaped = value.replace("\\", "\\\\")
    ways = [
        '"' + escaped.replace('"', '\\"') + '"',
        "'" + escaped.replace("'", "\\'") + "'",
        '"' + escaped.replace('"', '""') + '"',
    ]
    if "'''" not in value and not value.endswith("'"):
        ways.append(f"'''{value}'''")
    return ways


@pytest.mark.parametrize("value", HOSTILE)
def test_a_value_is_data_whatever_stands_in_it(value: str) -> None:
    for written in strings(value):
        script = f'run command as LLM.`` where action={written} and b="2"; select 1 as a as t;'
        run, select = parse(script)
        assert isinstance(run, st.Run)
        assert dict(run.options) == {"action": value, "b": "2"}, written
        assert isinstance(select, st.Select)


@pytest.mark.parametrize("value", [*HOSTILE, "a\n'''b"])
def test_set_keeps_a_value_as_it_is(value: str) -> None:
    for written in strings(value):
        statement = one(f"set name = {written};")
        assert isinstance(statement, st.Set)
        assert statement.value.value == value


@pytest.mark.parametrize("name", sorted(blocks.README))
def test_every_script_of_the_readme_is_read(name: str) -> None:
    assert parse(blocks.README[name])


def test_the_pretraining_script_of_the_readme() -> None:
    statements = parse(blocks.README["pretrain"])
    kinds = [type(one).__name__ for one in statements]
    assert kinds == ["Set", "Load", "Select", "Run", "Command", "Command", "Run"]
    config, load, select, repartition, _, _, run = statements
    assert isinstance(config, st.Set)
    assert '"train_micro_batch_size_per_gpu": 1' in config.value.value
    assert isinstance(load, st.Load)
    assert (load.format.value, load.options["wholetext"]) == ("text", "true")
    assert isinstance(select, st.Select)
    assert select.query.value == "select value as text,file from trainData"
    assert select.table.value == "newTrainData"
    assert isinstance(repartition, st.Run)
    assert repartition.output is not None
    assert repartition.output.value == "finalTrainData"
    assert isinstance(run, st.Run)
    assert run.options["sfft.int.max_length"] == "128"
    assert run.options["deepspeedConfig"] == "${ds_config}"
    assert "localDataDir" not in run.options  # it stands in a comment


@pytest.mark.parametrize(
    ("script", "name", "value", "more"),
    [
        ('set a="1";', "a", "1", {}),
        ("SET A = '1'", "A", "1", {}),
        ("\ufeffset a='1'", "a", "1", {}),
        ("set a=1;", "a", "1", {}),
        ("set a=-1.5e3;", "a", "-1.5e3", {}),
        ("set a.b.c=true;", "a.b.c", "true", {}),
        ('set a="x" where type="defaultParam";', "a", "x", {"type": "defaultParam"}),
        ('set a="x" where scope="SESSION";', "a", "x", {"scope": "session"}),
        (
            'set a=`select 1` where type="sql" and mode="compile";',
            "a",
            "select 1",
            {"type": "sql", "mode": "compile"},
        ),
        ('set a="x" options visibility="un_select";', "a", "x", {"secret": True}),
        ("set a='''''';", "a", "", {}),
        ("set a='''+1''';", "a", "+1", {}),
        ('set 7days="x";', "7days", "x", {}),
        ('set 名="值";', "名", "值", {}),
    ],
)
def test_set(script: str, name: str, value: str, more: dict[str, object]) -> None:
    statement = one(script)
    assert isinstance(statement, st.Set)
    assert (statement.name.value, statement.value.value) == (name, value)
    for key, expected in more.items():
        assert getattr(statement, key) == expected


@pytest.mark.parametrize(
    ("script", "format_", "path", "options", "table"),
    [
        ("load csv.`/a b/t.csv` as t;", "csv", "/a b/t.csv", {}, "t"),
        ('load csv.`t` where header="true" as t;', "csv", "t", {"header": "true"}, "t"),
        ('load csv.`t` where and header="true" as t;', "csv", "t", {"header": "true"}, "t"),
        ('load csv.`t` header="true" as t;', "csv", "t", {"header": "true"}, "t"),
        ('load csv.`t` options a="1" and `b.c`="2" as t', "csv", "t", {"a": "1", "b.c": "2"}, "t"),
        ("load jsonStr.`data` as t;", "jsonStr", "data", {}, "t"),
        ("load _mlsql_.`jobs` as jobs;", "_mlsql_", "jobs", {}, "jobs"),
        ("load modelParams.`RandomForest` as p;", "modelParams", "RandomForest", {}, "p"),
        ("load jdbc.`db1.t` where a=2 as t;", "jdbc", "db1.t", {"a": "2"}, "t"),
        ("load parquet.`/d/${day}` as `my table`;", "parquet", "/d/${day}", {}, "my table"),
        ("load csv.`a``b` as t;", "csv", "a`b", {}, "t"),
        ("load csv.`x` -- why\n/* and */ where a='1' as t;", "csv", "x", {"a": "1"}, "t"),
    ],
)
def test_load(script: str, format_: str, path: str, options: dict[str, str], table: str) -> None:
    statement = one(script)
    assert isinstance(statement, st.Load)
    assert (statement.format.value, statement.path.value) == (format_, path)
    assert dict(statement.options) == options
    assert statement.table.value == table


@pytest.mark.parametrize(
    ("script", "query", "table"),
    [
        ("select 1 as a as t;", "select 1 as a", "t"),
        ("select chat(x) as q as q1;", "select chat(x) as q", "q1"),
        ("select ';' as a, \"as b;\" as c as t;", "select ';' as a, \"as b;\" as c", "t"),
        (
            "with a as (select 1 as x) select * from a as t;",
            "with a as (select 1 as x) select * from a",
            "t",
        ),
        ("select * from b as c as `d e`;", "select * from b as c", "d e"),
        ("select * from ${source} as out_${day};", "select * from ${source}", "out_${day}"),
        ("select '''it's; \"x\"''' as a as t;", "select '''it's; \"x\"''' as a", "t"),
        ("select 1 as a -- as b;\n as t;", "select 1 as a", "t"),
        ("select 'don''t' as a as t", "select 'don''t' as a", "t"),
    ],
)
def test_select(script: str, query: str, table: str) -> None:
    statement = one(script)
    assert isinstance(statement, st.Select)
    assert statement.query.value == query
    assert statement.table.value == table


@pytest.mark.parametrize(
    ("script", "mode", "table", "path", "options", "columns"),
    [
        ("save t as csv.`p`;", "errorIfExists", "t", "p", {}, []),
        ("save overwrite t as csv.`p`;", "overwrite", "t", "p", {}, []),
        ("save Append t into csv.`p`;", "append", "t", "p", {}, []),
        ("save ignore append as csv.`p`;", "ignore", "append", "p", {}, []),
        ('save overwrite t as csv.`p` where fileNum="1" partitionBy a,`b c`;',
         "overwrite", "t", "p", {"fileNum": "1"}, ["a", "b c"]),
        ('save overwrite t as csv.`p` partitionBy a where fileNum="1";',
         "overwrite", "t", "p", {"fileNum": "1"}, ["a"]),
    ],
)  # fmt: skip
def test_save(
    script: str,
    mode: str,
    table: str,
    path: str,
    options: dict[str, str],
    columns: list[str],
) -> None:
    statement = one(script)
    assert isinstance(statement, st.Save)
    assert (statement.mode, statement.table.value, statement.path.value) == (mode, table, path)
    assert dict(statement.options) == options
    assert [column.value for column in statement.partition_by] == columns


@pytest.mark.parametrize("verb", ["run", "train", "predict"])
@pytest.mark.parametrize(
    ("rest", "output"),
    [
        ("t as Op.`p` where a='1';", None),
        ("t into Op.`p` where a='1' as out;", "out"),
        ("t as Op.`p` as out where a='1';", "out"),
        ("t as Op.`p` where and a='1' -- b\n as out", "out"),
    ],
)
def test_run(verb: str, rest: str, output: str | None) -> None:
    statement = one(f"{verb} {rest}")
    assert isinstance(statement, st.Run)
    assert (statement.verb, statement.operator.value, statement.path.value) == (verb, "Op", "p")
    assert dict(statement.options) == {"a": "1"}
    assert (statement.output and statement.output.value) == output


def test_register_unregister_connect_include() -> None:
    register, unregister, connect, include = parse(
        "register ScriptUDF.`code` as plus where lang='python' and udfType='udf';"
        "unregister ScriptUDF.`plus`;"
        "connect jdbc where url='jdbc:sqlite:x' and driver='d' as db1;"
        "include project.`lib/common.bsql`;"
    )
    assert isinstance(register, st.Register)
    assert (register.path.value, register.function.value) == ("code", "plus")
    assert register.options["udfType"] == "udf"
    assert isinstance(unregister, st.Unregister)
    assert isinstance(connect, st.Connect)
    assert (connect.name.value, connect.options["url"]) == ("db1", "jdbc:sqlite:x")
    assert isinstance(include, st.Include)
    assert (include.kind.value, include.path.value) == ("project", "lib/common.bsql")


@pytest.mark.parametrize(
    "sql", ["create table a as select ';' as x", "insert into a values (1)", "drop table a"]
)
def test_sql_for_the_engine_is_passed(sql: str) -> None:
    first, _ = parse(f"{sql}; set a='1';")
    assert isinstance(first, st.Passed)
    assert (first.verb, first.sql.value) == (sql.split()[0], sql)


def test_places_and_sources() -> None:
    script = "\n  set a = 'x';\n\nload csv.`p`\nwhere h='1'\nas t;"
    first, second = parse(script)
    assert (first.at, first.source) == (Position(2, 3), "set a = 'x'")
    assert (second.at, second.source) == (Position(4, 1), "load csv.`p`\nwhere h='1'\nas t")
    assert isinstance(second, st.Load)
    assert second.options.option("h").at == Position(5, 7)
    assert second.options.option("h").value.at == Position(5, 9)
    assert second.path.quoting is Quoting.BACK


@pytest.mark.parametrize(
    ("script", "line", "column", "said"),
    [
        ("selct 1 as a;", 1, 1, "Did you mean `select`?"),
        ("load csv.`x`;", 1, 13, "a table's name"),
        ("\nselect 1;", 2, 9, "as result"),
        ("select 1 as a.b;", 1, 16, "a table's name"),
        ("run t as LLM.`` where a='1' b='2';", 1, 29, "joined with `and`"),
        ("set a='x", 1, 7, "never closed"),
        ("set a='x';\n/* open", 2, 1, "never closed"),
        ("load csv.`x as t;", 1, 10, "never closed"),
        ("save overwite t as csv.`x`;", 1, 15, "Did you mean `overwrite`?"),
        ("set a=`x` where type='sq';", 1, 22, "Did you mean `sql`?"),
        ("set a;", 1, 6, "expected `=`"),
        ("set a=;", 1, 7, "in quotes"),
        ("run t LLM.``;", 1, 7, "expected `as`"),
        ("load csv as t;", 1, 10, "in back quotes"),
        ("load csv.`x` where = '1' as t;", 1, 20, "the name of an option"),
        ("load csv.`x` where a '1' as t;", 1, 22, "expected `=`"),
        ("save t as csv.`p` as u;", 1, 19, "expected `;`"),
        ("connect jdbc where a='1';", 1, 25, "connect"),
        ("select 1 as a as t;; hello;", 1, 22, "expected a statement"),
        ("!;", 1, 2, "name of a command"),
        ("set a='1' and;\nset b='2' c;", 1, 11, "expected `;`"),
    ],
)  # fmt: skip
def test_an_error_points_to_its_place(script: str, line: int, column: int, said: str) -> None:
    with pytest.raises(ScriptError) as raised:
        parse(script)
    error = raised.value
    assert (error.details["line"], error.details["column"]) == (line, column), error.message
    assert said in error.message
    first, shown, caret = error.message.split("\n")
    assert first.startswith(f"Line {line}, column {column}: ")
    assert shown == "  " + script.split("\n")[line - 1]
    assert caret == " " * (column + 1) + "^"


def test_a_long_line_is_shown_around_the_place() -> None:
    with pytest.raises(ScriptError) as raised:
        parse("select '" + "x" * 500 + "' as a as t; nonsense")
    _, shown, caret = raised.value.message.split("\n")
    assert len(shown) < 110
    assert shown[caret.index("^") :].startswith("nonsense")


def test_scripts_of_any_text_end_in_statements_or_in_an_error() -> None:
    pieces = strategies.sampled_from(
        ["select", "as", "t", ";", "'", '"', "`", "'''", "--", "/*", "*/", "\n", " ", "!if", "!fi",
         "where", "and", "=", "${a}", "load", "csv", ".", "set", "\\", "{0}", "#", "一"]
    )  # fmt: skip

    @settings(max_examples=300, deadline=None, database=None)
    @given(strategies.lists(pieces, max_size=25))
    def check(parts: list[str]) -> None:
        script = " ".join(parts)
        message = "Line 1, column 1: none."
        statements: tuple[Statement, ...] = ()
        try:
            statements = parse(script)
        except ScriptError as error:
            message = error.message
        assert re.match(r"Line \d+, column \d+: .+\.", message)
        assert all(one.source in script for one in statements)

    check()
