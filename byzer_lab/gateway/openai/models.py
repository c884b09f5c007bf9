"""``GET /v1/models``: the deployments that can answer.

https://platform.openai.com/docs/api-reference/models
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from byzer_lab.errors import ByzerLabError, ModelNotFoundError
from byzer_lab.gateway.openai import failures
from byzer_lab.gateway.service import Service
from byzer_lab.records import DeploymentRecord
from byzer_lab.web import json_response


class Models:
    """The two endpoints.

    Args:
        service: See :class:`Service`.
    """

    def __init__(self, service: Service) -> None:
        self._service = service

    async def all(self, _: Request) -> Response:
        """Those with a ready worker."""
        try:
            return json_response({"object": "list", "data": await self._cards()})
        except ByzerLabError as error:
            return failures.error_response(error, {})

    async def one(self, request: Request) -> Response:
        """One of them."""
        name = request.path_params["model"]
        try:
            for card in await self._cards():
                if card["id"] == name:
                    return json_response(card)
            raise ModelNotFoundError(f"The model {name!r} does not exist.", param="model")
        except ByzerLabError as error:
            return failures.error_response(error, {})

    async def _cards(self) -> list[dict[str, Any]]:
        served = self._service.served_model
        records = await self._service.backplane.deployments()
        return [_card(record) for record in records if _shown(record, served)]


def _shown(record: DeploymentRecord, served: str) -> bool:
    ready = any(worker.state == "ready" for worker in record.workers)
    return ready and served in ("", record.spec.name)


def _card(record: DeploymentRecord) -> dict[str, Any]:
    return {
        "id": record.spec.name,
        "object": "model",
        "created": int(record.created_at),
        "owned_by": "byzer-lab",
        "max_model_len": record.meta.get("max_model_len"),
    }
