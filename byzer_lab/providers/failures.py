"""A provider's refusal as one of our errors, in one sentence with the provider's own words."""

from __future__ import annotations

import email.utils
import json
import math
import re
import time
from collections.abc import Mapping
from typing import Any

from byzer_lab.errors import (
    ContentFilterError,
    ProviderAuthenticationError,
    ProviderError,
    ProviderQuotaError,
    ProviderRateLimitError,
    ProviderRequestError,
    ProviderUnavailableError,
)

LONGEST_SAID = 500
KINDS: tuple[tuple[type[ProviderError], re.Pattern[str]], ...] = (
    (
        ProviderQuotaError,
        re.compile(
            r"insufficient_?(quota|balance|user_quota)|billing|arrear|exceeded_current_quota"
        ),
    ),
    (
        ContentFilterError,
        re.compile(
            r"content_?(filter|policy|management)|data_?inspection|moderation|responsibleai|safety"
        ),
    ),
    (
        ProviderAuthenticationError,
        re.compile(r"(invalid|incorrect)_?(api_?)?key|api_key_invalid|authenticat"),
    ),
    (ProviderRateLimitError, re.compile(r"rate_?limit|throttling|too_?many_?requests")),
    (ProviderUnavailableError, re.compile(r"overloaded|server_?busy")),
    (ProviderRequestError, re.compile(r"\bbad_request\b")),
)
"""What the codes of providers mean, where the HTTP status alone does not say it."""
SENTENCES: dict[type[ProviderError], str] = {
    ProviderAuthenticationError: "{provider} does not accept the key, or the key lacks the right",
    ProviderQuotaError: "{provider} says that the account's quota or balance is used up",
    ProviderRateLimitError: "{provider} limits the rate of requests",
    ContentFilterError: "{provider} refuses this for its content",
    ProviderRequestError: "{provider} refuses the request",
    ProviderUnavailableError: "{provider} is not available",
    ProviderError: "{provider} failed",
}


def failure(
    provider: str,
    status: int,
    said: str,
    *,
    kind: str = "",
    request_id: str = "",
    retry_after_s: float | None = None,
) -> ProviderError:
    """The error for what a provider said.

    Args:
        provider: Its ``saas/NAME``.
        status: Of HTTP; 0 where the refusal came inside of an answer.
        said: Its own words.
        kind: Its own code, such as ``insufficient_quota``.
        request_id: Its name of the request.
        retry_after_s: Seconds after which it wants to be asked again.
    """
    known = error_class(status, kind)
    words = " ".join(said.split())
    words = words if len(words) <= LONGEST_SAID else words[: LONGEST_SAID - 1] + "…"
    numbers = f" ({status})" if status else ""
    sentence = f"{SENTENCES[known].format(provider=provider)}{numbers}"
    sentence += f": {words.rstrip('.')}" if words else ""
    if known is ProviderRateLimitError and retry_after_s is not None:
        sentence += f"; ask again in {retry_after_s:g} s"
    facts: dict[str, Any] = {
        "provider": provider,
        "status": status,
        "said": words,
        "kind": kind,
        "request_id": request_id,
        "retry_after_s": retry_after_s,
    }
    return known(f"{sentence}.", **{name: fact for name, fact in facts.items() if fact})


def error_class(status: int, kind: str) -> type[ProviderError]:
    """The class for a status and a provider's own code."""
    for known, pattern in KINDS:
        if pattern.search(kind.lower()):
            return known
    if status in (401, 403):
        return ProviderAuthenticationError
    if status == 402:
        return ProviderQuotaError
    if status == 429:
        return ProviderRateLimitError
    if status in (408, 409) or status >= 500:
        return ProviderUnavailableError
    return ProviderRequestError if status >= 400 else ProviderError


