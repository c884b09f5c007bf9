"""The kinds of calls: how a row's value becomes questions, and answers become its value."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import json_repair
import msgspec
import pyarrow as pa

from byzer_lab.errors import InvalidRequestError
from byzer_lab.sql.models.ask import Model
from byzer_lab.sql.models.calls import Call
from byzer_lab.sql.models.media import KINDS, media_bytes, media_question
from byzer_lab.sql.models.questions import Question, Read, read_request, read_requests
from byzer_lab.sql.models.schemas import fits, read_schema
from byzer_lab.sql.models.store import Answer
from byzer_lab.types import Message

Value = tuple[Any, str | None]
"""The value of a row, and why it is none."""

FILTER_SCHEMA = {
    "type": "object",
    "properties": {"answer": {"type": "boolean"}},
    "required": ["answer"],
    "additionalProperties": False,
}
_FENCE = re.compile(r"^\s*```\w*\s*|\s*```\s*$")
_WORD = re.compile(r"[a-z]+")


@dataclass(frozen=True)
class CallKind:
    """How calls of one kind are read and answered.

    Attributes:
        read: The questions of a row's value.
        value: The row's value, given what was read and the answers.
        arrow: Type of the values, where the argument is no array.
        schema: JSON Schema of the values, where they are JSON texts of structs.
        typed: Not every text is an answer.
    """

    read: Callable[[Any], Read]
    value: Callable[[Read, Sequence[Answer]], Value]
    arrow: pa.DataType
    schema: dict[str, Any] | None = None
    typed: bool = True


def kind_of(call: Call, model: Model) -> CallKind:
    """The kind of a call.

    Raises:
        InvalidRequestError: Its schema can't be read.
    """
    held = bool(model.meta.get("structured_output"))
    if call.kind == "chat":
        return CallKind(read_requests, partial(_chat, model), pa.string(), typed=False)
    if call.kind == "embed":
        return CallKind(_reader(_embed), _value(json.loads), pa.list_(pa.float32()))
    if call.kind == "rerank":
        return CallKind(_reader(_rerank), _value(json.loads), pa.float64())
    if call.kind == "agg":
        return CallKind(_reader(_agg), _value(str), pa.string())
    if call.kind == "filter":
        return CallKind(_reader(lambda v: _filter(v, held)), _value(_boolean), pa.bool_())
    if call.kind == "classify":
        return CallKind(_reader(lambda v: _classify(v, held)), _classified, pa.string())
    if call.kind in KINDS:
        asked = _reader(partial(media_question, call.kind))
        if call.kind == "transcribe":
            return CallKind(asked, _value(str), pa.string())
        return CallKind(asked, _value(media_bytes), pa.binary())
    schema = read_schema(call.schema)

    def read_answer(text: str) -> str:
        return json.dumps(_object(text, schema), ensure_ascii=False)

    return CallKind(
        _reader(lambda v: _json(v, schema, held)),
        _value(read_answer),
        pa.string(),
        schema,
    )


def _chat(model: Model, read: Read, answers: Sequence[Answer]) -> Value:
    if read.error:
        text = _encoded({"output": None, "error": read.error})
        return ([text] if read.listed else text), read.error
    texts = []
    for question, asked, answer in zip(read.questions, read.inputs, answers, strict=True):
        if answer.error:
            texts.append(_encoded({"output": None, "error": answer.error, "input": asked}))
            continue
        said = Message("assistant", answer.output)
        turns = [{"role": t.role, "content": t.text} for t in [*question.messages, said]]
        metadata = {
            "model": model.name,
            "input_tokens_count": answer.input_tokens,
            "generated_tokens_count": answer.output_tokens,
        }
        texts.append(
            _encoded(
                {"output": answer.output, "input": asked, "metadata": metadata,
                 "history": [turn for turn in turns if turn["role"] != "system"]}
            )
        )  # fmt: skip
    error = next((answer.error for answer in answers if answer.error), None)
    return (texts if read.listed else texts[0]), error


def _encoded(value: dict[str, Any]) -> str:
    return msgspec.json.encode(value).decode()


def _reader(question: Callable[[Any], Question]) -> Callable[[Any], Read]:
    """One question for each row; a row with a NULL among its arguments has none."""

    def read(value: Any) -> Read:
        if value is None or (isinstance(value, list) and None in value):
            return Read()
        try:
            return Read([question(value)])
        except InvalidRequestError as error:
            return Read(error=error.message)

    return read


def _value(convert: Callable[[str], Any]) -> Callable[[Read, Sequence[Answer]], Value]:
    def value(read: Read, answers: Sequence[Answer]) -> Value:
        if not answers:
            return None, read.error or None
        if answers[0].error:
            return None, answers[0].error
        try:
            return convert(answers[0].output), None
        except (ValueError, InvalidRequestError) as error:
            return None, str(error)

    return value


def _embed(value: Any) -> Question:
    return Question("embed", texts=[_plain(value)])


def _rerank(value: Any) -> Question:
    return Question("rerank", texts=[_plain(part) for part in value])


def _agg(value: Any) -> Question:
    instruction, texts = value
    listed = "\n\n".join(_plain(text) for text in texts if text is not None)
    return read_request({"instruction": f"{_plain(instruction)}\n\n{listed}"}, "agg")


def _json(prompt: Any, schema: dict[str, Any], held: bool) -> Question:
    request = dict(prompt) if isinstance(prompt, dict) else _unpacked(prompt)
    if not held:
        told = f"Answer with JSON alone that fits this schema:\n{json.dumps(schema)}"
        request["instruction"] = f"{request.get('instruction', '')}\n\n{told}"
    return read_request(request, "json", schema=schema if held else None)


def _unpacked(prompt: Any) -> dict[str, Any]:
    """A prompt that may have been made by ``llm_param``."""
    if isinstance(prompt, list) and len(prompt) == 1:
        prompt = prompt[0]
    if isinstance(prompt, str) and prompt.lstrip().startswith("{"):
        try:
            found = json.loads(prompt)
        except ValueError:
            found = None
        if isinstance(found, dict) and ("instruction" in found or "query" in found):
            return {"instruction": found.get("query", ""), **found}
    return {"instruction": _plain(prompt)}


def _filter(value: Any, held: bool) -> Question:
    parts = value if isinstance(value, list) else [value]
    asked = "\n\n".join(_plain(part) for part in parts)
    told = "" if held else "\n\nAnswer with yes or no alone."
    return read_request(
        {"instruction": f"Is this true? {asked}{told}"},
        "filter",
        schema=FILTER_SCHEMA if held else None,
    )


def _classify(value: Any, held: bool) -> Question:
    text, labels = value
    names = [_plain(label) for label in labels]
    schema = {
        "type": "object",
        "properties": {"label": {"type": "string", "enum": names}},
        "required": ["label"],
        "additionalProperties": False,
    }
    told = "" if held else "\n\nAnswer with the label alone."
    asked = f"Which label fits this text best: {', '.join(names)}?\n\n{_plain(text)}{told}"
    question = read_request({"instruction": asked}, "classify", schema=schema if held else None)
    return msgspec.structs.replace(question, texts=names)


def _classified(read: Read, answers: Sequence[Answer]) -> Value:
    labels = read.questions[0].texts if read.questions else []

    def label(text: str) -> str:
        said = str(_loose(text, "label")).strip()
        exact = [one for one in labels if one.casefold() == said.casefold()]
        found = exact or [one for one in labels if one.casefold() in said.casefold()]
        if len(found) != 1:
            raise InvalidRequestError(f"The model answered {text[:80]!r}, which is no one label.")
        return found[0]

    return _value(label)(read, answers)


def _boolean(text: str) -> bool:
    said = _loose(text, "answer")
    if isinstance(said, bool):
        return said
    first = _WORD.search(str(said).lower())
    if first and first[0] in ("yes", "true"):
        return True
    if first and first[0] in ("no", "false"):
        return False
    raise InvalidRequestError(f"The model answered {text[:80]!r}, which is neither yes nor no.")


def _loose(text: str, name: str) -> Any:
    """The value of one name, where the answer is an object; else the text."""
    try:
        found = json.loads(text)
    except ValueError:
        return text
    return found.get(name, text) if isinstance(found, dict) else found


def _object(text: str, schema: dict[str, Any]) -> Any:
    bare = _FENCE.sub("", text)
    try:
        found = json.loads(bare)
    except ValueError:
        found = json_repair.loads(bare)
    if not fits(found, schema):
        raise InvalidRequestError(f"The model's answer does not fit the schema: {text[:120]!r}.")
    return found


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
