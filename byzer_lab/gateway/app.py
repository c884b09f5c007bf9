"""The pages for models, and the application that protects them."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from byzer_lab import __version__
from byzer_lab.errors import ByzerLabError
from byzer_lab.gateway.access import Access, Keys, for_models
from byzer_lab.gateway.anthropic.messages import CountTokens, Messages
from byzer_lab.gateway.handling import Handler
from byzer_lab.gateway.openai import failures
from byzer_lab.gateway.openai.chat import ChatCompletions
from byzer_lab.gateway.openai.completions import Completions
from byzer_lab.gateway.openai.embeddings import Embeddings, Rerank
from byzer_lab.gateway.openai.media import Images, Speech
from byzer_lab.gateway.openai.models import Models
from byzer_lab.gateway.openai.responses import Responses
from byzer_lab.gateway.openai.transcriptions import Transcriptions, Translations
from byzer_lab.gateway.openapi import describe, page
from byzer_lab.gateway.service import Service
from byzer_lab.web import build_app, error_response, json_response

HANDLERS: tuple[type[Handler[Any]], ...] = (
    ChatCompletions,
    Completions,
    Responses,
    Messages,
    CountTokens,
    Embeddings,
    Rerank,
    Images,
    Speech,
    Transcriptions,
    Translations,
)
"""The endpoints that a model answers, in the order of the documentation."""


def write_error(path: str, error: ByzerLabError, status: int) -> Response:
    """An error in the shape that callers of that path expect."""
    if not for_models(path):
        body = error_response(error)
        body.status_code = status
        return body
    written = next((h.failures for h in HANDLERS if h.path == path), failures)
    response = written.error_response(error, {})
    response.status_code = status
    return response


def model_routes(service: Service) -> list[Route]:
    """Pages for models.

    Args:
        service: See :class:`Service`.
    """
    models = Models(service)

    async def health(_: Request) -> Response:
        return json_response({"service": "byzer-lab", "version": __version__})

    async def version(_: Request) -> Response:
        return json_response({"version": __version__})

    async def metrics(_: Request) -> Response:
        text = service.metrics.text(await service.backplane.deployments())
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    description, documentation = describe(HANDLERS), page(HANDLERS)

    async def openapi(_: Request) -> Response:
        return json_response(description)

    async def docs(request: Request) -> Response:
        own = html.escape(str(request.base_url).rstrip("/"))
        return HTMLResponse(documentation.replace("{URL}", own))

    return [
        Route("/health", health),
        Route("/version", version),
        Route("/openapi.json", openapi),
        Route("/docs", docs),
        Route("/metrics", metrics),
        Route("/v1/models", models.all),
        Route("/v1/models/{model:path}", models.one),
        *(Route(one.path, one(service), methods=["POST"]) for one in HANDLERS),
    ]


def protected(
    routes: list[Route], token: str, keys: Keys, more: Sequence[Middleware] = (), **access: Any
) -> Starlette:
    """The application.

    Args:
        routes: Its pages.
        token: The cluster's token.
        keys: Tells the keys.
        more: What a request passes through first.
        access: See :class:`Access`.
    """
    checked = Middleware(Access, token=token, keys=keys, write=write_error, **access)
    return build_app(list(routes), [*more, checked], write_error)
