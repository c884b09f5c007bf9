"""Rows of files: every kind is read, every bad row is told with its number and its reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from byzer_lab.errors import InvalidRequestError
from byzer_lab.training.data.checking import check_rows, refuse_bad_rows
from byzer_lab.training.data.reading import files_of
from byzer_lab.training.data.rows import Example, Findings
from tests.support.facts import alpaca_rows, write_lines

ASKED = {"role": "user", "content": "one?"}
SAID = {"role": "assistant", "content": "1"}


def read(path: Path, *, preferences: bool = False) -> tuple[list[Example], Findings]:
    findings = Findings()
    return list(check_rows(str(path), findings, preferences=preferences)), findings


def read_row(folder: Path, row: Any, *, preferences: bool = False) -> Example:
    path = folder / "row.jsonl"
    path.write_text(json.dumps(row) + "\n")
    examples, findings = read(path, preferences=preferences)
    assert findings.problems == []
    return examples[0]


@pytest.mark.parametrize("suffix", ["jsonl", "json", "csv", "tsv", "parquet"])
def test_files(tmp_path: Path, suffix: str) -> None:
    rows = [{"instruction": "one?", "output": "1"}, {"instruction": "two,\nthree?", "output": "5"}]
    path = tmp_path / f"rows.{suffix}"
    if suffix == "jsonl":
        path.write_text("\n\n".join(json.dumps(row) for row in rows))
    elif suffix == "json":
        path.write_text(json.dumps(rows, indent=2))
    elif suffix == "parquet":
        import pyarrow as pa
        from pyarrow import parquet

        parquet.write_table(pa.Table.from_pylist(rows), path)
    else:
        mark = "," if suffix == "csv" else "\t"
        lines = [f"instruction{mark}output", f"one?{mark}1", f'"two,\nthree?"{mark}5']
        path.write_text("\r\n".join(lines))
    examples, findings = read(path)
    assert [example.messages[0]["content"] for example in examples if example.messages] == [
        "one?",
        "two,\nthree?",
    ]
    assert findings.formats == {path.name: "alpaca"}
    lines_known = {"jsonl": [1, 3], "csv": [2, 3], "tsv": [2, 3]}
    assert [example.line for example in examples] == lines_known.get(suffix, [None, None])


def test_json_lines_under_the_name_json(tmp_path: Path) -> None:
    path = tmp_path / "part-0000.json"  # as Spark writes it
    path.write_text('{"text": "one"}\n{"text": "two"}\n')
    assert [example.text for example in read(path)[0]] == ["one", "two"]
    path.write_text('{\n  "text": "one"\n}\n')
    assert [example.text for example in read(path)[0]] == ["one"]


def test_a_folder_with_several_formats(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    write_lines(tmp_path / "a" / "1.jsonl", alpaca_rows(2))
    (tmp_path / "b.txt").write_text("A text.\n\nIts second part.")
    (tmp_path / "_SUCCESS").touch()
    (tmp_path / ".hidden.jsonl").write_text("no row")
    (tmp_path / "picture.png").touch()
    examples, findings = read(tmp_path)
    assert [example.row for example in examples] == [1, 2, 3]
    assert examples[2].text == "A text.\n\nIts second part."
    assert findings.formats == {"1.jsonl": "alpaca", "b.txt": "text"}


def test_no_files(tmp_path: Path) -> None:
    (tmp_path / "notes.doc").touch()
    for path, words in (
        (tmp_path, r"has no file of rows \(\.jsonl.*it holds notes\.doc"),
        (tmp_path / "notes.doc", "is no file of rows"),
        (tmp_path / "none", "There is no data at"),
    ):
        with pytest.raises(InvalidRequestError, match=words):
            files_of(str(path))


def test_a_broken_file(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text('[{"text": "one"},')
    with pytest.raises(InvalidRequestError, match="is no valid JSON"):
        read(path)
    path = tmp_path / "rows.parquet"
    path.write_bytes(b"PAR1 no more")
    with pytest.raises(InvalidRequestError, match="no valid Parquet file"):
        read(path)
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"text": "\xff\xfe"}\n')
    with pytest.raises(InvalidRequestError, match=r"rows\.jsonl' can't be read: Unicode"):
        read(path)


def test_moss(tmp_path: Path) -> None:
    row = {
        "category": "Brainstorming",
        "conversation": [
            {"human": "one?", "assistant": "1"},
            {"human": "two?", "assistant": "2"},
        ],
        "conversation_id": 3,
        "dataset": "moss",
    }
    assert read_row(tmp_path, row).messages == [
        ASKED,
        SAID,
        {"role": "user", "content": "two?"},
        {"role": "assistant", "content": "2"},
    ]


def test_alpaca(tmp_path: Path) -> None:
    row = {
        "instruction": "Add.",
        "input": "1 and 1",
        "output": "2",
        "history": [["one?", "1"]],
        "system": "Be brief.",
    }
    assert read_row(tmp_path, row).messages == [
        {"role": "system", "content": "Be brief."},
        ASKED,
        SAID,
        {"role": "user", "content": "Add.\n1 and 1"},
        {"role": "assistant", "content": "2"},
    ]
    del row["history"], row["system"]
    row["input"] = ""
    assert read_row(tmp_path, row).messages == [
        {"role": "user", "content": "Add."},  # no line below it
        {"role": "assistant", "content": "2"},
    ]


def test_messages_with_tools(tmp_path: Path) -> None:
    call = {"id": "1", "function": {"name": "add", "arguments": '{"a": 1}'}}
    row = {
        "messages": [
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "one?"}]},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "content": "2", "tool_call_id": "1"},
            {"role": "assistant", "content": "It is 2."},
        ],
        "tools": json.dumps([{"function": {"name": "add"}}]),
    }
    example = read_row(tmp_path, row)
    assert example.tools == [{"function": {"name": "add"}}]
    assert example.messages is not None
    assert [one["role"] for one in example.messages] == [
        *("system", "user", "assistant", "tool", "assistant")
    ]
    assert example.messages[1] == ASKED
    assert example.messages[2]["tool_calls"][0]["function"]["arguments"] == {"a": 1}


def test_conversations(tmp_path: Path) -> None:
    row = {"conversations": [{"from": "human", "value": "one?"}, {"from": "gpt", "value": "1"}]}
    assert read_row(tmp_path, row).messages == [ASKED, SAID]


@pytest.mark.parametrize(
    ("asked", "answered"), [("prompt", "completion"), ("question", "answer"), ("query", "response")]
)
def test_prompt_and_completion(tmp_path: Path, asked: str, answered: str) -> None:
    example = read_row(tmp_path, {asked: "one?", answered: 1})
    assert (example.prompt, example.text) == ("one?", "1")  # a number is what it is written as
    example = read_row(tmp_path, {asked: [ASKED], answered: [SAID]})
    assert example.messages == [ASKED, SAID]


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": [ASKED], "chosen": [SAID], "rejected": [{**SAID, "content": "2"}]},
        {"chosen": [ASKED, SAID], "rejected": [ASKED, {**SAID, "content": "2"}]},
        {"prompt": "one?", "chosen": [ASKED, SAID], "rejected": [ASKED, {**SAID, "content": "2"}]},
        {"prompt": [ASKED], "chosen": "1", "rejected": "2"},
    ],
)
def test_preferences(tmp_path: Path, row: dict[str, Any]) -> None:
    example = read_row(tmp_path, row, preferences=True)
    assert example.messages == [ASKED]
    assert example.chosen == [SAID]
    assert example.rejected == [{**SAID, "content": "2"}]
    assert read_row(tmp_path, row).messages == [ASKED, SAID]  # sft learns the better one


def test_plain_preferences(tmp_path: Path) -> None:
    example = read_row(
        tmp_path, {"prompt": "one?", "chosen": "1", "rejected": "2"}, preferences=True
    )
    assert (example.prompt, example.chosen, example.rejected) == ("one?", "1", "2")


ROBOT = {"role": "robot", "content": "1"}
SYSTEM = {"role": "system", "content": "Be brief."}
SILENT = {**SAID, "content": ""}


def talk(*turns: dict[str, str]) -> dict[str, Any]:
    return {"messages": list(turns)}


def ask(**columns: Any) -> dict[str, Any]:
    return {"instruction": "one?", "output": "1", **columns}


def moss(**columns: str) -> dict[str, Any]:
    return {"conversation": [columns]}


BAD: list[tuple[str, str, str, Any]] = [
    ("bad_json", "", "no valid JSON", '{"instruction": '),
    ("wrong_type", "", "not an object", "[1, 2]"),
    ("missing_field", "output", "it is missing", ask(output=None)),
    ("missing_field", "instruction", "nothing is asked", ask(instruction=" ")),
    ("empty_answer", "output", "nothing to learn", ask(output="")),
    ("wrong_type", "output", "it is a list", ask(output=["1"])),
    ("wrong_type", "history[0]", "no pair", ask(history=["a"])),
    ("bad_role", "messages[1].role", "'robot' is none of", talk(ASKED, ROBOT)),
    ("role_order", "messages[1]", "system message stands first", talk(ASKED, SYSTEM, SAID)),
    ("role_order", "messages[2]", "twice in a row", talk(ASKED, SAID, SAID)),
    ("role_order", "messages[0]", "before anybody asks", talk(SAID)),
    ("no_assistant_turn", "messages", "nobody answers", talk(ASKED)),
    ("empty_answer", "messages[1].content", "it is empty", talk(ASKED, SILENT)),
    ("empty_answer", "conversation[0].assistant", "empty", moss(human="?", assistant="")),
    ("missing_field", "conversation[0].human", "it is missing", moss(assistant="1")),
]


@pytest.mark.parametrize(("code", "column", "words", "row"), BAD)
def test_bad_rows(tmp_path: Path, code: str, column: str, words: str, row: Any) -> None:
    good = {"instruction": "one?", "output": "1"}
    lines = [json.dumps(good), row if isinstance(row, str) else json.dumps(row)]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join([*lines, json.dumps(good)]))
    examples, findings = read(path)
    assert [example.row for example in examples] == [1, 3]
    (problem,) = findings.problems
    assert (problem.row, problem.line, problem.file) == (2, 2, "rows.jsonl")
    assert (problem.code, problem.column) == (code, column)
    assert words in problem.message
    assert findings.duplicates == 1


def test_an_unknown_format_names_the_nearest(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "rows.jsonl", [{"instructions": "one?", "result": "1"}])
    _, findings = read(path)
    (problem,) = findings.problems
    assert problem.code == "unknown_format"
    assert "its columns are instructions, result; nearest is alpaca" in problem.message
    assert "which also needs instruction and output" in problem.message


def test_sft_rows_for_dpo(tmp_path: Path) -> None:
    _, findings = read(write_lines(tmp_path / "rows.jsonl", alpaca_rows(1)), preferences=True)
    assert "no chosen and rejected answers" in findings.problems[0].message


def test_a_row_too_many_cells(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("prompt,completion\none?,1\ntwo?,2,3\n")
    examples, findings = read(path)
    assert len(examples) == 1
    assert str(findings.problems[0]) == (
        "row 2 (rows.csv, line 3): it has 3 cells where the header has 2."
    )


def test_bad_rows_are_refused_or_left_out(tmp_path: Path) -> None:
    rows = [*alpaca_rows(9), {"instruction": "one?", "output": ""}]
    _, findings = read(write_lines(tmp_path / "rows.jsonl", rows))
    problems = findings.problems
    refuse_bad_rows(problems, 10, skip=True, max_bad_ratio=0.1, report="r")
    with pytest.raises(InvalidRequestError, match="more than max_bad_ratio"):
        refuse_bad_rows(problems, 10, skip=True, max_bad_ratio=0.09, report="r")
    with pytest.raises(InvalidRequestError) as caught:
        refuse_bad_rows(problems, 10, skip=False, max_bad_ratio=0.1, report="r")
    assert caught.value.message == (
        "1 of 10 rows can't be trained on (mend them, or set on_bad_row to skip to leave them "
        "out): row 10 (rows.jsonl, line 10), output: it is empty: there is nothing to learn."
    )
    assert caught.value.details["codes"] == {"empty_answer": 1}
    assert caught.value.details["problems"][0]["row"] == 10
    with pytest.raises(InvalidRequestError, match="no rows"):
        refuse_bad_rows([], 0, skip=False, max_bad_ratio=0.1, report="r")
