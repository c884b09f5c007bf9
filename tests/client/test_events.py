"""Names of Byzer-LLM's client that programs use beside chatting: callbacks, abort, sub clients."""

# mypy: disable-error-code="empty-body, untyped-decorator"

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pydantic
import pytest

import byzer_lab
from byzer_lab import ByzerLLM, EventName, LLMMetadata, Role
from byzer_lab.errors import InvalidRequestError, ModelNotFoundError
from byzer_lab.types import Chunk, ToolCallDelta
from byzer_lab.utils import BaseAbility, FunctionCallList, base_ability_format
from byzer_lab.utils.client import ExecuteCodeResponse, Templates
from tests.support.scripted_model import ScriptedLLM, contents, end, pieces


class Story(pydantic.BaseModel):
    title: str


def test_callbacks_see_each_question_and_may_change_it() -> None:
    llm, seen = ScriptedLLM("no", '{"title": "T"}', structured_output="constrained"), list[Any]()

    def before(client: Any, model: str, asked: list[dict[str, Any]]) -> tuple[bool, Any]:
        assert client is llm
        seen.append(("before", model))
        asked[0]["messages"][0]["content"] += "!"
        return True, None

    def after(client: Any, model: str, results: list[dict[str, Any]]) -> tuple[bool, Any]:
        seen.append(("after", results[0]["predict"], results[0]["metadata"]["finish_reason"]))
        return True, None

    llm.add_event_callback(EventName.BEFORE_CALL_MODEL, before)
    llm.add_event_callback("after_call_model", after)
    [answer] = llm.chat_oai("q", response_class=Story)  # asked twice
    assert answer.value == Story(title="T")
    assert seen == [
        ("before", "scripted"), ("after", "no", "stop"),
        ("before", "scripted"), ("after", '{"title": "T"}', "stop"),
    ]  # fmt: skip
    assert contents(llm.requests[0])[0].endswith("!")


def test_a_callback_answers_in_the_models_place() -> None:
    llm = ScriptedLLM("of the model")
    llm.add_event_callback(
        EventName.BEFORE_CALL_MODEL,
        lambda client, model, asked: (False, [{"predict": "kept", "metadata": {"from": "cache"}}]),
    )
    [answer] = llm.chat_oai("q")
    assert (answer.output, answer.metadata["from"]) == ("kept", "cache")
    assert [text for text, _ in llm.stream_chat_oai("q")] == ["kept"]

    async def ask() -> list[Any]:
        return [text async for text, _ in llm.async_stream_chat_oai("q")]

    assert asyncio.run(ask()) == ["kept"]
    assert not llm.requests
    other = ScriptedLLM("of the model")
    calls: list[str] = []
    for name, value in (("goes on", None), ("ends", [{"predict": "changed"}]), ("never", None)):

        def after(_: Any, __: str, ___: Any, name: str = name, value: Any = value) -> Any:
            calls.append(name)
            return False, value

        other.add_event_callback(EventName.AFTER_CALL_MODEL, after)
    assert other.chat_oai("q")[0].output == "changed"
    assert calls == ["goes on", "ends"]


@pytest.mark.parametrize(
    ("name", "callback", "sentence"),
    [
        ("before", lambda *_: (True, None), "There is no event 'before'; there is"),
        (EventName.BEFORE_CALL_MODEL, 3, "is no function that can be called back"),
        (EventName.BEFORE_CALL_MODEL, lambda *_: True, "it must return a pair"),
        (EventName.BEFORE_CALL_MODEL, lambda *_: (False, "x"), 'a list of one dict with "predict"'),
        (
            EventName.BEFORE_CALL_MODEL,
            lambda _, __, asked: (asked.clear(), None),
            "request is none",
        ),
    ],
)
def test_wrong_callbacks(name: Any, callback: Any, sentence: str) -> None:
    llm = ScriptedLLM("x")

    def ask() -> None:
        llm.add_event_callback(name, callback)
        llm.chat_oai("q")

    with pytest.raises(InvalidRequestError, match=sentence):
        ask()


def test_an_answer_is_ended_from_another_thread() -> None:
    llm = ScriptedLLM("0123456789" * 3)
    got: list[str] = []
    config = {"request_id": "mine"}
    for item in llm.stream_chat_oai("q", llm_config=config, delta_mode=True):
        text, meta = item
        got.append(text)
        if len(got) == 2:
            thread = threading.Thread(target=lambda: got.append(str(llm.abort("mine"))))
            thread.start()
            thread.join()
    assert got == ["012", "345", "True", "678"]
    assert meta.finish_reason == "cancelled"
    assert meta.metadata["generated_tokens_count"] == 3
    assert llm.abort("mine") is False


def test_what_is_known_of_the_default_model() -> None:
    llm = ScriptedLLM("x", max_model_len=100, support_chat_template=False)
    assert llm.metadata == LLMMetadata(100, 256, True, True, "scripted")
    llm.setup_max_output_length("scripted", 7).setup_max_model_length("scripted", 50)
    assert llm.metadata == LLMMetadata(50, 7, True, True, "scripted")
    assert ScriptedLLM("x", embedding_mode=True).metadata.is_chat_model is False
    assert llm.require_template() is True
    assert llm.setup_template("scripted", Templates.default()).require_template("scripted") is False
    assert ScriptedLLM("x").require_template("scripted") is False
    with pytest.raises(ModelNotFoundError):
        llm.require_template("other")


