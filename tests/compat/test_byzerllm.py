"""Imports of notebooks that were written for Byzer-LLM."""

from __future__ import annotations

import subprocess
import sys

import pytest

IMPORTS = [
    "import byzerllm; assert byzerllm.ByzerLLM is byzer_lab.ByzerLLM",
    "import byzerllm; assert byzerllm.connect_cluster is byzer_lab.connect_cluster",
    "import byzerllm; assert byzerllm.prompt is byzer_lab.prompt",
    "from byzerllm.utils.client import ByzerLLM,LLMRequest,InferBackend",
    "from byzerllm.utils.client import ByzerLLM,LLMRequest,LLMResponse,LLMHistoryItem,InferBackend",
    "from byzerllm.utils.client import Templates, code_utils, message_utils",
    "from byzerllm.utils.client.types import Templates",
    "from byzerllm.utils import response_class_format,response_class_format_after_chat",
    "from byzerllm.utils import function_calling_format, function_impl_format",
    "from byzerllm.utils import sys_function_calling_format, sys_function_impl_format",
    "from byzerllm.utils import sys_response_class_format, serialize_function_to_json",
    "from byzerllm.utils.retrieval import ByzerRetrieval",
    "from byzerllm.utils.client import *; assert ByzerLLM is byzer_lab.ByzerLLM",
]


def run(program: str) -> subprocess.CompletedProcess[str]:
    run = [sys.executable, "-c", program]
    return subprocess.run(run, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("line", IMPORTS)
def test_a_line_of_the_readme(line: str) -> None:
    answer = run(f"import byzer_lab, byzer_lab.compat.byzerllm\n{line}")
    assert answer.returncode == 0, answer.stderr


def test_without_it_the_old_name_is_unknown() -> None:
    assert "No module named 'byzerllm'" in run("import byzer_lab\nimport byzerllm").stderr


def test_what_is_not_there_is_an_import_error() -> None:
    program = "import byzer_lab.compat.byzerllm\nimport byzerllm.nothing"
    assert "No module named 'byzerllm.nothing'" in run(program).stderr


def test_our_own_modules_stay_as_they_are() -> None:
    program = (
        "import byzer_lab.compat.byzerllm, byzer_lab.utils.client as ours\n"
        "import byzerllm.utils.client as old\n"
        "assert ours.__spec__.name == 'byzer_lab.utils.client' and old is not ours\n"
        "import sys\nassert 'ray' not in sys.modules and 'torch' not in sys.modules"
    )
    answer = run(program)
    assert answer.returncode == 0, answer.stderr


def test_retrieval_says_that_it_is_not_there() -> None:
    program = (
        "import byzer_lab.compat.byzerllm\n"
        "from byzerllm.utils.retrieval import ByzerRetrieval\nByzerRetrieval()"
    )
    assert "has no Byzer Retrieval" in run(program).stderr
