"""The pass over the questions: bounded, kept, interrupted, resumed, within a budget."""

from __future__ import annotations

import os
import signal
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from byzer_lab.errors import InvalidRequestError, ProviderAuthenticationError, QueueFullError
from byzer_lab.sql.models.answering import OverBudgetError
from byzer_lab.sql.models.questions import Question
from byzer_lab.sql.models.store import Answer
from tests.sql.conftest import Lab
from tests.sql.scripted import ScriptedModels


def rows(count: int) -> list[dict[str, object]]:
    return [{"i": i, "u": f"u{i}"} for i in range(count)]


ASK = "select u, llm_result(m(u)) as a, llm_error(m(u)) as e from t as made;"


def test_the_limit_is_reached_and_never_passed(
    lab_of: Callable[[ScriptedModels], Lab],
) -> None:
    lab = lab_of(ScriptedModels(delay_s=0.002, limit=16))
    lab.names["t"] = rows(200)
    lab.run(ASK)
    assert (lab.models.most, lab.models.calls) == (16, 200)
    assert lab.report.total.most_in_flight == 16


def test_failed_rows_are_values_and_only_they_are_asked_again(
    lab_of: Callable[[ScriptedModels], Lab],
) -> None:
    models = ScriptedModels(fails=lambda text: text.endswith("7"))
    lab = lab_of(models)
    lab.names["t"] = rows(100)
    made = lab.run(ASK)
    failed = [row for row in made if row["e"]]
    assert [row["u"] for row in failed] == [f"u{i}" for i in range(7, 100, 10)]
    assert all(row["a"] is None for row in failed)
    assert all(row["a"] == row["u"].upper() for row in made if not row["e"])
    total = lab.report.total
    assert (total.ok, total.failed, total.cached) == (90, 10, 0)
    models.fails = lambda text: False
    again = lab.run("!retry failed made;")
    assert all(row["a"] == row["u"].upper() and row["e"] is None for row in again)
    assert models.calls == 110
    total = lab.report.total  # of this cell
    assert (total.ok, total.cached) == (10, 90)
    with pytest.raises(InvalidRequestError, match="calls no model"):
        lab.run("select 1 as a as plain; !retry failed plain;")
    assert max(models.finished.values()) == 1


def test_an_answer_that_does_not_fit_is_a_failed_one(
    lab_of: Callable[[ScriptedModels], Lab],
) -> None:
    said = {"u0": '{"a": 1}', "u1": "nonsense", "u2": '{"b": 2}'}
    models = ScriptedModels(says=lambda text: said[text])
    lab = lab_of(models)
    lab.names["t"] = rows(3)
    ask = (
        "select u, llm_json('m', u, 'a INT') as j, llm_error(llm_json('m', u, 'a INT')) as e "
        "from t order by i as made;"
    )
    made = lab.run(ask)
    assert [row["j"] for row in made] == [{"a": 1}, None, None]
    assert [bool(row["e"]) for row in made] == [False, True, True]
    assert (lab.report.total.ok, lab.report.total.failed) == (1, 2)
    said.update(u1='{"a": 5}', u2='```json\n{"a": 6}\n```')
    again = lab.run("!retry failed made;")
    assert [row["j"] for row in again] == [{"a": 1}, {"a": 5}, {"a": 6}]
    assert models.calls == 5


def test_labels_and_truths(lab_of: Callable[[ScriptedModels], Lab]) -> None:
    """Held to a schema, and of a model that only writes."""
    held = ScriptedModels(
        says=lambda text: '{"label": "bad"}' if "label" in text else '{"answer": false}'
    )
    loose = ScriptedModels(
        says=lambda text: "It is Bad." if "label" in text else "No, never.", structured=False
    )
    ask = (
        "select llm_classify('{0}', u, array('good', 'bad')) as l, "
        "llm_filter('{0}', 'is it so', u) as f from t as made;"
    )
    for models, name in ((held, "m"), (loose, "other")):
        lab = lab_of(models)
        lab.names["t"] = rows(1)
        assert lab.run(ask.format(name)) == [{"l": "bad", "f": False}]
        assert (models.questions[0].schema is None) == (models is loose)


def test_nothing_is_paid_twice(lab_of: Callable[[ScriptedModels], Lab]) -> None:
    """Neither by another cell nor by another kernel."""
    first, second = ScriptedModels(), ScriptedModels()
    for models in (first, first, second):
        lab = lab_of(models)
        lab.names["t"] = rows(50)
        assert len(lab.run(ASK)) == 50
    assert (first.calls, second.calls) == (50, 0)


def test_other_settings_are_other_questions(lab: Lab) -> None:
    ask = "select m(llm_param(map('instruction', 'a', 'temperature', '{}'))) as q as made;"
    for temperature in ("0.1", "0.2", "0.1"):
        lab.run(ask.format(temperature))
    lab.run("select m(llm_param(map('instruction', 'a', 'sample', '1'))) as q as made;")
    lab.run("select m(llm_param(map('instruction', 'a', 'sample', '2'))) as q as made;")
    assert lab.models.calls == 4


