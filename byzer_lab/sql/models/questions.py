"""What one call asks a model: read from the values of a row, told apart by its hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from byzer_lab.errors import InvalidRequestError
from byzer_lab.generation import read_sampling
from byzer_lab.types import Message, Sampling

Kind = Literal[
    "chat", "json", "embed", "rerank", "filter", "classify", "agg", "transcribe", "speak", "draw"
]

TEXT_KEYS = ("instruction", "query")
OWN_KEYS = (
    *TEXT_KEYS,
    "history",
    "system_msg",
    "user_role",
    "assistant_role",
    "image",
    "adapter",
    "sample",
    "embedding",
)
"""Names of a request's map that are no generation parameters."""


class Question(msgspec.Struct, frozen=True, omit_defaults=True):
    """One call, as it is asked.

    Attributes:
        kind: Of the call.
        messages: A conversation; empty for vectors and scores.
        texts: What to embed, or query and passage.
        sampling: Generation parameters that were given.
        schema: JSON Schema that the answer must fit.
        adapter: LoRA adapter that answers.
        roles: Words for user and assistant, for a model without a chat template.
        sample: Tells questions apart that are the same otherwise.
    """

    kind: Kind
    messages: list[Message] = []
    texts: list[str] = []
    sampling: Sampling = msgspec.field(default_factory=Sampling)
    schema: dict[str, Any] | None = None
    adapter: str | None = None
    roles: tuple[str, str] | None = None
    sample: str = ""

    def key(self, revision: str) -> bytes:
        """Its hash, beside what the model is; see :class:`byzer_lab.sql.models.ask.Model`."""
        digest = hashlib.sha256(revision.encode())
        digest.update(b"\0")
        digest.update(_encoder.encode(self))
        return digest.digest()


_encoder = msgspec.json.Encoder(order="deterministic")


@dataclass(frozen=True)
class Read:
    """What the value of one row asks: one question, or several in an array.

    Attributes:
        questions: In their order.
        inputs: What was asked, as each answer tells it again.
        listed: The value was an array, and so is the answer.
        error: Why it can't be asked; then there are no questions.
    """

    questions: list[Question] = field(default_factory=list)
    inputs: list[Any] = field(default_factory=list)
    listed: bool = False
    error: str = ""


def read_requests(value: Any) -> Read:
    """The questions of a model function's argument.

    Args:
        value: A text; a map of the request; the JSON text of one; or an array of these.
    """
    items = value if isinstance(value, list) else [value]
    questions = []
    inputs = []
    try:
        for item in items:
            request = _mapping(item)
            inputs.append(_input(request))
            questions.append(read_request(request))
    except InvalidRequestError as error:
        return Read(listed=isinstance(value, list), error=error.message)
    return Read(questions, inputs, isinstance(value, list))


def read_request(request: Mapping[str, Any], kind: Kind = "chat", **more: Any) -> Question:
    """One question.

    Args:
        request: ``instruction`` (or ``query``), ``system_msg``, ``history`` and generation
            parameters, all as texts or not.
        kind: Of the call.
        more: Further fields of :class:`Question`.

    Raises:
        InvalidRequestError: There is no instruction, or a parameter is not known.
    """
    given = {key: value for key, value in request.items() if value is not None}
    text = next((given[key] for key in TEXT_KEYS if given.get(key)), None)
    if text is None:
        raise InvalidRequestError(
            "A request has no instruction; write llm_param(map('instruction', ...)), or give the "
            f"model a text. It has: {', '.join(given) or 'nothing'}."
        )
    settings = {key: value for key, value in given.items() if key not in OWN_KEYS}
    if str(given.get("embedding", "")).lower() == "true":
        return Question("embed", texts=[str(text)])
    roles = (str(given.get("user_role", "")), str(given.get("assistant_role", "")))
    messages = [Message("system", given["system_msg"])] if given.get("system_msg") else []
    messages += _history(given.get("history"))
    messages.append(_turn(str(text), given.get("image")))
    return Question(
        kind,
        messages=messages,
        sampling=read_sampling(settings, beside=OWN_KEYS),
        adapter=given.get("adapter"),
        roles=roles if any(roles) else None,
        sample=str(given.get("sample", "")),
        **more,
    )


def _turn(text: str, image: Any) -> Message:
    if not image:
        return Message("user", text)
    url = str(image)
    if "://" not in url and not url.startswith("data:"):
        url = f"data:image/png;base64,{url}"
    parts = [{"type": "text", "text": text}, {"type": "image_url", "image_url": {"url": url}}]
    return msgspec.convert({"role": "user", "content": parts}, Message)


def _history(history: Any) -> list[Message]:
    if not history:
        return []
    try:
        turns = json.loads(history) if isinstance(history, str) else history
        return [
            Message(turn["role"], str(turn["content"]))
            for turn in msgspec.convert(turns, list[dict[str, Any]])
        ]
    except (ValueError, KeyError, TypeError, msgspec.ValidationError) as error:
        raise InvalidRequestError(
            "history must be a list of turns with role and content, as llm_stack makes it "
            f"({type(error).__name__}: {error})."
        ) from error


def _mapping(item: Any) -> Mapping[str, Any]:
    if isinstance(item, str):
        if item.lstrip().startswith("{"):
            try:
                found = json.loads(item)
            except ValueError:
                return {"instruction": item}
            if isinstance(found, dict) and any(key in found for key in TEXT_KEYS):
                return found
        return {"instruction": item}
    if isinstance(item, dict):
        return item
    raise InvalidRequestError(
        f"A model takes a text or llm_param(map(...)), and was given {item!r}."
    )


def _input(request: Mapping[str, Any]) -> Any:
    return {key: value for key, value in request.items() if key not in ("history", "image")}
