"""``emb``, ``emb_query``, ``emb_rerank``: the part of :class:`ByzerLLM` for vectors and scores."""

from __future__ import annotations

import secrets
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from difflib import get_close_matches
from typing import Any, Self, TypeVar

import msgspec

from byzer_lab.client.settings import Settings
from byzer_lab.client.types import LLMRequest, LLMResponse
from byzer_lab.errors import InvalidRequestError
from byzer_lab.generation import plain_name
from byzer_lab.schema import given_twice
from byzer_lab.types import Usage
from byzer_lab.vectors import EmbedAnswer, EmbedRequest, RerankAnswer, RerankRequest

T = TypeVar("T")
A = TypeVar("A")
TEXTS_PER_REQUEST = 256
"""More texts, or pairs, go in several requests, so that every worker gets its share."""
REQUESTS_AT_ONCE = 8
NAMES = {
    "normalize_embeddings": "normalize",
    "normalize": "normalize",
    "batch_size": "batch_size",
    "max_length": "max_length",
}


class EmbResponses(list[LLMResponse]):
    """The responses to several texts; ``output`` is the first one's, for who asked a single one."""

    @property
    def output(self) -> Any:
        """Vector of the first text."""
        return self[0].output


class EmbeddingCalls(Settings):
    """The calls; mixed into :class:`byzer_lab.client.byzer_llm.ByzerLLM`."""

    _default_emb_model: str | None = None
    _default_rerank_model: str | None = None

    def setup_default_emb_model_name(self, model: str) -> Self:
        """The deployment that embeds when a call names none; it also reranks when there is no
        default of its own for that."""
        self._default_emb_model = model
        return self

    def setup_default_re_rank_model_name(self, model: str) -> Self:
        """The deployment that reranks when a call names none."""
        self._default_rerank_model = model
        return self

    def emb(
        self,
        model: str | None,
        request: LLMRequest | str | list[str],
        extract_params: Mapping[str, Any] | None = None,
    ) -> EmbResponses:
        """Turn texts into vectors. A text longer than the model's limit is cut; its response's
        metadata says so (``truncated``).

        Args:
            model: Name of the deployment; ``None``: the default embedding model.
            request: One text or several; of an :class:`LLMRequest` only the instruction counts.
            extract_params: ``normalize_embeddings`` (scale to length 1; default: as the model and
                its type say), ``max_length`` (tokens; default: the model's limit) and
                ``batch_size`` (texts of one pass; default: the deployment's), each also with the
                prefix ``gen.`` or ``generation.``.

        Returns:
            One response for each text, in order, whose ``output`` is a list of floats.

        Raises:
            InvalidRequestError: No text, an empty one, or the model can't embed.
            ByzerLabError: As from :meth:`chat_oai`.
        """
        name = model or self._default_emb_model
        if not name:
            raise InvalidRequestError(
                "No embedding model was named; pass model=..., or call "
                "setup_default_emb_model_name first."
            )
        texts = _texts(request.instruction if isinstance(request, LLMRequest) else request)
        options = _options(extract_params or {}, EmbedRequest)

        def ask(some: list[str]) -> tuple[EmbedRequest, EmbedAnswer]:
            body = _make(EmbedRequest, {"texts": some, **options})
            return body, self._session.data_plane.embed(name, body, self._pins.get("embedding"))

        return EmbResponses(
            LLMResponse(
                output=_floats(vector),
                input={"instruction": text},
                metadata=_metadata(
                    name, body.request_id, tokens, answer.usage, truncated=truncated
                ),
            )
            for body, answer in _in_parts(ask, texts)
            for text, vector, tokens, truncated in zip(
                body.texts, answer.vectors, answer.tokens, answer.truncated, strict=True
            )
        )

    def emb_query(self, v: str, model: str | None = None) -> EmbResponses:
        """:meth:`emb` of one text."""
        return self.emb(model, LLMRequest(instruction=v))

    def emb_rerank(
        self,
        model: str | None = None,
        sentence_pairs: Sequence[Any] = (),
        extract_params: Mapping[str, Any] | None = None,
    ) -> list[LLMResponse]:
        """Score how well passages answer queries. Pairs longer than the model's limit are cut;
        ``metadata["truncated"]`` counts them.

        Args:
            model: Name of the deployment; ``None``: the default rerank model, else the default
                embedding model.
            sentence_pairs: One pair ``[query, passage]``, or a list of such pairs.
            extract_params: ``max_length`` and ``batch_size``, as in :meth:`emb`.

        Returns:
            One response, in a list. Its ``output`` is ``[[query, passage], score]`` for one pair,
            and for several a list of those, the highest score first.

        Raises:
            InvalidRequestError: No pair, something else than pairs, or the model can't rerank.
            ByzerLabError: As from :meth:`chat_oai`.
        """
        name = model or self._default_rerank_model or self._default_emb_model
        if not name:
            raise InvalidRequestError(
                "No rerank model was named; pass model=..., or call "
                "setup_default_re_rank_model_name first."
            )
        single, pairs = _pairs(sentence_pairs)
        options = _options(extract_params or {}, RerankRequest)

        def ask(some: list[Any]) -> tuple[RerankRequest, RerankAnswer]:
            body = _make(RerankRequest, {"pairs": some, **options})
            return body, self._session.data_plane.rerank(name, body, self._pins.get("embedding"))

        parts = list(_in_parts(ask, pairs))
        scores = [score for _, answer in parts for score in answer.scores]
        order = sorted(range(len(pairs)), key=lambda place: -scores[place])
        rated = [[pairs[place], scores[place]] for place in order]
        slowest = max((answer.usage for _, answer in parts), key=lambda usage: usage.total_ms)
        metadata = _metadata(
            name,
            parts[0][0].request_id,
            sum(sum(answer.tokens) for _, answer in parts),
            slowest,
            truncated=sum(sum(answer.truncated) for _, answer in parts),
        )
        output = rated[0] if single else rated
        given = pairs[0] if single else pairs
        return [LLMResponse(output=output, input={"sentence_pairs": given}, metadata=metadata)]


