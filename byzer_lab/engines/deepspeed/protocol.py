"""What a rank is told and what it tells: messages between a worker and the processes of its ranks.

A :class:`RankSetup` is the first message to each rank. Then rank 0 is sent requests; the other
ranks hear of them from rank 0. A line that closes ends the rank.
"""

from __future__ import annotations

from typing import Any

import msgspec

from byzer_lab.engines.deepspeed.parameters import Parameters
from byzer_lab.engines.folder import ModelSource
from byzer_lab.engines.plan import GenerationPlan
from byzer_lab.types import TokenLogprob


class RankSetup(msgspec.Struct, frozen=True):
    """How to run one rank.

    Attributes:
        rank: Its number, from 0.
        world: How many ranks there are.
        local_rank: Its number among the ranks of its machine, which is that of its GPU.
        local_world: Ranks of its machine.
        rendezvous: Where the ranks meet, as torch's ``init_method``.
        interface: Network interface that they use; ``None`` lets the library choose.
        device: ``cpu`` or ``cuda``.
        source: Where the model is.
        parameters: The deployment's, with ``dtype`` decided.
        concurrency: Most requests in flight.
        threads: Processor threads of the rank.
        scratch: Folders to remove when the worker is gone.
    """

    rank: int
    world: int
    local_rank: int
    local_world: int
    rendezvous: str
    interface: str | None
    device: str
    source: ModelSource
    parameters: Parameters
    concurrency: int
    threads: int
    scratch: list[str] = []


class Add(msgspec.Struct, tag=True):
    """Run a request.

    Attributes:
        number: Its name on this line.
        plan: The request.
    """

    number: int
    plan: GenerationPlan


class Drop(msgspec.Struct, tag=True):
    """Nobody waits for a request any more."""

    number: int


class Progress(msgspec.Struct, tag=True):
    """What loading is at; see :class:`byzer_lab.engines.base.LoadProgress`."""

    phase: str
    fraction: float | None


class Ready(msgspec.Struct, tag=True):
    """The rank's model has run a first step.

    Attributes:
        parameters: Of the whole model.
        here: Those that this rank holds.
        cache_tokens: What the key-value cache may hold.
        generation_config: The model's own defaults, by the library's names.
    """

    parameters: int
    here: int
    cache_tokens: int
    generation_config: dict[str, Any]


class Failed(msgspec.Struct, tag=True):
    """The rank ends because of an error, in its wire form."""

    error: dict[str, Any]


class Token(msgspec.Struct, array_like=True):
    """The next token of one request.

    Attributes:
        number: The request.
        token: What was chosen.
        last: No token follows.
        logprob: Its probability, where the request asks for it.
    """

    number: int
    token: int
    last: bool
    logprob: TokenLogprob | None = None


class Tokens(msgspec.Struct, tag=True):
    """One token each of the requests that ran in a step."""

    tokens: list[Token]


ToRank = Add | Drop
FromRank = Progress | Ready | Failed | Tokens
encode = msgspec.msgpack.Encoder().encode
decode_setup = msgspec.msgpack.Decoder(RankSetup).decode
decode_to_rank = msgspec.msgpack.Decoder(ToRank).decode
decode_from_rank = msgspec.msgpack.Decoder(FromRank).decode
