"""Prompt templates: a conversation as one text, for models without a chat template of their own.

A role mapping has Byzer-LLM's keys: ``user_role``, ``assistant_role`` and ``system_msg`` stand
before the text of such a turn, and ``user_role_func``, ``assistant_role_func`` and
``system_msg_func`` write the whole turn instead, given the text (or, with two arguments, the role's
word and the text). Turns are joined by newlines. When the last one is the user's,
``assistant_role`` follows, and the model goes on from there.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from byzer_lab.errors import InvalidRequestError
from byzer_lab.types import Message

RoleMapping = Mapping[str, Any]
KEYS = {"system": "system_msg", "user": "user_role", "assistant": "assistant_role"}


@dataclass(frozen=True)
class Template:
    """How prompts of a model are written.

    Attributes:
        role_mapping: See the module's text.
        generation_config: Generation parameters of calls that leave them open, as ``llm_config``.
        clean_func: Applied to whole answers; ``None`` leaves them as they are.
    """

    role_mapping: RoleMapping
    generation_config: Mapping[str, Any] = field(default_factory=dict)
    clean_func: Callable[[str], str] | None = None


def check_role_mapping(role_mapping: Any) -> RoleMapping:
    """The mapping, when it is one.

    Raises:
        InvalidRequestError: An unknown key, or a value that is no text or no function.
    """
    words = list(KEYS.values())
    functions = [f"{key}_func" for key in words]
    if not isinstance(role_mapping, Mapping):
        raise InvalidRequestError(
            f"A role mapping is a dict with {', '.join(words)}, not {role_mapping!r}."
        )
    for key, value in role_mapping.items():
        if key not in words and key not in functions:
            close = get_close_matches(str(key), [*words, *functions], n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(words)}."
            raise InvalidRequestError(f"A role mapping has no key {key!r}; {hint}")
        fits = callable(value) if key in functions else isinstance(value, str)
        if not fits and value is not None:
            kind = "a function" if key in functions else "a text"
            raise InvalidRequestError(f"{key} is {value!r}; it must be {kind}.")
    return role_mapping


def render(messages: Sequence[Message], role_mapping: RoleMapping) -> str:
    """The prompt of a conversation.

    Args:
        messages: The conversation.
        role_mapping: See the module's text.

    Raises:
        InvalidRequestError: A role that the mapping has no word for.
    """
    parts = [_turn(message, role_mapping) for message in messages]
    opening = role_mapping.get("assistant_role")
    if messages[-1].role == "user" and opening is not None:
        parts.append(opening)
    return "\n".join(parts)


def _turn(message: Message, role_mapping: RoleMapping) -> str:
    key = KEYS.get(message.role)
    if key is None:
        raise InvalidRequestError(
            f"A prompt template has no words for the role {message.role!r}; it knows "
            f"{', '.join(KEYS)}."
        )
    word = role_mapping.get(key) or ""
    if message.images:
        raise InvalidRequestError(
            "A prompt template has no place for pictures; leave the template out, or the images."
        )
    write = role_mapping.get(f"{key}_func")
    if write is None:
        return word + message.text
    takes_word = len(inspect.signature(write).parameters) > 1
    text: str = write(word, message.text) if takes_word else write(message.text)
    return text


def _system_as_it_is(text: str) -> str:
    return text


def _chatml(**generation: Any) -> Template:
    """ChatML. Its end marks are stop texts, which engines find among their tokens as well, so that
    they hold for every vocabulary."""
    return Template(
        role_mapping={
            "user_role": "<|im_start|>user\n",
            "assistant_role": "<|im_end|>\n<|im_start|>assistant\n",
            "assistant_role_func": lambda word, text: f"{word}{text}<|im_end|>",
            "system_msg_func": lambda text: f"<|im_start|>system\n{text}<|im_end|>",
        },
        generation_config={
            "stop": ["<|im_end|>", "<|endoftext|>", "<|im_start|>"],
            **generation,
        },
    )


class Templates:
    """The templates of Byzer-LLM."""

    @staticmethod
    def qwen() -> Template:
        """ChatML, as Qwen writes it."""
        return _chatml(repetition_penalty=1.1)

    @staticmethod
    def yi() -> Template:
        """ChatML, as Yi writes it."""
        return _chatml()

    @staticmethod
    def llama() -> Template:
        """Llama 2."""
        return Template(
            {
                "user_role_func": lambda text: f"<s>[INST] {text} [/INST]",
                "assistant_role": "",
                "assistant_role_func": lambda text: f"{text} </s>",
                "system_msg_func": lambda text: f"<s>[INST] <<SYS>>\n{text}\n<</SYS>>\n[/INST]</s>",
            }
        )

    @staticmethod
    def deepseek_code_chat() -> Template:
        """DeepSeek Coder, instructed."""
        return Template(
            {
                "user_role_func": lambda text: f"### Instruction:\n{text}",
                "assistant_role": "### Response:\n",
                "assistant_role_func": lambda word, text: f"{word}{text}\n<|EOT|>",
                "system_msg_func": _system_as_it_is,
            },
            {"stop": ["<|EOT|>"]},
        )

    @staticmethod
    def deepseek_code_insertion() -> Template:
        """DeepSeek Coder, filling the hole ``<｜fim▁hole｜>`` of a text."""
        return Template({"user_role_func": _around_hole, "system_msg_func": _system_as_it_is})

    @staticmethod
    def deepseek_code_completion() -> Template:
        """DeepSeek Coder, going on with a text."""
        return Templates.empty()

    @staticmethod
    def default() -> Template:
        """``User:`` and ``Assistant:``."""
        return Template(
            {
                "user_role": "User:",
                "assistant_role": "Assistant:",
                "system_msg_func": _system_as_it_is,
            }
        )

    @staticmethod
    def empty() -> Template:
        """The texts as they are."""
        return Template({})


def _around_hole(text: str) -> str:
    if "<｜fim▁hole｜>" not in text:
        raise InvalidRequestError(
            "The text has no <｜fim▁hole｜>; deepseek_code_insertion needs one where the model is "
            "to insert."
        )
    return f"<｜fim▁begin｜>{text}<｜fim▁end｜>"
