"""What every part of :class:`byzer_lab.client.byzer_llm.ByzerLLM` stands on."""

from __future__ import annotations

from byzer_lab.client.session import Session, session
from byzer_lab.errors import InvalidRequestError, ModelNotFoundError
from byzer_lab.records import DeploymentRecord


class Client:
    """One cluster, and the model that answers when a call names none.

    Args:
        address: See :func:`byzer_lab.cluster.connect.connect_cluster`.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._default_model: str | None = None

    @property
    def _session(self) -> Session:
        """The connection; made on first use."""
        return session(self._address)

    def _model(self, model: str | None) -> str:
        name = model or self._default_model
        if not name:
            raise InvalidRequestError(
                "No model was named; pass model=..., or call setup_default_model_name first."
            )
        if not isinstance(name, str):
            raise InvalidRequestError(f"model is {name!r}; it must be the name of a deployment.")
        return name

    def _record(self, name: str) -> DeploymentRecord:
        deployments = self._session.gateway.state().deployments
        for record in deployments:
            if record.spec.name == name:
                return record
        names = ", ".join(record.spec.name for record in deployments) or "none"
        raise ModelNotFoundError(f"There is no deployment {name!r}; there is: {names}.")
