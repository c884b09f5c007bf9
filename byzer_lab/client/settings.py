"""``setup_*``: what the next deploy and what calls of a model get. Each returns the client."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any, Self

import msgspec

from byzer_lab.client.base import Client
from byzer_lab.client.session import existing_session
from byzer_lab.client.templates import RoleMapping, Template, check_role_mapping
from byzer_lab.client.wording import DEFAULT_LANGUAGE
from byzer_lab.deployment import SETTINGS
from byzer_lab.errors import InvalidRequestError
from byzer_lab.generation import changed
from byzer_lab.schema import ParameterInfo
from byzer_lab.types import GenerateRequest, Sampling

DEPLOY_KEYS = {
    "num_gpus": "gpus_per_worker",
    "gpus_per_worker": "gpus_per_worker",
    "gpusPerWorker": "gpus_per_worker",
    "num_cpus": "cpus_per_worker",
    "cpus_per_worker": "cpus_per_worker",
    "cpusPerWorker": "cpus_per_worker",
    "maxConcurrency": "workers",
    "num_workers": "workers",
    "workers": "workers",
    "workerMaxConcurrency": "worker_concurrency",
    "worker_concurrency": "worker_concurrency",
    "queue_limit": "queue_limit",
    "infer_backend": "backend",
    "backend": "backend",
    "load_balance": "load_balance",
    "min_workers": "min_workers",
    "max_workers": "max_workers",
    "scale_down_after_s": "scale_down_after_s",
}
"""Keys of :meth:`Settings.setup`: Byzer-LLM's, and the fields of a deployment."""
NO_EFFECT = ("pythonMode", "masterMaxConcurrency", "standalone")
"""Keys of Byzer-LLM for parts that don't exist here: no Python gateway, no central dispatcher."""
RESOURCE = "resource."
PIN_KINDS = {
    "embedding": "embedding",
    "rerank": "embedding",
    "tokenizer": "tokenizer",
    "apply_chat_template": "apply_chat_template",
    "chat": "chat",
    "complete": "chat",
    "complete/chat": "chat",
    "meta": "meta",
}
"""Kinds of requests that can be pinned. ``meta`` is answered by the registry, not by a worker."""


class ModelSettings:
    """What calls of one model get.

    Attributes:
        template: How its prompts are written; ``None`` leaves it to the model's chat template.
        role_mapping: The same for the roles alone.
        generation: Defaults for a deployment of that name that this client will make.
        max_model_length, max_input_length, max_output_length: Limits in tokens.
        formats: What writes its questions for objects, tools and functions, by kind.
        base_system: Its system message in such questions.
    """

    def __init__(self) -> None:
        self.template: Template | None = None
        self.role_mapping: RoleMapping | None = None
        self.generation = Sampling()
        self.max_model_length: int | None = None
        self.max_input_length: int | None = None
        self.max_output_length: int | None = None
        self.formats: dict[str, Callable[..., str]] = {}
        self.base_system = ""


