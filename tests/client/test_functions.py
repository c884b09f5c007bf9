"""``llm.impl`` and ``chat_oai(impl_func=...)`` on a scripted model, in the real sandbox."""

from __future__ import annotations

import asyncio
import dataclasses
import enum
import json
import os
import stat
import sys
import threading
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any

import pydantic
import pytest

from byzer_lab.client.functions import shown
from byzer_lab.client.functions.implementation import GeneratedCodeError
from byzer_lab.errors import InvalidRequestError
from byzer_lab.sandbox.limits import Limits, SandboxError
from byzer_lab.sandbox.support import missing
from byzer_lab.utils import function_impl_format
from tests.support.scripted_model import ScriptedLLM, contents, end, pieces

if lacks := missing():
    pytest.skip(lacks, allow_module_level=True)


class Time(pydantic.BaseModel):
    time: str = pydantic.Field(description="时间，时间格式为 yyyy-MM-dd")


class TimeRange(pydantic.BaseModel):
    """时间区间
    格式需要如下： yyyy-MM-dd
    """

    start: str = pydantic.Field(description="开始时间.时间格式为 yyyy-MM-dd")
    end: str = pydantic.Field(description="截止时间.时间格式为 yyyy-MM-dd")


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Car:
    colour: Colour
    built: datetime


NOW = """Here it is:

```python
import datetime

def calculate_current_time():
    return {"time": "2024-01-28"}
```

It returns the date."""

RANGE = """```python
import json

def calculate_time_range():
    return json.dumps({"start": "2023-03-01", "end": "2023-07-31"})
```"""

ADD = """```python
from datetime import datetime, timedelta

def add_one_day(current_day: datetime) -> Time:
    return Time(time=(current_day + timedelta(days=1)).strftime("%Y-%m-%d"))
```"""


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BYZER_LAB_HOME", str(tmp_path))
    return tmp_path


def calculate_time_range() -> TimeRange:  # type: ignore[empty-body]
    """计算时间区间，时间格式为 yyyy-MM-dd."""


def test_a_function_is_written_once() -> None:
    llm = ScriptedLLM(NOW)

    @llm.impl()
    def calculate_current_time() -> Time:  # type: ignore[empty-body]
        """计算当前时间"""

    assert calculate_current_time() == Time(time="2024-01-28")
    assert calculate_current_time() == Time(time="2024-01-28")
    (request,) = llm.requests
    (asked,) = contents(request)
    assert "计算当前时间" in asked
    assert '"name": "calculate_current_time"' in asked
    assert "yyyy-MM-dd" in asked
    assert calculate_current_time.__name__ == "calculate_current_time"


def test_arguments_and_the_callers_classes() -> None:
    llm = ScriptedLLM(ADD)

    @llm.impl()
    def add_one_day(current_day: Annotated[datetime, "当前日期"]) -> Time:  # type: ignore[empty-body]
        """给传入的日期加一天，得到明天的时间"""

    assert add_one_day(datetime(2024, 1, 28)) == Time(time="2024-01-29")
    assert add_one_day(current_day=datetime(2024, 2, 29)) == Time(time="2024-03-01")
    with pytest.raises(TypeError, match="current_day"):
        add_one_day()
    assert len(llm.requests) == 1


def test_an_instruction_and_a_result_that_is_a_text() -> None:
    llm = ScriptedLLM(RANGE)
    written = llm.impl(instruction="去年三月到七月")(calculate_time_range)
    assert written() == TimeRange(start="2023-03-01", end="2023-07-31")
    assert "去年三月到七月" in contents(llm.requests[0])[0]
    assert written() == written()
    assert len(llm.requests) == 1


@pytest.mark.parametrize(
    ("returns", "body", "value"),
    [
        (list[Time], 'return [{"time": "a"}]', [Time(time="a")]),
        (dict[str, int], 'return {"a": 1}', {"a": 1}),
        (str, 'return "a"', "a"),
        (str, 'return "[1]"', "[1]"),
        (int, "return 3", 3),
        (Colour, "return Colour.RED", Colour.RED),
        (int | None, "return None", None),
        (
            Car,
            "import datetime\n    return Car(Colour.RED, datetime.datetime(2024, 1, 2))",
            Car(Colour.RED, datetime(2024, 1, 2)),
        ),
    ],
)
def test_what_may_be_returned(returns: Any, body: str, value: Any) -> None:
    llm = ScriptedLLM(f"def f():\n    {body}")

    def f() -> Any: ...

    f.__annotations__["return"] = returns
    assert llm.impl()(f)() == value