def http_failure(
    provider: str,
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    codes: Mapping[str, str] | None = None,
    hint: str = "",
) -> ProviderError:
    """The error for a response whose status is none of success.

    Args:
        provider: Its ``saas/NAME``.
        status: Of HTTP.
        headers: Of the response.
        body: Of the response.
        codes: See :attr:`byzer_lab.providers.presets.Preset.codes`.
        hint: Said where the address is unknown.
    """
    kind, said = read_refusal(body)
    kind = meaning(kind, codes or {})
    kind = f"{headers.get('x-amzn-errortype', '').partition(':')[0]} {kind}".strip()
    if status == 404 and hint:
        said = f"{said.rstrip('.')}; {hint}"
    if 300 <= status < 400:
        said = f"it answers with a redirect to {headers.get('location', '?')}; set saas.base_url"
    return failure(
        provider,
        status,
        said,
        kind=kind,
        request_id=request_id(headers),
        retry_after_s=retry_after_s(headers, body),
    )


def read_refusal(body: bytes | dict[str, Any]) -> tuple[str, str]:
    """Code and words of a refusal, in whichever of the usual forms it comes."""
    if isinstance(body, bytes):
        try:
            found = json.loads(body)
        except ValueError:
            return "", _plain(body)
    else:
        found = body
    if isinstance(found, list) and found:  # Gemini's streams wrap it
        found = found[0]
    if not isinstance(found, dict):
        return "", str(found)
    for name in ("error", "errors", "base_resp", "header", "detail"):
        inner = found.get(name)
        if isinstance(inner, str) and inner:
            return _text(found, "code"), _text(found, "error_description") or inner
        if isinstance(inner, dict):
            found = inner
            break
    kinds = [_text(found, name) for name in ("type", "code", "status", "status_code", "error_code")]
    inner = found.get("innererror")
    kinds += [_text(inner, "code")] if isinstance(inner, dict) else []
    kinds += [_text(one, "reason") for one in _dicts(found.get("details"))]  # Gemini's
    names = ("message", "error_msg", "status_msg", "msg", "Message")
    said = next((words for name in names if (words := _text(found, name))), "")
    return " ".join(kind for kind in kinds if kind), said or json.dumps(found, ensure_ascii=False)


def meaning(kind: str, codes: Mapping[str, str]) -> str:
    """A provider's own codes, and behind them the words for those that are numbers."""
    return " ".join([kind, *(codes[code] for code in kind.split() if code in codes)])


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    return str(value) if isinstance(value, str | int) and value != "" else ""


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _plain(body: bytes) -> str:
    """The words of a page."""
    text = body[: 20 * LONGEST_SAID].decode(errors="replace")
    return re.sub(r"<(style|script).*?</\1>|<[^>]*>", " ", text, flags=re.DOTALL | re.IGNORECASE)


def request_id(headers: Mapping[str, str]) -> str:
    """The provider's name of a request."""
    names = (
        "x-request-id",
        "request-id",
        "apim-request-id",
        "x-dashscope-request-id",
        "x-amzn-requestid",
        "x-requestid",
        "x-tt-logid",
        "trace-id",
    )
    return next((headers[name] for name in names if name in headers), "")


def retry_after_s(headers: Mapping[str, str], body: bytes = b"") -> float | None:
    """Seconds after which a provider wants to be asked again; ``None`` where it doesn't say.

    Args:
        headers: Of the response.
        body: Of the response; Gemini says it there.
    """
    if (value := _number(headers.get("retry-after-ms"))) is not None:
        return value / 1000
    after = headers.get("retry-after", "")
    if (value := _number(after)) is not None:
        return max(value, 0.0)
    if (date := email.utils.parsedate_tz(after)) is not None:
        return max(email.utils.mktime_tz(date) - time.time(), 0.0)
    waits = [
        wait
        for what in ("requests", "tokens")
        if headers.get(f"x-ratelimit-remaining-{what}") == "0"
        and (wait := _duration(headers.get(f"x-ratelimit-reset-{what}", ""))) is not None
    ]
    if waits:
        return max(waits)
    said = re.search(rb'"retryDelay"\s*:\s*"([\d.]+)s"', body)
    return float(said[1]) if said else None


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text else None
    except ValueError:
        return None
    return value if value is not None and math.isfinite(value) else None


def _duration(text: str) -> float | None:
    """Seconds of ``6m0s`` or ``120ms``."""
    units = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
    parts = re.findall(r"([\d.]+)(ms|s|m|h)", text)
    return sum(float(number) * units[unit] for number, unit in parts) if parts else None