class Settings(Client):
    """The settings; mixed into :class:`byzer_lab.client.byzer_llm.ByzerLLM`."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self._models: dict[str, ModelSettings] = {}
        self._pins: dict[str, int] = {}
        self._language = DEFAULT_LANGUAGE
        self._skip_length_check = False
        self._default_output_length: int | None = None
        self.setup_reset()

    # -- of the next deploy -----------------------------------------------------------------

    def setup_reset(self) -> None:
        """Forget all settings of the next deploy."""
        self._settings: dict[str, Any] = {}

    def setup(self, name: str, value: Any) -> Self:
        """Set one by its key.

        Args:
            name: A key of Byzer-LLM such as ``num_gpus`` or ``maxConcurrency``, a field of a
                deployment such as ``queue_limit``, or ``resource.NAME`` for an amount of a Ray
                resource that a worker reserves.
            value: Its value, also as a text; ``None`` forgets it. The other ``setup_*`` of a deploy
                read theirs in the same way.

        Raises:
            InvalidRequestError: There is no such key, or the value doesn't fit.
        """
        if name.startswith(RESOURCE):
            amount = ParameterInfo(name, float, None, "", least=0).read(value)
            resources = {**self._settings.get("resources", {}), name.removeprefix(RESOURCE): amount}
            self._settings["resources"] = {k: v for k, v in resources.items() if v is not None}
            return self
        if name in NO_EFFECT:
            return self
        if name not in DEPLOY_KEYS:
            close = get_close_matches(name, DEPLOY_KEYS, n=1)
            known = f"known are {', '.join(DEPLOY_KEYS)} and {RESOURCE}NAME."
            hint = f"did you mean {close[0]!r}?" if close else known
            raise InvalidRequestError(f"setup has no key {name!r}; {hint}")
        return self._set(DEPLOY_KEYS[name], value)

    def setup_gpus_per_worker(self, gpus: float) -> Self:
        """GPUs that a worker reserves; fractions are allowed. Default 0."""
        return self._set("gpus_per_worker", gpus)

    def setup_cpus_per_worker(self, cpus: float) -> Self:
        """Ray CPUs that a worker reserves; fractions are allowed. Default 0."""
        return self._set("cpus_per_worker", cpus)

    def setup_num_workers(self, workers: int) -> Self:
        """How many copies of the model. Default 1."""
        return self._set("workers", workers)

    def setup_worker_concurrency(self, requests: int) -> Self:
        """Requests that one worker answers at a time. Default: the backend's own."""
        return self._set("worker_concurrency", requests)

    def setup_infer_backend(self, backend: str) -> Self:
        """The engine, a name of ``InferBackend``. Default transformers."""
        return self._set("backend", backend)

    def setup_load_balance_way(self, way: str) -> Self:
        """How requests are spread over the workers: ``lru`` (default), ``round_robin``,
        ``least_loaded`` or ``prefix``; see :mod:`byzer_lab.routing`."""
        return self._set("load_balance", way)

    def setup_autoscaling(
        self, min_workers: int, max_workers: int, scale_down_after_s: float = 60.0
    ) -> Self:
        """Let the number of workers follow the load.

        Args:
            min_workers: Fewest workers.
            max_workers: Most workers.
            scale_down_after_s: Seconds that fewer workers must have been enough.
        """
        self._set("min_workers", min_workers)._set("max_workers", max_workers)
        return self._set("scale_down_after_s", scale_down_after_s)

    def _set(self, field: str, value: Any) -> Self:
        read = SETTINGS[field].read(value)
        if read is None:
            self._settings.pop(field, None)
        else:
            self._settings[field] = read
        return self

    # -- of calls ---------------------------------------------------------------------------

    def setup_default_model_name(self, model: str) -> Self:
        """The deployment that answers when a call names none."""
        self._default_model = model
        return self

    def setup_pin_model_worker_mapping(self, mapping: Mapping[str, int]) -> Self:
        """Let one worker answer all requests of a kind.

        Args:
            mapping: The number of a worker, from 0, by kind: ``embedding``, ``tokenizer``,
                ``apply_chat_template``, ``chat`` (also ``complete``) and ``meta``, which any
                answers alike.

        Raises:
            InvalidRequestError: An unknown kind, or a number that is none.
        """
        for kind, worker in mapping.items():
            if kind not in PIN_KINDS:
                raise InvalidRequestError(
                    f"There is no kind of request {kind!r} to pin; there is: "
                    f"{', '.join(PIN_KINDS)}."
                )
            if not isinstance(worker, int) or isinstance(worker, bool) or worker < 0:
                raise InvalidRequestError(
                    f"{kind} is pinned to {worker!r}; it must be a worker's number, from 0."
                )
        self._pins = {PIN_KINDS[kind]: worker for kind, worker in mapping.items()}
        return self

    def setup_template(self, model: str, template: Template | str) -> Self:
        """How prompts of a model are written.

        Args:
            model: Name of the deployment.
            template: One of ``Templates``; or ``auto`` (the default) for the model's own chat
                template.

        Raises:
            InvalidRequestError: ``auto``, but the model has no chat template; or another text.
        """
        if isinstance(template, Template):
            self._of(model).template = template
            return self
        if template != "auto":
            raise InvalidRequestError(
                f"template is {template!r}; it must be one of Templates, such as "
                "Templates.qwen(), or 'auto'."
            )
        connection = existing_session()
        for record in connection.gateway.state().deployments if connection else []:
            if record.spec.name == model and record.meta.get("support_chat_template") is False:
                raise InvalidRequestError(
                    f"{model!r} has no chat template of its own, so 'auto' can't be used; choose "
                    "one of Templates."
                )
        self._of(model).template = None
        return self

    def setup_auto(self, model: str) -> Self:
        """:meth:`setup_template` with ``auto``."""
        return self.setup_template(model, "auto")

    def setup_role_mapping(self, model: str, role_mapping: RoleMapping) -> Self:
        """How a model's prompts name the roles; see :class:`byzer_lab.client.templates.Template`.

        It goes before the template's own.
        """
        self._of(model).role_mapping = check_role_mapping(role_mapping)
        return self

    def setup_extra_generation_params(self, model: str, params: Mapping[str, Any]) -> Self:
        """Generation parameters of requests that leave them open. They are kept with the
        deployment and hold for every client; of one that is not there yet, from its deploy on.

        Args:
            model: Name of the deployment.
            params: As ``llm_config``; see :func:`byzer_lab.generation.read_sampling`. Those set
                before and not now stay; ``None`` removes one.

        Raises:
            InvalidRequestError: An unknown name, or a value that doesn't fit.
        """
        own = self._of(model)
        own.generation = changed(own.generation, params)
        connection = existing_session()
        for record in connection.gateway.state().deployments if connection else []:
            if record.spec.name == model and connection is not None:
                connection.gateway.set_generation(model, changed(record.spec.generation, params))
                connection.router.forget(model)
        return self

    def setup_max_model_length(self, model: str, tokens: int) -> Self:
        """Tokens that prompt and answer may have together; less than the model's own window."""
        self._of(model).max_model_length = _tokens("max_model_length", tokens)
        return self

    def setup_max_input_length(self, model: str, tokens: int) -> Self:
        """Tokens that a prompt may have; a longer one is refused."""
        self._of(model).max_input_length = _tokens("max_input_length", tokens)
        return self

    def setup_max_output_length(self, model: str, tokens: int) -> Self:
        """Tokens that an answer may have: what a call gets that names no number, and the most that
        one may name."""
        self._of(model).max_output_length = _tokens("max_output_length", tokens)
        return self

    def get_max_model_length(self, model: str) -> int | None:
        """What :meth:`setup_max_model_length` set; ``None`` when it did not."""
        return self._of(model).max_model_length

    def get_max_input_length(self, model: str) -> int | None:
        """What :meth:`setup_max_input_length` set; ``None`` when it did not."""
        return self._of(model).max_input_length

    def get_max_output_length(self, model: str) -> int | None:
        """What :meth:`setup_max_output_length` set; ``None`` when it did not."""
        return self._of(model).max_output_length

    def _role_mapping(self, model: str) -> RoleMapping | None:
        """The words of a model's prompts; ``None`` leaves them to its chat template."""
        own = self._of(model)
        if own.role_mapping is None and own.template is not None:
            return own.template.role_mapping
        return own.role_mapping

    def _of(self, model: str) -> ModelSettings:
        return self._models.setdefault(model, ModelSettings())

    def _limited(self, model: str, request: GenerateRequest) -> GenerateRequest:
        """A request within the limits that were set for its model.

        Raises:
            InvalidRequestError: It asks for a longer answer.
        """
        own = self._of(model)
        sampling, most = request.sampling, own.max_output_length
        if most is not None and (sampling.max_tokens or 0) > most:
            raise InvalidRequestError(
                f"max_tokens is {sampling.max_tokens}, more than the {most} that "
                "setup_max_output_length allows."
            )
        if sampling.max_tokens is None and (usual := most or self._default_output_length):
            sampling = msgspec.structs.replace(sampling, max_tokens=usual)
        checked = not self._skip_length_check
        return msgspec.structs.replace(
            request,
            sampling=sampling,
            max_input_tokens=own.max_input_length if checked else None,
            max_total_tokens=own.max_model_length if checked else None,
        )

    def _set_default_output_length(self, tokens: int | None) -> None:
        if tokens is not None:
            tokens = _tokens("default_max_output_length", tokens)
        self._default_output_length = tokens


def _tokens(name: str, tokens: Any) -> int:
    if not isinstance(tokens, int) or isinstance(tokens, bool) or tokens < 1:
        raise InvalidRequestError(f"{name} is {tokens!r}; it must be a whole number of at least 1.")
    return tokens
