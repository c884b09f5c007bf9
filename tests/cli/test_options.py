"""``--infer_params`` and ``--file``: how words and files are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from byzer_lab.cli.options import Command, File, pairs_of, read_pairs, with_file

app = typer.Typer()
seen: dict[str, Any] = {}


@app.command(cls=Command)
def show(
    ctx: typer.Context,
    model: str = "",
    num_workers: int = 1,
    infer_params: list[str] = typer.Option([], "--infer_params"),  # noqa: B008
    force: bool = typer.Option(False, "--force"),
    file: File = None,
) -> None:
    """Keep what was given."""
    seen.clear()
    seen.update(with_file(ctx, ctx.params))
    seen["infer_params"] = pairs_of(seen["infer_params"], "--infer_params")


def run(*words: str) -> Any:
    return CliRunner().invoke(app, list(words))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["a=b", "c=d"], {"a": "b", "c": "d"}),
        (["a=b c=d"], {"a": "b", "c": "d"}),
        (["k=x=y"], {"k": "x=y"}),
        (["k="], {"k": ""}),
        (["k=1", "k=2"], {"k": "2"}),
        (['k="a b"'], {"k": "a b"}),
        (["k='it is \"so\"'"], {"k": 'it is "so"'}),
        ([r"k=C:\x\y"], {"k": r"C:\x\y"}),
        (["k=#1"], {"k": "#1"}),
        (['k={"a": [1, 2]}'], {"k": {"a": [1, 2]}}),
        (["k=[1, 2"], None),
        (["k=a b"], None),
        (["k=it's"], None),
        (["word"], None),
        (["=v"], None),
    ],
)
def test_pairs(words: list[str], expected: dict[str, Any] | None) -> None:
    if expected is None:
        with pytest.raises(typer.BadParameter):
            read_pairs(words, "--infer_params")
    else:
        assert read_pairs(words, "--infer_params") == expected


def test_a_refusal_does_not_show_a_value() -> None:
    with pytest.raises(typer.BadParameter) as caught:
        read_pairs(["saas.api_key=abc sk-0123456789abcdef0123"], "--infer_params")
    assert "0123456789" not in str(caught.value)


def test_several_words_and_both_spellings() -> None:
    assert run("--infer-params", "a=1", "b=2", "--num-workers", "3", "--name", "x").exit_code == 0
    assert (seen["infer_params"], seen["num_workers"]) == ({"a": "1", "b": "2"}, 3)
    assert seen["model"] == "x"
    assert run("--workers=4", "--infer_params", "a=1").exit_code == 0
    assert seen["num_workers"] == 4


def test_a_file_goes_before_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL_TOKEN", "geheim")
    file = tmp_path / "options.yml"
    file.write_text(
        "model: chat\nnum_workers: 2\nforce: true\nfile: other\n"
        "infer_params:\n  saas.api_key: ENV {{MODEL_TOKEN}}\n  kept: ENVIRONMENT\n"
    )
    answer = run("--file", str(file), "--model", "other")
    assert answer.exit_code == 0, answer.output
    assert (seen["model"], seen["num_workers"], seen["force"]) == ("chat", 2, True)
    assert seen["infer_params"] == {"saas.api_key": "geheim", "kept": "ENVIRONMENT"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[1, 2]", "no mapping"),
        ("a: [", "YAML"),
        ("colour: red", "colour"),
        ("num_workers: many", "num_workers"),
        ("model: ENV {{NOT_SET_ANYWHERE}}", "NOT_SET_ANYWHERE"),
    ],
)
def test_a_wrong_file(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "options.yml"
    file.write_text(text)
    answer = run("--file", str(file))
    assert answer.exit_code == 2
    assert said in answer.output
