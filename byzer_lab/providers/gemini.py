"""Gemini, on Google's Generative Language API: streamGenerateContent.

Written from https://ai.google.dev/api/generate-content, https://ai.google.dev/api/caching#Tool,
https://ai.google.dev/gemini-api/docs/function-calling,
https://ai.google.dev/gemini-api/docs/thought-signatures,
https://ai.google.dev/gemini-api/docs/structured-output and
https://ai.google.dev/gemini-api/docs/troubleshooting.
"""

from __future__ import annotations

import json
import mimetypes
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from byzer_lab.content import picture_data
from byzer_lab.engines.base import EngineConfig
from byzer_lab.errors import ContentFilterError
from byzer_lab.providers.base import Provider
from byzer_lab.providers.ending import Ending, shapes
from byzer_lab.providers.events import events
from byzer_lab.providers.failures import failure, read_refusal
from byzer_lab.providers.kept import Kept
from byzer_lab.providers.presets import find_preset
from byzer_lab.providers.settings import PREFIX
from byzer_lab.providers.table import load_class
from byzer_lab.providers.tools import Calls, Wanted, arguments_of, grouped, parameters_of, wanted
from byzer_lab.types import Chunk, FinishReason, GenerateRequest, ImagePart, Message, Part

if TYPE_CHECKING:
    from byzer_lab.providers.http import Answer

VECTORS = "byzer_lab.providers.gemini_vectors:GeminiVectors"
ROLES = {"user": "user", "assistant": "model"}
MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY"}
UNSIGNED = "skip_thought_signature_validator"
"""What Google has for calls whose signature is not known, as those of another model."""
FINISHES: dict[str, FinishReason] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "LANGUAGE": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
}


class Made(NamedTuple):
    """A call that Gemini made.

    Attributes:
        signature: Of its thoughts.
        id: Its name of the call; empty where it gave none.
    """

    signature: str
    id: str

    @property
    def named(self) -> dict[str, str]:
        """The fields that name it."""
        return {"id": self.id} if self.id else {}


