"""Spark of iFlytek over its WebSocket, whose address carries a signature.

Written from https://www.xfyun.cn/doc/spark/Web.html and
https://www.xfyun.cn/doc/spark/general_url_authentication.html. Deployments that have the console's
APIPassword alone use Spark's interface in OpenAI's format instead.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from email.utils import formatdate
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit, urlunsplit

import msgspec

from byzer_lab.engines.base import EngineConfig, LoadProgress, ReportProgress
from byzer_lab.errors import InvalidRequestError, ProviderError
from byzer_lab.providers.again import until_begun, worth_another_try
from byzer_lab.providers.base import Provider
from byzer_lab.providers.ending import Ending, shapes
from byzer_lab.providers.failures import failure, meaning
from byzer_lab.providers.settings import PREFIX, Settings
from byzer_lab.providers.sockets import connected, receive
from byzer_lab.providers.table import load_class
from byzer_lab.providers.tools import Calls, Wanted, as_text, parameters_of, wanted
from byzer_lab.schema import parameter
from byzer_lab.types import Chunk, FinishReason, GenerateRequest, ProviderFacts

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

HOST = "wss://spark-api.xf-yun.com"
DOMAINS = {
    "/v1.1/chat": "general",
    "/v2.1/chat": "generalv2",
    "/v3.1/chat": "generalv3",
    "/v3.5/chat": "generalv3.5",
    "/v4.0/chat": "4.0Ultra",
    "/chat/pro-128k": "pro-128k",
    "/chat/max-32k": "max-32k",
    "/v1/x1": "x1",
}
"""The domain that belongs to the address of each version."""
PATHS = {"lite": "/v1.1/chat", **{domain: path for path, domain in DOMAINS.items()}}
OVER_HTTP = "byzer_lab.providers.openai_wire:SparkHTTP"
LAST = 2
"""Status of the frame that ends an answer."""
FINISHES: dict[str, FinishReason] = {"2": "stop"}


@dataclass(frozen=True)
class SparkSettings(Settings):
    """What a deployment says."""

    appid: str | None = parameter(None, "The application of the console.", aliases=("app_id",))
    api_key: str | None = parameter(None, "Its APIKey; write ${NAME}.")
    api_secret: str | None = parameter(None, "Its APISecret; write ${NAME}.")
    api_password: str | None = parameter(
        None, "Its APIPassword; given alone, Spark is asked over HTTP."
    )
    gpt_url: str | None = parameter(
        None, "Address of the version, such as wss://spark-api.xf-yun.com/v3.5/chat."
    )
    domain: str | None = parameter(
        None, "Name of the version, such as generalv3.5; known where the address is."
    )


class SparkDesk(Provider):
    """A version of Spark."""

    settings_class = SparkSettings
    settings: SparkSettings
    needs_key = False

    @classmethod
    def choose(cls, name: str, infer_params: Mapping[str, Any]) -> type[Provider]:
        """See :meth:`byzer_lab.providers.base.Provider.choose`."""
        given = {key.removeprefix(PREFIX) for key, value in infer_params.items() if value}
        if "api_password" in given and not given & {"appid", "app_id", "api_secret", "gpt_url"}:
            return load_class(OVER_HTTP)
        return cls

    def __init__(self, config: EngineConfig) -> None:
        super().__init__(config)
        self.need("appid", "SPARK_APPID")
        self.need("api_key", "SPARK_API_KEY")
        self.need("api_secret", "SPARK_API_SECRET")
        self._open = False

    def _model(self) -> str:
        settings = self.settings
        by_url = DOMAINS.get(urlsplit(self._given_url or "").path)
        domain = settings.domain or settings.model or by_url
        if domain is None and self._given_url is not None:
            raise InvalidRequestError(
                f"{self.type} needs {PREFIX}domain: {PREFIX}gpt_url is none of the known addresses "
                f"(they end in {', '.join(DOMAINS)}).",
                parameter="domain",
            )
        return domain or self.preset.model

    @property
    def _given_url(self) -> str | None:
        url = self.settings.gpt_url or self.settings.base_url
        if url is None:
            return None
        scheme, separator, rest = url.partition("://")
        if scheme not in ("ws", "wss", "http", "https") or not separator:
            raise InvalidRequestError(
                f"{PREFIX}gpt_url is {url!r}; it must begin with wss:// or ws://.",
                parameter="gpt_url",
            )
        return f"{scheme.replace('http', 'ws')}://{rest}"

    @property
    def base_url(self) -> str:
        """Address of the version."""
        if self._given_url is not None:
            return self._given_url
        path = PATHS.get(self.model)
        if path is None:
            raise InvalidRequestError(
                f"{self.type} knows no address of the domain {self.model!r}; give it in "
                f"{PREFIX}gpt_url. Known domains: {', '.join(PATHS)}.",
                parameter="gpt_url",
            )
        return HOST + path

    def load(self, report: ReportProgress) -> None:
        """See :meth:`byzer_lab.engines.base.Engine.load`; each request has its own connection."""
        report(LoadProgress("preparing the connection"))
        _ = self.base_url
        self._open = True

    async def close(self) -> None:
        """Take no more requests. Safe to call twice."""
        self._open = False

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk]:
        """See :meth:`byzer_lab.engines.base.Generates.generate`."""
        if not self._open:
            raise ProviderError(f"{self.type} is not loaded, or was closed.")
        asked = wanted(self, request)
        question = msgspec.json.encode(self._question(request, asked)).decode()

        def ask(attempt: int) -> AsyncGenerator[Chunk]:
            return self._ask(question, attempt, asked)

        async with aclosing(until_begun(ask, self.settings.max_retries)) as chunks:
            async for chunk in chunks:
                yield chunk

    def _question(self, request: GenerateRequest, asked: Wanted) -> dict[str, Any]:
        sampling = request.sampling
        self.refuse_logprobs(sampling)
        messages = as_text(self.conversation(request))
        domain = sampling.options.get("model") or self.model
        chat = {"domain": domain, **self.sampling(sampling), **self.options(sampling)}
        text = [{"role": message.role, "content": message.text} for message in messages]
        appid = self.need("appid", "SPARK_APPID")
        return {
            "header": {"app_id": appid, "uid": "byzer-lab"},
            "parameter": {"chat": chat},
            "payload": {"message": {"text": text}, **_functions(asked)},
        }

    async def _ask(self, question: str, attempt: int, asked: Wanted) -> AsyncGenerator[Chunk]:
        """One try.

        Raises:
            Again: Spark has not begun.
        """
        facts = ProviderFacts(attempts=attempt)
        started = time.perf_counter()
        ending = Ending(self.type, facts)
        calls = Calls(asked, one=True)
        usage: dict[str, Any] = {}
        async with connected(self, self._signed_url()) as socket:
            facts.first_byte_ms = (time.perf_counter() - started) * 1000
            await socket.send(question)
            with shapes(self.type, facts):
                begun = False
                while ending.reason != str(LAST):
                    frame = await self._frame(socket)
                    facts.request_id = frame["header"].get("sid") or facts.request_id
                    if frame["header"]["code"] != 0:
                        refused = self._refused(frame["header"], facts)
                        raise refused if begun else worth_another_try(refused)
                    begun = True
                    payload = frame.get("payload") or {}
                    choices = payload.get("choices") or {}
                    for piece in choices.get("text") or []:
                        if thought := piece.get("reasoning_content"):
                            yield Chunk(reasoning=thought, tokens=1)
                        if text := piece.get("content"):
                            yield ending.wrote(Chunk(text=text, tokens=1))
                        if call := piece.get("function_call"):
                            for chunk in _call(calls, call):
                                yield ending.wrote(chunk)
                    usage = (payload.get("usage") or {}).get("text") or usage
                    status = choices.get("status", frame["header"].get("status"))
                    ending.reason = str(status) if status == LAST else ""
        finish = calls.finish(ending.finish(FINISHES))
        for chunk in calls.end(finish):
            yield chunk
        read, made = usage.get("prompt_tokens") or 0, usage.get("completion_tokens") or 0
        yield Chunk(finish_reason=finish, usage=self.usage(facts, read, made))

    async def _frame(self, socket: ClientConnection) -> dict[str, Any]:
        text = await receive(self, socket)
        try:
            return msgspec.json.decode(text, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ProviderError(
                f"{self.type} sent something that is not a JSON object: {error}.",
                provider=self.type,
            ) from error

    def _refused(self, header: Mapping[str, Any], facts: ProviderFacts) -> ProviderError:
        code = str(header["code"])
        said = f"{header.get('message') or 'no words'} (code {code})"
        kind = meaning(code, self.preset.codes)
        return failure(self.type, 0, said, kind=kind, request_id=facts.request_id)

    def _signed_url(self) -> str:
        key = self.need("api_key", "SPARK_API_KEY")
        secret = self.need("api_secret", "SPARK_API_SECRET")
        return signed_url(self.base_url, key, secret, time.time())


def _functions(asked: Wanted) -> dict[str, Any]:
    """What a question says of tools."""
    if not asked.tools:
        return {}
    told = [
        {
            "name": tool.name,
            "description": tool.description,
            "parameters": parameters_of(tool),
        }
        for tool in asked.tools
    ]
    return {"functions": {"text": told}}


def _call(calls: Calls, piece: Mapping[str, Any]) -> Iterator[Chunk]:
    """The chunks of a piece of the one call that Spark makes."""
    arguments = piece.get("arguments") or ""
    if calls.knows(0):
        yield from calls.more(0, arguments)
    elif name := piece.get("name"):
        yield from calls.begin(0, name, "", arguments)


def signed_url(url: str, api_key: str, api_secret: str, now: float) -> str:
    """An address with the signature that Spark asks for; it is good for five minutes.

    Args:
        url: Without a query.
        api_key: Names the secret.
        api_secret: Signs.
        now: Seconds since 1970.
    """
    parts = urlsplit(url)
    date = formatdate(now, usegmt=True)
    told = f"host: {parts.netloc}\ndate: {date}\nGET {parts.path} HTTP/1.1"
    digest = hmac.new(api_secret.encode(), told.encode(), hashlib.sha256).digest()
    signature = base64.b64encode(digest).decode()
    authorization = (
        f'api_key="{api_key}", algorithm="hmac-sha256", headers="host date request-line", '
        f'signature="{signature}"'
    )
    query = {
        "authorization": base64.b64encode(authorization.encode()).decode(),
        "date": date,
        "host": parts.netloc,
    }
    return urlunsplit((parts.scheme, parts.netloc, parts.path, urlencode(query), ""))
