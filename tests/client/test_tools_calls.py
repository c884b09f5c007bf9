"""``chat_oai(tools=...)`` on a scripted model: native and prompted, run and fed back, and every
way in which a call can fail."""

from __future__ import annotations

import asyncio
import copy
import json
import os
import signal
import threading
import time
from typing import Annotated, Any

import pydantic
import pytest

from byzer_lab.client.tools.calls import calls_in
from byzer_lab.errors import InvalidRequestError
from byzer_lab.utils import function_calling_format
from tests.support.scripted_model import ScriptedLLM, calls, contents, end, pieces


def compute_date_range(
    count: int, unit: Annotated[str, {"enum": ["day", "week", "month", "year"]}]
) -> list[str]:
    """计算日期范围"""
    return [f"-{count} {unit}", "now"]


def compute_now() -> str:
    """计算当前时间"""
    return "now"


def broken() -> None:
    """Raise."""
    raise RuntimeError("It broke.")


TOOLS = [compute_date_range, compute_now, broken]
RANGE = ("compute_date_range", {"count": 3, "unit": "month"})
NOW: tuple[str, Any] = ("compute_now", {})


def native(*script: Any) -> ScriptedLLM:
    return ScriptedLLM(*script, support_tools=True, structured_output="constrained")


def test_parallel_calls_are_run_in_order() -> None:
    llm = native(calls(RANGE, NOW, text="Let me see. "))
    conversation = [{"role": "user", "content": "最近三个月趋势"}]
    before = copy.deepcopy(conversation)
    (answer,) = llm.chat_oai(conversation, tools=TOOLS, execute_tool=True)
    assert answer.values == [["-3 month", "now"], "now"]
    assert answer.response.output == "Let me see. "
    assert answer.metadata["selected_functions"] == [compute_date_range, compute_now]
    assert [call["name"] for call in answer.metadata["calls"]] == [RANGE[0], NOW[0]]
    assert answer.metadata["reason"] == answer.metadata["resason"] == ""
    assert conversation == before
    (request,) = llm.requests
    assert [tool.name for tool in request.tools] == [tool.__name__ for tool in TOOLS]
    assert (request.tool_choice, request.parallel_tool_calls) == ("auto", True)
    assert contents(request) == ["最近三个月趋势"]


def test_prose_instead_of_a_call() -> None:
    for llm in (native("I don't eat."), ScriptedLLM("I don't eat.")):
        (answer,) = llm.chat_oai("你吃饭了么？", tools=TOOLS, execute_tool=True)
        assert answer.values == []
        assert answer.response.output == "I don't eat."
        assert answer.metadata["reason"] == ""


def test_failures_keep_the_other_values() -> None:
    bad = ("compute_date_range", {"count": 3, "unit": "century"})
    llm = native(calls(NOW, ("broken", {}), bad, ("compute_noww", {}), ("compute_now", "{"), NOW))
    (answer,) = llm.chat_oai("q", tools=TOOLS, execute_tool=True)
    assert answer.values == ["now", "now"]
    reason = answer.metadata["reason"]
    assert answer.metadata["resason"] == reason
    assert "broken raised RuntimeError: It broke." in reason
    assert "in broken" in reason  # the traceback
    assert "compute_date_range was called with arguments that don't fit: unit: " in reason
    assert "There is no tool 'compute_noww'; did you mean compute_now?" in reason
    assert "compute_now was called with arguments that don't fit: Invalid JSON" in reason
    errors = [call.get("error", "") for call in answer.metadata["calls"]]
    assert [bool(error) for error in errors] == [False, True, True, True, True, False]


