"""What travels between a client, a worker and an engine: requests, chunks, answers.

The wire form is JSON (one line per chunk), encoded and checked by ``msgspec``.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

FinishReason = Literal["stop", "length", "cancelled", "content_filter", "tool_calls"]


class TextPart(msgspec.Struct, tag_field="type", tag="text"):
    """A text inside a turn."""

    text: str


class ImageUrl(msgspec.Struct, omit_defaults=True):
    """Where a picture is.

    Attributes:
        url: An address, or the picture itself as a ``data:`` URI.
        detail: How closely to look: ``low``, ``high`` or ``auto``.
    """

    url: str
    detail: Literal["low", "high", "auto"] | None = None


class ImagePart(msgspec.Struct, tag_field="type", tag="image_url"):
    """A picture inside a turn."""

    image_url: ImageUrl


Part = TextPart | ImagePart


class ToolCall(msgspec.Struct):
    """A tool that a model called.

    Attributes:
        id: Names the call, so that its result can be told apart.
        name: Of the tool.
        arguments: A JSON object, as the model wrote it.
    """

    id: str
    name: str
    arguments: str


class Message(msgspec.Struct, omit_defaults=True):
    """One turn of a conversation.

    Attributes:
        role: ``system``, ``user``, ``assistant`` or ``tool``.
        content: The text of the turn, or its parts in OpenAI's form; of a tool, its result.
        tool_calls: What the assistant called in this turn.
        tool_call_id: Which call a tool's result belongs to.
    """

    role: Literal["system", "user", "assistant", "tool"]
    content: str | list[Part] = ""
    tool_calls: list[ToolCall] = []
    tool_call_id: str = ""

    @property
    def text(self) -> str:
        """Its text alone, the parts on lines of their own."""
        if isinstance(self.content, str):
            return self.content
        return "\n".join(part.text for part in self.content if isinstance(part, TextPart))

    @property
    def images(self) -> list[ImageUrl]:
        """Its pictures."""
        parts = [] if isinstance(self.content, str) else self.content
        return [part.image_url for part in parts if isinstance(part, ImagePart)]


class Sampling(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """How tokens are chosen and when generation ends. ``None`` means the model's own default.

    Attributes:
        max_tokens: Most tokens to generate; default: what is left of the context window.
        temperature: 0 (or less than 1e-5) is greedy.
        top_p: Nucleus: smallest set of tokens with at least this probability, in (0, 1].
        top_k: Only the k likeliest tokens; 0 or -1 switches it off.
        min_p: Drops tokens less likely than this share of the likeliest one, in [0, 1].
        repetition_penalty: Divides the logits of tokens already seen; 1 switches it off.
        presence_penalty: Subtracted once from the logits of tokens already generated.
        frequency_penalty: Subtracted once per time a token was generated.
        seed: Makes sampling repeatable, whatever else is in the batch.
        stop: Texts that end the answer; they are not part of it.
        stop_token_ids: Tokens that end the answer, beside the model's own.
        ignore_eos: Goes on past the model's end-of-text token (for measurements).
        logprobs: Tell each token's logarithmic probability, and those of so many likeliest tokens
            at its place; 0 tells the chosen token's alone. Probabilities are the model's own,
            before penalties and temperature.
        options: What only one provider knows, by its own names, see
            :data:`byzer_lab.generation.PROVIDER_OPTIONS`; and what only models that draw know, see
            :mod:`byzer_lab.drawing`. Other engines refuse them.

    The help and bounds of each are in :mod:`byzer_lab.generation`.
    """

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None
    stop: list[str] | None = None
    stop_token_ids: list[int] | None = None
    ignore_eos: bool | None = None
    logprobs: int | None = None
    options: dict[str, Any] = {}


TOOL_CHOICES = ("auto", "none", "required")
"""What ``tool_choice`` may say instead of a tool's name, so that no tool may have these names."""


class Tool(msgspec.Struct, omit_defaults=True):
    """A function that a model may call.

    Attributes:
        name: Letters, digits, ``_`` and ``-``; none of ``auto``, ``none`` and ``required``.
        description: What it does and when to call it.
        parameters: JSON Schema of its arguments, an object.
    """

    name: str
    description: str = ""
    parameters: dict[str, Any] = {}


