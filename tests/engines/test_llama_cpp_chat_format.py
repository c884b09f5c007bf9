"""Chat formats of the llama.cpp library in place of the GGUF's own template."""

from __future__ import annotations

from typing import Any

import pytest

from byzer_lab.bundled import bundled_model
from byzer_lab.engines.llama_cpp.parameters import CHAT_FORMATS, read_infer_params
from byzer_lab.errors import InvalidRequestError
from byzer_lab.types import Message, TemplateRequest
from tests.engines.test_llama_cpp import answer, chat, load, text_of

pytest.importorskip("llama_cpp")

TURNS = [
    {"role": "user", "content": "Hello"},
    {"role": "assistant", "content": "Hi."},
    {"role": "user", "content": "Who are you?"},
]


@pytest.mark.parametrize("name", sorted(CHAT_FORMATS))
def test_every_format_is_the_librarys(name: str) -> None:
    from llama_cpp.llama_chat_format import LlamaChatCompletionHandlerRegistry

    from byzer_lab.engines.llama_cpp.prompt import ChatFormat

    handler: Any = LlamaChatCompletionHandlerRegistry().get_chat_completion_handler_by_name(name)
    (formatter,) = (cell.cell_contents for cell in handler.__closure__)
    ours = ChatFormat(name)
    turns = TURNS[:1] if name == "saiga" else TURNS  # whose assistant is called bot
    wanted = formatter(turns)
    assert ours.render([Message(**turn) for turn in turns]) == wanted.prompt  # type: ignore[arg-type]
    stops = wanted.stop or []
    assert ours.stops == ([stops] if isinstance(stops, str) else stops)


async def test_a_format_takes_the_templates_place() -> None:
    own = load(bundled_model())
    engine = load(bundled_model(), {"chat_format": "chatml"}, concurrency=2)
    other = load(bundled_model(), {"chat_format": "alpaca"}, concurrency=2)
    try:
        system = {"role": "system", "content": "Be kind."}
        messages = [Message(**turn) for turn in (system, *TURNS)]  # type: ignore[arg-type]
        wanted = await own.apply_chat_template(TemplateRequest(messages))
        found = await engine.apply_chat_template(TemplateRequest(messages))
        assert found.text == wanted.text + "\n" * (len(found.text) - len(wanted.text))
        assert await text_of(engine, chat("Hello")) == await text_of(own, chat("Hello"))
        stopped, last = await answer(engine, chat("Hello", ignore_eos=True))
        assert stopped == await text_of(own, chat("Hello"))  # the format's own stop text
        assert last.finish_reason == "stop"
        assert engine.meta()["support_chat_template"] is True
        alpaca = await other.apply_chat_template(TemplateRequest(messages[1:]))
        assert "### Instruction: Hello\n\n### Response: Hi." in alpaca.text
        with pytest.raises(InvalidRequestError, match="always ends with"):
            await other.apply_chat_template(TemplateRequest(messages, add_generation_prompt=False))
    finally:
        for one in (own, engine, other):
            await one.close()


async def test_messages_are_not_lost_without_a_word() -> None:
    engine = load(bundled_model(), {"chat_format": "gemma"}, concurrency=2)
    try:
        messages = [Message(role="system", content="Be kind."), Message(role="user", content="Hi")]
        with pytest.raises(InvalidRequestError, match="'gemma' has no place .* system"):
            await engine.apply_chat_template(TemplateRequest(messages))
    finally:
        await engine.close()


def test_an_unknown_format_is_refused_with_the_list() -> None:
    with pytest.raises(InvalidRequestError, match="is 'chatlm'.*alpaca.*chatml.*zephyr"):
        read_infer_params({"chat_format": "chatlm"})