def test_results_go_back_until_the_model_answers() -> None:
    llm = native(calls(RANGE, ("broken", {})), calls(NOW), "It is now.")
    (answer,) = llm.chat_oai("q", tools=TOOLS, max_tool_rounds=5)
    assert answer.response.output == "It is now."
    assert answer.values == [["-3 month", "now"], "now"]
    assert answer.metadata["rounds"] == 2
    messages = llm.requests[2].messages or []
    assert [message.role for message in messages] == [
        "user", "assistant", "tool", "tool", "assistant", "tool"
    ]  # fmt: skip
    assert [call.name for call in messages[1].tool_calls] == ["compute_date_range", "broken"]
    assert messages[2].content == '["-3 month","now"]'
    assert messages[3].content == "Error: broken raised RuntimeError: It broke."
    ids = [message.tool_call_id for message in messages if message.role == "tool"]
    assert ids == ["call_0", "call_1", "call_0"]


def test_the_last_round_must_be_prose() -> None:
    llm = native(calls(NOW))
    (answer,) = llm.chat_oai(
        "q", tools=TOOLS, tool_choice="required", execute_tool=True, max_tool_rounds=2
    )
    assert [request.tool_choice for request in llm.requests] == ["required", "auto", "none"]
    assert answer.values == ["now", "now"]
    assert answer.metadata["rounds"] == 2


def test_a_forced_tool() -> None:
    llm = native(calls(NOW, RANGE))
    (answer,) = llm.chat_oai("q", tools=TOOLS, tool_choice=compute_now, execute_tool=True)
    assert llm.requests[0].tool_choice == "compute_now"
    assert answer.values == ["now"]
    assert "another tool than compute_now" in answer.metadata["reason"]
    (alone,) = native(calls(NOW)).chat_oai("q", tool_choice=compute_now, execute_tool=True)
    assert alone.values == ["now"]
    (prose,) = native("No.").chat_oai("q", tools=TOOLS, tool_choice="required", execute_tool=True)
    assert (prose.values, prose.response.output) == ([], "No.")
    assert "called no tool, although" in prose.metadata["reason"]


def test_calls_that_nobody_runs() -> None:
    (answer,) = native(calls(NOW)).chat_oai("q", tools=TOOLS)
    assert answer.metadata["tool_calls"] == [
        {"id": "call_0", "name": "compute_now", "arguments": "{}"}
    ]
    assert json.loads(answer.output)["tool_calls"][0]["function"]["name"] == "compute_now"
    (prompted,) = ScriptedLLM('{"tool_calls": [{"name": "compute_now"}]}').chat_oai(
        "q", tools=TOOLS
    )
    assert prompted.metadata["tool_calls"][0]["name"] == "compute_now"


async def slowly(word: str) -> str:
    """Wait."""
    await asyncio.sleep(0)
    running.append(word)
    await asyncio.sleep(0.05)
    assert len(running) == 2  # both were begun before one has ended
    return word.upper()


running: list[str] = []


def test_asynchronous_tools_run_together_also_in_a_loop() -> None:
    running.clear()
    llm = native(calls(("slowly", {"word": "a"}), ("slowly", {"word": "b"}), NOW))

    async def cell() -> Any:
        return llm.chat_oai("q", tools=[slowly, compute_now], execute_tool=True)[0]

    assert asyncio.run(cell()).values == ["A", "B", "now"]


async def failing() -> None:
    """Raise."""
    raise ValueError("No.")


def test_an_asynchronous_tool_that_raises() -> None:
    (answer,) = native(calls(("failing", {}), NOW)).chat_oai(
        "q", tools=[failing, compute_now], execute_tool=True
    )
    assert answer.values == ["now"]
    assert "failing raised ValueError: No." in answer.metadata["reason"]


def test_an_interrupt_goes_through_a_tool() -> None:
    def wait() -> None:
        time.sleep(30)

    pressed = threading.Timer(0.3, os.kill, [os.getpid(), signal.SIGINT])
    pressed.start()
    with pytest.raises(KeyboardInterrupt):
        native(calls(("wait", {}))).chat_oai("q", tools=[wait], execute_tool=True)


def test_func_params_are_hidden_and_passed() -> None:
    def query(db: object, text: str) -> tuple[object, str]:
        return db, text

    connection = object()
    llm = native(calls(("query", {"text": "a"}), NOW))
    (answer,) = llm.chat_oai(
        "q", tools=[query, compute_now], execute_tool=True, func_params={"db": connection}
    )
    assert answer.values == [(connection, "a"), "now"]
    assert list(llm.requests[0].tools[0].parameters["properties"]) == ["text"]


