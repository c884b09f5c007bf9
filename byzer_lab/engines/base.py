"""What a backend must be able to do to host a model."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from byzer_lab.schema import ParameterInfo
from byzer_lab.types import (
    Chunk,
    GenerateRequest,
    TemplateAnswer,
    TemplateRequest,
    TokenizeAnswer,
    TokenizeRequest,
)
from byzer_lab.vectors import EmbedAnswer, EmbedRequest, RerankAnswer, RerankRequest


@dataclass(frozen=True)
class LoadProgress:
    """What loading is at.

    Attributes:
        phase: In words, such as ``loading weights``.
        fraction: Share of the phase, 0 to 1; ``None`` when it can't be known.
    """

    phase: str
    fraction: float | None = None


ReportProgress = Callable[[LoadProgress], None]


@dataclass(frozen=True)
class EngineConfig:
    """What an engine is told about the model it hosts.

    Attributes:
        model_path: A local folder or a hub id (``bundled`` is already resolved).
        pretrained_model_type: The model's family; ``custom/auto`` detects it.
        infer_params: Parameters of the deployment, secrets resolved.
        concurrency: Most requests that will be in flight at a time.
        gpus: GPUs that the worker has, fractions included; 0 on processors.
    """

    model_path: str
    pretrained_model_type: str
    infer_params: dict[str, Any]
    concurrency: int
    gpus: float = 0


class Engine(Protocol):
    """One model in one process. The worker that hosts it calls from one asyncio loop.

    Constructing is cheap, imports nothing heavy and checks the parameters: the registry does it
    before it starts a worker. ``load`` does the work.

    What a model can do is one or more of :class:`Generates`, :class:`Embeds`, :class:`Reranks`,
    :class:`Tokenizes` and :class:`RendersChats`; an engine has the methods of those alone, and
    the worker refuses the rest.
    """

    def __init__(self, config: EngineConfig) -> None: ...

    @classmethod
    def parameters(cls) -> Sequence[ParameterInfo]:
        """The infer parameters that a deployment may set."""

    def load(self, report: ReportProgress) -> None:
        """Load the model; called once, on a thread of its own.

        Raises:
            InvalidRequestError: The model or a parameter can't be served by this engine.
            EngineError: The library failed; its own words are in the sentence.
        """

    def meta(self) -> dict[str, Any]:
        """What is known of the loaded model: ``model_deploy_type``, ``backend``,
        ``max_model_len``, ``architectures``, ``support_stream``, ``support_chat_template``.

        ``structured_output`` says how an answer is held to ``response_schema``: ``constrained``
        (each token is, so the text fits by construction), ``json_schema`` (the provider's own
        mode), ``tool`` (a forced tool call), ``json_object`` (JSON of any shape); missing: not at
        all. ``support_tools`` is true where the model can be given tools.
        """

    async def close(self) -> None:
        """Stop and free everything. Safe to call twice."""


@runtime_checkable
class Generates(Protocol):
    """An engine whose model writes text."""

    def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk]:
        """Answer one request; many run at a time.

        Yields text deltas, then one last chunk with ``finish_reason`` and ``usage`` (token counts;
        the worker fills in the times). Closing the generator early cancels the generation and frees
        whatever it held.

        Raises:
            InvalidRequestError: Before the first chunk, when the request can't be served.
            EngineError: The library failed on this request.
            EngineDeadError: The library failed for good; the worker will be replaced.
        """


@runtime_checkable
class Embeds(Protocol):
    """An engine whose model turns texts into vectors."""

    async def embed(self, request: EmbedRequest) -> EmbedAnswer:
        """Vectors of the request's texts; the worker fills in the times. Cancelling the task takes
        what has not been run out of the batch.

        Raises:
            InvalidRequestError: The request can't be served.
            EngineError: The library failed on this request.
            EngineDeadError: The library failed for good; the worker will be replaced.
        """


@runtime_checkable
class Reranks(Protocol):
    """An engine whose model scores pairs of texts."""

    async def rerank(self, request: RerankRequest) -> RerankAnswer:
        """Scores of the request's pairs; raises and is cancelled as :meth:`Embeds.embed`."""


@runtime_checkable
class Tokenizes(Protocol):
    """An engine that tells how its model reads a text."""

    async def tokenize(self, request: TokenizeRequest) -> TokenizeAnswer:
        """The tokens of a text."""


@runtime_checkable
class RendersChats(Protocol):
    """An engine that tells the prompt of a conversation."""

    async def apply_chat_template(self, request: TemplateRequest) -> TemplateAnswer:
        """The prompt that the model's chat template makes of a conversation.

        Raises:
            InvalidRequestError: The model has no chat template, or it refuses the conversation.
        """


ABILITIES: dict[type, str] = {
    Generates: "write text (chat_oai)",
    Embeds: "turn texts into vectors (emb)",
    Reranks: "score pairs of texts (emb_rerank)",
    Tokenizes: "count tokens (tokenize)",
    RendersChats: "render conversations (apply_chat_template)",
}


def refusal(name: str, engine: Engine, ability: type) -> str:
    """What is said to who asks an engine for an ability that it doesn't have.

    Args:
        name: Of the deployment.
        engine: Its engine.
        ability: A key of :data:`ABILITIES`.
    """
    can = [words for kind, words in ABILITIES.items() if isinstance(engine, kind)]
    return f"{name!r} can't {ABILITIES[ability]}; what it can do: {', '.join(can) or 'nothing'}."
