"""Written functions in a real Jupyter kernel, which survives them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from jupyter_client.manager import start_new_kernel

from byzer_lab.sandbox.support import missing
from tests.magics.kernel_driver import KernelDriver

if lacks := missing():
    pytest.skip(lacks, allow_module_level=True)

SET_UP = """
import os, pydantic
from tests.support.scripted_model import ScriptedLLM

class Number(pydantic.BaseModel):
    value: int

def wrote(body, **options):
    llm = ScriptedLLM(f"```python\\ndef f():\\n    {body}\\n```")
    def f() -> Number:
        "A number."
    return llm.impl(max_retries=0, **options)(f)
mine = os.getpid()
"""
REPOSITORY = str(Path(__file__).parent.parent.parent)


@pytest.fixture(scope="module")
def kernel() -> Iterator[KernelDriver]:
    environment = {**os.environ, "PYTHONPATH": REPOSITORY}
    manager, client = start_new_kernel(kernel_name="python3", env=environment)
    try:
        driver = KernelDriver(manager, client)
        ran = driver.run(SET_UP)
        assert ran.status == "ok", ran.messages
        yield driver
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def test_the_code_is_shown_folded(kernel: KernelDriver) -> None:
    ran = kernel.run("f = wrote('return {\"value\": 3}')\nprint(f())\nf()")
    assert ran.stdout == "value=3\n"
    shown, result = ran.bundles
    assert shown["text/html"].startswith("<details><summary><code>f</code>: written by scripted")
    assert "return {&quot;value&quot;: 3}" in shown["text/html"]
    assert shown["text/plain"].startswith("f: written by scripted in ")
    assert result["text/plain"] == "Number(value=3)"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("import os; os._exit(1)", "exit code 1"),
        ("import os; os.kill(os.getppid(), 9)", "PermissionError"),
        ("import os\n    while True: os.fork()", "PermissionError"),
        ("a = []\n    while True: a.append(bytearray(1 << 24))", "out of memory|MemoryError"),
        ("while True: print('x' * 1000000)", "printed more than"),
        ("import ctypes; ctypes.string_at(0)", "SIGSEGV"),
    ],
)
def test_the_kernel_survives(kernel: KernelDriver, body: str, words: str) -> None:
    ran = kernel.run(f"wrote({body!r}, limits=None)()")
    assert ran.status == "error"
    name, sentence = ran.error
    assert name == "GeneratedCodeError"
    assert any(word in sentence for word in words.split("|")), sentence
    assert kernel.run("print(os.getpid() == mine)").stdout == "True\n"


def test_an_interrupt_stops_the_code(kernel: KernelDriver) -> None:
    kernel.run("wrote('return {\"value\": 1}')()")  # the sandbox is warm
    code = (
        "from byzer_lab.sandbox.limits import Limits\n"
        "wrote('while True: pass', limits=Limits(time_s=100, cpu_s=100))()"
    )
    ran = kernel.run(code, interrupt_after_s=2)
    assert ran.error[0] == "KeyboardInterrupt"
    assert kernel.run("print(wrote('return {\"value\": 2}')())").stdout == "value=2\n"