class Order(pydantic.BaseModel):
    """An order."""

    thing: str
    pieces: int = pydantic.Field(ge=1)


def test_a_model_as_tool() -> None:
    (answer,) = native(calls(("Order", {"thing": "cup", "pieces": 2}))).chat_oai(
        "q", tools=[Order], execute_tool=True
    )
    assert answer.values == [Order(thing="cup", pieces=2)]


def test_refused_schemas_of_tools_are_loosened() -> None:
    def refusing(request: Any) -> Any:
        if "minimum" in json.dumps(request.tools[0].parameters):
            return InvalidRequestError("minimum is not held.")
        return calls(("Order", {"thing": "cup", "pieces": 0}))

    llm = native(refusing)
    (answer,) = llm.chat_oai("q", tools=[Order], execute_tool=True)
    assert answer.values == []  # the check of arguments is never loosened
    assert "pieces: Input should be greater than or equal to 1" in answer.metadata["reason"]
    with pytest.raises(InvalidRequestError, match="Not at all"):
        native(InvalidRequestError("Not at all.")).chat_oai("q", tools=[Order])


# -- prompted -----------------------------------------------------------------------------------

FORMS = [
    '{"tool_calls": [{"name": "compute_now", "arguments": {}}]}',
    '{"id": "x", "type": "function", "tool_calls": [{"function": {"name": "compute_now", '
    '"arguments": {}}}]}',
    '```json\n{"tool_calls": [{"name": "compute_now", "arguments": {}}]}\n```',
    '```\n[{"name": "compute_now", "arguments": "{}"}]\n```\nThat is the call.',
    'I call it: {"name": "compute_now"}',
    '<tool_call>\n{"name": "compute_now", "arguments": {}}\n</tool_call>',
    '{"name": "compute_now", "parameters": {}}',
    "<tool_call>\n<function=compute_now>\n</function>\n</tool_call>",
    "{'tool_calls': [{'name': 'compute_now', 'arguments': {},}]}",
]


@pytest.mark.parametrize("text", FORMS)
def test_calls_are_found_in_texts(text: str) -> None:
    (call,) = calls_in(text, ["compute_now"])
    assert (call.name, call.arguments) == ("compute_now", "{}")
    assert call.id


@pytest.mark.parametrize(
    "text", ["I don't eat.", '{"name": "Ann", "age": 3}', "[1, 2]", "", "{", "Use {name}."]
)
def test_prose_has_no_calls(text: str) -> None:
    assert calls_in(text, ["compute_now"]) == []


def test_calls_as_tags_are_read_by_their_schemas() -> None:
    def note(text: str, count: int = 1) -> str:
        """Note it."""
        return text * count

    said = (
        "I note it.\n<tool_call>\n<function=note>\n<parameter=text>\n12\n</parameter>\n"
        "<parameter=count>\n2\n</parameter>\n</function>\n</tool_call>"
    )
    [answer] = ScriptedLLM(said).chat_oai("q", tools=[note], execute_tool=True)
    assert answer.values == ["1212"]
    assert answer.metadata["reason"] == ""


def test_a_model_without_tools_is_told_in_words() -> None:
    llm = ScriptedLLM(FORMS[0], "It is now.")
    (answer,) = llm.chat_oai("q", tools=TOOLS, execute_tool=True, max_tool_rounds=1)
    assert (answer.values, answer.response.output) == (["now"], "It is now.")
    asked, again = llm.requests
    assert contents(asked) == [function_calling_format("q", TOOLS, None)]
    assert "If no tool fits, answer in plain words" in contents(asked)[0]
    assert not asked.tools
    assert [message.role for message in again.messages or []] == ["user", "assistant", "user"]
    assert '{"name": "compute_now", "result": "now"}' in contents(again)[2]


