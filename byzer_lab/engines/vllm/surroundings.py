"""Environment variables of vLLM's processes.

vLLM is told much by its environment only. What is set here is what the processes inherit at their
start; afterwards the worker's own environment is as it was before.
"""

from __future__ import annotations

import os
from pathlib import Path


class Variables:
    """Variables that are set while vLLM's processes are started: a context manager.

    Args:
        logging_config, folder: See :class:`byzer_lab.engines.vllm.news.News`.
        offline: The model is here; the hub is not to be asked.
    """

    def __init__(self, logging_config: str, folder: Path, *, offline: bool) -> None:
        self._before: dict[str, str | None] = {}
        self._forced = {
            "VLLM_NO_USAGE_STATS": "1",  # nothing is sent anywhere
            "DO_NOT_TRACK": "1",
            "VLLM_WORKER_MULTIPROC_METHOD": "spawn",  # a fork would break: the worker has threads
            "VLLM_CONFIGURE_LOGGING": "1",
            "VLLM_LOGGING_CONFIG_PATH": logging_config,
            # Its sockets and its files, which it leaves where they are.
            "VLLM_RPC_BASE_PATH": str(folder),
            "TMPDIR": str(folder),
        }
        # What the user has set is kept.
        self._wanted = {"VLLM_HOST_IP": "127.0.0.1", "GLOO_SOCKET_IFNAME": "lo"}
        if offline:
            self._forced["HF_HUB_OFFLINE"] = "1"

    def on_a_processor(self, threads: int, ranks: int, *, in_one_process: bool) -> None:
        """The model runs on processors.

        Args:
            threads: Processor threads of all ranks together.
            ranks: Processes that share the model.
            in_one_process: There is one rank, and it runs in the engine's own process. vLLM does
                that only when told so; it saves a second copy of the libraries.
        """
        self._forced["OMP_NUM_THREADS"] = str(max(1, threads // ranks))
        # vLLM's own choice binds every worker of a machine to the same cores, and asks for a NUMA
        # node for each rank.
        self._wanted["VLLM_CPU_OMP_THREADS_BIND"] = "nobind"
        if in_one_process:
            self._forced["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"

    def over_machines(self, ray_address: str | None) -> None:
        """The ranks are actors of Ray and may be on other machines.

        Args:
            ray_address: The cluster that vLLM's engine connects to; ``None`` keeps what is set.
        """
        self._wanted.clear()
        # vLLM hands these to ranks on other machines, which don't have the folder.
        for name in ("VLLM_RPC_BASE_PATH", "TMPDIR"):
            del self._forced[name]
        if ray_address is not None:
            self._forced["RAY_ADDRESS"] = ray_address

    def __enter__(self) -> None:
        new = {name: value for name, value in self._wanted.items() if name not in os.environ}
        new |= self._forced
        self._before = {name: os.environ.get(name) for name in new}
        os.environ.update(new)

    def __exit__(self, *_: object) -> None:
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
