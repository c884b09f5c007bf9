"""Prompt functions and classes on a scripted model: Byzer-LLM's forms, and nothing shared."""

# mypy: disable-error-code="empty-body, untyped-decorator"

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from typing import Any

import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import byzer_lab
from byzer_lab import ByzerLLM, LLMResponse
from byzer_lab.client.prompts.decorators import Decorator
from byzer_lab.client.prompts.function import PromptFunction
from byzer_lab.client.prompts.rendering import rendered
from byzer_lab.errors import InvalidRequestError
from tests.support.scripted_model import ScriptedLLM, calls, contents

CONTEXT = "Byzer {SQL} {{ is }} a language."
TASKS = [
    {"name": "Submit report", "due_date": "2024-03-10"},
    {"name": "Finish project", "due_date": "2024-03-15"},
]
RENDERED = f"""
Answer the question based on only the following context:
{CONTEXT}
Question: What?
Answer:
"""


class Answer(pydantic.BaseModel):
    text: str


def answering(*script: Any) -> ScriptedLLM:
    return ScriptedLLM(*(script or ("A language.",)))


class RAG:
    """The README's class."""

    def __init__(self, llm: ByzerLLM | None = None) -> None:
        self.llm = llm or answering()
        self.bodies = 0

    @byzer_lab.prompt(lambda self: self.llm, render="simple")
    def generate_answer(self, context: str, question: str = "What?") -> str:
        """
        Answer the question based on only the following context:
        {context}
        Question: {question}
        Answer:
        """

    @byzer_lab.prompt(render="simple")
    def only_prompt(self, context: str, question: str = "What?") -> str:
        """
        Answer the question based on only the following context:
        {context}
        Question: {question}
        Answer:
        """

    @byzer_lab.prompt(lambda self: self.llm, render="simple", check_result=True)
    def typed(self, context: str) -> Answer:
        """Answer {context}"""

    @byzer_lab.prompt(lambda self: self.llm, render="jinja2")
    def remind(self, name: str, task_count: int, tasks: Any) -> str:
        """
        Hello {{ name }},

        You have {{ task_count }} pending tasks:
        {{ tasks }}
        """
        self.bodies += 1
        return {"tasks": "\n".join(f"- {t['name']}" for t in tasks)}  # type: ignore[return-value]

    @byzer_lab.prompt(lambda self: self.llm)
    def listed(self, tasks: Any) -> str:
        """
        Tasks:
        {% for task in tasks %}
        - {{ task.name }} | {{ task.due_date }}
        {% endfor %}
        Bye
        """

    @byzer_lab.prompt(lambda self: self.llm)
    def streamed(self) -> Generator[str, None, None]:
        """Go"""

    @byzer_lab.prompt(lambda self: self.llm)
    def iterated(self) -> Iterator[str]:
        """Go"""

    @byzer_lab.prompt(lambda self: self.llm)
    def streamed_later(self) -> AsyncGenerator[str, None]:
        """Go"""

    @byzer_lab.prompt(lambda self: self.llm)
    def objects_later(self) -> AsyncIterator[Answer]:
        """Go"""

    @byzer_lab.prompt(lambda self: self.llm)
    async def later(self, name: str) -> Answer:
        """Go {{ name }}"""
        await asyncio.sleep(0)
        return {"name": name.upper()}  # type: ignore[return-value]


def asked(llm: Any) -> str:
    return contents(llm.requests[-1])[-1]


def test_a_function_of_a_client() -> None:
    llm = answering()

    @llm.prompt(render="simple")
    def generate_answer(context: str, question: str) -> str:
        """
        Answer the question based on only the following context:
        {context}
        Question: {question}
        Answer:
        """

    assert generate_answer(context=CONTEXT, question="What?") == "A language."
    assert asked(llm) == RENDERED.strip()
    assert generate_answer.prompt(CONTEXT, "What?") == RENDERED
    assert vars(generate_answer)["__name__"] == "generate_answer"
    assert (generate_answer.__doc__ or "").strip().startswith("Answer the question")
    assert len(llm.requests) == 1  # .prompt asked nothing


def test_methods() -> None:
    rag = RAG()
    assert rag.generate_answer(context=CONTEXT) == "A language."
    assert asked(rag.llm) == RENDERED.strip()
    assert rag.only_prompt(context=CONTEXT) == RENDERED
    assert isinstance(RAG.generate_answer, PromptFunction)
    assert list(inspect.signature(rag.generate_answer).parameters) == ["context", "question"]
    assert RAG.generate_answer(rag, CONTEXT) == "A language."  # through the class
    assert RAG.only_prompt.prompt(rag, CONTEXT) == RENDERED
    other = answering("other")
    assert RAG.generate_answer.with_llm(other).run(rag, CONTEXT) == "other"
    for wrong, found in (((None, CONTEXT), "argument is None"), ((), "given no argument")):
        with pytest.raises(InvalidRequestError, match=f"is a method of RAG, but .*{found}"):
            RAG.generate_answer(*wrong)


