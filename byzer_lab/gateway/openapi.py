"""``/openapi.json`` and ``/docs``: what this server takes, read from what it decodes."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable
from typing import Any

import msgspec

from byzer_lab import __version__
from byzer_lab.gateway.handling import Handler

REF = "#/components/schemas/{name}"
ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}
PAGES = (
    ("/v1/models", "The deployments that can answer."),
    ("/metrics", "Counts for Prometheus."),
    ("/health", "Whether the server is there; needs no key."),
    ("/openapi.json", "This page for programs; needs no key."),
)
STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem}"
    "pre{background:#8881;padding:.75rem;overflow:auto}code{font-size:.9em}"
    "h2{margin-top:2rem;font-size:1.05rem}:root{color-scheme:light dark}"
)


def describe(handlers: Iterable[type[Handler[Any]]]) -> dict[str, Any]:
    """The OpenAPI description.

    Args:
        handlers: The endpoints that take a body.
    """
    taking = [handler for handler in handlers if handler.body is not Any]
    schemas, components = msgspec.json.schema_components(
        [handler.body for handler in taking], ref_template=REF
    )
    paths = {
        handler.path: {"post": _operation(handler, schema)}
        for handler, schema in zip(taking, schemas, strict=True)
    }
    for path, summary in PAGES[:2]:
        paths[path] = {"get": {"summary": summary, "responses": _responses("application/json")}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Byzer Lab", "version": __version__},
        "paths": paths,
        "security": [{"key": []}],
        "components": {
            "schemas": {**components, "Error": ERROR},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(handler: type[Handler[Any]], schema: Any) -> dict[str, Any]:
    content = {"application/json": {"schema": schema, "example": handler.example}}
    return {
        "operationId": handler.__name__,
        "summary": handler.summary,
        "requestBody": {"required": True, "content": content},
        "responses": _responses("application/json"),
    }


def _responses(kind: str) -> dict[str, Any]:
    error = {"application/json": {"schema": {"$ref": REF.format(name="Error")}}}
    return {
        "200": {"description": "The answer.", "content": {kind: {}}},
        "default": {"description": "Why there is none.", "content": error},
    }


def page(handlers: Iterable[type[Handler[Any]]]) -> str:
    """The page of documentation; it loads nothing from elsewhere."""
    parts = [
        "<h1>Byzer Lab</h1><p>Models of this cluster, as OpenAI and Anthropic serve theirs. Put "
        "the name of a deployment in the place of NAME, and a key of <code>byzer-lab keys</code> "
        "in the place of KEY.</p>"
    ]
    for handler in handlers:
        parts.append(f"<h2><code>POST {handler.path}</code></h2><p>{html.escape(handler.summary)}")
        if handler.example:
            given = json.dumps(handler.example, indent=2)
            parts.append(
                f"<pre>curl -H 'Authorization: Bearer KEY' {{URL}}{handler.path} \\\n"
                f"  -d '{html.escape(given)}'</pre>"
            )
    for path, summary in PAGES:
        parts.append(f"<h2><code>GET {path}</code></h2><p>{html.escape(summary)}</p>")
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>Byzer Lab</title>"
        f"<style>{STYLE}</style>{''.join(parts)}</html>"
    )
