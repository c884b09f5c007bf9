"""Which blocks of a worker's tokens each step trains on.

It depends on the step's number alone, so that a training that goes on from a checkpoint sees what
it would have seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Schedule:
    """Steps over the streams of all workers.

    Attributes:
        tokens: Of each worker's stream.
        length: Tokens of one block.
        micro: Blocks that a worker computes at a time.
        accumulation: How often it does so in one step.
        seed: Of the order.
        shuffle: Mix the blocks anew in each pass.
    """

    tokens: tuple[int, ...]
    length: int
    micro: int
    accumulation: int
    seed: int
    shuffle: bool

    def blocks(self, rank: int) -> int:
        """Of a worker's stream; the last one may be shorter."""
        return -(-max(0, self.tokens[rank] - 1) // self.length)

    @property
    def steps_per_pass(self) -> int:
        """Steps until every worker has seen all its blocks."""
        most = max(self.blocks(rank) for rank in range(len(self.tokens)))
        return -(-most // (self.micro * self.accumulation))

    def step(self, number: int, rank: int) -> list[list[int]]:
        """The blocks of one step, from 0, for one worker.

        Returns:
            For each time it computes the numbers of blocks. A worker whose stream is shorter than
            the others' has none left at the end of a pass.
        """
        turn, place = divmod(number, self.steps_per_pass)
        order = self._order(turn, rank)
        begin = place * self.micro * self.accumulation
        places = [begin + part * self.micro for part in range(self.accumulation)]
        return [[int(one) for one in order[at : at + self.micro]] for at in places]

    def span(self, block: int) -> tuple[int, int]:
        """First token of a block and the one after its last, with the one that it predicts."""
        begin = block * self.length
        return begin, begin + self.length + 1

    def _order(self, turn: int, rank: int) -> Any:
        cached = self.__dict__.get("_cached")
        if cached is None or cached[0] != (turn, rank):
            blocks = np.arange(self.blocks(rank), dtype=np.uint32)
            if self.shuffle:
                np.random.default_rng([self.seed, turn, rank]).shuffle(blocks)
            cached = ((turn, rank), blocks)
            object.__setattr__(self, "_cached", cached)  # the order of one pass is asked often
        return cached[1]
