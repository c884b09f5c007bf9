"""The program of one rank: ``python -m byzer_lab.engines.deepspeed.rank FILE_DESCRIPTOR``.

:func:`run_rank` is all that a rank does and knows nothing of processes, so that something else
may run it: it needs a setup, a queue of messages and a function that sends answers.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection

from byzer_lab.engines.deepspeed.processes import remove
from byzer_lab.engines.deepspeed.protocol import (
    Failed,
    FromRank,
    Progress,
    RankSetup,
    Ready,
    ToRank,
    decode_setup,
    decode_to_rank,
    encode,
)
from byzer_lab.errors import ByzerLabError, EngineError, describe

Inbox = queue.SimpleQueue[ToRank]


def run_rank(setup: RankSetup, inbox: Inbox, send: Callable[[FromRank], None]) -> None:
    """Load the model and take part in its steps, for ever.

    Args:
        setup: The rank's.
        inbox: Requests; those of rank 0 alone are read.
        send: Tells the worker.

    Raises:
        InvalidRequestError: The model can't be served this way.
        EngineError: The model failed.
    """
    _set_environment(setup)
    import torch

    from byzer_lab.engines.deepspeed.batch import PaddedBatch, warm_up
    from byzer_lab.engines.deepspeed.constraints import Constraints
    from byzer_lab.engines.deepspeed.link import Link
    from byzer_lab.engines.deepspeed.placement import place_model
    from byzer_lab.engines.deepspeed.scheduler import Scheduler, follow
    from byzer_lab.engines.precision import set_threads

    set_threads(setup.threads)
    link = Link(setup)
    placed = place_model(setup, lambda at: send(Progress(at.phase, at.fraction)))
    send(Progress("warming up", None))
    batch = PaddedBatch(placed.model)
    with torch.inference_mode():
        cache_tokens = warm_up(batch, setup)
        send(Ready(placed.parameters, placed.here, cache_tokens, placed.generation_config))
        try:
            if setup.rank == 0:
                start = Constraints(setup, placed.model, placed.generation_config).start
                Scheduler(batch, link, inbox, send, setup, cache_tokens, start).run()
            follow(batch, link)
        except Exception as error:
            raise EngineError(f"The model failed: {describe(error)}") from error


def _set_environment(setup: RankSetup) -> None:
    """What torch and DeepSpeed read when they are imported and when the ranks meet."""
    os.environ.update(
        DS_ACCELERATOR=setup.device,
        RANK=str(setup.rank),
        WORLD_SIZE=str(setup.world),
        LOCAL_RANK=str(setup.local_rank),
        LOCAL_SIZE=str(setup.local_world),
    )
    if setup.interface is not None:
        os.environ["GLOO_SOCKET_IFNAME"] = setup.interface
        os.environ["NCCL_SOCKET_IFNAME"] = setup.interface


def _listen(line: Connection, inbox: Inbox, scratch: list[str]) -> None:
    """Take in messages; when the worker is gone, end this process and whatever it has started."""
    try:
        while True:
            inbox.put(decode_to_rank(line.recv_bytes()))
    except (EOFError, OSError):
        remove(scratch)
        os.killpg(os.getpgrp(), signal.SIGKILL)


def main() -> None:
    """Run the rank whose setup comes first on the line."""
    line = Connection(int(sys.argv[1]))
    setup = decode_setup(line.recv_bytes())
    inbox: Inbox = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(line, inbox, setup.scratch), daemon=True).start()

    def send(message: FromRank) -> None:
        line.send_bytes(encode(message))

    try:
        run_rank(setup, inbox, send)
    except Exception as error:
        known = error if isinstance(error, ByzerLabError) else EngineError(describe(error))
        send(Failed(known.to_wire()))
        raise


if __name__ == "__main__":
    main()
