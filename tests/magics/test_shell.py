"""The extension in an IPython shell of this process, without a cluster."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import byzer_lab_magics
import pytest
from byzer_lab_magics.complete import CachedNames, Completion
from byzer_lab_magics.deploying import DEPLOY, UNDEPLOY
from byzer_lab_magics.prompting import PROMPT
from IPython.core.completer import CompletionContext
from IPython.core.interactiveshell import InteractiveShell


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("BYZER_LAB_HOME", str(tmp_path))
    shell = InteractiveShell()
    byzer_lab_magics.load_ipython_extension(shell)
    yield shell
    byzer_lab_magics.unload_ipython_extension(shell)


def test_loading_is_quick_and_light() -> None:
    code = """
import sys, time
import IPython.core.interactiveshell as i, IPython.core.completer, IPython.display
shell = i.InteractiveShell()
started = time.perf_counter()
shell.run_line_magic("load_ext", "byzer_lab")
print(time.perf_counter() - started)
heavy = "ray torch transformers jupyter_server httpx jinja2 starlette tornado".split()
print(*[name for name in heavy if name in sys.modules])
"""
    outputs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        for _ in range(3)
    ]
    assert all(ran.stderr == "" for ran in outputs)
    lines = [ran.stdout.splitlines() for ran in outputs]
    assert {line[1] for line in lines} == {""}
    assert min(float(line[0]) for line in lines) < 0.4


def test_load_twice_and_unload(shell: Any) -> None:
    byzer_lab_magics.load_ipython_extension(shell)
    matchers = len(shell.Completer.custom_matchers)
    transformers = len(shell.input_transformers_cleanup)
    byzer_lab_magics.unload_ipython_extension(shell)
    byzer_lab_magics.unload_ipython_extension(shell)
    assert shell.find_line_magic("llm_list") is None
    assert shell.find_cell_magic("prompt") is None
    assert len(shell.Completer.custom_matchers) == matchers - 2  # ours, and that of SQL
    assert len(shell.input_transformers_cleanup) == transformers - 1
    assert "ByzerMagics" not in [type(item).__name__ for item in shell.configurables]


@pytest.mark.parametrize(
    "code",
    ["%%prompt --help", "%prompt -h", "%%llm_deploy chat --help\nbody", "%llm_undeploy -h",
     "%llm_list --help", "%llm_conversation --help",
     "%llm_meta -h", "%llm_scale -h", "%llm_logs -h", "%llm_status -h", "%%llm_sql -h"],
)  # fmt: skip
def test_help(shell: Any, code: str, capsys: pytest.CaptureFixture[str]) -> None:
    result = shell.run_cell(code)
    assert result.success
    assert result.result is None
    assert "-h, --help" in capsys.readouterr().out


def test_a_question_is_no_request_for_help(shell: Any) -> None:
    def becomes(cell: str) -> str:
        return str(shell.transform_cell(cell))

    called = "get_ipython().run_line_magic('prompt', 'Who are you?')\n"
    assert becomes("%prompt Who are you?") == called
    assert becomes("if True:\n    %prompt Who are you?") == f"if True:\n    {called}"
    assert becomes("reply = %prompt Who are you?") == f"reply = {called}"
    assert "pinfo" in becomes("%prompt?")
    assert "pinfo" in becomes("reply?")
    assert becomes("x = 1") == "x = 1\n"


def test_a_cell_magic_alone_gets_a_body(shell: Any) -> None:
    assert "'chat --model_path bundled', '\\n')" in shell.transform_cell(
        "%%llm_deploy chat --model_path bundled"
    )
    assert "'', 'x = 1\\n')" in shell.transform_cell("%%timeit\nx = 1")
    manager = shell.input_transformer_manager
    assert manager.check_complete("%%llm_deploy chat --model_path bundled\n")[0] == "incomplete"


def test_without_a_cluster(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(shell.run_cell("%llm_list").result) == 0
    shell.run_cell("%llm_status")
    out = capsys.readouterr().out
    assert out.count("No Byzer Lab is running; %llm_deploy starts one.") == 2


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("%%prompt", "The prompt is empty; write it below %%prompt, or after %prompt."),
        ("%%prompt --as 1a\nHi", "%prompt: --as 1a is not a name that a variable can have."),
        ("%%prompt --completion --system s\nHi",
         "%prompt: --completion goes on with a text, without turns; leave --system out."),
        ("%%prompt --tempreature 1\nHi",
         "%prompt has no option --tempreature; did you mean --temperature?"),
        ("%llm_logs chat -n 0", "%llm_logs: --lines is 0; it must be at least 1."),
        ("%%llm_deploy chat --model_path m\na", "Line 1 of the body is not 'key = value': 'a' has"
         " no value."),
    ],
)  # fmt: skip
def test_usage_errors(
    shell: Any, code: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    result = shell.run_cell(code)
    assert not result.success
    captured = capsys.readouterr()
    assert captured.err == f"UsageError: {sentence}\n"
    assert captured.out == ""


def test_run_time_errors_are_one_sentence(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    shell.run_cell("%%llm_deploy chat --model_path m\nkey = ${NOT_SET_ANYWHERE}")
    first = capsys.readouterr().out.strip()
    assert first.startswith("InvalidRequestError: NOT_SET_ANYWHERE is not set in the environment")
    shell.run_cell("%llm_deploy -bad-name --model_path m")
    assert "has no option -bad-name" in capsys.readouterr().err
    shell.run_cell("%llm_deploy chat --model_path m --workers 0")
    assert capsys.readouterr().out.strip() == (
        "InvalidRequestError: workers is 0; it must be from 1 to 1000."
    )


def matches(completion: Completion, line: str) -> list[str]:
    context = CompletionContext(
        token="", full_text=line, cursor_position=len(line), cursor_line=0, limit=None
    )
    return [item.text for item in completion.match(context)["completions"]]


def test_completion(shell: Any) -> None:
    magics = [PROMPT, DEPLOY, UNDEPLOY]
    completion = Completion(shell, magics, {}, names=lambda: ["chat", "coder"])
    try:
        assert matches(completion, "%%prompt --te") == ["--temperature"]
        assert {"--logprobs", "--min_p"} <= set(matches(completion, "%%prompt --"))
        assert matches(completion, "%%prompt c") == ["chat", "coder"]
        assert matches(completion, "%%prompt --model co") == ["coder"]
        assert matches(completion, "reply = %prompt --model=ch") == ["chat"]
        assert matches(completion, "%prompt c") == []  # that is the prompt already
        assert matches(completion, "%%prompt chat c") == []
        assert matches(completion, "%%prompt --seed 3 c") == ["chat", "coder"]
        assert matches(completion, "%llm_undeploy ") == ["chat", "coder"]
        assert matches(completion, "%%llm_deploy c") == []
        assert matches(completion, "%%llm_deploy c --backend t") == ["transformers"]
        assert matches(completion, "%%llm_deploy c --model_path b") == ["bundled"]
        assert matches(completion, "%%llm_deploy c --load_balance r") == ["round_robin"]
        families = matches(completion, "%%llm_deploy c --pretrained_model_type custom/")
        assert {"custom/auto", "custom/bge_rerank"} <= set(families)
        assert matches(completion, "%%llm_deploy c --worker-c") == ["--worker-concurrency"]
        assert "--stop" in matches(completion, "%%prompt --stop a --st")
        assert matches(completion, "%%prompt --seed 1 --se") == []
        assert matches(completion, "x = prompt --te") == []
    finally:
        completion.undo()


def test_completion_never_waits_long() -> None:
    asked = []

    def slowly() -> list[str]:
        asked.append(1)
        time.sleep(0.6)
        return ["chat"]

    names = CachedNames(slowly)
    started = time.perf_counter()
    assert names() == []
    assert time.perf_counter() - started < 0.4
    assert names() == []
    time.sleep(0.5)
    assert names() == ["chat"]
    assert names() == ["chat"]
    assert len(asked) == 1
