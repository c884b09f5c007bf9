"""``%%prompt --schema``, ``--tools``, ``--image`` and ``--conversation`` on a scripted model."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import byzer_lab_magics
import pytest
from byzer_lab_magics import growing, prompting
from byzer_lab_magics.names import split_names
from byzer_lab_magics.talks import talks_of
from byzer_lab_magics.tree import tree
from IPython.core.interactiveshell import InteractiveShell

from byzer_lab.client import byzer_llm
from byzer_lab.types import ImagePart
from tests.support.file_server import served
from tests.support.scripted_model import ScriptedLLM, calls, contents

DEFINITIONS = '''
import pydantic

class Chapter(pydantic.BaseModel):
    title: str

class Story(pydantic.BaseModel):
    """A story."""
    title: str
    chapters: list[Chapter] = []

def compute_now() -> str:
    """The time."""
    return "12:00"

def compute_date_range(count: int, unit: str) -> list[str]:
    """A range."""
    return [f"{count} {unit}"]
'''
STORY = '{"title": "<b>A</b>", "chapters": [{"title": "One"}, {"title": "Two"}]}'
PNG = b"\x89PNG\r\n\x1a\n and so on"


class Lab:
    """A shell and the model that it asks."""

    def __init__(self, shell: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.shell = shell
        self._monkeypatch = monkeypatch

    def answers(self, *script: Any, **meta: Any) -> ScriptedLLM:
        llm = ScriptedLLM(*script, **meta)
        self._monkeypatch.setattr(byzer_llm, "ByzerLLM", lambda: llm)
        self._monkeypatch.setattr(prompting, "connect", lambda shell: llm._session)
        return llm

    def run(self, code: str) -> Any:
        result = self.shell.run_cell(code)
        assert result.success, result.error_before_exec or result.error_in_exec
        return result.result


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    monkeypatch.setenv("BYZER_LAB_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    shell = InteractiveShell()
    byzer_lab_magics.load_ipython_extension(shell)
    shell.run_cell(DEFINITIONS)
    yield Lab(shell, monkeypatch)
    byzer_lab_magics.unload_ipython_extension(shell)


def test_a_schema(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    llm = lab.answers(STORY, structured_output="constrained")
    reply = lab.run("%%prompt scripted --schema Story --as story --temperature 0\nTell {{ 1 + 1 }}")
    assert lab.shell.user_ns["story"].chapters[1].title == "Two"
    assert type(lab.shell.user_ns["story"]).__name__ == "Story"
    assert reply.value is lab.shell.user_ns["story"]
    assert reply == STORY
    shown = capsys.readouterr().out
    assert "Story\n  title: <b>A</b>\n  chapters: list, 2\n    0: Chapter\n" in shown
    assert contents(llm.requests[0])[0].startswith("Tell 2\n")
    assert llm.requests[0].sampling.temperature == 0
    lab.answers("[1, 2]")
    lab.run('%%prompt scripted --schema "list[int]" --as numbers\nCount')
    assert lab.shell.user_ns["numbers"] == [1, 2]
    lab.shell.user_ns["schema"] = {"type": "integer"}
    lab.answers("3")
    lab.run("%%prompt scripted --schema schema --as number\nCount")
    assert lab.shell.user_ns["number"] == 3


def test_tools(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    both = calls(("compute_date_range", {"count": 3, "unit": "day"}), ("compute_now", {}))
    lab.answers(both, support_tools=True)
    names = "--tools compute_date_range,compute_now"
    reply = lab.run(f"%%prompt scripted {names} --execute --as got\n最近三天")
    assert reply.values == [["3 day"], "12:00"]
    assert lab.shell.user_ns["got"].calls[0]["arguments"] == '{"count": 3, "unit": "day"}'
    shown = capsys.readouterr().out
    assert "compute_date_range: Called\n  arguments: dict\n    count: 3\n    unit: day\n" in shown
    assert "  result: list, 1\n    0: 3 day\n" in shown
    assert "compute_now: Called\n  arguments: dict\n  result: 12:00\n" in shown
    llm = lab.answers(both, support_tools=True)
    reply = lab.run(f"%%prompt scripted {names} --tool_choice compute_now\nq")
    assert (reply.values, len(reply.calls)) == ([], 2)  # nobody ran them
    assert llm.requests[0].tool_choice == "compute_now"
    capsys.readouterr()
    lab.answers(both, "It is 12:00.", support_tools=True)
    reply = lab.run(f"%%prompt scripted {names} --rounds 2\nq")
    assert (reply, len(reply.values)) == ("It is 12:00.", 2)
    assert "It is 12:00." in capsys.readouterr().out
    lab.answers("I don't eat.")
    assert lab.run(f"%%prompt scripted {names} --execute\n你吃饭了么？") == "I don't eat."
    assert "I don't eat." in capsys.readouterr().out


def test_conversations(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    llm = lab.answers("Hello Ann.", "You are Ann.", STORY, calls(("compute_now", {})), "Then.",
                      support_tools=True)  # fmt: skip
    lab.run("%%prompt scripted --conversation chat1 --system Brief.\nI am Ann.")
    lab.run("%%prompt scripted --conversation chat1\nWho am I?")
    assert contents(llm.requests[1]) == ["Brief.", "I am Ann.", "Hello Ann.", "Who am I?"]
    lab.run("%%prompt scripted --conversation chat1 --schema Story\nTell")
    lab.run("%%prompt scripted --conversation chat1 --tools compute_now --execute\nWhen?")
    lab.run("%%prompt scripted --conversation chat1 --system Long.\nThanks")
    last = llm.requests[-1].messages or []
    assert [turn.role for turn in last] == [
        "system", *["user", "assistant"] * 4, "tool", "user"
    ]  # fmt: skip
    assert (last[0].text, last[5].text, last[9].text) == ("Long.", "Tell", "12:00")
    assert last[8].tool_calls[0].name == "compute_now"
    capsys.readouterr()
    table = lab.run("%llm_conversation")
    assert [list(row.values()) for row in table] == [["chat1", 12, "I am Ann."]]
    assert lab.run("%llm_conversation chat1") is None
    shown = capsys.readouterr().out
    assert "system: Long.\nuser: I am Ann.\nassistant: Hello Ann.\n" in shown
    assert "→ compute_now({})" in shown
    lab.run("%llm_conversation chat1 --clear")
    assert talks_of(lab.shell) == {}
    lab.answers(ValueError("No."))
    assert not lab.shell.run_cell("%%prompt scripted --conversation other\nHi").success
    assert talks_of(lab.shell) == {}  # what failed is not part of it


def test_pictures(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(PNG)

    class Figure:
        def savefig(self, file: Any, format: str) -> None:
            file.write(PNG)

    lab.shell.user_ns |= {
        "data": PNG,
        "path": tmp_path / "photo.png",
        "figure": Figure(),
        "shown": SimpleNamespace(data=PNG),
    }
    expected = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    for name in ("data", "path", "figure", "shown", "photo.png"):
        llm = lab.answers("A photo.")
        lab.run(f"%%prompt scripted --image {name}\nWhat is it?")
        picture, text = list((llm.requests[0].messages or [])[0].content)
        assert isinstance(picture, ImagePart)
        assert picture.image_url.url == expected
        assert text.text == "What is it?"  # type: ignore[union-attr]
    llm = lab.answers(STORY)
    with served(tmp_path) as address:  # read by the kernel, never by who answers
        lab.shell.user_ns["url"] = f"{address}/photo.png"
        lab.run("%%prompt scripted --image url --image data --schema Story\nWhat is it?")
    (message,) = llm.requests[0].messages or []
    assert [one.url for one in message.images] == [expected, expected]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("--schema Stori", "'Stori' is not defined in this notebook; did you mean Story?"),
        ("--schema Story[0]", "--schema Story[0]: "),
        ("--schema a:b", "this is no Python expression"),
        ("--schema Story --tools compute_now", "leave one of --schema and --tools out"),
        ("--execute", "--execute goes with --tools"),
        ("--tools compute_now --rounds 0", "--rounds is 0; it must be at least 1"),
        ("--tools compute_noww", "did you mean compute_now or compute_date_range?"),
        ("--completion --schema Story", "leave --schema out"),
        ("--image nothing", "'nothing' is not defined"),
        ("--image Story", "a ModelMetaclass is no picture"),
        ("--image text", "there is no file 'x.png'"),
        ("--image wrong", "it is no PNG, JPEG"),
    ],
)
def test_mistakes(lab: Lab, line: str, sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    lab.shell.user_ns |= {"text": "x.png", "wrong": b"wrong"}
    lab.answers(STORY)
    assert not lab.shell.run_cell(f"%%prompt scripted {line}\nHi").success
    said = capsys.readouterr().err
    assert sentence in said


def test_no_object_is_an_error(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    lab.answers("no")
    assert not lab.shell.run_cell("%%prompt scripted --schema Story --as story\nHi").success
    said = capsys.readouterr()
    assert "No Story in the answer: There is no JSON" in said.err
    assert "✗ scripted: " in said.out
    assert "✓" not in said.out
    assert "story" not in lab.shell.user_ns


def test_a_tree_escapes_and_folds() -> None:
    bundle = tree(json.loads(STORY), "story <1>")
    assert "story &lt;1&gt;" in bundle["text/html"]
    assert "&lt;b&gt;A&lt;/b&gt;" in bundle["text/html"]
    assert "<b>" not in bundle["text/html"]
    assert bundle["text/html"].count("<details open>") == 2
    assert bundle["text/html"].count("<details>") == 2  # deeper ones are closed
    assert tree([])["text/plain"] == "list, 0"
    assert tree("one\ntwo", "a")["text/plain"] == "a: one\n  two"


def test_names_are_parted_outside_of_brackets() -> None:
    assert split_names("a, b.c,dict[str, int],f(1, 2)") == ["a", "b.c", "dict[str, int]", "f(1, 2)"]


def test_a_tree_of_what_stands_inside_of_itself_or_is_too_deep_ends() -> None:
    twice: list[Any] = [1]
    twice += [twice, twice]
    assert tree(twice)["text/plain"].splitlines() == [
        "list, 3",
        "  0: 1",
        "  1: list …",
        "  2: list …",
    ]
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    shown = tree({"a": [], "deep": deep})
    assert shown["text/plain"].endswith("list …")
    assert "a: list, 0" in shown["text/plain"]
    assert shown["text/html"].count("<details") == 50


def test_a_tree_grows_in_a_notebook(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[tuple[str, str, dict[str, Any]]] = []
    monkeypatch.setattr(
        growing, "show", lambda bundle, kept, name: shown.append((bundle["text/plain"], name, kept))
    )
    monkeypatch.setattr(
        growing, "update", lambda bundle, name, kept: shown.append(
            (bundle["text/plain"], name, kept)
        )
    )  # fmt: skip
    monkeypatch.setattr(growing, "in_notebook", lambda shell: True)
    monkeypatch.setattr(growing.GrowingTree, "_due", lambda self: True)
    lab.answers(STORY, structured_output="constrained")
    lab.run("%%prompt scripted --schema Story --as story\nTell")
    assert len(shown) > 3
    assert len({name for _, name, _ in shown}) == 1  # one output, updated
    assert not any(kept for *_, kept in shown[:-1])
    assert shown[-1][0].count("title:") == 3
    assert shown[-1][2]["byzer_lab"]["structured_output"] == "constrained"
    assert "One" not in shown[0][0]
    lab.answers('{"title": 3}', STORY)  # asked for again
    lab.run("%%prompt scripted --schema Story --as story\nTell")
    assert lab.shell.user_ns["story"].title == "<b>A</b>"