def test_async_functions() -> None:
    llm = ScriptedLLM(
        "async def f(n):\n    import asyncio\n    await asyncio.sleep(0)\n    return n"
    )

    @llm.impl()
    async def f(n: int) -> int:  # type: ignore[empty-body]
        """Give it back."""

    assert asyncio.run(f(3)) == 3


def test_it_is_asked_again_with_the_error() -> None:
    llm = ScriptedLLM(
        "I can't do that.",
        "```python\ndef other():\n    pass\n```",
        '```python\ndef f(n):\n    return {"time": 1 / n}\n```',
        '```python\ndef f(n):\n    return {"time": str(n)}\n```',
    )

    @llm.impl(max_retries=3)
    def f(n: int) -> Time:  # type: ignore[empty-body]
        """Something."""

    assert f(0) == Time(time="0")
    told = contents(llm.requests[3])
    assert "No Python block found: the answer is no Python code" in told[2]
    assert "that defines the function f" in told[4]
    assert "ZeroDivisionError" in told[6]
    assert 'return {"time": 1 / n}' in told[6]  # the line that failed


def test_it_is_given_up_with_the_reason() -> None:
    llm = ScriptedLLM('```python\ndef f():\n    return {"tim": 1}\n```')

    @llm.impl()
    def f() -> Time:  # type: ignore[empty-body]
        """Something."""

    with pytest.raises(
        GeneratedCodeError, match=r"no function f that works.*no Time.*time"
    ) as told:
        f()
    assert len(llm.requests) == 3
    assert told.value.details["raw_func"].startswith("def f")
    with pytest.raises(GeneratedCodeError):
        f()  # what doesn't work isn't kept
    assert len(llm.requests) == 6


def test_a_cut_answer_is_not_asked_again() -> None:
    llm = ScriptedLLM([*pieces("```python\ndef f():\n    ret"), end("length")])
    (answer,) = llm.chat_oai("x", impl_func="def f()", response_class=Time, execute_impl_func=True)
    assert (answer.value, len(llm.requests)) == (None, 1)
    assert "cut at the token limit" in answer.metadata["reason"]


def test_a_kept_function_that_fails_later_says_so() -> None:
    llm = ScriptedLLM("def f(n):\n    return 6 // n")

    @llm.impl()
    def f(n: int) -> int:  # type: ignore[empty-body]
        """Divide."""

    assert f(2) == 3
    with pytest.raises(GeneratedCodeError, match=r"function f failed.*ZeroDivisionError"):
        f(0)
    assert len(llm.requests) == 1


# -- the cache ----------------------------------------------------------------------------------


def _counting() -> ScriptedLLM:
    """A model whose functions return how often it was asked."""
    llm = ScriptedLLM(lambda _: f"def f():\n    return {len(llm.requests)}")
    return llm


def _function(doc: str = "Count.", returns: Any = int) -> Any:
    def f() -> Any: ...

    f.__doc__ = doc
    f.__annotations__["return"] = returns
    return f


def test_what_makes_it_ask_again() -> None:
    llm = _counting()
    assert llm.impl()(_function())() == 1
    assert llm.impl()(_function())() == 1  # the same cell again
    assert llm.impl()(_function("Count!"))() == 2
    assert llm.impl()(_function(returns=int | str))() == 3
    assert llm.impl(instruction="now")(_function())() == 4
    assert llm.impl(model="other")(_function())() == 5
    assert llm.impl(skip_cache=True)(_function())() == 6

    def f(n: int = 0) -> int:  # type: ignore[empty-body]
        """Count."""

    llm = ScriptedLLM("def f(n=0):\n    return 7")
    llm.impl()(_function())()
    llm.impl()(f)()
    assert len(llm.requests) == 2


