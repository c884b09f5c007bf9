"""Errors in OpenAI's shape: ``{"error": {"message", "type", "param", "code"}}``.

https://platform.openai.com/docs/guides/error-codes
"""

from __future__ import annotations

import math
from typing import Any

import msgspec
from starlette.responses import Response

from byzer_lab.errors import ByzerLabError
from byzer_lab.web import json_response

CODES = {
    "context_length": "context_length_exceeded",
    "queue_full": "rate_limit_exceeded",
    "worker_busy": "rate_limit_exceeded",
    "rate_limit": "rate_limit_exceeded",
    "provider_rate_limit": "rate_limit_exceeded",
    "provider_quota": "insufficient_quota",
    "unauthenticated": "invalid_api_key",
}
"""OpenAI's word for a code of ours, where it has one; the others keep ours."""


def retry_after(error: ByzerLabError) -> dict[str, str]:
    """The header that says when to ask again."""
    seconds = error.details.get("retry_after_s", 1)
    if error.status != 429 or not isinstance(seconds, int | float):
        return {}
    return {"Retry-After": str(max(1, math.ceil(seconds)))}


def error_type(error: ByzerLabError) -> str:
    """OpenAI's class of errors."""
    if error.code == "provider_quota":
        return "insufficient_quota"
    if error.status == 429:
        return str(error.details.get("limit", "requests"))
    return "server_error" if error.status >= 500 else "invalid_request_error"


def error_body(error: ByzerLabError) -> dict[str, Any]:
    """The error as OpenAI writes it."""
    return {
        "error": {
            "message": error.message,
            "type": error_type(error),
            "param": error.details.get("param"),
            "code": CODES.get(error.code, error.code),
        }
    }


def error_response(error: ByzerLabError, headers: dict[str, str]) -> Response:
    """The error before anything was answered."""
    return json_response(error_body(error), error.status, headers | retry_after(error))


def error_event(error: ByzerLabError) -> bytes:
    """The error in the middle of a stream: OpenAI's clients raise it."""
    return b"data: " + msgspec.json.encode(error_body(error)) + b"\n\n"
