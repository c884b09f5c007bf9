"""Byzer-LLM's own snippets of tools, typed answers and prompts, on the bundled model: the text of
its page with other import lines, on Ray's own cluster."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cluster.test_snippets import Run, run  # noqa: F401

pytestmark = [pytest.mark.timeout(620), pytest.mark.slow]
DEPLOY = """
import json, sys
import byzer_lab as byzerllm
from byzer_lab.utils.client import ByzerLLM, Templates, code_utils, message_utils

llm = ByzerLLM()
for name in ("chat", "sparkdesk_chat"):
    llm.deploy(model_path="MODEL", pretrained_model_type="custom/auto", udf_name=name,
               infer_params={})
    llm.setup_extra_generation_params(name, {"temperature": 0, "max_tokens": 400})
llm.setup_default_model_name("chat")
meta = llm.get_meta()
llm.setup_max_model_length("chat",meta.get("max_model_len",32000))

def report(name, value):
    print("@@" + json.dumps({name: value}, ensure_ascii=False, default=str))
"""
TOOLS = """
from typing import List,Dict,Any,Annotated
import pydantic
import datetime
from dateutil.relativedelta import relativedelta

def compute_date_range(count:Annotated[int,"时间跨度，数值类型"],
                       unit:Annotated[str,"时间单位，字符串类型",{"enum":["day","week","month","year"]}])->List[str]:
    \'\'\'
    计算日期范围

    Args:
        count: 时间跨度，数值类型
        unit: 时间单位，字符串类型，可选值为 day,week,month,year
    \'\'\'
    now = datetime.datetime.now()
    now_str = now.strftime("%Y-%m-%d %H:%M:%S")
    if unit == "day":
        return [(now - relativedelta(days=count)).strftime("%Y-%m-%d %H:%M:%S"),now_str]
    elif unit == "week":
        return [(now - relativedelta(weeks=count)).strftime("%Y-%m-%d %H:%M:%S"),now_str]
    elif unit == "month":
        return [(now - relativedelta(months=count)).strftime("%Y-%m-%d %H:%M:%S"),now_str]
    elif unit == "year":
        return [(now - relativedelta(years=count)).strftime("%Y-%m-%d %H:%M:%S"),now_str]
    return ["",""]

def compute_now()->str:
    \'\'\'
    计算当前时间
    \'\'\'
    return datetime.datetime.now().strftime("%Y-%m-%d %H:%M:%S")

t = llm.chat_oai([{
    "content":\'\'\'计算当前时间\'\'\',
    "role":"user"
}],tools=[compute_date_range,compute_now],execute_tool=True)

report("now", t[0].values)

t = llm.chat_oai([{
    "content":\'\'\'最近三个月趋势\'\'\',
    "role":"user"
}],tools=[compute_date_range,compute_now],execute_tool=True)

report("months", t[0].values)

t = llm.chat_oai([{
    "content":\'\'\'最近三天\'\'\',
    "role":"user"
}],tools=[compute_date_range,compute_now],execute_tool=True)

report("days", t[0].values)

t = llm.chat_oai([{
    "content":\'\'\'你吃饭了么？\'\'\',
    "role":"user"
}],tools=[compute_date_range,compute_now],execute_tool=True)

if t[0].values:
    report("eaten", t[0].values[0])
else:
    report("eaten", t[0].response.output)
"""
STORY = """
import pydantic

class Story(pydantic.BaseModel):
    \'\'\'
    故事
    \'\'\'

    title: str = pydantic.Field(description="故事的标题")
    body: str = pydantic.Field(description="故事主体")



t = llm.chat_oai([
{
    "content":f\'\'\'请给我讲个故事，分成两个部分，一个标题，一个故事主体\'\'\',
    "role":"user"
},
],response_class=Story)

report("story", t[0].value.model_dump())

t = llm.chat_oai([
{
    "content":f\'\'\'请给我讲个故事，分成两个部分，一个标题，一个故事主体\'\'\',
    "role":"user"
},
],response_class=Story,response_after_chat=True)

report("story after the chat", t[0].value.model_dump())
"""
PROMPTS = """
context=\'\'\'
Byzer产品栈从底层存储到大模型管理和serving再到应用开发框架：
6. Byzer-SQL， 一套全SQL方言，支持ETL，数据分析等工作，并且支持大模型的管理和调用。
\'\'\'

@llm.prompt(render="simple")
def generate_answer(context:str,question:str)->str:
    \'\'\'
    Answer the question based on only the following context:
    {context}
    Question: {question}
    Answer:
    \'\'\'
    pass

