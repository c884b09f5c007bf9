"""Checks of what a caller asks for, the same on every local backend."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from byzer_lab.drawing import DRAWING
from byzer_lab.errors import ContextLengthError, InvalidRequestError
from byzer_lab.generation import check_generation
from byzer_lab.types import GenerateRequest, Message, Sampling, TextPart, ToolCall


def check_sampling(sampling: Sampling, vocabulary: int) -> None:
    """Refuse sampling values that mean nothing.

    Args:
        sampling: What the caller set.
        vocabulary: Number of tokens the model knows.

    Raises:
        InvalidRequestError: Names the value and its bounds.
    """
    check_generation(sampling)
    if sampling.options:
        drawn = {info.name for info in DRAWING}
        whose = "models that draw" if sampling.options.keys() <= drawn else "models of providers"
        raise InvalidRequestError(
            f"{', '.join(sampling.options)}: only {whose} take that; leave it out."
        )
    if "" in (sampling.stop or ()):
        raise InvalidRequestError("stop holds an empty text; each stop text needs a character.")
    for token in sampling.stop_token_ids or ():
        if not 0 <= token < vocabulary:
            raise InvalidRequestError(
                f"stop_token_ids holds {token}; this model's tokens are 0 to {vocabulary - 1}."
            )


def text_turns(
    messages: list[Message], template: str = "", *, sees: bool = False
) -> list[dict[str, Any]]:
    """A conversation as chat templates take it: arguments of calls are objects, and for templates
    of Mistral each id of a call has nine letters and digits.

    Args:
        messages: The conversation.
        template: Source of the template.
        sees: The template marks where pictures are.

    Raises:
        InvalidRequestError: There is a picture in it that the model can't see, or a call's
            arguments are no object.
    """
    if not sees and any(message.images for message in messages):
        raise InvalidRequestError(
            "This model reads text and can't see pictures; leave the images out, or ask a model "
            "that sees."
        )
    id_of = _short_id if "[TOOL_CALLS]" in template else str
    names: dict[str, str] = {}  # of the tools called so far
    turns = []
    for message in messages:
        turn: dict[str, Any] = {"role": message.role, "content": message.text}
        if message.images:
            turn["content"] = [
                {"type": "text", "text": part.text}
                if isinstance(part, TextPart)
                else {"type": "image"}
                for part in message.content
            ]
        if message.tool_calls:
            names |= {call.id: call.name for call in message.tool_calls}
            turn["tool_calls"] = [
                {
                    "id": id_of(call.id),
                    "type": "function",
                    "function": {"name": call.name, "arguments": _arguments_of(call)},
                }
                for call in message.tool_calls
            ]
        if message.tool_call_id:
            turn["tool_call_id"] = id_of(message.tool_call_id)
            turn["name"] = names.get(message.tool_call_id, "")
        turns.append(turn)
    return turns


def _short_id(call_id: str) -> str:
    """The same for the same id, which may be another model's."""
    if re.fullmatch("[A-Za-z0-9]{9}", call_id):
        return call_id
    return hashlib.sha256(call_id.encode()).hexdigest()[:9]


def _arguments_of(call: ToolCall) -> dict[str, Any]:
    try:
        found = json.loads(call.arguments or "{}")
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise InvalidRequestError(
            f"The arguments of the call {call.id!r} of {call.name!r} are {call.arguments!r}; they "
            "must be a JSON object."
        )
    return found


def tools_for_template(request: GenerateRequest) -> list[dict[str, Any]] | None:
    """A request's tools as chat templates take them; ``None`` where it may call none."""
    if not request.tools or request.tool_choice == "none":
        return None
    empty = {"type": "object", "properties": {}}
    return [
        {
            "type": "function",
            "function": {
                "name": tool.name,
                "description": tool.description,
                "parameters": tool.parameters or empty,
            },
        }
        for tool in request.tools
    ]


def refuse_calls(messages: list[Message], template: str) -> None:
    """Refuse a conversation with calls where a chat template would leave them out.

    Args:
        messages: The conversation.
        template: Source of the template.

    Raises:
        InvalidRequestError: The template has no place for them.
    """
    if "tool_calls" not in template and any(message.tool_calls for message in messages):
        raise InvalidRequestError(
            "The conversation has calls of tools, and this model's chat template has no place for "
            "them; leave them out, or ask a model that was trained to call tools."
        )


def wrong_ranks(asked: str, gpus: float, ranks: int) -> InvalidRequestError:
    """The error of a deployment whose ranks are not as many as its GPUs.

    Args:
        asked: What asks for the ranks, such as ``tensor_parallel_size is 4``.
        gpus: Of one worker.
        ranks: How many there would be.
    """
    return InvalidRequestError(
        f"{asked}, but gpus_per_worker is {gpus:g}, and each GPU runs one rank; leave it out, or "
        f"set gpus_per_worker to {ranks}."
    )


def fit_answer(request: GenerateRequest, input_tokens: int, window: int) -> int:
    """How many tokens the answer may have.

    Args:
        request: What the caller asked for, and the limits that the caller set.
        input_tokens: Tokens of the prompt.
        window: Tokens that prompt and answer may have together.

    Raises:
        ContextLengthError: They don't fit; both numbers are in the sentence.
    """
    max_tokens = request.sampling.max_tokens
    fit_limits(request, input_tokens)
    limit = request.max_total_tokens
    whose = f"the model's context window of {window}"
    if limit is not None and limit < window:
        window, whose = limit, f"the {limit} that setup_max_model_length allows"
    left = window - input_tokens
    if left < 1:
        raise ContextLengthError(
            f"The prompt has {input_tokens} tokens, and {whose} must hold the answer too.",
            input_tokens=input_tokens,
            context_length=window,
        )
    if max_tokens is not None and max_tokens > left:
        raise ContextLengthError(
            f"The prompt has {input_tokens} tokens and max_tokens is {max_tokens}: together more "
            f"than {whose}. Ask for at most {left}.",
            input_tokens=input_tokens,
            max_tokens=max_tokens,
            context_length=window,
        )
    return left if max_tokens is None else max_tokens


def fit_limits(request: GenerateRequest, input_tokens: int) -> None:
    """Check a prompt against the limit that the caller set for it.

    Raises:
        ContextLengthError: It is longer; both numbers are in the sentence.
    """
    limit = request.max_input_tokens
    if limit is not None and input_tokens > limit:
        raise ContextLengthError(
            f"The prompt has {input_tokens} tokens, more than the {limit} that "
            "setup_max_input_length allows.",
            input_tokens=input_tokens,
            max_input_tokens=limit,
        )


def fit_prompt(input_tokens: int, window: int) -> None:
    """Check a prompt that has a window for itself, as in a model with an encoder.

    Raises:
        ContextLengthError: It doesn't fit; both numbers are in the sentence.
    """
    if input_tokens > window:
        raise ContextLengthError(
            f"The prompt has {input_tokens} tokens, more than the model's window of {window}.",
            input_tokens=input_tokens,
            context_length=window,
        )