def _texts(asked: Any) -> list[str]:
    """What to embed, as a list."""
    texts = [asked] if isinstance(asked, str) else asked
    if not isinstance(texts, list | tuple):
        raise InvalidRequestError(
            f"What to embed is {asked!r}; it must be a text or a list of them."
        )
    if not texts:
        raise InvalidRequestError("There is no text to embed; the list is empty.")
    for text in texts:
        if not isinstance(text, str):
            raise InvalidRequestError(
                f"The list to embed holds {text!r}; each item must be a text."
            )
    return list(texts)


def _pairs(given: Any) -> tuple[bool, list[list[str]]]:
    """Whether it is a single pair, and all pairs."""
    shape = "it must be one [query, passage] or a list of them"
    if not isinstance(given, list | tuple):
        raise InvalidRequestError(f"sentence_pairs is {given!r}; {shape}.")
    if not given:
        raise InvalidRequestError(f"sentence_pairs is empty; {shape}.")
    single = isinstance(given[0], str)
    pairs = [given] if single else given
    for pair in pairs:
        texts = isinstance(pair, list | tuple) and all(isinstance(text, str) for text in pair)
        if not texts or len(pair) != 2:
            raise InvalidRequestError(f"sentence_pairs holds {pair!r}; {shape}.")
    return single, [list(pair) for pair in pairs]


def _options(given: Mapping[str, Any], kind: type[Any]) -> dict[str, Any]:
    """``extract_params`` under the names of a request."""
    values: dict[str, Any] = {}
    first: dict[str, str] = {}
    known = [name for name, field in NAMES.items() if field in kind.__struct_fields__]
    for written, value in given.items():
        name = plain_name(written)
        if name not in known:
            close = get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}."
            raise InvalidRequestError(f"extract_params has no parameter {written!r}; {hint}")
        if NAMES[name] in values:
            raise given_twice(first[NAMES[name]], written)
        first[NAMES[name]] = written
        values[NAMES[name]] = value
    return values


def _make(kind: type[T], values: dict[str, Any]) -> T:
    """A request with an id of its own; numbers and truth values may be texts."""
    try:
        fields = {"request_id": secrets.token_hex(8), **values}
        return msgspec.convert(fields, kind, strict=False)
    except msgspec.ValidationError as error:
        raise InvalidRequestError(f"The request was refused: {error}") from error


def _in_parts(ask: Callable[[list[T]], A], items: list[T]) -> Iterable[A]:
    """Ask for so many items at a time; answers in order."""
    size = TEXTS_PER_REQUEST
    parts = [items[start : start + size] for start in range(0, len(items), size)]
    if len(parts) == 1:
        return [ask(items)]  # on this thread, so that an interrupt closes the connection
    pool = ThreadPoolExecutor(max_workers=min(REQUESTS_AT_ONCE, len(parts)))
    try:
        return list(pool.map(ask, parts))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _floats(vector: bytes) -> list[float]:
    return list(struct.unpack(f"<{len(vector) // 4}f", vector))


def _metadata(
    model: str, request_id: str, tokens: int, usage: Usage, *, truncated: bool | int
) -> dict[str, Any]:
    return {
        "request_id": request_id,
        "model": model,
        "input_tokens_count": tokens,
        "generated_tokens_count": 0,
        "time_cost": usage.total_ms,
        "first_token_time": 0,
        "queue_time": usage.queue_ms,
        "speed": 0,
        "truncated": truncated,
    }
