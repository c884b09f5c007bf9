"""``deploy``, ``undeploy`` and what is asked about deployments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from byzer_lab.client.settings import Settings
from byzer_lab.client.types import LLMMetadata
from byzer_lab.errors import InvalidRequestError, from_wire
from byzer_lab.records import BackendRecord, DeploymentSpec, OperationRecord
from byzer_lab.secrets import collect

USUAL_WINDOW = 8192
USUAL_OUTPUT = 256
"""What Byzer-LLM's ``metadata`` tells where nobody knows, in tokens."""


class Lifecycle(Settings):
    """The calls; mixed into :class:`byzer_lab.client.byzer_llm.ByzerLLM`."""

    _verbose = False

    def deploy(
        self,
        model_path: str = "",
        pretrained_model_type: str = "custom/auto",
        udf_name: str = "",
        infer_params: Mapping[str, Any] | None = None,
        *,
        replace: bool = False,
        load_timeout_s: float = 1800.0,
        progress: Callable[[OperationRecord], None] | None = None,
    ) -> dict[str, Any]:
        """Deploy a model and wait until every worker is ready. An interrupt cancels the deploy.

        Args:
            model_path: A local folder, a hub id, or ``bundled``.
            pretrained_model_type: The model's family; ``custom/auto`` detects it.
            udf_name: Name of the deployment.
            infer_params: Parameters of the engine; ``${NAME}`` refers to an environment variable.
            replace: Take down a deployment of that name that was made differently.
            load_timeout_s: Seconds a worker may take to become ready.
            progress: Called with each change of the operation.

        Returns:
            The model's meta; see :meth:`get_meta`.

        Raises:
            InvalidRequestError: A parameter is wrong, or no node can hold a worker.
            ConflictError: The name is taken by a deployment made differently.
            DeployFailedError: The engine could not load the model; its own words are in there.
            DeployCancelledError: Somebody cancelled it.
        """
        fields = {
            **self._settings,
            "name": udf_name,
            "model_path": model_path,
            "pretrained_model_type": pretrained_model_type,
            "infer_params": dict(infer_params or {}),
            "load_timeout_s": load_timeout_s,
            "generation": self._of(udf_name).generation,
        }
        try:
            spec = msgspec.convert(fields, DeploymentSpec)
        except msgspec.ValidationError as error:
            raise InvalidRequestError(f"The deployment was refused: {error}") from error
        spec.check()
        gateway = self._session.gateway
        operation = gateway.deploy(spec, secrets=collect(spec.infer_params), replace=replace)
        self._wait_for(operation, progress)
        self._session.router.forget(udf_name)
        return self.get_meta(udf_name)

    def undeploy(self, udf_name: str, force: bool = False) -> None:
        """Take a deployment down and wait until nothing of it runs.

        Args:
            udf_name: Its name.
            force: Break running requests off instead of letting them finish.

        Raises:
            ModelNotFoundError: There is none of that name.
        """
        self._wait_for(self._session.gateway.undeploy(udf_name, force=force), None)

    def backends(self) -> list[BackendRecord]:
        """The local backends, and which of them the cluster has installed."""
        return self._session.gateway.backends()

    def is_model_exist(self, udf_name: str) -> bool:
        """Whether a deployment of that name exists and has not failed."""
        return any(
            record.spec.name == udf_name and record.state != "failed"
            for record in self._session.gateway.state().deployments
        )

    def get_meta(
        self, model: str | None = None, llm_config: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """What the engine says of a deployed model.

        Args:
            model: Name of the deployment; default: the default model.
            llm_config: Accepted as Byzer-LLM writes it; nothing of it matters here.

        Returns:
            At least ``model_deploy_type``, ``backend``, ``max_model_len``, ``architectures``,
            ``support_stream`` and ``support_chat_template``.

        Raises:
            ModelNotFoundError: There is none of that name.
        """
        return self._record(self._model(model)).meta

    @property
    def metadata(self) -> LLMMetadata:
        """What is known of the default model.

        Raises:
            InvalidRequestError: There is no default model.
            ModelNotFoundError: It is not deployed.
        """
        name = self._model(None)
        meta = self._record(name).meta
        limit = self.get_max_output_length(name) or self._default_output_length
        answers = not meta.get("embedding_mode", False)
        return LLMMetadata(
            context_window=self.get_max_model_length(name)
            or meta.get("max_model_len")
            or USUAL_WINDOW,
            num_output=limit or meta.get("num_output") or USUAL_OUTPUT,
            is_chat_model=answers,
            is_function_calling_model=answers,
            model_name=name,
        )

    def require_template(self, model: str | None = None) -> bool:
        """Whether a model needs :meth:`setup_template` before it can answer conversations: it has
        no chat template of its own, and none was set.

        Args:
            model: Name of the deployment; default: the default model.

        Raises:
            ModelNotFoundError: There is none of that name.
        """
        name = self._model(model)
        has = self._record(name).meta.get("support_chat_template", True)
        return not has and self._role_mapping(name) is None

    def _wait_for(
        self, operation: OperationRecord, progress: Callable[[OperationRecord], None] | None
    ) -> None:
        gateway = self._session.gateway
        shown = ""
        try:
            for change in gateway.watch(operation):
                if progress:
                    progress(change)
                if self._verbose and change.phase not in ("", shown):
                    shown = change.phase
                    print(f"{change.deployment}: {shown}")
        except KeyboardInterrupt:
            if operation.kind == "deploy":
                gateway.cancel(operation.id)
            raise
        if change.error:
            raise from_wire(change.error)