class GenerateRequest(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """Ask a model for text. Exactly one of ``messages`` and ``prompt`` is set.

    Attributes:
        request_id: Unique name of the request, in logs and metadata.
        messages: A conversation, rendered by the model's chat template.
        prompt: Text that is sent to the model as it stands.
        sampling: See :class:`Sampling`.
        adapter: Name of a LoRA adapter of the deployment; ``None`` asks the model itself.
        max_input_tokens: A longer prompt is refused.
        max_total_tokens: Prompt and answer together; the model's own window where it is smaller.
        response_schema: JSON Schema that the answer must fit. How far a deployment guarantees it
            says ``structured_output`` of its meta; an engine without it refuses.
        tools: What the model may call; its template or its provider tells it about them.
        tool_choice: ``auto``, ``none``, ``required`` (some tool), or the name of one tool.
        parallel_tool_calls: The model may call several tools in one answer.
    """

    request_id: str
    messages: list[Message] | None = None
    prompt: str | None = None
    sampling: Sampling = msgspec.field(default_factory=Sampling)
    adapter: str | None = None
    max_input_tokens: int | None = None
    max_total_tokens: int | None = None
    response_schema: dict[str, Any] | None = None
    tools: list[Tool] = []
    tool_choice: str = "auto"
    parallel_tool_calls: bool = True


class ProviderFacts(msgspec.Struct, omit_defaults=True):
    """What a provider says of one answer.

    Attributes:
        request_id: Its name of the request, for its support.
        model: The model that answered, as it names it.
        finish_reason: In its own word.
        latency_ms: Its own processing time; 0 where it tells none.
        first_byte_ms: From sending the request to the head of the response.
        attempts: How often it was asked.
        cost: Estimated price of the request; ``None`` where the price is not known.
        currency: Of ``cost``, such as ``USD``.
    """

    request_id: str = ""
    model: str = ""
    finish_reason: str = ""
    latency_ms: float = 0.0
    first_byte_ms: float = 0.0
    attempts: int = 1
    cost: float | None = None
    currency: str = ""


class Usage(msgspec.Struct):
    """Counts and times of one answer. All times are milliseconds.

    Attributes:
        input_tokens: Tokens of the prompt.
        output_tokens: Tokens generated.
        queue_ms: Waited for a slot of the worker.
        first_token_ms: From the arrival at the worker to the first token.
        total_ms: From the arrival at the worker to the last token.
        cached_tokens: Of the prompt's tokens, those that a provider had kept and charges less for.
        reasoning_tokens: Of the generated tokens, those that are not part of the answer.
        provider: What a provider says of the answer; ``None`` from local engines.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    queue_ms: float = 0.0
    first_token_ms: float = 0.0
    total_ms: float = 0.0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    provider: ProviderFacts | None = None

    @property
    def tokens_per_second(self) -> float:
        """Generation rate after the first token (tokens per second; 0 when unknown)."""
        seconds = (self.total_ms - self.first_token_ms) / 1000
        return (self.output_tokens - 1) / seconds if self.output_tokens > 1 and seconds > 0 else 0.0


class TokenLogprob(msgspec.Struct, omit_defaults=True):
    """A token and its logarithmic probability.

    Attributes:
        token: Its number; -1 from a provider, which tells texts only.
        text: Its text; a token may be part of a character, which is then U+FFFD.
        logprob: Natural logarithm of its probability.
        top: The likeliest tokens at its place, likeliest first; empty when none were asked for.
    """

    token: int
    text: str
    logprob: float
    top: list[TokenLogprob] = []


class ToolCallDelta(msgspec.Struct, omit_defaults=True):
    """A piece of a tool call.

    Attributes:
        index: Which call of the answer, from 0.
        id, name: On the call's first piece only.
        arguments: New text of its JSON object.
    """

    index: int = 0
    id: str = ""
    name: str = ""
    arguments: str = ""


def add_pieces(calls: dict[int, ToolCall], pieces: list[ToolCallDelta]) -> None:
    """Put new pieces to the calls that they belong to.

    Args:
        calls: What has come so far, by the place in the answer; it grows.
        pieces: Of the next chunk.
    """
    for piece in pieces:
        call = calls.setdefault(piece.index, ToolCall("", "", ""))
        call.id = call.id or piece.id
        call.name = call.name or piece.name
        call.arguments += piece.arguments


class Progress(msgspec.Struct, omit_defaults=True):
    """How far an answer is that comes whole, such as a picture.

    Attributes:
        done: Steps that are over.
        total: All steps of the request.
        phase: In words, such as ``drawing picture 2 of 3``.
    """

    done: int
    total: int
    phase: str = ""


class Chunk(msgspec.Struct, omit_defaults=True):
    """A piece of an answer.

    Attributes:
        text: New text (a delta, never cumulative).
        reasoning: New text of what the model thinks before it answers; not part of the answer.
        tool_calls: New pieces of tool calls.
        data: New bytes of a sound, or one whole picture; base64 in JSON.
        media_type: Of ``data``, such as ``audio/mpeg`` or ``image/png``.
        prompt: What ``data`` was drawn from, where the engine tells.
        progress: How far the answer is; such a chunk carries nothing else, and only the newest
            counts.
        tokens: How many tokens this piece stands for.
        logprobs: One for each of these tokens, where they were asked for.
        finish_reason: Set on the last chunk only.
        usage: Set on the last chunk only.
        stop: Which of the stop texts ended the answer, on the last chunk; empty where none did, or
            where the provider doesn't tell.
        error: Set instead of ``finish_reason`` when the answer broke off: an error's wire form.
    """

    text: str = ""
    reasoning: str = ""
    tool_calls: list[ToolCallDelta] = []
    data: bytes = b""
    media_type: str = ""
    prompt: str = ""
    progress: Progress | None = None
    tokens: int = 0
    logprobs: list[TokenLogprob] = []
    finish_reason: FinishReason | None = None
    usage: Usage | None = None
    stop: str = ""
    error: dict[str, Any] | None = None


class TokenizeRequest(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """Ask how a model reads a text.

    Attributes:
        text: The text.
        special_tokens: Add what the model puts around every text, such as its beginning-of-text
            token.
    """

    text: str
    special_tokens: bool = False


class TokenizeAnswer(msgspec.Struct):
    """The tokens of a text, as numbers."""

    tokens: list[int]


class TemplateRequest(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """Ask for the prompt that a model's chat template makes of a conversation.

    Attributes:
        messages: The conversation.
        add_generation_prompt: End with the beginning of the assistant's turn.
    """

    messages: list[Message]
    add_generation_prompt: bool = True


class TemplateAnswer(msgspec.Struct):
    """A prompt."""

    text: str
