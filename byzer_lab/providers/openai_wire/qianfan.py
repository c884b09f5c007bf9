"""Baidu Qianfan, version 2: a key of its own, or an access key that buys tokens.

https://cloud.baidu.com/doc/qianfan-api/s/3m7of64lb and, for the tokens and their signature,
https://cloud.baidu.com/doc/IAM/s/Fm2x8dsxt and https://cloud.baidu.com/doc/Reference/s/njwvz1yfu
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from byzer_lab.engines.base import EngineConfig
from byzer_lab.errors import ProviderError
from byzer_lab.providers.openai_wire.engine import OpenAIWire, WireSettings
from byzer_lab.schema import parameter

TOKENS_AT = "https://iam.bj.baidubce.com"
TOKEN_PATH = "/v1/BCE-BEARER/token"
TOKEN_LIFE_S = 86_400
RENEWED_BEFORE_S = 600
SIGNATURE_LIFE_S = 1800


@dataclass(frozen=True)
class QianfanSettings(WireSettings):
    """Qianfan's."""

    api_key: str | None = parameter(
        None, "A key that begins with bce-v3/, or with secret_key the access key (AK)."
    )
    secret_key: str | None = parameter(None, "Secret of the access key (SK).")
    access_token: str | None = parameter(None, "A token that was bought already.")
    appid: str | None = parameter(None, "The application that pays.", aliases=("app_id",))
    token_url: str = parameter(TOKENS_AT, "Where tokens are bought.")


class Qianfan(OpenAIWire):
    """Qianfan: ERNIE and others."""

    settings_class = QianfanSettings
    settings: QianfanSettings
    needs_key = False

    def __init__(self, config: EngineConfig) -> None:
        super().__init__(config)
        if not self.settings.access_token:
            self.need("api_key", self.preset.key)
        self._token, self._until = "", 0.0
        self._buying = asyncio.Lock()

    async def headers(self) -> dict[str, str]:
        """Headers of every call; a token is bought where the old one ends soon."""
        headers = {"Authorization": f"Bearer {await self._bearer()}"}
        if self.settings.appid:
            headers["appid"] = self.settings.appid
        return headers

    async def _bearer(self) -> str:
        if self.settings.access_token:
            return self.need("access_token", "QIANFAN_ACCESS_TOKEN")
        key = self.need("api_key", self.preset.key)
        if not self.settings.secret_key:
            return key
        async with self._buying:
            if time.time() > self._until - RENEWED_BEFORE_S:
                await self._buy(key, self.need("secret_key", "QIANFAN_SECRET_KEY"))
        return self._token

    async def _buy(self, key: str, secret: str) -> None:
        from byzer_lab.providers.http import Call

        place = self.settings.token_url.rstrip("/")
        query = {"expireInSeconds": str(TOKEN_LIFE_S)}
        host = urlsplit(place).netloc
        signed = signature(key, secret, host, TOKEN_PATH, query, time.time())
        call = Call(
            f"{place}{TOKEN_PATH}",
            params=query,
            headers={"Authorization": signed, "Host": host},
            method="GET",
        )
        found, facts = await self.http.json(call)
        token = found.get("token")
        if not isinstance(token, str) or not token:
            raise ProviderError(
                f"{self.type} sells no token for this access key.",
                provider=self.type,
                request_id=facts.request_id,
            )
        self._token, self._until = token, time.time() + TOKEN_LIFE_S


def signature(
    key: str, secret: str, host: str, path: str, query: dict[str, str], now: float
) -> str:
    """The ``Authorization`` of a ``GET`` in Baidu's scheme ``bce-auth-v1``.

    Args:
        key: The access key.
        secret: Its secret.
        host: Whom the request is for.
        path: Of the request.
        query: Of the request.
        now: Seconds since the epoch.
    """
    date = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
    prefix = f"bce-auth-v1/{key}/{date}/{SIGNATURE_LIFE_S}"
    pairs = sorted(f"{name}={quote(value, safe='')}" for name, value in query.items())
    request = "\n".join(["GET", quote(path), "&".join(pairs), f"host:{quote(host, safe='')}"])
    return f"{prefix}/host/{_sign(_sign(secret, prefix), request)}"


def _sign(secret: str, text: str) -> str:
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
