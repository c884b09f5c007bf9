"""Commands, macros, conditions, chat cells and templates."""

from __future__ import annotations

import datetime
import json

import pytest

from byzer_lab.sql.language import statements as st
from byzer_lab.sql.language.commands import expand, named
from byzer_lab.sql.language.conditions import bind, names_of, read_condition
from byzer_lab.sql.language.parsing import parse
from byzer_lab.sql.language.places import Position, ScriptError
from byzer_lab.sql.language.templates import render, render_query

NOW = datetime.datetime(2024, 5, 6, 7, 8, 9)


def command(script: str) -> st.Command:
    """The only statement of a script."""
    [statement] = parse(script)
    assert isinstance(statement, st.Command)
    return statement


@pytest.mark.parametrize(
    ("script", "name", "arguments"),
    [
        ("!show tables;", "show", ["tables"]),
        ('!byzerllm setup "num_gpus=4";', "byzerllm", ["setup", "num_gpus=4"]),
        ("!byzerllm setup retrieval/data", "byzerllm", ["setup", "retrieval/data"]),
        ("!show datasources/params/csv;", "show", ["datasources/params/csv"]),
        ("!hdfs -ls /tmp/*;", "hdfs", ["-ls", "/tmp/*"]),
        ("!println '''a; b''';", "println", ["a; b"]),
        ("!assert t ''':n == 1''' \"it's no\";", "assert", ["t", ":n == 1", "it's no"]),
        ('!python conf "schema=st(field(a,string))";', "python",
         ["conf", "schema=st(field(a,string))"]),
        ("!m -path `/a b` key=\"x y\";", "m", ["-path", "/a b", 'key="x y"']),
        ("!m a -- a comment; and more\n b;", "m", ["a", "b"]),
        ("!lastTableName", "lastTableName", []),
    ],
)  # fmt: skip
def test_commands(script: str, name: str, arguments: list[str]) -> None:
    found = command(script)
    assert found.name.value == name
    assert [argument.value for argument in found.arguments] == arguments


def test_named_arguments() -> None:
    found = named(command("!tableRepartition _ -i t -num 3 -o out -flag;").arguments)
    assert found.plain == ()
    assert found.named == {"i": "t", "num": "3", "o": "out", "flag": "true"}
    found = named(command('!m a "-b" c -d "-e";').arguments)
    assert (found.plain, found.named) == (("a", "-b", "c"), {"d": "-e"})


@pytest.mark.parametrize(
    ("body", "call", "made"),
    [
        ("load csv.`{0}` as {1};", "!m /a/b t;", "load csv.`/a/b` as t;"),
        ("select {} as a, {} as b as t;", "!m 1 2;", "select 1 as a, 2 as b as t;"),
        ('select "{0}" as a as {1:out};', "!m x;", 'select "x" as a as out;'),
        ("select {0:1} as a as t;", "!m;", "select 1 as a as t;"),
        ("!n {0:next(named,none)};", "!m a named b;", "!n b;"),
        ("!n {0:next(named,none)};", "!m a;", "!n none;"),
        ("select {:all} as a as t;", '!m a "b c";', 'select ["a", "b c"] as a as t;'),
        ("load csv.`${path}` as ${tableName};", "!m _ -path /x -tableName y;",
         "load csv.`/x` as y;"),
        ("select '${other}' as a as t;", "!m _ -path /x;", "select '${other}' as a as t;"),
        ("select '{\"a\": 1}' as j as t;", "!m 1;", "select '{\"a\": 1}' as j as t;"),
        ("select 1 -- {0} stays\n as a as t;", "!m 5;", "select 1 -- {0} stays\n as a as t;"),
    ],
)  # fmt: skip
def test_macros(body: str, call: str, made: str) -> None:
    assert expand(body, command(call)) == made


@pytest.mark.parametrize("value", ['a"b', "a'b", "a`b", "'; drop table t; --", "\\", "a''' b"])
def test_an_argument_does_not_leave_the_quotes_of_a_macro(value: str) -> None:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    call = command(f'!m "{escaped}";')
    body = "set a=\"{0}\"; set b='{0}'; load csv.`{0}` as t; set c='''<{0}>''';"
    first, second, load, third = parse(expand(body, call))
    assert isinstance(first, st.Set)
    assert isinstance(second, st.Set)
    assert isinstance(load, st.Load)
    assert isinstance(third, st.Set)
    assert [first.value.value, second.value.value, load.path.value] == [value] * 3
    assert third.value.value == f"<{value}>"


def test_a_macro_gets_a_text_of_its_own_for_uuid() -> None:
    first, second = (expand("{0:uuid()}", command("!m;")) for _ in range(2))
    assert first != second
    assert len(first) == 32


def test_a_missing_argument_is_told() -> None:
    with pytest.raises(ScriptError, match=r"`!m` needs an argument number 2, and 1 was given"):
        expand("select {0} as {1};", command("!m a;"))


