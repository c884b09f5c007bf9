"""A request's messages or prompt as tokens.

Chat templates are rendered as the transformers library renders them, so that the same template
gives the same prompt on both backends; in a sandbox, because they come with the model.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from byzer_lab.engines.checks import refuse_calls, text_turns, tools_for_template
from byzer_lab.engines.llama_cpp.parameters import CHAT_FORMATS
from byzer_lab.errors import InvalidRequestError
from byzer_lab.types import GenerateRequest, Message

if TYPE_CHECKING:
    from byzer_lab.engines.llama_cpp.loading import Model


class ChatTemplate:
    """A model's chat template.

    Args:
        source: Its text.
        begin_token: Text of the token that begins a text.
        end_token: Text of the token that ends one.

    Raises:
        InvalidRequestError: It is no valid template.
    """

    stops: list[str] = []

    def __init__(self, source: str, begin_token: str, end_token: str) -> None:
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[_GenerationMarks, loopcontrols]
        )
        environment.filters["tojson"] = _to_json
        environment.globals["raise_exception"] = _refuse
        environment.globals["strftime_now"] = _now
        self.source = source
        self._tokens = {"bos_token": begin_token, "eos_token": end_token}
        try:
            self._template = environment.from_string(source)
        except jinja2.TemplateError as error:
            raise InvalidRequestError(f"The model's chat template is broken: {error}") from error

    def render(
        self,
        messages: list[Message],
        add_generation_prompt: bool = True,
        tools: list[dict[str, Any]] | None = None,
    ) -> str:
        """The prompt of a conversation, ended by default with the beginning of the answer.

        Args:
            messages: The conversation.
            add_generation_prompt: End with the beginning of the answer.
            tools: What the model may call, in OpenAI's form.

        Raises:
            InvalidRequestError: The template refuses it.
        """
        refuse_calls(messages, self.source)
        turns = text_turns(messages, self.source)
        try:
            return self._template.render(
                messages=turns,
                tools=tools,
                documents=None,
                add_generation_prompt=add_generation_prompt,
                **self._tokens,
            )
        except (jinja2.TemplateError, TypeError, ValueError) as error:
            raise InvalidRequestError(
                f"The model's chat template refuses these messages: {error}"
            ) from error


class ChatFormat:
    """One of the library's own ways to write a conversation, in place of a chat template.

    Args:
        name: A key of :data:`byzer_lab.engines.llama_cpp.parameters.CHAT_FORMATS`.
    """

    source = ""  # none of them has a place for tools

    def __init__(self, name: str) -> None:
        from llama_cpp import llama_chat_format

        self._name = name
        self._format: Any = getattr(llama_chat_format, CHAT_FORMATS[name])
        found = self._format([{"role": "user", "content": "?"}]).stop or []
        self.stops: list[str] = [found] if isinstance(found, str) else list(found)

    def render(
        self,
        messages: list[Message],
        add_generation_prompt: bool = True,
        tools: list[dict[str, Any]] | None = None,
    ) -> str:
        """The prompt of a conversation, ended with the beginning of the answer.

        Args:
            messages: The conversation.
            add_generation_prompt: Must be true.
            tools: Must be none: a request with tools is refused before.

        Raises:
            InvalidRequestError: The format has no place for one of the messages, or for a prompt
                without the beginning of the answer.
        """
        if not add_generation_prompt:
            raise InvalidRequestError(
                f"The chat format {self._name!r} always ends with the beginning of the answer; "
                "leave add_generation_prompt on."
            )
        refuse_calls(messages, self.source)
        turns = text_turns(messages)
        prompt: str = self._format(turns).prompt
        # The library's formats leave out what they don't know, without a word.
        for message in messages:
            if message.text not in prompt:
                raise InvalidRequestError(
                    f"The chat format {self._name!r} has no place for this conversation's "
                    f"{message.role} messages; leave them out or choose another chat_format."
                )
        return prompt


def encode_prompt(
    request: GenerateRequest, model: Model, template: ChatTemplate | ChatFormat | None
) -> list[int]:
    """Tokens of what the model is asked.

    Args:
        request: Its messages are rendered by the model's chat template; a prompt goes in as it
            stands, behind the model's beginning-of-text token where there is one.
        model: The loaded model.
        template: Its chat template; ``None`` when it has none.

    Raises:
        InvalidRequestError: Nothing to encode, no chat template, or the template refuses.
    """
    if (request.messages is None) == (request.prompt is None):
        raise InvalidRequestError("A request has either messages or a prompt.")
    if request.messages is not None:
        tools = tools_for_template(request)
        text = require_template(template).render(request.messages, tools=tools)
        special = isinstance(template, ChatFormat)  # a template writes them
    else:
        text = request.prompt or ""
        special = True
    if special:
        begin = model.begin_token
        special = not (begin and text.startswith(begin))
    tokens = model.tokenize(text, special=special) if text else []
    if not tokens:
        raise InvalidRequestError("The prompt is empty.")
    return tokens


def require_template(template: ChatTemplate | ChatFormat | None) -> ChatTemplate | ChatFormat:
    """The template, or :class:`InvalidRequestError` where the model has none."""
    if template is None:
        raise InvalidRequestError(
            "This model has no chat template, so it can't take messages. Send a prompt instead."
        )
    return template


class _GenerationMarks(Extension):
    """Templates mark the assistant's turns for training; a prompt takes what stands within."""

    tags = {"generation"}

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _refuse(message: str) -> None:
    raise jinja2.TemplateError(message)


def _now(format: str) -> str:
    return datetime.now().strftime(format)


def _to_json(value: Any, ensure_ascii: bool = False, **options: Any) -> str:
    # jinja2's own filter escapes what HTML can't hold.
    return json.dumps(value, ensure_ascii=ensure_ascii, **options)
