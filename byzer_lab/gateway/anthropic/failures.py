"""Errors in Anthropic's shape: ``{"type": "error", "error": {"type", "message"}}``.

https://docs.anthropic.com/en/api/errors
"""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from byzer_lab.errors import ByzerLabError
from byzer_lab.gateway.handling import text_event
from byzer_lab.gateway.openai.failures import retry_after
from byzer_lab.web import encode_json, json_response

TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
}


def error_body(error: ByzerLabError) -> dict[str, Any]:
    """The error as Anthropic writes it."""
    usual = "invalid_request_error" if error.status < 500 else "api_error"
    kind = TYPES.get(error.status, usual)
    return {"type": "error", "error": {"type": kind, "message": error.message}}


def error_response(error: ByzerLabError, headers: dict[str, str]) -> Response:
    """The error before anything was answered."""
    return json_response(error_body(error), error.status, headers | retry_after(error))


def error_event(error: ByzerLabError) -> bytes:
    """The error in the middle of a stream: Anthropic's clients raise it."""
    return text_event("error", encode_json(error_body(error)))