def test_an_interrupt_keeps_what_was_answered(
    lab_of: Callable[[ScriptedModels], Lab],
) -> None:
    models = ScriptedModels(delay_s=0.02, limit=10)
    lab = lab_of(models)
    lab.names["t"] = rows(1000)
    interrupted_at = 0.0

    def interrupt() -> None:
        nonlocal interrupted_at
        while sum(models.finished.values()) < 100:
            time.sleep(0.005)
        interrupted_at = time.monotonic()
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        lab.run(ASK)
    stopped = time.monotonic()
    thread.join()
    assert stopped - interrupted_at < 5  # half a second on an idle machine
    assert "made" not in lab.session.tables
    finished = sum(models.finished.values())
    assert 100 <= finished < 1000
    assert lab.store.count() == finished
    models.delay_s = 0.0
    assert len(lab.run(ASK)) == 1000
    assert max(models.finished.values()) == 1  # no completed answer was paid twice
    assert sum(models.finished.values()) == 1000


def test_a_query_without_models_is_interrupted(lab: Lab) -> None:
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        lab.run("select count(*) as c from range(3000000) a cross join range(3000000) b as made;"
                "!assert made '''c > 0''';", dialect="duckdb")  # fmt: skip
    assert lab.run("select 1 as a as made;") == [{"a": 1}]


def test_too_many_calls_are_refused_before_the_first(lab: Lab) -> None:
    lab.names["t"] = rows(20)
    with pytest.raises(OverBudgetError, match=r"20 questions to ask, and --max-calls is 19"):
        lab.run(ASK, max_calls=19)
    assert lab.models.calls == 0
    assert len(lab.run(ASK, max_calls=20)) == 20
    assert len(lab.run(ASK, max_calls=0)) == 20  # all of them are known


def test_tokens_end_a_pass_and_the_next_one_goes_on(
    lab_of: Callable[[ScriptedModels], Lab],
) -> None:
    lab = lab_of(ScriptedModels(limit=1))
    lab.names["t"] = rows(20)
    with pytest.raises(OverBudgetError, match="--max-tokens 10 after 5 of 20 questions"):
        lab.run(ASK, max_tokens=10)  # a question and its answer are two tokens
    assert lab.models.calls == 5
    assert len(lab.run(ASK)) == 20
    assert lab.models.calls == 20


def test_a_dry_run_counts_and_asks_nothing(lab: Lab) -> None:
    lab.names["t"] = rows(20)
    lab.run("select m(u) as a from t where i < 5 as made;")
    lab.run("select other(llm_result(m(u))) as a from t as made;", dry=True)
    assert lab.models.calls == 5
    [first, second] = lab.report.stages
    assert (first.counts.total, first.counts.cached, first.exact) == (20, 5, True)
    assert not second.exact
    assert "20 distinct questions, 5 of them answered before" in lab.plan[-2]


def test_nothing_of_a_dry_run_stays(lab: Lab) -> None:
    lab.names["t"] = rows(3)
    before = lab.run("select llm_result(m(u)) as a from t as made;")
    lab.run(
        "select llm_result(other(u)) as a from t as made; select 1 as b as more;"
        "save made as csv.`out.csv`; run command as LLM.`` where action='infer';",
        dry=True,
    )
    assert lab.said == ["Line 1 is left out of a dry run."] * 2
    assert lab.session.tables.names() == ["made"]
    assert lab.run("select * from made as shown;") == before
    assert not Path("out.csv").exists()


def test_what_passes_is_asked_again_and_what_is_hopeless_is_not(
    lab_of: Callable[[ScriptedModels], Lab], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("byzer_lab.sql.models.pump.FIRST_PAUSE_S", 0.001)
    models = ScriptedModels(limit=1)
    lab = lab_of(models)
    lab.names["t"] = rows(10)
    answer = models._ask
    tries = 0

    async def busy_once(question: Question) -> Answer:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise QueueFullError("All is full.")
        if tries > 5:
            raise ProviderAuthenticationError("The key is not accepted.")
        return await answer(question)

    monkeypatch.setattr(models, "_ask", busy_once)
    made = lab.run(ASK)
    assert [bool(row["e"]) for row in made] == [False] * 4 + [True] * 6
    assert tries == 6  # the others would have failed alike
    assert made[-1]["e"] == "The key is not accepted."


def test_the_file_is_its_owners(lab: Lab) -> None:
    lab.run("select m('the question') as a as made;")
    files = list(lab.store.path.parent.glob("answers.db*"))
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert all(b"the question" not in file.read_bytes() for file in files)
    assert lab.run("!answers forget m;") == [{"forgotten": 1}]
    assert lab.run("!answers;")[0]["answers"] == 0


def test_answers_of_a_former_model_are_not_used(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.run("select m('a') as a as made;")
    found = lab.models.find("m")
    changed = type(found)("m", found.limit, "another revision", found.meta)
    monkeypatch.setattr(lab.models, "find", lambda name: changed)
    lab.run("select m('a') as a as made;")
    assert lab.models.calls == 2


def test_asked_anew_where_it_is_wanted(lab: Lab) -> None:
    for _ in range(2):
        lab.run("select m('a') as a as made;", fresh=True)
    assert lab.models.calls == 2