report("function", generate_answer(context=context,question="Byzer SQL是什么？"))

class RAG():
    def __init__(self):
        self.llm = ByzerLLM()
        self.llm.setup_template(model="sparkdesk_chat",template="auto")
        self.llm.setup_default_model_name("sparkdesk_chat")

    @byzerllm.prompt(lambda self: self.llm,render="simple")
    def generate_answer(self,context:str,question:str)->str:
        \'\'\'
        Answer the question based on only the following context:
        {context}
        Question: {question}
        Answer:
        \'\'\'
        pass

t = RAG()
report("class", t.generate_answer(context=context,question="Byzer SQL是什么？"))

class RAG():
    def __init__(self):
        self.llm = ByzerLLM()
        self.llm.setup_template(model="sparkdesk_chat",template="auto")
        self.llm.setup_default_model_name("sparkdesk_chat")

    @byzerllm.prompt(render="simple")
    def generate_answer(self,context:str,question:str)->str:
        \'\'\'
        Answer the question based on only the following context:
        {context}
        Question: {question}
        Answer:
        \'\'\'
        pass

t = RAG()
report("prompt", t.generate_answer(context=context,question="Byzer SQL是什么？"))

class ByzerProductDesc(pydantic.BaseModel):
    byzer_retrieval: str
    byzer_llm: str
    byzer_agent: str
    byzer_perf: str
    byzer_evaluation: str
    byzer_sql: str

class RAG():
    def __init__(self):
        self.llm = ByzerLLM()
        self.llm.setup_template(model="sparkdesk_chat",template="auto")
        self.llm.setup_default_model_name("sparkdesk_chat")

    @byzerllm.prompt(lambda self: self.llm,render="simple")
    def generate_answer(self,context:str,question:str)->ByzerProductDesc:
        \'\'\'
        Answer the question based on only the following context:
        {context}
        Question: {question}
        Answer:
        \'\'\'
        pass

t = RAG()

byzer_product = t.generate_answer(context=context,question="Byzer 产品列表")
report("products", type(byzer_product.byzer_sql).__name__)

data = {
    'name': 'Jane Doe',
    'task_count': 3,
    'tasks': [
        {'name': 'Submit report', 'due_date': '2024-03-10'},
        {'name': 'Finish project', 'due_date': '2024-03-15'},
        {'name': 'Reply to emails', 'due_date': '2024-03-08'}
    ]
}


class RAG():
    def __init__(self):
        self.llm = byzerllm.ByzerLLM()
        self.llm.setup_template(model="sparkdesk_chat",template="auto")
        self.llm.setup_default_model_name("sparkdesk_chat")

    @byzerllm.prompt(lambda self:self.llm,render="jinja2")
    def generate_answer(self,name,task_count,tasks)->str:
        \'\'\'
        Hello {{ name }},

        This is a reminder that you have {{ task_count }} pending tasks:

        {{ tasks }}

        Best regards,
        Your Reminder System
        \'\'\'

        tasks_str = "\\n".join([f"- Task: {task['name']} | Due: { task['due_date'] }"
                               for task in tasks])
        return {"tasks": tasks_str}

t = RAG()

response = t.generate_answer(**data)
report("jinja", response)
report("jinja prompt", t.generate_answer.prompt(**data))
llm.undeploy("chat")
llm.undeploy("sparkdesk_chat")
"""
ANSWER = "您好，我是一个人工智能语言模型，暂时无法吃饭。"


def test_the_page(run: Run) -> None:  # noqa: F811
    lines = run(DEPLOY + TOOLS + STORY + PROMPTS)
    told: dict[str, Any] = {}
    for line in lines:
        if line.startswith("@@"):
            told |= json.loads(line[2:])
    assert [len(told[name]) for name in ("now", "months", "days")] == [1, 1, 1]
    assert len(told["now"][0]) == len("2023-12-18 17:30:49")
    begin, end = told["months"][0]
    assert begin[:7] != end[:7]
    assert len(told["days"][0]) == 2
    assert told["eaten"] == ANSWER
    assert told["story"]["title"] == "勇敢的小兔子"
    assert set(told["story after the chat"]) == {"title", "body"}
    assert told["function"]
    assert told["class"] == told["function"]  # the same model at temperature 0
    assert told["prompt"].startswith("\nAnswer the question based on only")
    assert told["prompt"].endswith("\nQuestion: Byzer SQL是什么？\nAnswer:\n")
    assert told["products"] == "str"
    assert told["jinja"]
    assert "- Task: Submit report | Due: 2024-03-10\n- Task: Finish" in told["jinja prompt"]