def test_a_changed_class_makes_it_ask_again() -> None:
    llm = ScriptedLLM(lambda _: 'def f():\n    return {"a": 1, "b": 2}')
    for fields in ({"a": (int, 0)}, {"a": (int, 0), "b": (int, 0)}):
        llm.impl()(_function(returns=pydantic.create_model("Same", **fields)))()  # type: ignore[call-overload]
    assert len(llm.requests) == 2

    llm = ScriptedLLM("def f(given):\n    return 1")
    for fields in ({"a": (int, 0)}, {"b": (int, 0)}):
        given = pydantic.create_model("Given", **fields)  # type: ignore[call-overload]

        def f(given: Any) -> int:  # type: ignore[empty-body]
            """Count."""

        f.__annotations__["given"] = given
        llm.impl()(f)(given())
    assert len(llm.requests) == 2


def test_clear_impl_cache() -> None:
    llm = _counting()
    plain, told = llm.impl()(_function()), llm.impl(instruction="now")(_function())
    assert (plain(), told()) == (1, 2)
    name = f"{__name__}.f"

    assert llm.clear_impl_cache(model="other") is llm
    llm.clear_impl_cache(full_func_name="other.f").clear_impl_cache(instruction="then")
    assert (plain(), told()) == (1, 2)
    llm.clear_impl_cache()
    assert (plain(), told()) == (3, 4)
    llm.clear_impl_cache(model="scripted")
    assert (plain(), told()) == (5, 6)
    llm.clear_impl_cache(full_func_name=name)
    assert (plain(), told()) == (7, 8)
    llm.clear_impl_cache(full_func_name="f")
    assert (plain(), told()) == (9, 10)
    llm.clear_impl_cache(instruction="now")
    assert (plain(), told()) == (9, 11)
    llm.clear_impl_cache("scripted", name, "now")
    assert (plain(), told()) == (9, 12)
    llm.clear_impl_cache("scripted", name, "")
    assert (plain(), told()) == (13, 12)
    with pytest.raises(InvalidRequestError, match="instruction is required"):
        llm.clear_impl_cache("scripted", name)


def test_the_cache_on_disk(own_home: Path) -> None:
    first, second = _counting(), ScriptedLLM("")
    assert first.impl(disk_cache=True)(_function())() == 1
    (path,) = (own_home / "functions").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert second.impl(disk_cache=True)(_function())() == 1
    assert not second.requests
    third = _counting()
    assert third.impl()(_function())() == 1
    assert len(third.requests) == 1  # it is not looked for where it is not asked for
    third.clear_impl_cache(model="other")
    assert path.exists()
    path.write_text(json.dumps({"source": "def f(): return 9"}))  # none of ours
    fourth = _counting()
    assert fourth.impl(disk_cache=True)(_function())() == 1
    fourth.clear_impl_cache()
    assert not list((own_home / "functions").iterdir())


def test_threads_share_a_function() -> None:
    llm = _counting()
    f = llm.impl()(_function())
    f()
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(f())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [1] * 8


# -- where it runs ------------------------------------------------------------------------------


def test_it_runs_in_the_sandbox() -> None:
    llm = ScriptedLLM(
        "import os\ndef f():\n    return [os.getpid(), os.getcwd(), list(os.environ)]"
    )
    pid, folder, environment = llm.impl()(_function(returns=list))()
    assert pid != os.getpid()
    assert folder != os.getcwd()
    assert environment == []


def test_limits() -> None:
    llm = ScriptedLLM("def f():\n    while True: pass")
    f = llm.impl(limits=Limits(time_s=0.3), max_retries=0)(_function())
    with pytest.raises(GeneratedCodeError, match=r"longer than 0\.3 s"):
        f()


def test_unsafe_runs_here() -> None:
    llm = ScriptedLLM("import os\ndef f(*given):\n    return [os.getpid(), len(given)]")

    def f(lock: Any) -> list[int]:  # type: ignore[empty-body]
        """Count."""

    assert llm.impl(unsafe=True)(f)(threading.Lock()) == [os.getpid(), 1]
    failing = ScriptedLLM("def f():\n    return 1 / 0")
    with pytest.raises(GeneratedCodeError, match="ZeroDivisionError"):
        failing.impl(unsafe=True)(_function())()


