"""The same scripts on Spark: in this process, and behind Spark Connect. One Spark for all."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from byzer_lab.errors import ByzerLabError, InvalidRequestError
from byzer_lab.sql.commands.checks import AssertionFailedError
from tests.sql.conftest import Lab
from tests.sql.scripted import ScriptedModels

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("java") is None or find_spec("pyspark") is None, reason="needs Java, pyspark"
    ),
]

PEOPLE = [{"id": 1, "name": "Ann"}, {"id": 2, "name": "Bob"}, {"id": 3, "name": None}]
QUERIES = [
    ("select m(p), m(p) from t", 10, 100),
    ("select i from t where llm_result(m(u)) = 'U1' and i % 10 = 1", 10, 1),
    ("select *, m(u) as a from t where llm_result(m(p)) = 'P2' order by i desc limit 5", 15, 5),
    ("select a.i from t a, t b where a.i = b.i and llm_result(m(a.p)) = 'P1' and b.i < 20", 10, 2),
    ("select p, max(i) as x from t group by p having llm_result(m(max(u))) = 'U90'", 10, 1),
    ("select count(case when llm_result(m(p)) = 'P1' then 1 end) as c from t", 10, 1),
    ("select i from t order by llm_result(m(p)), i limit 3", 10, 3),
    ("select other(llm_result(m(p))) as a, length(a) as n from t", 20, 100),
]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A Spark of this process, which also answers at this address of Connect."""
    from pyspark.sql import SparkSession

    port = free_port()
    spark = (
        SparkSession.builder.master("local[2]")
        .config("spark.plugins", "org.apache.spark.sql.connect.SparkConnectPlugin")
        .config("spark.connect.grpc.binding.port", str(port))
        .config("spark.connect.grpc.binding.address", "127.0.0.1")
        .config("spark.sql.ansi.enabled", "false")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .getOrCreate()
    )
    yield f"sc://127.0.0.1:{port}"
    spark.stop()


@pytest.fixture
def on(
    address: str, tmp_path: Path, models: ScriptedModels, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], Lab]]:
    """Makes a session on an engine."""
    monkeypatch.chdir(tmp_path)
    labs: list[Lab] = []

    def make(engine: str) -> Lab:
        labs.append(Lab(tmp_path, models, engine))
        labs[-1].names["people"] = PEOPLE
        return labs[-1]

    yield make
    for one in labs:
        one.close()


@pytest.fixture
def spark(on: Callable[[str], Lab]) -> Lab:
    return on("spark")


def numbers(count: int) -> list[dict[str, Any]]:
    return [{"i": i, "p": f"p{i % 10}", "u": f"u{i}"} for i in range(count)]


def test_questions_of_a_query(spark: Lab) -> None:
    spark.names["t"] = numbers(100)
    for query, calls, rows in QUERIES:
        spark.models.asked.clear()
        assert len(spark.run(f"{query} as made;", fresh=True)) == rows, query
        assert spark.models.calls == calls, query


def test_the_engines_give_the_same_rows(on: Callable[[str], Lab]) -> None:
    script = """
        select id, name, llm_result(m(llm_param(map('system_msg', 'Be brief.', 'instruction',
            llm_prompt('Say {0} {} {2:nothing} {3}', array(id, name)))))) as a
        from people order by id as told;
        select t.id, llm_result(m(llm_stack(q, llm_param(map('instruction', 'next'))))) as n,
            llm_error(q) as e, s.content
        from (select id, m(llm_param(map('instruction', concat('x;', id)))) as q from people) t
        lateral view explode(llm_split('ab;cd', array(';'), 3)) v as s
        order by t.id, s.content_id as talked;
        select told.*, talked.n, talked.e, talked.content from told join talked using (id)
        order by id, content as both;
    """
    duck, spark = on("duckdb").run(script), on("spark").run(script)
    assert spark == duck
    assert spark[0] == {
        "id": 1, "name": "Ann", "a": "SAY 1 ANN NOTHING {3}", "n": "NEXT", "e": None,
        "content": "ab;",
    }  # fmt: skip


def test_typed_answers(on: Callable[[str], Lab], models: ScriptedModels) -> None:
    models._says = lambda text: (
        '{"label": "bad"}' if "label" in text
        else '{"answer": true}' if "Is this true" in text
        else '{"a": 1, "b": ["x"]}' if text.startswith("json") else text
    )  # fmt: skip
    script = """
        select llm_json('m', concat('json ', id), 'a INT, b ARRAY<STRING>') as j,
            llm_classify('m', name, array('good', 'bad')) as l, llm_filter('m', 'so', name) as f,
            llm_embed('m', 'abc') as v, llm_rerank('m', 'q', 'abcd') as s
        from people where id = 1 as typed;
    """
    duck, spark = on("duckdb").run(script, fresh=True), on("spark").run(script, fresh=True)
    assert spark == duck
    assert spark[0]["j"] == {"a": 1, "b": ["x"]}
    assert spark[0]["l"] == "bad"
    [row] = on("spark").run("select llm_agg('m', 'All:', name) as a from people as t;")
    assert row["a"] == "All:\n\nAnn\n\nBob"


