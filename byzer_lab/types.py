"""What travels between a client, a worker and an engine: requests, chunks, answers.

The wire form is JSON (one line per chunk), encoded and checked by ``msgspec``.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

FinishReason = Literal["stop", "length", "cancelled"]


class Message(msgspec.Struct, omit_defaults=True):
    """One turn of a conversation.

    Attributes:
        role: ``system``, ``user``, ``assistant`` or ``tool``.
        content: The text of the turn.
    """

    role: Literal["system", "user", "assistant", "tool"]
    content: str


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
    stop: list[str] = []
    stop_token_ids: list[int] = []
    ignore_eos: bool = False
    logprobs: int | None = None


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
    """

    request_id: str
    messages: list[Message] | None = None
    prompt: str | None = None
    sampling: Sampling = msgspec.field(default_factory=Sampling)
    adapter: str | None = None
    max_input_tokens: int | None = None
    max_total_tokens: int | None = None


class Usage(msgspec.Struct):
    """Counts and times of one answer. All times are milliseconds.

    Attributes:
        input_tokens: Tokens of the prompt.
        output_tokens: Tokens generated.
        queue_ms: Waited for a slot of the worker.
        first_token_ms: From the arrival at the worker to the first token.
        total_ms: From the arrival at the worker to the last token.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    queue_ms: float = 0.0
    first_token_ms: float = 0.0
    total_ms: float = 0.0

    @property
    def tokens_per_second(self) -> float:
        """Generation rate after the first token (tokens per second; 0 when unknown)."""
        seconds = (self.total_ms - self.first_token_ms) / 1000
        return (self.output_tokens - 1) / seconds if self.output_tokens > 1 and seconds > 0 else 0.0


class TokenLogprob(msgspec.Struct, omit_defaults=True):
    """A token and its logarithmic probability.

    Attributes:
        token: Its number.
        text: Its text; a token may be part of a character, which is then U+FFFD.
        logprob: Natural logarithm of its probability.
        top: The likeliest tokens at its place, likeliest first; empty when none were asked for.
    """

    token: int
    text: str
    logprob: float
    top: list[TokenLogprob] = []


class Chunk(msgspec.Struct, omit_defaults=True):
    """A piece of an answer.

    Attributes:
        text: New text (a delta, never cumulative).
        tokens: How many tokens this piece stands for.
        logprobs: One for each of these tokens, where they were asked for.
        finish_reason: Set on the last chunk only.
        usage: Set on the last chunk only.
        error: Set instead of ``finish_reason`` when the answer broke off: an error's wire form.
    """

    text: str = ""
    tokens: int = 0
    logprobs: list[TokenLogprob] = []
    finish_reason: FinishReason | None = None
    usage: Usage | None = None
    error: dict[str, Any] | None = None


class EmbedRequest(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """Ask a model for the vectors of texts. ``None`` means the deployment's own default.

    Attributes:
        request_id: Unique name of the request, in logs and metadata.
        texts: What to embed.
        normalize: Scale each vector to length 1.
        max_length: Longer texts are cut to so many tokens; at most the model's own limit.
        batch_size: Most texts of one pass through the model.
    """

    request_id: str
    texts: list[str]
    normalize: bool | None = None
    max_length: int | None = None
    batch_size: int | None = None


class EmbedAnswer(msgspec.Struct):
    """The vectors of texts, in their order.

    Attributes:
        vectors: Of each text, 32-bit floats, little-endian; base64 in JSON.
        tokens: Of each text, how many were read.
        truncated: Of each text, whether its end was cut off.
        usage: Counts and times; no tokens are generated.
    """

    vectors: list[bytes]
    tokens: list[int]
    truncated: list[bool]
    usage: Usage


class RerankRequest(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """Ask a model how well passages answer queries.

    Attributes:
        request_id: Unique name of the request, in logs and metadata.
        pairs: Query and passage of each.
        max_length: As in :class:`EmbedRequest`, of query and passage together.
        batch_size: Most pairs of one pass through the model.
    """

    request_id: str
    pairs: list[tuple[str, str]]
    max_length: int | None = None
    batch_size: int | None = None


class RerankAnswer(msgspec.Struct):
    """The scores of pairs, in their order.

    Attributes:
        scores: Of each pair, as the model gives it: higher is better, no bounds.
        tokens: Of each pair, how many were read.
        truncated: Of each pair, whether its end was cut off.
        usage: Counts and times; no tokens are generated.
    """

    scores: list[float]
    tokens: list[int]
    truncated: list[bool]
    usage: Usage


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