def test_the_arguments_of_a_client() -> None:
    llm = ByzerLLM(default_max_output_length=5, force_skip_context_length_check=True)
    llm.setup_max_input_length("chat", 3).setup_max_model_length("chat", 9)
    _, request = llm._request("q", "chat", {})
    assert (request.sampling.max_tokens, request.max_input_tokens, request.max_total_tokens) == (
        5, None, None
    )  # fmt: skip
    llm.setup_max_output_length("chat", 4)
    assert llm._request("q", "chat", {})[1].sampling.max_tokens == 4
    assert llm._request("q", "other", {"max_tokens": 8})[1].sampling.max_tokens == 8
    with pytest.raises(InvalidRequestError, match="default_max_output_length is 0"):
        ByzerLLM(default_max_output_length=0)
    with pytest.raises(InvalidRequestError, match="there is no Byzer engine"):
        ByzerLLM(byzer_engine_url="http://127.0.0.1:9003/model/predict")
    with pytest.raises(InvalidRequestError, match="There is no Byzer engine to send SQL to"):
        llm.apply_sql_func("select 1 as value", [{"a": 1}])
    named = ByzerLLM.from_default_model("chat", auto_connect_cluster=False)
    assert named._model(None) == "chat"


def test_sub_clients() -> None:
    llm, one, two = ScriptedLLM("x"), ScriptedLLM("one"), ScriptedLLM("two")
    llm.setup_sub_client("small", one).setup_sub_client("several", [one, two])
    assert llm.get_sub_client("small") is one
    assert llm.get_sub_client("several") == [one, two]
    assert llm.remove_sub_client("small").get_sub_client("small") is None
    llm.remove_sub_client("small")
    for wrong in ("chat", [], [one, "chat"], None):
        with pytest.raises(InvalidRequestError, match="The sub client 'x' is"):
            llm.setup_sub_client("x", wrong)  # type: ignore[arg-type]


def test_names_of_byzer_llm() -> None:
    assert [str(role) for role in Role] == ["user", "assistant", "system"]
    llm = ScriptedLLM("hi")
    assert llm.chat_oai([{"role": Role.User, "content": "q"}])[0].output == "hi"
    assert ExecuteCodeResponse(status=0, output="1", code="1").variables == {}
    calls = FunctionCallList.model_validate({"tool_calls": [{"function": {"name": "f"}}]})
    assert calls.tool_calls[0].function.arguments == {}
    assert issubclass(byzer_lab.GeneratedCodeError, byzer_lab.ByzerLabError)
    assert issubclass(byzer_lab.SandboxError, byzer_lab.ByzerLabError)
    text = base_ability_format("Be kind.", [BaseAbility.FUNCTION_CALLING])
    assert "tool_calls" in text
    assert "Python code block" not in text
    assert text.endswith("Be kind.")
    assert "JSON Schema" in base_ability_format(language="zh")
    llm.setup_base_system_messages("scripted", text)
    llm.chat_oai("plain")
    assert contents(llm.requests[-1]) == ["plain"]


@pytest.mark.parametrize(
    ("hook", "func", "told"),
    [
        ("response_class", lambda prompt: "", "given the last user message and the class."),
        ("function_calling", lambda prompt, tools: "", "the tools and the chosen one."),
        ("response_class_format_after_chat", lambda: "", "the class, or the answer and the class."),
        ("impl_func", lambda a, b, c, d: "", "the question, the function and its return class."),
    ],
)
def test_a_hook_that_cannot_be_called_is_told_when_it_is_set_up(
    hook: str, func: Any, told: str
) -> None:
    name = hook if hook.endswith("chat") else f"{hook}_format"
    for prefix in ("setup_", "setup_sys_"):
        with pytest.raises(InvalidRequestError, match=f"can't be called as it is here.*{told}"):
            getattr(ScriptedLLM("x"), f"{prefix}{name}_func")("scripted", func)


def test_cut_answers_of_callbacks_end_the_stream() -> None:
    llm = ScriptedLLM([*pieces("abc"), end("length")])
    llm.add_event_callback(EventName.AFTER_CALL_MODEL, lambda *_: (True, None))
    assert llm.chat_oai("q")[0].metadata["finish_reason"] == "length"
    assert isinstance(end(), Chunk)


def test_who_ends_an_answer_is_not_asked_for_another() -> None:
    ended = [*pieces("on and "), end("cancelled")]
    llm = ScriptedLLM(ended)
    [typed] = llm.chat_oai("q", response_class=Story)
    assert typed.value is None
    assert len(llm.requests) == 1

    def compute_now() -> str:
        """The time."""
        return "now"

    @llm.prompt(marker=["<a>", "</a>"])
    def tell() -> str:
        """Tell."""

    assert tell() == "on and "
    assert len(llm.requests) == 2
    called = [Chunk(tool_calls=[ToolCallDelta(0, "1", "compute_now", "{}")]), end("cancelled")]
    other = ScriptedLLM(called, support_tools=True)
    [answer] = other.chat_oai("q", tools=[compute_now], max_tool_rounds=3)
    assert answer.values == ["now"]
    assert len(other.requests) == 1
    writing = ScriptedLLM(ended)
    [written] = writing.chat_oai(
        "q", impl_func=compute_now, response_class=Story, execute_impl_func=True, unsafe=True
    )
    assert written.value is None
    assert len(writing.requests) == 1