class Gemini(Provider):
    """A model of Google."""

    @classmethod
    def choose(cls, name: str, infer_params: Mapping[str, Any]) -> type[Provider]:
        """Models of vectors have a call of their own."""
        given = {key.removeprefix(PREFIX): str(value) for key, value in infer_params.items()}
        if find_preset(name).task(given.get("model", "").removeprefix("models/")) == "embedding":
            return load_class(VECTORS)
        return cls

    def __init__(self, config: EngineConfig) -> None:
        super().__init__(config)
        self._made: Kept[Made] = Kept()

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk]:
        """See :meth:`byzer_lab.engines.base.Generates.generate`."""
        from byzer_lab.providers.http import Call

        model = request.sampling.options.get("model") or self.model
        asked = wanted(self, request)
        call = Call(
            f"{self._place(model)}:streamGenerateContent",
            json=self._body(request, asked),
            headers=self.key_headers(),
            params={"alt": "sse"},
        )
        async with self.http.stream(call) as answer:
            with shapes(self.type, answer.facts):
                async with aclosing(self._chunks(answer, model, asked)) as chunks:
                    async for chunk in chunks:
                        yield chunk

    def _place(self, model: str) -> str:
        return f"{self.base_url}/models/{model.removeprefix('models/')}"

    def _body(self, request: GenerateRequest, asked: Wanted) -> dict[str, Any]:
        self.refuse_logprobs(request.sampling)
        messages = self.conversation(request)
        system = [message.text for message in messages if message.role == "system"]
        body: dict[str, Any] = {"contents": list(self._turns(messages)), **_tools(asked)}
        if system:
            body["systemInstruction"] = {"parts": [{"text": text} for text in system]}
        config = {**self.sampling(request.sampling), **_form(asked)}
        options = self.options(request.sampling)
        if config or "generationConfig" in options:
            body["generationConfig"] = {**config, **options.pop("generationConfig", {})}
        return {**body, **options}

    def _turns(self, messages: list[Message]) -> Iterator[dict[str, Any]]:
        names = {call.id: call.name for message in messages for call in message.tool_calls}
        for turn in grouped(messages):
            role = turn[0].role
            if role == "tool":
                parts = [self._result(one, names.get(one.tool_call_id, "")) for one in turn]
                yield {"role": "user", "parts": parts}
            elif role != "system":
                yield {"role": ROLES[role], "parts": self._parts(turn[0])}

    def _parts(self, message: Message) -> list[dict[str, Any]]:
        content = message.content
        parts = [{"text": content}] if isinstance(content, str) else [_part(p) for p in content]
        if not message.tool_calls:
            return parts
        parts = [part for part in parts if part.get("text") != ""]
        for place, call in enumerate(message.tool_calls):
            arguments = arguments_of(self, call.name, call.arguments)
            made = self._made.get(call.id, Made("" if place else UNSIGNED, ""))
            part: dict[str, Any] = {
                "functionCall": {"name": call.name, "args": arguments, **made.named}
            }
            if made.signature:
                part["thoughtSignature"] = made.signature
            parts.append(part)
        return parts

    async def _chunks(self, answer: Answer, model: str, asked: Wanted) -> AsyncGenerator[Chunk]:
        calls = Calls(asked, one=True)
        ending = Ending(self.type, answer.facts)
        usage: Mapping[str, Any] = {}
        async for event in events(answer.blocks()):
            news = answer.decode(event.data)
            if "error" in news:
                kind, said = read_refusal(news)
                status = news["error"].get("code", 0) if isinstance(news["error"], dict) else 0
                raise failure(self.type, status, said, kind=kind)
            answer.facts.model = news.get("modelVersion") or answer.facts.model
            answer.facts.request_id = news.get("responseId") or answer.facts.request_id
            usage = news.get("usageMetadata") or usage
            blocked = (news.get("promptFeedback") or {}).get("blockReason")
            if blocked:
                raise ContentFilterError(
                    f"{self.type} refuses the question for its content: {blocked}.",
                    provider=self.type,
                    kind=blocked,
                )
            for candidate in (news.get("candidates") or [])[:1]:
                for part in (candidate.get("content") or {}).get("parts") or []:
                    if "functionCall" in part:
                        for chunk in self._call(calls, part):
                            yield ending.wrote(chunk)
                    if not part.get("text"):
                        continue
                    if part.get("thought"):
                        yield Chunk(reasoning=part["text"], tokens=1)
                    else:
                        yield ending.wrote(Chunk(text=part["text"], tokens=1))
                ending.reason = candidate.get("finishReason") or ending.reason
        finish = calls.finish(ending.finish(FINISHES))
        thoughts = usage.get("thoughtsTokenCount") or 0
        told = self.usage(
            answer.facts,
            (usage.get("promptTokenCount") or 0) + (usage.get("toolUsePromptTokenCount") or 0),
            (usage.get("candidatesTokenCount") or 0) + thoughts,
            model=model,
            cached_tokens=usage.get("cachedContentTokenCount") or 0,
            reasoning_tokens=thoughts,
        )
        yield Chunk(finish_reason=finish, usage=told)

    def _call(self, calls: Calls, part: dict[str, Any]) -> Iterator[Chunk]:
        """The chunks of a call, which comes whole; its signature is kept."""
        call = part["functionCall"]
        arguments = json.dumps(call.get("args") or {}, ensure_ascii=False)
        identity = call.get("id") or ""
        for chunk in calls.begin(object(), call["name"], identity, arguments):
            for delta in chunk.tool_calls:
                self._made.keep(delta.id, Made(part.get("thoughtSignature") or "", identity))
            yield chunk

    def _result(self, message: Message, name: str) -> dict[str, Any]:
        """What a tool gave; Gemini wants an object."""
        try:
            found = json.loads(message.text)
        except ValueError:
            found = message.text
        response = found if isinstance(found, dict) else {"result": found}
        made = self._made.get(message.tool_call_id, Made("", ""))
        return {"functionResponse": {"name": name, "response": response, **made.named}}


def _tools(asked: Wanted) -> dict[str, Any]:
    """What a body says of tools."""
    if not asked.tools:
        return {}
    declared = [
        {
            "name": tool.name,
            "description": tool.description,
            **({"parametersJsonSchema": parameters_of(tool)} if tool.parameters else {}),
        }
        for tool in asked.tools
    ]
    config: dict[str, Any] = {"mode": MODES.get(asked.choice, "ANY")}
    if asked.named:
        config["allowedFunctionNames"] = [asked.named]
    return {
        "tools": [{"functionDeclarations": declared}],
        **({"toolConfig": {"functionCallingConfig": config}} if asked.choice != "auto" else {}),
    }


def _form(asked: Wanted) -> dict[str, Any]:
    """What a configuration says of the answer's form."""
    if asked.schema is None:
        return {}
    form: dict[str, Any] = {"responseMimeType": "application/json"}
    if asked.mode == "json_schema":
        form["responseJsonSchema"] = _referring(asked.schema)
    return form


def _referring(node: Any) -> Any:
    """A copy of a schema in which nothing stands beside a reference, as Gemini wants it."""
    if isinstance(node, list):
        return [_referring(item) for item in node]
    if not isinstance(node, dict):
        return node
    if isinstance(node.get("$ref"), str):
        node = {name: value for name, value in node.items() if name.startswith("$")}
    return {name: _referring(value) for name, value in node.items()}


def _part(part: Part) -> dict[str, Any]:
    if not isinstance(part, ImagePart):
        return {"text": part.text}
    url = part.image_url.url
    data = picture_data(url)
    if data is not None:
        return {"inlineData": {"mimeType": data[0], "data": data[1]}}
    kind = mimetypes.guess_type(urlsplit(url).path)[0] or "image/jpeg"
    return {"fileData": {"mimeType": kind, "fileUri": url}}