def test_files_there_and_back(spark: Lab) -> None:
    for kind, options in (("parquet", ""), ("json", ""), ("csv", 'where header="true"')):
        for path in (f"out/{kind}", f"out/one.{kind}"):
            rows = spark.run(
                f"save overwrite people as {kind}.`{path}` {options};"
                f"load {kind}.`{path}` {options} as back;"
                "select cast(id as bigint) as id, name from back order by id as b;"
            )
            assert [row["id"] for row in rows] == [1, 2, 3]
            assert Path(path).is_dir() == (not path.endswith(f".{kind}"))
    spark.run("save append people as parquet.`out/parquet`;")
    assert spark.run("load parquet.`out/parquet` as b; select count(*) as c from b as n;") == [
        {"c": 6}
    ]
    with pytest.raises(InvalidRequestError, match="is there already"):
        spark.run("save people as json.`out/json`;")
    with pytest.raises(InvalidRequestError, match="no option 'hedaer'; did you mean 'header'"):
        spark.run('save overwrite people as csv.`out/csv` where hedaer="true";')
    with pytest.raises(InvalidRequestError, match="There is no file"):
        spark.run("load csv.`nowhere.csv` as t;")
    spark.run('save people as json.`parts` where fileNum="2" partitionBy name;')
    assert Path("parts/name=Ann").is_dir()
    Path("a.txt").write_text("one\ntwo\n")
    [whole] = spark.run('load text.`a.txt` where wholetext="true" as t;')
    assert (whole["value"], Path(whole["file"])) == ("one\ntwo\n", Path("a.txt").absolute())


def test_statements(spark: Lab) -> None:
    spark.run("create table t (a int, b string); insert into t select 1, 'x';")
    assert spark.run("insert into t (b) select 'y'; select * from t order by b as s;") == [
        {"a": 1, "b": "x"},
        {"a": None, "b": "y"},
    ]
    rows = spark.run(
        "set j='''{\"a\": 1}''' ; load jsonStr.`j` as j; select a from j as k;"
        'run people as TableRepartition.`` where partitionNum="3" as parts;'
        'run parts as RateSampler.`` where sampleRate="0.5,0.5" as split;'
        "select count(*) as c, min(__split__) >= 0 as s from split as n;"
    )
    assert rows == [{"c": 3, "s": True}]
    spark.run("!assert parts ''' id > 0 ''' \"positive\"; !assertUniqueKey parts \"id\";")
    with pytest.raises(AssertionFailedError, match="named all"):
        spark.run('!assertNotNull parts "id,name" "not named all";')
    assert spark.run("!desc parts;")[0] == {"col_name": "id", "data_type": "bigint"}
    spark.run("connect jdbc where url='jdbc:sqlite:a.db' as db; save people as jdbc.`db.p`;")
    assert spark.run("load jdbc.`db.p` as p; select max(id) as i from p as q;") == [{"i": 3}]
    spark.run("--%chat\n--%model=m\n--%output=o\n\nit's one")
    assert spark.said[-1] == "IT'S ONE"


def test_values_that_change_are_asked_as_they_are_shown(spark: Lab) -> None:
    rows = spark.run("select v, llm_result(m(v)) as a from (select uuid() as v from people) as t;")
    assert [row["a"] for row in rows] == [row["v"].upper() for row in rows]
    assert spark.models.calls == 3
    assert spark.run("select v from t as again;") == [{"v": row["v"]} for row in rows]


def test_engines_change_and_tables_stay(on: Callable[[str], Lab]) -> None:
    lab = on("duckdb")
    lab.run("select 1 as a as t; select a + 1 as a from t as u;")
    script = "set engine='spark' where type='conf'; select version() as v, a from u as w;"
    [row] = lab.run(script)
    assert (row["v"][:1], row["a"]) == ("4", 2)
    assert lab.session.engine.name == "Spark"
    assert lab.run("!show version;")[0]["engine"] == "Spark"
    with pytest.raises(InvalidRequestError, match="--dialect duckdb needs DuckDB"):
        lab.run("select 1 as a as t;", dialect="duckdb")
    rows = lab.run("set engine='duckdb' where type='conf'; select a * 10 as a from w as x;")
    assert rows == [{"a": 20}]
    with pytest.raises(InvalidRequestError, match="no engine 'sprak'; there is: duckdb, spark"):
        lab.run("set engine='sprak' where type='conf';")


def test_errors_are_sentences(spark: Lab) -> None:
    for query, says in (
        ("select nope from people", "name `nope` cannot be resolved"),
        ("select nobody(name) from people", "No model of that name is deployed"),
        ("select m(name, id) from people", "takes one argument"),
        ("select * from (select id from people) a left join people b on m(a.id) = 'x'", "LEFT"),
    ):
        with pytest.raises(ByzerLabError) as caught:
            spark.run(f"{query} as t;")
        assert says in caught.value.message
        assert "@" not in caught.value.message.split("\n")[0]
        assert "SQLSTATE" not in caught.value.message


def test_spark_connect(on: Callable[[str], Lab], address: str) -> None:
    lab = on(address)
    lab.names["t"] = numbers(100)
    for query, calls, rows in (QUERIES[2], QUERIES[-1]):
        lab.models.asked.clear()
        assert len(lab.run(f"{query} as made;", fresh=True)) == rows, query
        assert lab.models.calls == calls, query


@pytest.mark.parametrize("where", ["classic", "connect"])
def test_a_query_is_interrupted(on: Callable[[str], Lab], address: str, where: str) -> None:
    lab = on("spark" if where == "classic" else address)
    lab.run("select 1 as a as t;")
    interrupted_at = 0.0

    def interrupt() -> None:
        nonlocal interrupted_at
        interrupted_at = time.monotonic()
        os.kill(os.getpid(), signal.SIGINT)

    threading.Timer(1, interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        lab.run("select count(*) as c from range(900000000) a cross join range(900000) b "
                "as made; select c from made as x; !assert made '''c > 0''';")  # fmt: skip
    assert time.monotonic() - interrupted_at < 5  # half a second on an idle machine
    assert lab.run("select 1 as a as made;") == [{"a": 1}]


def test_nobody_listens() -> None:
    with pytest.raises(InvalidRequestError, match="No Spark Connect server answers"):
        Lab(Path(), ScriptedModels(), f"sc://127.0.0.1:{free_port()}")
