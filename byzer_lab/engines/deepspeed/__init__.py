"""The DeepSpeed backend: one model over several ranks, or larger than the memory it runs in.

Importing this package loads neither torch nor deepspeed; ``DeepSpeedEngine.load`` does.

===================  ============================================================================
``engine.py``        the engine: one request from prompt to chunks
``parameters.py``    infer parameters and their checks
``group.py``         requests to the ranks, tokens back, an end for every request
``processes.py``     the processes of the ranks: start, messages, death, end
``protocol.py``      what a rank is told and what it tells
``rank.py``          the program of one rank
``placement.py``     the model of one rank: tensor parallel, or ZeRO-3 with offload
``batch.py``         one padded batch with its key-value cache, the same on every rank
``constraints.py``   rank 0: what holds the requests' answers to schemas and calls
``scheduler.py``     rank 0: which requests run, and which token each one gets
===================  ============================================================================

Two uses. *Tensor parallel* (AutoTP) splits every layer of a Hugging Face model over the ranks, one
per GPU, which helps where a model is too large for one GPU. *ZeRO-3* keeps the weights in the
host's memory or on an NVMe disk and brings each layer to the device when it is needed, which helps
where a model is larger than all of it. Both are for throughput: this is no low-latency server.

How requests are batched: all ranks run the same forward passes on one padded batch, a token for
every running request each. Requests that arrive while the model is idle are gathered for a moment
(``batch_window_ms``); later ones join between two steps, by a pass over their prompts and a padded
merge of the caches. A cancelled or finished request leaves at the next step. The cache is not
paged, so padding to the longest request is paid for, and all the others wait while prompts are
read. Rank 0 alone chooses tokens and tells the other ranks.

Each rank is a process of its own that the worker starts. A rank that is lost ends them all, with
an error for every open request; a worker that is lost takes its ranks with it.
"""

from byzer_lab.engines.deepspeed.engine import DeepSpeedEngine

__all__ = ["DeepSpeedEngine"]
