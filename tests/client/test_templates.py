"""Prompt templates: the very texts."""

from __future__ import annotations

import pytest

from byzer_lab.client.templates import Template, Templates, check_role_mapping, render
from byzer_lab.errors import InvalidRequestError
from byzer_lab.generation import read_sampling
from byzer_lab.types import Message

USER = [Message("user", "你好")]
SYSTEM = [Message("system", "S"), Message("user", "U")]
ROUNDS = [*SYSTEM, Message("assistant", "A"), Message("user", "V")]
CHATML_SYSTEM = (
    "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nU\n<|im_end|>\n<|im_start|>assistant\n"
)
CHATML_ROUNDS = CHATML_SYSTEM + (
    "A<|im_end|>\n<|im_start|>user\nV\n<|im_end|>\n<|im_start|>assistant\n"
)
LLAMA_SYSTEM = "<s>[INST] <<SYS>>\nS\n<</SYS>>\n[/INST]</s>\n<s>[INST] U [/INST]\n"


@pytest.mark.parametrize(
    ("template", "messages", "prompt"),
    [
        (Templates.default(), USER, "User:你好\nAssistant:"),
        (Templates.default(), ROUNDS, "S\nUser:U\nAssistant:A\nUser:V\nAssistant:"),
        (Templates.qwen(), SYSTEM, CHATML_SYSTEM),
        (Templates.qwen(), ROUNDS, CHATML_ROUNDS),
        (Templates.yi(), ROUNDS, CHATML_ROUNDS),
        (Templates.llama(), [Message("user", "U")], "<s>[INST] U [/INST]\n"),
        (Templates.llama(), SYSTEM, LLAMA_SYSTEM),
        (Templates.llama(), ROUNDS, LLAMA_SYSTEM + "A </s>\n<s>[INST] V [/INST]\n"),
        (
            Templates.deepseek_code_chat(),
            ROUNDS,
            "S\n### Instruction:\nU\n### Response:\nA\n<|EOT|>\n"
            "### Instruction:\nV\n### Response:\n",
        ),
        (
            Templates.deepseek_code_insertion(),
            [Message("user", "a<｜fim▁hole｜>b")],
            "<｜fim▁begin｜>a<｜fim▁hole｜>b<｜fim▁end｜>",
        ),
        (Templates.deepseek_code_completion(), [Message("user", "def f(")], "def f("),
        (Templates.empty(), USER, "你好"),
        # The model goes on with a turn of its own that was begun for it.
        (Templates.default(), [*USER, Message("assistant", "Su")], "User:你好\nAssistant:Su"),
    ],
)
def test_prompts(template: Template, messages: list[Message], prompt: str) -> None:
    assert render(messages, template.role_mapping) == prompt


def test_functions_of_a_mapping_get_the_text_or_word_and_text() -> None:
    mapping = {
        "user_role": "U",
        "user_role_func": lambda word, text: f"[{word}|{text}]",
        "assistant_role": "A",
        "assistant_role_func": lambda text: f"({text})",
    }
    messages = [Message("user", "x"), Message("assistant", "y"), Message("user", "z")]
    assert render(messages, mapping) == "[U|x]\n(y)\n[U|z]\nA"


def test_a_role_without_words_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="no words for the role 'tool'; it knows system"):
        render([Message("tool", "x")], Templates.qwen().role_mapping)


def test_an_insertion_needs_a_hole() -> None:
    with pytest.raises(InvalidRequestError, match="has no <｜fim▁hole｜>"):
        render([Message("user", "x")], Templates.deepseek_code_insertion().role_mapping)


def test_their_generation_parameters_are_known() -> None:
    for name in ("qwen", "yi", "llama", "deepseek_code_chat", "default", "empty"):
        read_sampling(getattr(Templates, name)().generation_config)
    assert read_sampling(Templates.qwen().generation_config).repetition_penalty == 1.1


@pytest.mark.parametrize(
    ("mapping", "sentence"),
    [
        ("x", "A role mapping is a dict with system_msg, user_role, assistant_role, not 'x'."),
        ({"user_rol": "U"}, "has no key 'user_rol'; did you mean 'user_role'"),
        ({"user_role": 5}, "user_role is 5; it must be a text."),
        ({"user_role_func": "x"}, "user_role_func is 'x'; it must be a function."),
    ],
)
def test_a_role_mapping_is_checked(mapping: object, sentence: str) -> None:
    with pytest.raises(InvalidRequestError, match=sentence):
        check_role_mapping(mapping)


def test_the_templates_own_mappings_pass() -> None:
    for name in ("qwen", "yi", "llama", "deepseek_code_chat", "default", "empty"):
        check_role_mapping(getattr(Templates, name)().role_mapping)
