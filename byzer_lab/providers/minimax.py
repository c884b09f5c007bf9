"""MiniMax's own wire formats: speech, and the chat of its old models.

Its present chat models speak OpenAI's format. Written from
https://platform.minimax.io/docs/api-reference/speech-t2a-http and
https://www.minimaxi.com/document/guides/chat-model/pro/api.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from byzer_lab.content import read_question
from byzer_lab.errors import InvalidRequestError, ProviderError
from byzer_lab.providers.again import until_begun, worth_another_try
from byzer_lab.providers.base import Provider
from byzer_lab.providers.ending import Ending, shapes
from byzer_lab.providers.events import events
from byzer_lab.providers.presets import Structured
from byzer_lab.providers.settings import Settings
from byzer_lab.providers.speech import MEDIA_TYPES, in_pieces, take_size
from byzer_lab.providers.tools import wanted
from byzer_lab.schema import parameter
from byzer_lab.types import Chunk, FinishReason, GenerateRequest, Message

if TYPE_CHECKING:
    from byzer_lab.providers.http import Answer

SPEECH = "/t2a_v2"
PRO = "/text/chatcompletion_pro"
JSON = "application/json"
NAMES: dict[str, type] = {
    "voice": str,
    "response_format": str,
    "speed": float,
    "volume": float,
    "pitch": int,
    "emotion": str,
    "language": str,
    "sample_rate": int,
    "bitrate": int,
    "chunk_size": int,
}
VOICE = "male-qn-qingse"
VOICE_SETTING = {
    "voice": "voice_id",
    "speed": "speed",
    "volume": "vol",
    "pitch": "pitch",
    "emotion": "emotion",
}
AUDIO_SETTING = {"response_format": "format", "sample_rate": "sample_rate", "bitrate": "bitrate"}
WHOLE_ONLY = ("wav",)
"""Formats that MiniMax doesn't stream."""
LAST = 2
"""Status of the event that ends a sound."""
BOT, USER = "Assistant", "User"
FINISHES: dict[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "max_output": "length",
    "sensitive": "content_filter",
}


@dataclass(frozen=True)
class MiniMaxSettings(Settings):
    """What a deployment says."""

    group_id: str | None = parameter(None, "Group of the account, for keys that don't name it.")
    base_url: str | None = parameter(
        None, "Where MiniMax listens, instead of its own place.", aliases=("api_url",)
    )


class MiniMaxOwn(Provider):
    """What both formats share."""

    settings_class = MiniMaxSettings
    settings: MiniMaxSettings
    path: str

    @property
    def base_url(self) -> str:
        """Where MiniMax listens, also where the address of the call was given."""
        return super().base_url.removesuffix(self.path)

    @asynccontextmanager
    async def _answer(self, body: dict[str, Any], attempt: int) -> AsyncIterator[Answer]:
        """The answer to a request; leaving it early closes the connection."""
        from byzer_lab.providers.http import Call

        group = self.settings.group_id
        call = Call(
            self.base_url + self.path,
            json=body,
            headers=self.key_headers(),
            params={"GroupId": group} if group else None,
        )
        async with self.http.stream(call) as answer:
            answer.facts.attempts += attempt - 1
            with shapes(self.type, answer.facts):
                yield answer

    async def _news(self, answer: Answer) -> AsyncGenerator[dict[str, Any]]:
        """The events of an answer, or the answer itself where it does not stream.

        Raises:
            Again: MiniMax has not begun.
            ProviderError: It refuses.
        """
        begun = False
        if answer.media_type == JSON:
            yield self._accepted(await answer.json(), answer, begun)
            return
        async for event in events(answer.blocks()):
            if event.data.strip() != b"[DONE]":
                yield self._accepted(answer.decode(event.data), answer, begun)
                begun = True

    def _accepted(self, news: dict[str, Any], answer: Answer, begun: bool) -> dict[str, Any]:
        answer.facts.request_id = (
            news.get("trace_id") or news.get("request_id") or news.get("id") or ""
        ) or answer.facts.request_id
        if (news.get("base_resp") or {}).get("status_code") or news.get("error"):
            refused = self.refusal(news, answer.facts)
            raise refused if begun else worth_another_try(refused)
        return news