def test_a_forced_call_in_words_is_constrained_where_it_can_be() -> None:
    llm = ScriptedLLM(FORMS[0], structured_output="constrained")
    llm.chat_oai("q", tools=[Order, compute_now], tool_choice="required")
    schema: Any = llm.requests[0].response_schema
    forms = schema["properties"]["tool_calls"]["items"]["anyOf"]
    assert [form["properties"]["name"]["const"] for form in forms] == ["Order", "compute_now"]
    assert "Call at least one tool." in contents(llm.requests[0])[0]
    llm.chat_oai("q", tools=[Order, compute_now], tool_choice="Order", parallel_tool_calls=False)
    named: Any = llm.requests[1].response_schema
    assert named["properties"]["tool_calls"]["maxItems"] == 1
    assert "Call the tool Order." in contents(llm.requests[1])[0]
    llm.chat_oai("q", tools=[Order, compute_now])
    assert llm.requests[2].response_schema is None


def test_a_prompt_of_ones_own_words_tells_of_the_tools() -> None:
    llm = native(FORMS[0])
    mapping = {"user_role": "User:", "assistant_role": "Assistant:"}
    (answer,) = llm.chat_oai("q", tools=TOOLS, execute_tool=True, role_mapping=mapping)
    assert answer.values == ["now"]
    assert "compute_date_range" in (llm.requests[0].prompt or "")
    assert not llm.requests[0].tools


def test_the_hook_takes_effect_under_default_arguments() -> None:
    seen: list[Any] = []

    def custom(prompt: str, tools: list[Any], tool_choice: Any) -> str:
        seen.append((tools, tool_choice))
        return f"{prompt}: {len(tools)} tools"

    llm = native(FORMS[0]).setup_function_calling_format_func("scripted", custom)
    (answer,) = llm.chat_oai("q", tools=TOOLS, tool_choice=compute_now, execute_tool=True)
    assert answer.values == ["now"]
    assert contents(llm.requests[0]) == ["q: 3 tools"]
    assert seen == [(TOOLS, compute_now)]
    assert not llm.requests[0].tools


def test_what_was_cut_off_is_no_call() -> None:
    cut = [*pieces(FORMS[0][:-10]), end("length")]
    (answer,) = ScriptedLLM(cut).chat_oai("q", tools=TOOLS, execute_tool=True)
    assert answer.values == []
    assert answer.metadata["reason"].startswith("The answer was cut at the token limit")


def test_only_the_prompt_and_bad_numbers() -> None:
    llm = native("x")
    (answer,) = llm.chat_oai("q", tools=TOOLS, only_return_prompt=True)
    assert answer.metadata["tools"][0]["name"] == "compute_date_range"
    assert not llm.requests
    with pytest.raises(InvalidRequestError, match="max_tool_rounds is -1"):
        llm.chat_oai("q", tools=TOOLS, max_tool_rounds=-1)


def test_conversations_with_calls_in_openais_form() -> None:
    llm = native("It is now.")
    turns: list[dict[str, Any]] = [
        {"role": "user", "content": "q"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "1", "type": "function", "function": {"name": "f", "arguments": {"a": 1}}}
            ],
        },
        {"role": "tool", "content": "now", "tool_call_id": "1"},
    ]
    llm.chat_oai(turns)
    _, called, result = llm.requests[0].messages or []
    assert (called.tool_calls[0].name, called.tool_calls[0].arguments) == ("f", '{"a": 1}')
    assert result.tool_call_id == "1"
    with pytest.raises(InvalidRequestError, match="without 'content'"):
        llm.chat_oai([{"role": "assistant"}])


@pytest.mark.parametrize("nothing", ["", " ", "null"])
def test_a_call_without_arguments(nothing: str) -> None:
    class Look(pydantic.BaseModel):
        """Look."""

        where: str = "here"

    llm = ScriptedLLM(calls(("compute_now", nothing), ("Look", nothing)), support_tools=True)
    [answer] = llm.chat_oai("q", tools=[compute_now, Look], execute_tool=True)
    assert answer.values == ["now", Look(where="here")]
