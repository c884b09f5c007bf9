"""What ``%%llm_deploy`` makes of a cell, and what it tells of a backend; no cluster."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import byzer_lab_magics
import pytest
from byzer_lab_magics.deploying import DEPLOY, backend_help, open_form, parameters_in, read_spec
from IPython.core.completer import CompletionContext
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell

from byzer_lab.engines import BACKENDS, find_engine
from byzer_lab.errors import InvalidRequestError
from byzer_lab.records import DeploymentSpec
from byzer_lab.types import Sampling


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("BYZER_LAB_HOME", str(tmp_path))
    shell = InteractiveShell()
    byzer_lab_magics.load_ipython_extension(shell)
    yield shell
    byzer_lab_magics.unload_ipython_extension(shell)


def test_every_field_of_a_deployment_has_its_place_in_a_cell() -> None:
    line = (
        "chat --model_path bundled --backend llama_cpp --workers 2 --worker_concurrency 4 "
        "--load_balance least_loaded --min_workers 1 --max_workers 3 --scale_down_after_s 5 "
        "--cpus_per_worker 1 --resource big_memory=0.01 --resource disk=2"
    )
    body = "n_ctx = 512\ngeneration.temperature = 0.2\ngen.max_new_tokens = 9"
    assert read_spec(DEPLOY.parse(line), body) == DeploymentSpec(
        name="chat",
        model_path="bundled",
        backend="llama_cpp",
        workers=2,
        worker_concurrency=4,
        load_balance="least_loaded",
        min_workers=1,
        max_workers=3,
        scale_down_after_s=5,
        cpus_per_worker=1,
        resources={"big_memory": 0.01, "disk": 2},
        infer_params={"n_ctx": 512},
        generation=Sampling(temperature=0.2, max_tokens=9),
    )
    assert read_spec(DEPLOY.parse("c --model_path m"), "") == DeploymentSpec("c", "m")


def test_a_providers_model_needs_no_path(capsys: pytest.CaptureFixture[str]) -> None:
    line = "gpt --pretrained_model_type saas/openai"
    spec = read_spec(DEPLOY.parse(line), "saas.api_key = ${MY_KEY}\nsaas.model = gpt-4o")
    assert spec == DeploymentSpec(
        "gpt",
        pretrained_model_type="saas/openai",
        infer_params={"saas.api_key": "${MY_KEY}", "saas.model": "gpt-4o"},
    )
    text = backend_help(line)
    assert text.startswith("Parameters of saas/openai, in the body of the cell:")
    assert "max_retries" in text
    with pytest.raises(UsageError, match="--model_path is missing"):
        DEPLOY.parse("gpt --pretrained_model_type custom/llama2")


@pytest.mark.parametrize(
    ("more", "body", "kind", "sentence"),
    [
        ("--resource big", "", UsageError, "%llm_deploy: --resource is 'big'; write NAME=AMOUNT, "
         "such as big_memory=0.01."),
        ("--max_workers 1 --min_workers 2", "", InvalidRequestError,
         "max_workers is 1; it must be from 2 to 1000."),
        ("", "generation.temprature = 1", InvalidRequestError, "llm_config has no parameter "
         "'temprature'; did you mean temperature?"),
        ("", "generation.top_p = 2", InvalidRequestError, "top_p is 2; it must be a number of more "
         "than 0 and at most 1."),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(more: str, body: str, kind: type[Exception], sentence: str) -> None:
    with pytest.raises(kind) as caught:
        read_spec(DEPLOY.parse(f"c --model_path m {more}"), body)
    assert str(caught.value) == sentence


@pytest.mark.parametrize("backend", sorted(BACKENDS))
def test_help_lists_the_parameters_of_a_backend(
    shell: Any, backend: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.run_cell(f"%%llm_deploy chat --backend {backend} --help")
    out = capsys.readouterr().out
    assert out.startswith("%%llm_deploy NAME")
    for info in find_engine(backend).parameters():
        assert f"  {info.name} = " in out
    assert max(map(len, out.splitlines())) <= 110


def test_help_of_a_parameter_has_all_that_is_known_of_it() -> None:
    words = " ".join(backend_help("--backend llama_cpp").split())
    assert "n_gpu_layers = N layers kept on the GPU" in words
    assert "(a whole number of at least -1; default 0; also num_gpu_layers)" in words
    assert "in tokens" in words
    assert backend_help("chat --help") == ""
    with pytest.raises(InvalidRequestError, match="did you mean|Did you mean"):
        backend_help("--backend trnsformers")


def test_the_models_type_chooses_among_the_engines_of_a_backend() -> None:
    chat = {info.name for info in parameters_in("c --model_path m")}
    vectors = {info.name for info in parameters_in("c --pretrained_model_type custom/bge")}
    assert "page_size" in chat
    assert "page_size" not in vectors


def completed(shell: Any, cell: str) -> list[str]:
    """What Tab at the end of a cell offers, by our matcher alone."""
    lines = cell.split("\n")
    context = CompletionContext(
        token="",
        full_text=cell,
        cursor_position=len(lines[-1]),
        cursor_line=len(lines) - 1,
        limit=None,
    )
    matcher = next(
        m for m in shell.Completer.custom_matchers if m.matcher_identifier == "byzer_lab"
    )
    return [item.text for item in matcher(context)["completions"]]


def test_completion_in_the_body(shell: Any) -> None:
    head = "%%llm_deploy chat --model_path bundled --backend llama_cpp"
    assert completed(shell, f"{head}\nuse_ml") == ["use_mlock"]
    assert completed(shell, f"{head}\nuse_mlock = t") == ["true"]
    assert "q8_0" in completed(shell, f"{head}\nn_ctx = 5\ntype_k = ")
    assert completed(shell, f"{head}\nn_ctx = 5\nn_ct") == []
    assert completed(shell, f"{head}\nnum_gpu") == ["num_gpu_layers"]
    assert completed(shell, f"{head}\ngeneration.temp") == ["generation.temperature"]
    assert completed(shell, "%%llm_deploy chat --model_path m\nattn_im") == ["attn_implementation"]
    assert completed(shell, "%%llm_deploy chat --backend nosuch\nn") == []
    assert completed(shell, "%%prompt chat\nn_c") == []
    assert completed(shell, "x = 1\nuse_ml") == []


def test_in_a_terminal_there_is_no_form(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert not shell.run_cell("%llm_deploy").success
    assert capsys.readouterr().err == (
        "UsageError: %llm_deploy: NAME is missing; write %%llm_deploy NAME --model_path PATH "
        "[options].\n"
    )


def test_without_ipywidgets_the_form_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    for name in [name for name in sys.modules if name.startswith("byzer_lab.widgets.")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(UsageError, match="needs ipywidgets; install it where this kernel runs"):
        open_form(SimpleNamespace(kernel=object()))
