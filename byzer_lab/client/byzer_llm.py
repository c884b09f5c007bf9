"""``ByzerLLM``: deploy models and talk to them, with Byzer-LLM's names."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Mapping
from typing import Any

import msgspec

from byzer_lab.client.apart import run_apart
from byzer_lab.client.data_plane import DataPlane
from byzer_lab.client.embedding import EmbeddingCalls
from byzer_lab.client.llm_config import read_llm_config
from byzer_lab.client.session import Session, session
from byzer_lab.client.types import (
    LLMRequest,
    LLMResponse,
    SingleOutputMeta,
    StreamItem,
    metadata_of,
)
from byzer_lab.errors import InvalidRequestError, ModelNotFoundError, from_wire
from byzer_lab.records import DeploymentRecord, DeploymentSpec, OperationRecord
from byzer_lab.secrets import collect
from byzer_lab.types import Chunk, GenerateRequest, Message

Conversations = str | list[dict[str, Any]]
ASKED_AT_ONCE = 32


class ByzerLLM(EmbeddingCalls):
    """A client of one cluster. Settings made with ``setup_*`` return it, so that they chain.

    Args:
        url: A Ray cluster to run on (``ray://HOST:PORT`` or ``HOST:PORT``); default: the user's
            Byzer Lab, which is started where none runs.
        verbose: Print each step of a deploy.

    Raises:
        ClusterError: On first use, when there is no cluster and none can be started.
    """

    def __init__(self, url: str | None = None, verbose: bool = False) -> None:
        self._address = url or "auto"
        self._verbose = verbose
        self._default_model: str | None = None
        self.setup_reset()

    # -- settings ---------------------------------------------------------------------------

    def setup_reset(self) -> None:
        """Forget all settings of the next deploy."""
        self._settings: dict[str, Any] = {}

    def setup_gpus_per_worker(self, gpus: float) -> ByzerLLM:
        """GPUs that a worker reserves; fractions are allowed. Default 0."""
        return self._set("gpus_per_worker", gpus)

    def setup_cpus_per_worker(self, cpus: float) -> ByzerLLM:
        """Ray CPUs that a worker reserves; fractions are allowed. Default 0."""
        return self._set("cpus_per_worker", cpus)

    def setup_num_workers(self, workers: int) -> ByzerLLM:
        """How many copies of the model. Default 1."""
        return self._set("workers", workers)

    def setup_worker_concurrency(self, requests: int) -> ByzerLLM:
        """Requests that one worker answers at a time. Default 16."""
        return self._set("worker_concurrency", requests)

    def setup_infer_backend(self, backend: str) -> ByzerLLM:
        """The engine, a name of ``InferBackend``. Default transformers."""
        return self._set("backend", backend)

    def setup_default_model_name(self, model: str) -> ByzerLLM:
        """The deployment that answers when a call names none."""
        self._default_model = model
        return self

    def _set(self, field: str, value: Any) -> ByzerLLM:
        self._settings[field] = value
        return self

    # -- life of a deployment ---------------------------------------------------------------

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
        }
        try:
            spec = msgspec.convert(fields, DeploymentSpec)
        except msgspec.ValidationError as error:
            raise InvalidRequestError(f"The deployment was refused: {error}") from error
        spec.check()
        gateway = self._session.gateway
        operation = gateway.deploy(spec, secrets=collect(spec.infer_params), replace=replace)
        self._wait_for(operation, progress)
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

    def is_model_exist(self, udf_name: str) -> bool:
        """Whether a deployment of that name exists and has not failed."""
        return any(
            record.spec.name == udf_name and record.state != "failed"
            for record in self._session.gateway.state().deployments
        )

    def get_meta(self, model: str | None = None) -> dict[str, Any]:
        """What the engine says of a deployed model.

        Args:
            model: Name of the deployment; default: the default model.

        Returns:
            At least ``model_deploy_type``, ``backend``, ``max_model_len``, ``architectures``,
            ``support_stream`` and ``support_chat_template``.

        Raises:
            ModelNotFoundError: There is none of that name.
        """
        return self._record(self._model(model)).meta

    def _record(self, name: str) -> DeploymentRecord:
        deployments = self._session.gateway.state().deployments
        for record in deployments:
            if record.spec.name == name:
                return record
        names = ", ".join(record.spec.name for record in deployments) or "none"
        raise ModelNotFoundError(f"There is no deployment {name!r}; there is: {names}.")

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

    # -- talking to a model -----------------------------------------------------------------

    def chat_oai(
        self,
        conversations: Conversations,
        *,
        model: str | None = None,
        llm_config: Mapping[str, Any] | None = None,
    ) -> list[LLMResponse]:
        """Let a model answer a conversation. An interrupt cancels on the worker.

        Args:
            conversations: Dicts with ``role`` and ``content``, or one user message as a text. It
                is not changed.
            model: Name of the deployment; default: the default model.
            llm_config: Sampling parameters; see :mod:`byzer_lab.client.llm_config`.

        Returns:
            One response, in a list.

        Raises:
            ByzerLabError: See :meth:`byzer_lab.client.data_plane.DataPlane.stream`.
        """
        name, request = self._request(conversations, model, llm_config)
        return [self._whole_answer(name, request)]

    def stream_chat_oai(
        self,
        conversations: Conversations,
        *,
        model: str | None = None,
        delta_mode: bool = False,
        llm_config: Mapping[str, Any] | None = None,
    ) -> Generator[StreamItem]:
        """:meth:`chat_oai`, piece by piece. Closing the generator cancels on the worker.

        Args:
            conversations: As in :meth:`chat_oai`.
            model: As in :meth:`chat_oai`.
            delta_mode: Yield only what is new; else all of the text so far.
            llm_config: As in :meth:`chat_oai`.

        Yields:
            Pairs of text and :class:`SingleOutputMeta`, which also add up like texts.
        """
        name, request = self._request(conversations, model, llm_config)
        pieces = _Pieces(name, request, delta_mode)
        for chunk in self._session.data_plane.stream(name, request):
            yield pieces.next(chunk)

    async def async_stream_chat_oai(
        self,
        conversations: Conversations,
        *,
        model: str | None = None,
        delta_mode: bool = False,
        llm_config: Mapping[str, Any] | None = None,
    ) -> AsyncGenerator[StreamItem]:
        """:meth:`stream_chat_oai` for asyncio."""
        name, request = self._request(conversations, model, llm_config)
        pieces = _Pieces(name, request, delta_mode)
        connection = await asyncio.to_thread(session, self._address)  # may start the cluster
        async for chunk in connection.data_plane.astream(name, request):
            yield pieces.next(chunk)

    def chat(self, model: str | None, request: LLMRequest | str) -> list[LLMResponse]:
        """Ask without a conversation. An interrupt cancels on the workers.

        Args:
            model: Name of the deployment; ``None``: the default model.
            request: One text, or an :class:`LLMRequest` with one or several.

        Returns:
            One response for each text, in order.
        """
        asked = LLMRequest(request) if isinstance(request, str) else request
        config = {
            name: value
            for name in ("max_length", "top_p", "temperature")
            if (value := getattr(asked, name)) is not None
        }
        texts = [asked.instruction] if isinstance(asked.instruction, str) else asked.instruction
        calls = [self._request(text, model, config) for text in texts]
        return run_apart(self._whole_answers(self._session.data_plane, calls))

    # -- helpers ----------------------------------------------------------------------------

    @property
    def _session(self) -> Session:
        return session(self._address)

    def _model(self, model: str | None) -> str:
        name = model or self._default_model
        if not name:
            raise InvalidRequestError(
                "No model was named; pass model=..., or call setup_default_model_name first."
            )
        return name

    def _request(
        self,
        conversations: Conversations,
        model: str | None,
        llm_config: Mapping[str, Any] | None,
    ) -> tuple[str, GenerateRequest]:
        request = read_llm_config(llm_config or {})
        request.messages = _messages(conversations)
        return self._model(model), request

    def _whole_answer(self, model: str, request: GenerateRequest) -> LLMResponse:
        pieces = _Pieces(model, request, delta_mode=False)
        for chunk in self._session.data_plane.stream(model, request):
            item = pieces.next(chunk)
        return _response(request, item)

    @staticmethod
    async def _whole_answers(
        data_plane: DataPlane, calls: list[tuple[str, GenerateRequest]]
    ) -> list[LLMResponse]:
        at_once = asyncio.Semaphore(ASKED_AT_ONCE)

        async def answer(model: str, request: GenerateRequest) -> LLMResponse:
            pieces = _Pieces(model, request, delta_mode=False)
            async with at_once, contextlib.aclosing(data_plane.astream(model, request)) as chunks:
                async for chunk in chunks:
                    item = pieces.next(chunk)
            return _response(request, item)

        tasks = [asyncio.create_task(answer(*call)) for call in calls]
        try:
            return await asyncio.gather(*tasks)
        finally:  # after a failure or an interrupt the other answers are wanted no more
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def _response(request: GenerateRequest, last: StreamItem) -> LLMResponse:
    """The whole answer; one that is not whole has raised, so there is a last item."""
    asked = {"messages": msgspec.to_builtins(request.messages)}
    return LLMResponse(output=last[0], input=asked, metadata=last[1].metadata)


class _Pieces:
    """Turns chunks into stream items."""

    def __init__(self, model: str, request: GenerateRequest, delta_mode: bool) -> None:
        self._model = model
        self._request_id = request.request_id
        self._delta_mode = delta_mode
        self._text = ""
        self._tokens = 0

    def next(self, chunk: Chunk) -> StreamItem:
        self._tokens += chunk.tokens
        meta = SingleOutputMeta(generated_tokens_count=self._tokens)
        if chunk.usage and chunk.finish_reason:
            meta.finish_reason = chunk.finish_reason
            meta.input_tokens_count = chunk.usage.input_tokens
            meta.generated_tokens_count = chunk.usage.output_tokens
            meta.metadata = metadata_of(
                self._model, self._request_id, chunk.finish_reason, chunk.usage
            )
        if self._delta_mode:
            return StreamItem(chunk.text, meta)
        self._text += chunk.text
        return StreamItem(self._text, meta)


def _messages(conversations: Conversations) -> list[Message]:
    """Check a conversation and copy it."""
    if isinstance(conversations, str):
        return [Message(role="user", content=conversations)]
    turns: Iterable[dict[str, Any]] = conversations
    if not conversations:
        raise InvalidRequestError("The conversation is empty; it needs at least one message.")
    try:
        return [
            msgspec.convert({k: v for k, v in turn.items() if k != "metadata"}, Message)
            for turn in turns
        ]
    except (msgspec.ValidationError, AttributeError) as error:
        raise InvalidRequestError(
            f"The conversation was refused: {error}. Each message is a dict with 'role' (system, "
            "user, assistant or tool) and 'content' (text)."
        ) from error
