"""What is asked of models that embed and of models that rerank, and what they answer.

The wire form is that of :mod:`byzer_lab.types`.
"""

from __future__ import annotations

import msgspec

from byzer_lab.types import Usage


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
