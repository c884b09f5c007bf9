"""Environment variables of vLLM's processes.

vLLM is told much by its environment only. What is set here is what the processes inherit at their
start; afterwards the worker's own environment is as it was before. What the user has set is kept.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping

from byzer_lab.engines.vllm.guard import VARIABLE

ALWAYS = {
    "VLLM_NO_USAGE_STATS": "1",  # nothing is sent anywhere
    "DO_NOT_TRACK": "1",
    "VLLM_WORKER_MULTIPROC_METHOD": "spawn",  # the worker has threads, which a fork would break
}
ON_A_PROCESSOR = {
    # vLLM's own choice binds every worker of a machine to the same cores, and asks for a NUMA node
    # for each rank.
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
}
ON_ONE_MACHINE = {
    "VLLM_HOST_IP": "127.0.0.1",
    "GLOO_SOCKET_IFNAME": "lo",
}
IN_ONE_PROCESS = {"VLLM_ENABLE_V1_MULTIPROCESSING": "0"}
"""On a processor vLLM runs one rank in the engine's own process only when told so; it saves a
process with a second copy of the libraries."""


@contextlib.contextmanager
def surrounded(forced: Mapping[str, str], wanted: Mapping[str, str]) -> Iterator[None]:
    """Set variables for as long as processes are started.

    Args:
        forced: Set in any case.
        wanted: Set where the user has set nothing.
    """
    values = {
        **{name: value for name, value in wanted.items() if name not in os.environ},
        **forced,
    }
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def forced_variables(mark: str, logging_config: str, *, offline: bool) -> dict[str, str]:
    """What every start needs.

    Args:
        mark: See :class:`byzer_lab.engines.vllm.guard.Guard`.
        logging_config: See :class:`byzer_lab.engines.vllm.news.News`.
        offline: The model is here; the hub is not to be asked.
    """
    hub = {"HF_HUB_OFFLINE": "1"} if offline else {}
    return {**ALWAYS, **hub, VARIABLE: mark, "VLLM_LOGGING_CONFIG_PATH": logging_config}