def test_no_model_is_asked_for_what_could_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    llm = ScriptedLLM("def f(x):\n    return 1")

    def f(x: Any) -> int:  # type: ignore[empty-body]
        """Count."""

    with pytest.raises(InvalidRequestError, match=r"argument 1 holds a lock.*unsafe=True"):
        llm.impl()(f)(threading.Lock())
    monkeypatch.setattr("byzer_lab.sandbox.landlock.version", lambda: 0)
    with pytest.raises(SandboxError, match="Landlock"):
        llm.impl()(f)(1)
    assert not llm.requests


@pytest.mark.parametrize("decorator", ["impl", "response"])
def test_what_can_not_be_decorated(decorator: str) -> None:
    llm = ScriptedLLM("")

    def f(text: str):  # type: ignore[no-untyped-def]
        pass

    with pytest.raises(InvalidRequestError, match="must say what it returns"):
        getattr(llm, decorator)()(f)
    with pytest.raises(InvalidRequestError, match="decorates functions"):
        getattr(llm, decorator)()(Time)


# -- what is shown ------------------------------------------------------------------------------


def test_verbose_prints_the_code(capsys: pytest.CaptureFixture[str]) -> None:
    llm = _counting()
    llm.impl()(_function())()
    assert capsys.readouterr().out == ""
    f = llm.impl(verbose=True, instruction="x")(_function())
    f()
    out = capsys.readouterr().out
    assert "f: written by scripted in" in out
    assert "runs in the sandbox" in out
    assert "def f():\n    return 2" in out
    f()
    assert "f: from the cache" in capsys.readouterr().out


def test_a_notebook_shows_it_folded(monkeypatch: pytest.MonkeyPatch) -> None:
    displayed: list[Any] = []
    monkeypatch.setattr(shown, "_display", lambda: displayed.append)
    llm = ScriptedLLM('def f():\n    return "<b>" and 1')
    f = llm.impl()(_function())
    f()
    f()  # nothing new
    (one,) = displayed
    page = one._repr_html_()
    assert page.startswith("<details><summary><code>f</code>: written by scripted")
    assert "&lt;b&gt;" in page
    llm.impl(verbose=False, skip_cache=True)(_function())()
    assert len(displayed) == 1


def test_display_is_the_notebooks(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown._display() is None or "IPython" in sys.modules
    shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=print))
    assert shown._display() is print


# -- chat_oai -----------------------------------------------------------------------------------


def test_chat_oai() -> None:
    llm = ScriptedLLM(RANGE)
    conversation = [{"role": "user", "content": "去年三月到七月"}]
    (answer,) = llm.chat_oai(
        conversation,
        impl_func=calculate_time_range,
        response_class=TimeRange,
        execute_impl_func=True,
    )
    assert answer.value == TimeRange(start="2023-03-01", end="2023-07-31")
    assert answer.metadata["reason"] == answer.metadata["resason"] == ""
    assert answer.metadata["raw_func"].startswith("import json")
    assert answer.metadata["func"]() == answer.value
    assert answer.response.output == RANGE
    assert conversation == [{"role": "user", "content": "去年三月到七月"}]
    asked = function_impl_format("去年三月到七月", calculate_time_range, TimeRange)
    assert contents(llm.requests[0]) == [asked]


def test_chat_oai_with_parameters_and_another_format() -> None:
    llm = ScriptedLLM(ADD)

    def add_one_day(current_day: datetime):  # type: ignore[no-untyped-def]
        """Tomorrow."""

    def mine(prompt: str, func: Any, cls: Any) -> str:
        return f"{prompt}|{func.__doc__}|{cls.__name__}"

    llm.setup_impl_func_format_func("scripted", mine)
    (answer,) = llm.chat_oai(
        "tomorrow?",
        impl_func=add_one_day,
        impl_func_params={"current_day": datetime(2024, 1, 28)},
        response_class=Time,
        execute_impl_func=True,
    )
    assert answer.value == Time(time="2024-01-29")
    assert contents(llm.requests[0]) == ["tomorrow?|Tomorrow.|Time"]