def test_a_prompt_may_speak_of_its_object() -> None:
    class Greeter:
        name = "Ann"

        @byzer_lab.prompt()
        def greet(self, word: str) -> str:
            """{{ word }} {{ self.name }}{% if self.name %}!{% endif %}"""

        @byzer_lab.prompt(render="simple")
        def greet_simply(self, word: str) -> str:
            """{word} {self}"""

        def __str__(self) -> str:
            return self.name

    assert Greeter().greet("Hi") == "Hi Ann!"
    assert Greeter().greet_simply("Hi") == "Hi Ann"

    @byzer_lab.prompt()
    def alone(word: str) -> str:
        """{{ self.name }}"""

    with pytest.raises(InvalidRequestError, match="names 'self', which is no parameter"):
        alone("x")


def test_a_model_by_name_and_by_a_function(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def ask(self: ByzerLLM, text: str, **options: Any) -> Any:
        made.append(f"{self._default_model}: {text}")
        return [LLMResponse("ok", {})]

    def own(self: Any) -> ByzerLLM:
        llm: ByzerLLM = self.llm
        return llm

    class Named:
        llm = answering("by def")

        @byzer_lab.prompt("chat")
        def by_name(self) -> str:
            """Hi"""

        @byzer_lab.prompt(own)
        def by_def(self) -> str:
            """Hi"""

        @byzer_lab.prompt(lambda self: "other")
        def by_later_name(self) -> str:
            """Hi"""

    assert Named().by_def() == "by def"
    monkeypatch.setattr(ByzerLLM, "chat_oai", ask)
    Named().by_name()
    Named().by_later_name()
    assert made == ["chat: Hi", "other: Hi"]


def test_objects() -> None:
    rag = RAG(answering('{"text": "A language."}'))
    assert rag.typed("x") == Answer(text="A language.")
    with pytest.warns(UserWarning, match="typed: No Answer in the answer"):
        assert RAG(answering("no")).typed("x") is None


def test_the_body_runs_once_and_overrides() -> None:
    rag = RAG()
    rag.remind(name="Jane", task_count=2, tasks=TASKS)
    assert rag.bodies == 1
    assert asked(rag.llm) == (
        "Hello Jane,\n\nYou have 2 pending tasks:\n- Submit report\n- Finish project"
    )
    assert rag.listed.prompt(TASKS) == (
        "\nTasks:\n\n- Submit report | 2024-03-10\n\n- Finish project | 2024-03-15\n\nBye"
    )


def test_streams() -> None:
    rag = RAG(answering("A long answer"))
    stream = rag.streamed()
    assert inspect.isgenerator(stream)
    pieces = [str(piece) for piece in stream]
    assert len(pieces) > 1
    assert "".join(pieces) == "A long answer" == "".join(rag.iterated())

    async def ask() -> list[str]:
        return [piece async for piece in rag.streamed_later()]

    assert "".join(asyncio.run(ask())) == "A long answer"

    async def objects() -> list[Answer]:
        return [one async for one in RAG(answering('{"text": "abc"}')).objects_later()]

    *some, last = asyncio.run(objects())
    assert last == Answer(text="abc")
    assert all(isinstance(one, Answer) for one in some)


def test_coroutines() -> None:
    rag = RAG(answering('{"text": "x"}'))

    async def ask() -> tuple[str, Any]:
        return await rag.later.prompt("ann"), await rag.later("ann")

    assert asyncio.run(ask()) == ("Go ANN", Answer(text="x"))


def test_settings_make_new_functions() -> None:
    rag, other = RAG(), answering("other")
    before = dict(vars(RAG.generate_answer))
    changed = (
        rag.generate_answer.with_llm(other)
        .options({"llm_config": {"temperature": 0.5}})
        .options({"llm_config": {"max_tokens": 3}, "model": "scripted"})
    )
    assert changed(CONTEXT) == "other"
    assert (other.requests[0].sampling.temperature, other.requests[0].sampling.max_tokens) == (
        0.5, 3
    )  # fmt: skip
    typed = rag.generate_answer.with_llm(answering('{"text": "x"}')).with_return_type(Answer)
    assert typed(CONTEXT) == Answer(text="x")
    assert rag.generate_answer(CONTEXT) == "A language."
    assert vars(RAG.generate_answer) == before
    options: dict[str, Any] = {"llm_config": {"temperature": 0}}
    llm = answering()
    llm.prompt(model="scripted", options=options)(RAG.only_prompt.function).run(rag, "x")
    assert options == {"llm_config": {"temperature": 0}}  # the caller's dict is not changed


def test_threads_share_a_function() -> None:
    @byzer_lab.prompt(render="simple")
    def echo(word: str) -> str:
        """{word}"""

    results: dict[int, str] = {}

    def ask(number: int) -> None:
        llm = ScriptedLLM(lambda request: contents(request)[0] * 2)
        results[number] = echo.with_llm(llm).options(llm_config={"seed": number})(str(number))
        assert llm.requests[0].sampling.seed == number

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {number: str(number) * 2 for number in range(40)}


def test_lazily() -> None:
    llm = answering()

    @byzer_lab.prompt_lazy(llm)
    def greet(name: str, *more: str, **rest: str) -> str:
        """Hi {{ name }} {{ more | join(" ") }} {{ last }}"""

    kept = greet("Ann", "B", last="C")
    assert not llm.requests
    assert kept.prompt() == "Hi Ann B C"
    assert kept.options(llm_config={"seed": 1}).run() == "A language."
    assert asked(llm) == "Hi Ann B C"


def bad(prompt: Callable[..., Decorator]) -> dict[str, Any]:
    """Functions that can't be run."""

    @prompt(render="simple")
    def missing(context: str) -> str:
        """Say {contxt}"""

    @prompt()
    def missing_in_jinja(context: str) -> str:
        """Say {{ contxt }}"""

    @prompt(render="simple")
    def braces() -> str:
        """Say {"key": 1}"""

    @prompt()
    def syntax() -> str:
        """Say {% for %}"""

    @prompt()
    def secret(value: Any) -> str:
        """Say {{ value.__class__.__mro__ }}"""

    @prompt()
    def fails() -> str:
        """Say {{ 1 / 0 }}"""

    @prompt()
    def no_prompt() -> str:
        pass

    @prompt()
    def returns_text() -> str:
        """Say"""
        return "text"

    @prompt()
    def returns_nothing() -> None:
        """Say"""

    return {name: value for name, value in locals().items() if isinstance(value, PromptFunction)}


@pytest.mark.parametrize(
    ("name", "arguments", "sentence"),
    [
        ("missing", ("x",), "missing names 'contxt', which is no parameter of it; did you mean"),
        ("missing_in_jinja", ("x",), "names 'contxt', which is no parameter of it; did you mean"),
        ("braces", (), "A brace that is meant stands twice"),
        ("syntax", (), "Line 1 of the prompt of syntax is no valid template"),
        ("secret", ("x",), "does what a prompt may not"),
        ("fails", (), "The prompt of fails failed: ZeroDivisionError"),
        ("no_prompt", (), "no_prompt has no prompt; write it as its docstring"),
        ("returns_text", (), "The body of returns_text returned str"),
        ("returns_nothing", (), "A prompt function returns str, a class"),
    ],
)
def test_mistakes_are_one_sentence(name: str, arguments: Any, sentence: str) -> None:
    llm = answering()
    function = bad(llm.prompt)[name]
    with pytest.raises(InvalidRequestError, match=sentence):
        function(*arguments)
    assert not llm.requests


def test_mistakes_of_the_decorator() -> None:
    for arguments, sentence in (
        ({"render": "mustache"}, "render is 'mustache'; it must be simple or jinja2"),
        ({"llm": 3}, "The model of a prompt is 3"),
    ):
        with pytest.raises(InvalidRequestError, match=sentence):
            byzer_lab.prompt(**arguments)
    with pytest.raises(InvalidRequestError, match="has no option 'modle'"):
        RAG().generate_answer.options(modle="x")(CONTEXT)
    with pytest.raises(InvalidRequestError, match="has no model to ask; use with_llm"):
        RAG().only_prompt.run(CONTEXT)
    with pytest.raises(InvalidRequestError, match="is 3; it must be a ByzerLLM"):
        RAG().only_prompt.with_llm(lambda self: 3)(CONTEXT)
    with pytest.raises(TypeError, match=r"generate_answer\(\) missing a required argument"):
        RAG().generate_answer()


@settings(deadline=None)
@given(values=st.dictionaries(st.sampled_from(["a", "b", "c"]), st.text(max_size=9), min_size=1))
def test_values_are_not_templates(values: dict[str, str]) -> None:
    for render, form in (("simple", "{%s}"), ("jinja2", "{{ %s }}")):
        template = "|".join(form % name for name in values)
        expected = "|".join(values.values())
        assert rendered(template, values, render, "f") == expected  # type: ignore[arg-type]


FUTURE = """
from __future__ import annotations
import pydantic

def made(llm, decorate):
    class Local(pydantic.BaseModel):
        number: int

    @decorate(llm)
    def ask(text: OnlyForTypeCheckers) -> Local:
            '{{ text }}'

    return ask
"""


def test_annotations_as_texts_may_name_local_classes() -> None:
    space: dict[str, Any] = {}
    exec(FUTURE, space)
    llm = ScriptedLLM('{"number": 1}')
    assert space["made"](llm, byzer_lab.prompt)("q").number == 1
    assert space["made"](llm, byzer_lab.prompt_lazy)("q").run().number == 1
    assert space["made"](None, llm.prompt)("q").number == 1


def test_a_text_of_a_model_that_has_called_tools() -> None:
    def look() -> str:
        """Look."""
        return "seen"

    llm = ScriptedLLM(calls(("look", {})), "It is there.", support_tools=True)

    @llm.prompt(options={"tools": [look], "max_tool_rounds": 1})
    def ask(text: str) -> str:
        """{{ text }}"""
        return {}  # type: ignore[return-value]

    assert ask("q") == "It is there."
