"""What user code passes and gets: the names and shapes of Byzer-LLM."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from byzer_lab.types import GenerateRequest, Progress, TokenLogprob, Usage


class InferBackend:
    """Names of the backends, for ``ByzerLLM.setup_infer_backend``."""

    Transformers = "transformers"
    transformers = "transformers"
    VLLM = "ray/vllm"
    LLAMA_CPP = "llama_cpp"
    DeepSpeed = "ray/deepspeed"


class Role(enum.StrEnum):
    """Who speaks in a turn."""

    User = "user"
    Assistant = "assistant"
    System = "system"


@dataclass
class LLMHistoryItem:
    """A turn of a conversation.

    Attributes:
        role: ``system``, ``user`` or ``assistant``.
        content: Its text.
    """

    role: str
    content: str


@dataclass
class LLMRequest:
    """A question without a conversation.

    Attributes:
        instruction: The text, or several texts that are asked at the same time.
        max_length: Most tokens to generate.
        top_p: Nucleus, in (0, 1].
        temperature: 0 is greedy.
        embedding: Accepted as Byzer-LLM writes it; ``emb`` asks for vectors.
    """

    instruction: str | list[str]
    embedding: bool = False
    max_length: int | None = None
    top_p: float | None = None
    temperature: float | None = None


@dataclass
class LLMResponse:
    """An answer.

    Attributes:
        output: The text; of ``emb`` the vector, of ``emb_rerank`` pairs with their scores; of a
            model that speaks or draws, the sound or the picture as base64; of Stable Diffusion,
            a JSON list with ``prompt`` and ``img64`` of each picture. With ``image`` in
            ``llm_config``, JSON with ``response`` and ``history``.
        input: What was asked.
        metadata: ``request_id``, ``model``, ``finish_reason``, ``input_tokens_count``,
            ``generated_tokens_count``, ``time_cost`` (ms), ``first_token_time`` (ms),
            ``queue_time`` (ms) and ``speed`` (tokens per second); of ``emb`` and ``emb_rerank``
            also ``truncated``. Where ``logprobs`` were asked for: ``logprobs``, a dict for each
            token with ``token``, ``text``, ``logprob`` and ``top``, and ``prob``, the sum of their
            logarithmic probabilities. Of a model that thinks first: ``reasoning``, what it thought,
            and ``reasoning_tokens_count``. Of a provider: ``provider_request_id``,
            ``provider_model``, ``provider_latency`` (ms, its own), ``provider_first_byte`` (ms),
            ``provider_attempts``, ``cached_tokens_count``, and ``cost`` with ``currency`` where
            the public price is known. Of a sound or a picture: ``media_type``, and ``images``, all
            of them as base64 where there are several.
    """

    output: Any
    input: dict[str, Any]
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass
class LLMClassResponse:
    """An answer that is an object.

    Attributes:
        response: The answer as the model wrote it; ``response.output`` is its text.
        value: The validated instance; ``None`` where no answer fitted.
        metadata: Of the response, and ``reason`` (also ``resason``): why there is no value, empty
            where there is one; ``attempts``: how often was asked; ``structured_output``: how the
            model was held to the schema, such as ``constrained`` or ``prompt``;
            ``schema_reduced``: the engine got a looser schema than the class has.
    """

    response: LLMResponse
    value: Any
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass
class LLMFunctionCallResponse:
    """An answer that called tools, and what they returned.

    Attributes:
        response: The model's answer; ``response.output`` is prose where it called no tool.
        values: What the called tools returned, in the order of the calls; empty where the model
            answered in prose.
        metadata: Of the response, and ``reason`` (also ``resason``): what went wrong with calls,
            empty where nothing did; ``selected_functions``: the tools that were called, as they
            were passed; ``calls``: of each call a dict with ``id``, ``name``, ``arguments``, and
            ``value`` or ``error``; ``rounds``: how often results went back to the model.
    """

    response: LLMResponse
    values: list[Any]
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class LLMMetadata:
    """What is known of a client's default model.

    Attributes:
        context_window: Tokens that prompt and answer may have together; 8192 where nobody knows.
        num_output: Tokens that an answer may have by ``setup_max_output_length`` or
            ``default_max_output_length``; 256, as Byzer-LLM tells it, where neither is set.
        is_chat_model: It answers conversations.
        is_function_calling_model: It can be asked with tools, as every model that answers can.
        model_name: Name of the deployment.
    """

    context_window: int
    num_output: int
    is_chat_model: bool
    is_function_calling_model: bool
    model_name: str


@dataclass
class ExecuteCodeResponse:
    """What came of running code.

    Attributes:
        status: 0 where it ran.
        output: What it printed or returned.
        code: The code.
        prompt: What it was written for.
        variables: What it left behind.
    """

    status: int
    output: str
    code: str
    prompt: str = ""
    variables: dict[str, Any] = field(default_factory=dict)


@dataclass
class SingleOutputMeta:
    """What is known of a streamed answer so far.

    Attributes:
        input_tokens_count: Tokens of the prompt; 0 until the end.
        generated_tokens_count: Tokens generated so far.
        finish_reason: Set with the last piece.
        metadata: As in :class:`LLMResponse`; filled with the last piece.
        reasoning: What the model has thought so far before it answers.
        media_type: Of a sound or a picture, such as ``audio/mpeg``.
        progress: How far an answer is that comes whole, such as a picture; ``None`` with pieces
            that have something else to tell.
        tool_calls: The calls so far, of each a dict with ``id``, ``name`` and ``arguments``, JSON
            that may still be coming.
        tool_call_pieces: What is new of them: of each a dict with ``index``, ``id``, ``name`` (both
            empty but in the first piece of a call) and ``arguments``, the new text.
    """

    input_tokens_count: int = 0
    generated_tokens_count: int = 0
    finish_reason: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    reasoning: str = ""
    media_type: str = ""
    progress: Progress | None = None
    tool_calls: list[dict[str, Any]] = field(default_factory=list)
    tool_call_pieces: list[dict[str, Any]] = field(default_factory=list)


class MetaHolder:
    """Keeps what is known of a prompt function's last answer; see ``with_meta``.

    Args:
        meta: What it holds at first.
    """

    def __init__(self, meta: SingleOutputMeta | None = None) -> None:
        self.meta = meta

    def get_meta(self) -> dict[str, Any]:
        """The metadata of the answer, as in :class:`LLMResponse`; empty before there is one."""
        return dict(self.meta.metadata) if self.meta else {}

    def get_meta_model(self) -> SingleOutputMeta | None:
        """The same as :class:`SingleOutputMeta`; ``None`` before there is one."""
        return self.meta


class StreamItem(tuple[Any, SingleOutputMeta]):
    """A piece of a streamed answer: the pair ``(text, meta)`` that also adds up like its text.

    Of a sound or a picture the first of the pair are new bytes; of a typed answer, the object.
    """

    __slots__ = ()

    def __new__(cls, content: Any, meta: SingleOutputMeta) -> StreamItem:
        """Make the pair."""
        return super().__new__(cls, (content, meta))

    def __add__(self, other: Any) -> Any:
        return self[0] + other if isinstance(other, str | bytes) else super().__add__(other)

    def __radd__(self, other: Any) -> Any:
        return other + self[0]

    def __str__(self) -> str:
        return str(self[0])


def metadata_of(
    model: str,
    request_id: str,
    finish_reason: str,
    usage: Usage,
    logprobs: Sequence[TokenLogprob] = (),
) -> dict[str, Any]:
    """``LLMResponse.metadata`` of an answer."""
    metadata = {
        "request_id": request_id,
        "model": model,
        "finish_reason": finish_reason,
        "input_tokens_count": usage.input_tokens,
        "generated_tokens_count": usage.output_tokens,
        "time_cost": usage.total_ms,
        "first_token_time": usage.first_token_ms,
        "queue_time": usage.queue_ms,
        "speed": usage.tokens_per_second,
    }
    if usage.reasoning_tokens:
        metadata["reasoning_tokens_count"] = usage.reasoning_tokens
    if (facts := usage.provider) is not None:
        metadata |= {
            "provider_request_id": facts.request_id,
            "provider_model": facts.model,
            "provider_finish_reason": facts.finish_reason,
            "provider_latency": facts.latency_ms,
            "provider_first_byte": facts.first_byte_ms,
            "provider_attempts": facts.attempts,
            "cached_tokens_count": usage.cached_tokens,
        }
        if facts.cost is not None:
            metadata |= {"cost": facts.cost, "currency": facts.currency}
    if logprobs:
        metadata["prob"] = sum(token.logprob for token in logprobs)
        metadata["logprobs"] = [_told(token) for token in logprobs]
    return metadata


def _told(token: TokenLogprob) -> dict[str, Any]:
    return {
        "token": token.token,
        "text": token.text,
        "logprob": token.logprob,
        "top": [_told(other) for other in token.top],
    }


def asked_with(request: GenerateRequest) -> dict[str, Any]:
    """``LLMResponse.input`` of a request."""
    if request.prompt is not None:
        return {"prompt": request.prompt}
    return {"messages": msgspec.to_builtins(request.messages)}