def test_chat_oai_without_running_it() -> None:
    llm = ScriptedLLM(RANGE, "Hello")
    call = {"impl_func": calculate_time_range, "response_class": TimeRange}
    (answer,) = llm.chat_oai("x", **call)  # type: ignore[arg-type]
    assert answer.output == RANGE
    assert answer.metadata["raw_func"].startswith("import json")
    (answer,) = llm.chat_oai("x", **call)  # type: ignore[arg-type]
    assert answer.output == "Hello"
    assert answer.metadata["reason"].startswith("No Python block found")
    (answer,) = llm.chat_oai("x", only_return_prompt=True, **call)  # type: ignore[arg-type]
    assert "calculate_time_range" in answer.metadata["messages"][0]["content"]
    assert len(llm.requests) == 2


def test_chat_oai_tells_why_there_is_no_value() -> None:
    llm = ScriptedLLM("```python\ndef calculate_time_range():\n    raise ValueError('no')\n```")
    (answer,) = llm.chat_oai(
        "x",
        impl_func=calculate_time_range,
        response_class=TimeRange,
        execute_impl_func=True,
    )
    assert answer.value is None
    assert "ValueError: no" in answer.metadata["reason"]
    assert answer.metadata["resason"] == answer.metadata["reason"]
    assert answer.metadata["attempts"] == 3


@pytest.mark.parametrize(
    "wrong",
    [
        {"impl_func": calculate_time_range},
        {"impl_func": "no name", "response_class": Time},
        {"impl_func": 7, "response_class": Time},
        {"impl_func": "def f()", "response_class": Time, "impl_func_params": [1]},
    ],
)
def test_chat_oai_refuses(wrong: dict[str, Any]) -> None:
    llm = ScriptedLLM("")
    with pytest.raises(InvalidRequestError):
        llm.chat_oai("x", execute_impl_func=True, **wrong)
    assert not llm.requests


# -- response -----------------------------------------------------------------------------------


def test_response() -> None:
    llm = ScriptedLLM('{"time": "2024-01-01"}')

    @llm.response(instruction="Find the date.")
    def date_in(text: str) -> Time:  # type: ignore[empty-body]
        """Not sent."""

    assert date_in("new year 2024") == Time(time="2024-01-01")
    (asked,) = contents(llm.requests[0])
    assert asked.startswith("Find the date.\n\nnew year 2024")
    assert "Not sent" not in asked
    with pytest.raises(InvalidRequestError, match="takes a text"):
        date_in(3)


def test_response_that_fails_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    llm = ScriptedLLM("Hm.")

    @llm.response(verbose=True)
    def date_in(text: str) -> Time:  # type: ignore[empty-body]
        """Find the date."""

    assert date_in("x") is None
    assert contents(llm.requests[0])[0].startswith("Find the date.\n\nx")
    assert "date_in: No Time in the answer" in capsys.readouterr().out

    with pytest.raises(InvalidRequestError, match="one parameter"):

        @llm.response()
        def two(a: str, b: str) -> Time:  # type: ignore[empty-body]
            """Two."""


class Level(enum.Enum):
    """A level."""

    LOW = 1


@dataclasses.dataclass
class Reading:
    """A level at a time."""

    level: Level
    at: Time


def test_code_in_this_process_may_use_the_callers_classes_too() -> None:
    code = "def read():\n    return Reading(level=Level.LOW, at=Time(time='2024-01-28'))"
    llm = ScriptedLLM(f"```python\n{code}\n```")

    @llm.impl(unsafe=True, max_retries=0)
    def read() -> Reading:
        """Read the level."""

    assert read() == Reading(Level.LOW, Time(time="2024-01-28"))


def test_verbose_shows_what_the_code_prints(capsys: pytest.CaptureFixture[str]) -> None:
    llm = ScriptedLLM("```python\ndef count():\n    print('from inside')\n    return 1\n```")

    def count() -> int:
        """Count."""

    for made, times in ((llm.impl(verbose=True)(count), 1), (llm.impl()(count), 0)):
        for _ in ("written", "kept"):
            assert made() == 1
            assert capsys.readouterr().out.count("from inside\n") == times
