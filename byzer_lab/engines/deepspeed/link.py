"""How the ranks of one model meet, and how rank 0 tells the others what to do next."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import deepspeed
import torch
import torch.distributed

from byzer_lab.engines.deepspeed.protocol import RankSetup

# An idle model waits for its next request as long as it takes.
_FOR_EVER = timedelta(days=3650)


class Link:
    """Connects this rank with the others. Blocks until all are there.

    Args:
        setup: The rank's.
    """

    def __init__(self, setup: RankSetup) -> None:
        # DeepSpeed's all-reduce in shared memory needs a compiler, waits by spinning (for ever,
        # when a rank is lost) and leaves files behind. Measured with two ranks on two cores it is
        # slower than gloo.
        deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
        if setup.device == "cuda":
            torch.cuda.set_device(setup.local_rank)
        deepspeed.init_distributed(
            "nccl" if setup.device == "cuda" else "gloo",
            auto_mpi_discovery=False,
            verbose=False,
            init_method=setup.rendezvous,
            rank=setup.rank,
            world_size=setup.world,
        )
        self._alone = setup.world == 1
        # Of its own and on the host: waiting must cost a GPU nothing and must not time out.
        self._group = torch.distributed.new_group(backend="gloo", timeout=_FOR_EVER)

    def share(self, step: Any) -> Any:
        """Rank 0's step, on every rank.

        Args:
            step: What rank 0 tells; ignored on the others.
        """
        if self._alone:
            return step
        told = [step]
        torch.distributed.broadcast_object_list(told, src=0, group=self._group)
        return told[0]
