"""What the sandbox is for: values in, values out, and clear words where there is none."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import os
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import Any

import pydantic
import pytest

from byzer_lab.errors import InvalidRequestError
from byzer_lab.sandbox import support
from byzer_lab.sandbox.limits import Limits, SandboxError
from byzer_lab.sandbox.sandbox import Sandbox
from tests.sandbox.conftest import Run


@dataclasses.dataclass
class Point:
    x: int
    y: int


class Story(pydantic.BaseModel):
    title: str
    at: datetime.date


class Colour(enum.Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        (None, "NoneType"),
        (True, "bool"),
        ("ä \U0001f600 \x00", "str"),
        ([1, 2.5, {"a": [None]}], "list"),
        ({1: "a", "is": "date", "of": "b"}, "dict"),
        (datetime.datetime(2024, 1, 28, 3, 4, tzinfo=datetime.UTC), "datetime"),
        (datetime.date(2024, 1, 28), "date"),
        (datetime.time(1, 2), "time"),
        (datetime.timedelta(days=-1, microseconds=5), "timedelta"),
        (decimal.Decimal("1.10"), "Decimal"),
        (uuid.UUID(int=7), "UUID"),
        (b"\x00\xff", "bytes"),
        ((1, 2), "tuple"),
        ({1}, "set"),
    ],
)
def test_arguments_keep_their_kind(run: Run, value: Any, seen: str) -> None:
    outcome = run("return [type(a).__name__, repr(a)]", value)
    assert outcome.error is None
    assert outcome.value[0] == seen
    names = {"datetime": datetime, "UUID": uuid.UUID, "Decimal": decimal.Decimal}
    assert eval(outcome.value[1], names) == value


def test_objects_come_as_records(run: Run) -> None:
    body = "return [a.x, b['title'], b.at.year, c]"
    story = Story(title="t", at=datetime.date(2024, 1, 2))
    assert run(body, Point(1, 2), story, Colour.RED).value == [1, "t", 2024, "red"]


def test_a_record_hides_no_field(run: Run) -> None:
    odd = dataclasses.make_dataclass("Odd", ["items", "keys", "name"])
    body = """
        a.name = "y"
        a["more"] = 3
        return [a.items, a["keys"], list(a), len(a), "name" in a, "x" in a, a.get("more"), a, b]
    """
    story = Story(title="t", at=datetime.date(2024, 1, 2))
    outcome = run(body, odd([1], 2, "x"), story)
    whole = {"items": [1], "keys": 2, "name": "y", "more": 3}
    assert outcome.reason == ""
    assert outcome.value[:4] == [[1], 2, ["items", "keys", "name", "more"], 4]
    assert outcome.value[4:] == [True, False, 3, whole, {"title": "t", "at": "2024-01-02"}]
    assert run("return [dict(a), a.model_dump(), *a.items()]", Point(1, 2)).value == [
        {"x": 1, "y": 2},
        {"x": 1, "y": 2},
        ["x", 1],
        ["y", 2],
    ]


def test_an_argument_that_can_not_go(run: Run) -> None:
    with pytest.raises(InvalidRequestError, match=r"argument 1 holds a lock.*unsafe=True"):
        run("return 1", threading.Lock())
    ring: list[Any] = []
    ring.append(ring)
    with pytest.raises(InvalidRequestError, match="levels deep"):
        run("return 1", ring)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        ("import datetime; return datetime.date(2024, 1, 2)", "2024-01-02"),
        ("import decimal; return {'a': (decimal.Decimal('1.5'), {3})}", {"a": ["1.5", [3]]}),
        ("import dataclasses\nreturn dataclasses.make_dataclass('P', ['x'])(4)", {"x": 4}),
        ("import pydantic\nreturn pydantic.create_model('M', x=(int, 3))()", {"x": 3}),
        ("return (n for n in range(3))", [0, 1, 2]),
        ("async def g():\n    return 7\nreturn g()", 7),
        ("import asyncio\nasync def g():\n    await asyncio.sleep(0); return 7\nreturn g()", 7),
        ("return {1: 'a'}", {"1": "a"}),
    ],
)
def test_results_are_plain_json(run: Run, body: str, value: Any) -> None:
    outcome = run(body)
    assert (outcome.error, outcome.value) == (None, value)


@pytest.mark.parametrize(
    "body",
    [
        "return float('nan')",
        "return [float('inf')]",
        "return object()",
        "return b'x'",
        "return {(1, 2): 3}",
        "a = []; a.append(a); return a",
        "a = []\nfor _ in range(100000): a = [a]\nreturn a",
        "return lambda: 1",
    ],
)
def test_a_result_that_is_no_json(run: Run, body: str) -> None:
    outcome = run(body)
    assert outcome.value is None
    assert outcome.error is not None
    assert "JSON can't hold" in outcome.error


def test_numbers_of_numpy_and_tables_of_pandas(run: Run) -> None:
    pytest.importorskip("numpy")
    pytest.importorskip("pandas")
    body = """
        import numpy, pandas
        table = pandas.DataFrame({"a": [1, 2]})
        return [numpy.float64(1.5), numpy.arange(3), table, table["a"].sum()]
    """
    outcome = run(body)
    assert outcome.reason == ""
    assert outcome.value == [1.5, [0, 1, 2], [{"a": 1}, {"a": 2}], 3]


def test_the_traceback_shows_the_code_alone(sandbox: Sandbox) -> None:
    source = "def g():\n    return 1 / 0\n\ndef f():\n    return g()\n"
    outcome = sandbox.run(source, "f")
    assert outcome.error == "The code failed with ZeroDivisionError: division by zero"
    assert "return 1 / 0" in outcome.traceback
    assert "line 5" in outcome.traceback
    assert "child.py" not in outcome.traceback
    assert outcome.reason.startswith(outcome.error)


def test_code_that_is_no_python(sandbox: Sandbox) -> None:
    outcome = sandbox.run("def f(:\n", "f")
    assert outcome.error is not None
    assert "is no Python" in outcome.error


def test_a_function_that_is_missing(sandbox: Sandbox) -> None:
    outcome = sandbox.run("def g(): pass", "f")
    assert outcome.error is not None
    assert "defines no function f" in outcome.error


def test_names_of_the_caller(sandbox: Sandbox) -> None:
    source = "def f() -> Story:\n    return Story('t', at=Colour.RED)\n"
    outcome = sandbox.run(
        source, "f", classes={"Story": ["title", "at"]}, enums={"Colour": {"RED": "red"}}
    )
    assert outcome.value == {"title": "t", "at": "red"}


def test_output_is_kept_apart_and_cut(run: Run) -> None:
    outcome = run(
        "import sys\nprint('{\"value\": 5}')\nprint('x' * 200000, file=sys.stderr)\nreturn 1"
    )
    assert outcome.value == 1
    assert outcome.stdout.startswith('{"value": 5}\nxxx')
    assert outcome.cut
    assert len(outcome.stdout) == 64 * 1024


def test_scratch_is_a_folder_of_its_own(run: Run) -> None:
    body = """
        import os, tempfile
        with open("a.txt", "w") as file: file.write("hello")
        os.makedirs("deep/er"); os.rename("a.txt", "deep/er/b.txt"); os.symlink("deep", "link")
        with tempfile.TemporaryDirectory() as folder: inside = folder.startswith(os.getcwd())
        return [os.getcwd(), inside, open("link/er/b.txt").read()]
    """
    folder, inside, text = run(body).value
    assert (inside, text) == (True, "hello")
    assert not os.path.exists(folder)
    assert run("import os; return os.listdir()").value == []


def test_many_threads_call_at_once(sandbox: Sandbox) -> None:
    found: list[Any] = []
    source = "import time\ndef f(n):\n    time.sleep(0.2)\n    return n"
    threads = [
        threading.Thread(target=lambda n=n: found.append(sandbox.run(source, "f", [n]).value))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == list(range(8))


def test_calls_know_nothing_of_each_other(run: Run) -> None:
    run(
        "import json, builtins; json.loads = None; builtins.print = None; builtins.leak = a", "s3cr"
    )
    body = """
        import builtins, json, gc
        print("x")
        holders = [o for o in gc.get_objects() if isinstance(o, (dict, list))]
        found = [o for o in holders if "s3cr" in list(o.values() if isinstance(o, dict) else o)]
        return [hasattr(builtins, "leak"), json.loads("1"), len(found)]
    """
    assert run(body).value == [False, 1, 0]


def test_a_killed_warm_process_is_replaced() -> None:
    lacks = support.missing()
    if lacks is not None:
        pytest.skip(lacks)
    with Sandbox() as own:
        assert own.run("def f(): return 1", "f").value == 1
        assert own._zygote is not None
        own._zygote._process.kill()
        own._zygote._process.wait()
        assert own.run("def f(): return 2", "f").value == 2


@pytest.mark.parametrize("busy", [True, False])
def test_it_ends_with_its_owner(busy: bool) -> None:
    lacks = support.missing()
    if lacks is not None:
        pytest.skip(lacks)
    program = (
        "import os, threading, time\n"
        "from byzer_lab.sandbox.sandbox import Sandbox\n"
        "own = Sandbox()\nown.run('def f(): return 1', 'f')\n"
        "run = lambda: own.run('import time\\ndef f(): time.sleep(60)', 'f')\n"
        f"if {busy}:\n"
        "    threading.Thread(target=run, daemon=True).start()\n    time.sleep(1)\n"
        "print(own._zygote._process.pid, own._zygote._root, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    pid, root = done.stdout.split()
    deadline = time.monotonic() + 20
    while (os.path.exists(root) or _of_session(int(pid))) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not os.path.exists(root)
    assert not _of_session(int(pid))


def _of_session(session: int) -> list[int]:
    """Processes of a session that still run."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == session and fields[0] not in "ZX":
                found.append(int(folder.name))
    return found


@pytest.mark.parametrize(
    ("what", "value", "sentence"),
    [
        ("sys.platform", "darwin", "needs Linux"),
        ("platform.machine", lambda: "riscv64", "riscv64"),
    ],
)
def test_it_refuses_where_code_can_not_be_confined(
    monkeypatch: pytest.MonkeyPatch, what: str, value: Any, sentence: str
) -> None:
    monkeypatch.setattr(f"byzer_lab.sandbox.support.{what}", value)
    with Sandbox() as own, pytest.raises(SandboxError, match=f"{sentence}.*unsafe=True"):
        own.run("def f(): return 1", "f")


def test_it_refuses_without_landlock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("byzer_lab.sandbox.landlock.version", lambda: 0)
    with Sandbox() as own, pytest.raises(SandboxError, match=r"needs Landlock.*unsafe=True"):
        own.run("def f(): return 1", "f")


@pytest.mark.parametrize("fields", [{"time_s": 0}, {"memory_mib": "1"}, {"threads": True}])
def test_limits_are_checked(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequestError, match=next(iter(fields))):
        Limits(**fields)