class MiniMaxSpeech(MiniMaxOwn):
    """A voice of MiniMax."""

    path = SPEECH

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk]:
        """Speak the last message; see :meth:`byzer_lab.engines.base.Generates.generate`."""
        question = read_question(self.conversation(request), NAMES)
        size = take_size(question)
        form = str(question.setdefault("response_format", "mp3"))
        media_type = MEDIA_TYPES.get(form, "application/octet-stream")
        body = self._body(question, request)

        async def speak(attempt: int) -> AsyncGenerator[Chunk]:
            async with self._answer(body, attempt) as answer:
                async for piece in in_pieces(self._sounds(answer), size):
                    yield Chunk(data=piece, media_type=media_type)
                yield Chunk(finish_reason="stop", usage=self.usage(answer.facts, 0, 0))

        async with aclosing(until_begun(speak, self.settings.max_retries)) as chunks:
            async for chunk in chunks:
                yield chunk

    def _body(self, question: dict[str, Any], request: GenerateRequest) -> dict[str, Any]:
        voice = {name: question[ours] for ours, name in VOICE_SETTING.items() if ours in question}
        audio = {name: question[ours] for ours, name in AUDIO_SETTING.items() if ours in question}
        body: dict[str, Any] = {
            "model": request.sampling.options.get("model") or self.model,
            "text": question["input"],
            "stream": question["response_format"] not in WHOLE_ONLY,
            "voice_setting": {"voice_id": VOICE, **voice},
            "audio_setting": audio,
        }
        if body["stream"]:
            body["stream_options"] = {"exclude_aggregated_audio": True}
        if "language" in question:
            body["language_boost"] = question["language"]
        return {**body, **self.options(request.sampling)}

    async def _sounds(self, answer: Answer) -> AsyncGenerator[bytes]:
        ending = Ending(self.type, answer.facts)
        head, length = b"", 0
        async for news in self._news(answer):
            data = news.get("data") or {}
            sound = bytes.fromhex(data.get("audio") or "")
            if data.get("status") == LAST:
                ending.reason = "stop"
                if head and len(sound) >= length and sound.startswith(head):
                    sound = sound[length:]  # the whole sound once more
            if sound:
                head, length = head or sound, length + len(sound)
                yield sound
        ending.finish(FINISHES)
        if not length:
            raise ProviderError(f"{self.type} sent no sound.", provider=self.type)


class MiniMaxPro(MiniMaxOwn):
    """A model of the old interface, chatcompletion_pro."""

    path = PRO

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk]:
        """See :meth:`byzer_lab.engines.base.Generates.generate`."""
        body = self._body(request)

        async def chat(attempt: int) -> AsyncGenerator[Chunk]:
            async with self._answer(body, attempt) as answer:
                async for chunk in self._chunks(answer):
                    yield chunk

        async with aclosing(until_begun(chat, self.settings.max_retries)) as chunks:
            async for chunk in chunks:
                yield chunk

    def takes_tools(self, model: str) -> bool:
        """The old interface is asked for texts alone."""
        return False

    def structured(self, model: str) -> Structured:
        """Nor for answers that fit a schema."""
        return ""

    def _body(self, request: GenerateRequest) -> dict[str, Any]:
        wanted(self, request)  # refuses tools and schemas
        self.refuse_logprobs(request.sampling)
        options = dict(request.sampling.options)
        glyph = options.pop("glyph", None)
        sampling = msgspec.structs.replace(request.sampling, options=options)
        messages = self.conversation(request)
        if any(message.images for message in messages):
            raise InvalidRequestError(f"{self.type} can't see pictures here; leave them out.")
        system = "\n".join(message.text for message in messages if message.role == "system")
        given = self.sampling(sampling)
        if "max_tokens" in given:
            given["tokens_to_generate"] = given.pop("max_tokens")
        return {
            "model": options.get("model") or self.model,
            "stream": True,
            "messages": [self._turn(message) for message in messages if message.role != "system"],
            "bot_setting": [{"bot_name": BOT, "content": system or "You are a helpful assistant."}],
            "reply_constraints": {
                "sender_type": "BOT",
                "sender_name": BOT,
                **({"glyph": glyph} if glyph is not None else {}),
            },
            **given,
            **self.options(sampling),
        }

    def _turn(self, message: Message) -> dict[str, Any]:
        if message.role == "user":
            return {"sender_type": "USER", "sender_name": USER, "text": message.text}
        if message.role == "assistant":
            return {"sender_type": "BOT", "sender_name": BOT, "text": message.text}
        raise InvalidRequestError(f"{self.type} takes turns of system, user and assistant here.")

    async def _chunks(self, answer: Answer) -> AsyncGenerator[Chunk]:
        ending = Ending(self.type, answer.facts)
        written = ""
        usage: dict[str, Any] = {}
        async for news in self._news(answer):
            answer.facts.model = news.get("model") or answer.facts.model
            usage = news.get("usage") or usage
            for choice in (news.get("choices") or [])[:1]:
                ending.reason = choice.get("finish_reason") or ending.reason
                text = "".join(one.get("text") or "" for one in choice.get("messages") or [])
                if ending.reason and written and text.startswith(written):
                    text = text[len(written) :]  # the whole answer once more
                if text:
                    written += text
                    yield ending.wrote(Chunk(text=text, tokens=1))
        finish = ending.finish(FINISHES)
        # It tells the sum alone.
        asked = usage.get("prompt_tokens") or usage.get("total_tokens") or 0
        made = usage.get("completion_tokens") or 0
        yield Chunk(finish_reason=finish, usage=self.usage(answer.facts, asked, made))
