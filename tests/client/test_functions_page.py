"""Byzer-LLM's page on functions that a model writes, its snippets with other import lines only."""

from __future__ import annotations

import datetime
import time
from typing import Any

import pytest

from byzer_lab.sandbox.support import missing
from tests.support.scripted_model import ScriptedLLM, contents

if lacks := missing():
    pytest.skip(lacks, allow_module_level=True)

IMPORTS = """
from byzer_lab.utils.client import code_utils,message_utils
from typing import List,Union,Optional,Annotated
import pydantic
from datetime import datetime
import time
"""
NOW = """
class Time(pydantic.BaseModel):
    time: str = pydantic.Field(...,description="时间，时间格式为 yyyy-MM-dd")


@llm.impl()
def calculate_current_time()->Time:
    '''
    计算当前时间
    '''
    pass


value = calculate_current_time()

start = time.monotonic()
calculate_current_time()
print(f"first time cost: {time.monotonic()-start}")

start = time.monotonic()
calculate_current_time()
print(f"second time cost: {time.monotonic()-start}")
llm.clear_impl_cache()
"""
TOMORROW = """
class Time(pydantic.BaseModel):
    time: str = pydantic.Field(...,description="时间，时间格式为 yyyy-MM-dd")


@llm.impl()
def add_one_day(current_day:Annotated[datetime,"当前日期，类型是datatime.datetime"])->Time:
    '''
    给传入的日期加一天，得到明天的时间
    '''
    pass


value = add_one_day(datetime.now())
"""
RANGE = """
class TimeRange(pydantic.BaseModel):
    '''
    时间区间
    格式需要如下： yyyy-MM-dd
    '''

    start: str = pydantic.Field(...,description="开始时间.时间格式为 yyyy-MM-dd")
    end: str = pydantic.Field(...,description="截止时间.时间格式为 yyyy-MM-dd")
"""
INSTRUCTED = """
@llm.impl(instruction="去年三月到七月")
def calculate_time_range()->TimeRange:
    '''
    计算时间区间，时间格式为 yyyy-MM-dd.
    '''
    pass

value = calculate_time_range()
"""
REPLACED = """
def calculate_time_range()->TimeRange:
    '''
    计算时间区间，时间格式为 yyyy-MM-dd.
    '''
    pass


value = llm.impl(instruction="去年三月到七月")(calculate_time_range)()
"""
CHAT = """
def calculate_time_range():
    '''
    计算时间区间，时间格式为 yyyy-MM-dd.
    '''
    pass

t = llm.chat_oai([{
    "content":"去年三月到七月",
    "role":"user"
}],impl_func=calculate_time_range,response_class=TimeRange,execute_impl_func=True)

reason = t[0].metadata.get("resason","")

t = llm.chat_oai([{
    "content":"去年三月到七月",
    "role":"user"
}],
impl_func=calculate_time_range,
impl_func_params={},
response_class=TimeRange,execute_impl_func=True)
value = t[0].value
"""
FORMAT = """
from typing import List,Optional,Union,Callable
from byzer_lab.utils import serialize_function_to_json

chat_model_name = "scripted"

def function_impl_format2(prompt:str,func:Optional[Union[Callable,str]],
                             cls:Union[pydantic.BaseModel,str])->str:

    tool_choice_ser = serialize_function_to_json(func)
    _cls = ""
    if isinstance(cls, str):
        _cls = cls
    else:
        _cls = cls.schema_json(ensure_ascii=False)

    msg = f''''生成一个python函数，给出详细的思考逻辑，对最后生成的函数不要进行示例说明。

生成的函数的名字以及参数需要满足如下约束：

{tool_choice_ser}

生成的函数的返回值必须是 Json 格式。

{_cls}

根据用的户问题,{func.__doc__}。用户的问题是：{prompt}

请你实现这个函数。
'''

    return msg

llm.setup_impl_func_format_func(chat_model_name,function_impl_format2)
"""
WROTE_NOW = """好的。

```python
from datetime import datetime
import json

def calculate_current_time() -> str:
    return json.dumps({"time": datetime.now().strftime("%Y-%m-%d")}, ensure_ascii=False)
```"""
WROTE_TOMORROW = """```python
from datetime import datetime, timedelta

def add_one_day(current_day: datetime) -> dict:
    return {"time": (current_day + timedelta(days=1)).strftime("%Y-%m-%d")}
```"""
WROTE_RANGE = """```python
from datetime import datetime

def calculate_time_range():
    year = datetime.now().year - 1
    return {"start": f"{year}-03-01", "end": f"{year}-07-31"}
```"""


def _told(snippet: str, answer: str) -> tuple[dict[str, Any], ScriptedLLM]:
    llm = ScriptedLLM(answer)
    space: dict[str, Any] = {"__name__": "__main__", "llm": llm}
    exec(IMPORTS + snippet, space)
    return space, llm


def test_the_time(capsys: pytest.CaptureFixture[str]) -> None:
    space, llm = _told(NOW, WROTE_NOW)
    today = datetime.date.fromisoformat(space["value"].time)
    assert abs((today - datetime.datetime.now().date()).days) <= 1  # midnight may be between
    assert "second time cost: " in capsys.readouterr().out
    assert len(llm.requests) == 1
    space["calculate_current_time"]()
    assert len(llm.requests) == 2  # the cache is empty


def test_a_parameter() -> None:
    space, _ = _told(TOMORROW, WROTE_TOMORROW)
    tomorrow = datetime.date.fromisoformat(space["value"].time)
    assert 0 <= (tomorrow - datetime.datetime.now().date()).days <= 1


@pytest.mark.parametrize("snippet", [INSTRUCTED, REPLACED, CHAT])
def test_a_range(snippet: str) -> None:
    space, llm = _told(RANGE + snippet, WROTE_RANGE)
    assert space["value"].start.endswith("-03-01")
    assert space["value"].end.endswith("-07-31")
    assert space.get("reason", "") == ""
    assert "去年三月到七月" in contents(llm.requests[0])[0]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the page's own schema_json
def test_another_format() -> None:
    space, llm = _told(RANGE + FORMAT + CHAT, "你好")
    assert space["value"] is None
    assert "No Python block found" in space["reason"]
    assert contents(llm.requests[0])[0].startswith("'生成一个python函数")


def test_the_cached_call_asks_nobody() -> None:
    space, llm = _told(NOW, WROTE_NOW)
    space["calculate_current_time"]()
    asked = len(llm.requests)
    began = time.monotonic()
    for _ in range(20):
        space["calculate_current_time"]()
    assert time.monotonic() - began < 60
    assert len(llm.requests) == asked
