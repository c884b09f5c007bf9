"""A real kernel, driven as a front end does."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

DEADLINE_S = 120


@dataclass
class Ran:
    """What came of a cell: its messages with the seconds at which they arrived, and its status."""

    status: str = ""
    messages: list[tuple[float, str, dict[str, Any]]] = field(default_factory=list)

    def of(self, *kinds: str) -> list[dict[str, Any]]:
        return [content for _, kind, content in self.messages if kind in kinds]

    def times(self, kind: str) -> list[float]:
        return [moment for moment, found, _ in self.messages if found == kind]

    @property
    def bundles(self) -> list[dict[str, str]]:
        """Displays that stand at the end: those after the last clearing."""
        kept: list[dict[str, str]] = []
        for _, kind, content in self.messages:
            if kind == "clear_output":
                kept = []
            elif kind in ("display_data", "execute_result"):
                kept.append(content["data"])
        return kept

    @property
    def texts(self) -> list[str]:
        return [bundle["text/plain"] for bundle in self.bundles]

    @property
    def error(self) -> tuple[str, str]:
        [content] = self.of("error")
        return content["ename"], content["evalue"]

    @property
    def traceback(self) -> list[str]:
        [content] = self.of("error")
        return list(content["traceback"])

    @property
    def stdout(self) -> str:
        return "".join(c["text"] for c in self.of("stream") if c["name"] == "stdout")

    @property
    def stderr(self) -> str:
        return "".join(c["text"] for c in self.of("stream") if c["name"] == "stderr")


class KernelDriver:
    def __init__(self, manager: KernelManager, client: BlockingKernelClient) -> None:
        self.manager = manager
        self.client = client

    def run(self, code: str, interrupt_after_s: float | None = None) -> Ran:
        started = time.monotonic()
        message_id = self.client.execute(code, store_history=True)
        ran = Ran()
        if interrupt_after_s is not None:
            threading.Timer(interrupt_after_s, self.manager.interrupt_kernel).start()
        while True:
            message = self.client.get_iopub_msg(timeout=DEADLINE_S)
            if message["parent_header"].get("msg_id") != message_id:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                break
            ran.messages.append((time.monotonic() - started, kind, content))
        while True:
            reply = self.client.get_shell_msg(timeout=DEADLINE_S)
            if reply["parent_header"].get("msg_id") == message_id:
                ran.status = reply["content"]["status"]
                return ran

    def complete(self, code: str) -> list[str]:
        """What Tab at the end of ``code`` offers."""
        message_id = self.client.complete(code, len(code))
        while True:
            reply = self.client.get_shell_msg(timeout=DEADLINE_S)
            if reply["parent_header"].get("msg_id") == message_id:
                return list(reply["content"]["matches"])

    def eventually(self, code: str, wanted: str, within_s: float = 10.0) -> str:
        """Run a cell until its stdout has ``wanted``."""
        deadline = time.monotonic() + within_s
        while True:
            out = self.run(code).stdout
            if wanted in out or time.monotonic() > deadline:
                return out
            time.sleep(0.2)
