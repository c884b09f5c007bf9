"""``%%llm_sql`` in an IPython shell of this process, with scripted models."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import byzer_lab_magics
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from byzer_lab_magics import sql
from byzer_lab_magics.sql_complete import SqlCompletion
from byzer_lab_magics.sql_table import SqlTable
from IPython.core.completer import CompletionContext
from IPython.core.interactiveshell import InteractiveShell

from byzer_lab.sql.commands.session import SqlSession
from byzer_lab.sql.models.store import AnswerStore
from tests.sql.scripted import ScriptedModels


@pytest.fixture
def models() -> ScriptedModels:
    return ScriptedModels()


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, models: ScriptedModels) -> Iterator[Any]:
    monkeypatch.setenv("BYZER_LAB_HOME", str(tmp_path))
    shell = InteractiveShell()
    byzer_lab_magics.load_ipython_extension(shell)
    store = AnswerStore(tmp_path / "answers.db")
    sql._sessions[id(shell)] = SqlSession(models, shell.user_ns.get, store)
    yield shell
    sql.close_sessions()
    byzer_lab_magics.unload_ipython_extension(shell)


def run(shell: Any, code: str) -> Any:
    done = shell.run_cell(code)
    done.raise_error()
    return done.result


def test_the_last_table_is_shown_with_types(shell: Any) -> None:
    shell.user_ns["t"] = [{"i": 1, "s": "<b>&", "l": [1, 2]}, {"i": None, "s": None, "l": None}]
    table = run(shell, "%%llm_sql\nselect i, s, l from t as made;")
    assert isinstance(table, SqlTable)
    html = table._repr_html_()
    for text in ("&lt;b&gt;&amp;", "bigint", "varchar", "[1, 2]", "NULL", "2 rows · 3 columns"):
        assert text in html
    assert "<b>&" not in html
    assert "<script" not in html
    assert repr(table).splitlines()[0].split() == ["i", "s", "l"]


def test_only_some_rows_are_shown(shell: Any) -> None:
    shell.user_ns["t"] = [{"i": i} for i in range(5000)]
    table = run(shell, "%%llm_sql --rows 3\nselect * from t as made;")
    assert (len(table), len(table.rows)) == (5000, 3)
    assert "5,000 rows, the first 3 shown" in repr(table)


@pytest.mark.parametrize(
    ("frame", "kind"), [("pandas", pd.DataFrame), ("polars", pl.DataFrame), ("arrow", pa.Table)]
)
def test_the_table_is_kept(shell: Any, frame: str, kind: type) -> None:
    run(shell, f"%%llm_sql -o kept --frame {frame}\nselect 1 as a, 'x' as b as made;")
    assert isinstance(shell.user_ns["kept"], kind)
    assert len(shell.user_ns["kept"]) == 1


def test_one_line(shell: Any) -> None:
    assert run(shell, "%llm_sql select 1 as a as made").rows == [(1,)]
    assert run(shell, "%llm_sql --rows 0 select 2 as a as made;").rows == []


def test_tables_stay_from_cell_to_cell(shell: Any) -> None:
    run(shell, "%llm_sql select 1 as a as one")
    assert run(shell, "%llm_sql select a + 1 as a from one as two").rows == [(2,)]


def test_progress_and_plan(
    shell: Any, models: ScriptedModels, capsys: pytest.CaptureFixture[str]
) -> None:
    models.fails = lambda text: text == "u3"
    shell.user_ns["t"] = [{"u": f"u{i}"} for i in range(10)]
    run(shell, "%%llm_sql --explain\nselect m(u) as a from t as made;")
    shown = capsys.readouterr().out
    assert "made: m: 10 distinct questions, 0 of them answered before" in shown
    assert "10 questions · 10 asked · 9 ok · 1 failed · 0 cached · 9 + 9 tokens" in shown
    run(shell, "%%llm_sql --dry_run\nselect m(u) as a from t as made;")
    assert "9 of them answered before" in capsys.readouterr().out
    assert models.calls == 10


def test_an_interrupt_is_one_sentence(shell: Any, models: ScriptedModels) -> None:
    models.delay_s = 0.01
    shell.user_ns["t"] = [{"u": f"u{i}"} for i in range(2000)]

    def interrupt() -> None:
        while sum(models.finished.values()) < 20:
            time.sleep(0.005)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    done = shell.run_cell("%%llm_sql\nselect m(u) as a from t as made;")
    assert isinstance(done.error_in_exec, KeyboardInterrupt)
    assert "what was answered is kept" in str(done.error_in_exec)
    models.delay_s = 0.0
    run(shell, "%%llm_sql\nselect m(u) as a from t as made;")
    assert max(models.finished.values()) == 1


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("%%llm_sql\n  ", "script is empty"),
        ("%%llm_sql -o 1x\nselect 1 as a as t;", "not a name that a variable can have"),
        ("%%llm_sql --max_calls -1\nselect 1 as a as t;", "can't be negative"),
        ("%%llm_sql --engine sprak\nselect 1 as a as t;", "no engine 'sprak'"),
        ("%%llm_sql --frame numpy\nselect 1 as a as t;", "numpy"),
        ("%%llm_sql\nset x=`echo hi` where type='shell';", "sql_shell = True"),
        ("%%llm_sql\n\nselect 1 as a as t;\nselekt 2;", "Line 3, column 1"),
    ],
)
def test_refusals(shell: Any, code: str, says: str) -> None:
    done = shell.run_cell(code)
    assert says.lower() in str(done.error_before_exec or done.error_in_exec).lower()


def test_the_shell_may_be_allowed(shell: Any) -> None:
    run(shell, "%config ByzerMagics.sql_shell = True")
    table = run(shell, "%%llm_sql\nset x=`echo hi` where type='shell'; select '${x}' as x as t;")
    assert table.rows == [("hi",)]


def completed(shell: Any, text: str) -> list[str]:
    completion = SqlCompletion(shell, lambda: ["chat"])
    try:
        lines = text.split("\n")
        context = CompletionContext(
            token="",
            full_text=text,
            cursor_position=len(lines[-1]),
            cursor_line=len(lines) - 1,
            limit=None,
        )
        return [one.text for one in completion.match(context)["completions"]]
    finally:
        completion.undo()


def test_completion(shell: Any) -> None:
    shell.user_ns["frame"] = pd.DataFrame({"a": [1]})
    run(shell, "%llm_sql select 1 as city, 2 as code as places")
    assert completed(shell, "%%llm_sql\nselect * from ")[:2] == ["places", "frame"]
    assert completed(shell, "%%llm_sql\nselect ci") == ["city"]
    assert completed(shell, "%%llm_sql\nselect llm_cl") == ["llm_classify("]
    assert "chat(" in completed(shell, "%%llm_sql\nselect ch")
    assert "!show tables;" in completed(shell, "%%llm_sql\n!sho")
    assert "udfName" in completed(shell, "%%llm_sql\nrun command as LLM.`` where udf")
    assert completed(shell, "%%prompt\nsel") == []
    assert completed(shell, "%%llm_sql --ex") == []