def test_if() -> None:
    script = """
    !if ''' select 1 as :x; :x > 0 ''';
    !then;
      set a='1';
      !if ''' :x > 5 '''; set b='2'; !else; set b='3'; !fi;
    !elif ''' :x < 0 ''';
      set c='4';
    !else;
      set d='5';
    !fi;
    set e='6';
    """
    outer, last = parse(script)
    assert isinstance(outer, st.If)
    assert isinstance(last, st.Set)
    first, second = outer.branches
    assert [type(one).__name__ for one in first.body] == ["Set", "If"]
    inner = first.body[1]
    assert isinstance(inner, st.If)
    assert len(inner.otherwise) == 1
    assert len(second.body) == len(outer.otherwise) == 1
    assert outer.source.startswith("!if '''")
    assert outer.source.endswith("!fi")
    assert second.at == Position(6, 5)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("!if ''':a'''; set b='1';", "never closed"),
        ("!fi;", "without an `!if`"),
        ("!else; !fi;", "without an `!if`"),
        ("!if; !fi;", "no condition"),
        ("!if 'a'; !else; !else; !fi;", "behind the `!else`"),
        ("!if 'a'; !else; !elif 'b'; !fi;", "behind the `!else`"),
        ("!if 'a'; set b='1'; !then; !fi;", "behind a condition only"),
    ],
)
def test_if_that_does_not_fit(script: str, said: str) -> None:
    with pytest.raises(ScriptError, match=said):
        parse(script)


def test_conditions() -> None:
    found = read_condition(
        "select count(*) as c from t where a = ';' as :n; select 'as' as :w; :n > 1 and :w = ':n'"
    )
    steps = [(one.name, one.query) for one in found.steps]
    assert steps == [("n", "select count(*) as c from t where a = ';'"), ("w", "select 'as'")]
    assert found.expression == ":n > 1 and :w = ':n'"
    assert names_of(found.expression) == ["n", "w"]
    assert bind(found.expression, lambda name: f"<{name}>") == "<n> > 1 and <w> = ':n'"
    assert bind("cast(:a as int)::int", str.upper) == "cast(A as int)::int"
    assert read_condition("select 1 > 0 as :x").expression == ":x"
    with pytest.raises(ScriptError, match="has no name"):
        read_condition("select 1; :x")
    with pytest.raises(ScriptError, match="empty"):
        read_condition(" -- nothing\n")


def test_chat() -> None:
    cell = """
--%chat
--%model=chat
--%input=before
-- %output = after
--%system_msg=You; 'are' "kind"
--%temperature=0.1

What is "this"; -- said he?
--%model=not a header
"""
    [chat] = parse(cell)
    assert isinstance(chat, st.Chat)
    assert chat.model.value == "chat"
    assert (chat.input, chat.output, chat.user_role) == ("before", "after", "")
    assert chat.system_msg == "You; 'are' \"kind\""
    assert chat.options["temperature"] == "0.1"
    assert chat.text.value == 'What is "this"; -- said he?\n--%model=not a header'
    assert chat.text.at == Position(9, 1)


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("--%chat\nHello", "no model"),
        ("--%chat\n--%modle=chat\nHello", "Did you mean `model`"),
        ("--%chat\n--%model=chat\n\n", "no question"),
        ("--%chat\n--%model\nHello", "has no value"),
    ],
)
def test_chat_that_can_not_be_asked(cell: str, said: str) -> None:
    with pytest.raises(ScriptError, match=said):
        parse(cell)


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("/d/${day}/${day}", "/d/1/1"),
        ("${unknown} ${day}", "${unknown} 1"),
        ("${deep}", "<1>"),
        ("${circle}", "${circle}"),
        ("${today} ${yesterday} ${tomorrow}", "2024-05-06 2024-05-05 2024-05-07"),
        ("${theDayBeforeYesterday}", "2024-05-04"),
        ('${date.toString("yyyyMMdd")}', "20240506"),
        ("${date.toString('d MMM yy HH:mm')}", "6 May 24 07:08"),
        ('${date.minusDays(7).toString("yyyy-MM-dd")}', "2024-04-29"),
        ('${date.plusHours(20).toString("dd HH")}', "07 03"),
        ('${template.get("sentence", "a", "b")}', "a and b"),
        ("no templates $ { }", "no templates $ { }"),
    ],
)
def test_templates(text: str, made: str) -> None:
    variables = {
        "day": "1",
        "deep": "<${day}>",
        "circle": "${circle}",
        "sentence": "{0} and {1}",
    }
    assert render(text, variables, NOW) == made


def test_a_date_pattern_that_nobody_knows_is_told() -> None:
    with pytest.raises(ScriptError, match="`QQ` of the date pattern"):
        render('${date.toString("QQ")}', {}, NOW)


@pytest.mark.parametrize("value", ["it's", 'say "hi"', "'; drop table t; --", "\\", "a`b", "'''"])
def test_a_value_does_not_leave_the_quotes_of_a_query(value: str) -> None:
    from byzer_lab.sql.spark import parse_select

    for quoted in ("'<${v}>'", '"<${v}>"', "'''<${v}>'''"):
        query = parse_select(render_query(f"select {quoted} as a, 2 as b", {"v": value}))
        assert len(query.selects) == 2
        assert query.selects[0].this.name == f"<{value}>", quoted
    query = parse_select(render_query("select `${v}` from t", {"v": value}))
    assert query.selects[0].name == value


def test_outside_of_quotes_a_value_is_sql() -> None:
    text = "select ${columns} from ${t} -- ${t}"
    assert render_query(text, {"columns": "a, b", "t": "x"}) == "select a, b from x -- ${t}"


def test_an_error_survives_the_wire_and_names_its_place() -> None:
    import pickle

    with pytest.raises(ScriptError) as raised:
        parse("set a")
    back = pickle.loads(pickle.dumps(raised.value))
    assert (back.message, back.at, back.details) == (
        raised.value.message,
        raised.value.at,
        raised.value.details,
    )
    assert json.dumps(back.to_wire())
