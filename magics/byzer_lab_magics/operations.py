"""Follow an operation of the registry: its state line, its interrupt, its end."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from byzer_lab.errors import ByzerLabError, DeployFailedError, from_wire
from byzer_lab.records import OperationRecord
from byzer_lab_magics.failures import interrupted, with_log
from byzer_lab_magics.show import StateLine

if TYPE_CHECKING:
    from byzer_lab.client.gateway import GatewayClient

TICK_S = 0.5
CANCEL_WAIT_S = 20.0
LOG_TAIL = 10
LOG_WAIT_S = 1.0
"""What an engine wrote may come a moment after its failure."""


class _Follower:
    """Begins and watches an operation on a thread, so that the cell's own thread stays free to
    count seconds and to be interrupted, whatever the network does."""

    def __init__(self, gateway: GatewayClient, begin: Callable[[], OperationRecord]) -> None:
        self._gateway = gateway
        self._begin = begin
        self._changes: queue.Queue[OperationRecord | Exception] = queue.Queue()
        threading.Thread(target=self._watch, name="byzer-lab-operation", daemon=True).start()

    def _watch(self) -> None:
        try:
            for change in self._gateway.watch(self._begin()):
                self._changes.put(change)
        except Exception as error:
            self._changes.put(error)

    def next(self, timeout_s: float) -> OperationRecord | None:
        """The next change; ``None`` when there is none in that time."""
        try:
            change = self._changes.get(timeout=timeout_s)
        except queue.Empty:
            return None
        if isinstance(change, Exception):
            raise change
        return change


def follow(
    shell: Any,
    gateway: GatewayClient,
    name: str,
    begin: Callable[[], OperationRecord],
    done: Callable[[float], str],
) -> OperationRecord:
    """Begin an operation and show its state until it ended.

    Args:
        shell: IPython's shell.
        gateway: The control API.
        name: The deployment it changes.
        begin: Starts it.
        done: The words of success, given the seconds it took.

    Raises:
        ByzerLabError: It was refused, failed or was cancelled by somebody else.
        KeyboardInterrupt: The cell was interrupted. A deploy was cancelled then; any other
            operation goes on.
    """
    line = StateLine(shell, name)
    follower = _Follower(gateway, begin)
    last: OperationRecord | None = None
    try:
        while last is None or last.state == "running":
            change = follower.next(TICK_S)
            last = change or last
            if change is not None and change.state == "running":
                line.running(change.phase, change.progress)
            elif change is None:
                line.tick()
    except KeyboardInterrupt:
        raise _give_up(gateway, line, follower, last) from None
    except ByzerLabError as error:
        if line.visible:  # else it was refused at once, and the error says it all
            line.end("failed", f"no longer followed: {error.message}")
        raise
    if last.state == "succeeded":
        line.end("succeeded", done(line.seconds))
        return last
    line.end(last.state, f"{last.kind} {last.state} after {line.seconds:.1f} s")
    raise _failure(gateway, last)


def _give_up(
    gateway: GatewayClient, line: StateLine, follower: _Follower, last: OperationRecord | None
) -> KeyboardInterrupt:
    try:
        last = last or follower.next(CANCEL_WAIT_S)
        if last is not None and last.kind != "deploy":
            line.end("cancelled", f"{last.kind} goes on; this cell no longer waits for it")
            return interrupted(f"The {last.kind} goes on without this cell.")
        if last is not None:
            line.running("cancelling")
            gateway.cancel(last.id)
            while last is not None and last.state == "running":
                last = follower.next(CANCEL_WAIT_S)
    except ByzerLabError as error:
        line.end("failed", f"not cancelled: {error.message}")
        return interrupted(f"The deploy could not be cancelled: {error.message}")
    if last is None:
        line.end("failed", "not stopped yet; %llm_list shows how it goes on")
        return interrupted("The cluster took too long to stop it; %llm_list shows how it goes on.")
    if last.state == "succeeded":
        line.end("succeeded", "was ready before it could be cancelled")
        return interrupted("The deploy ended before it could be cancelled.")
    line.end("cancelled", f"cancelled after {line.seconds:.1f} s")
    return interrupted("The deploy was cancelled; nothing of it runs.")


def _failure(gateway: GatewayClient, operation: OperationRecord) -> ByzerLabError:
    name = operation.deployment
    error = from_wire(operation.error or {"message": f"The {operation.kind} failed."})
    if (
        operation.kind == "deploy"
        and operation.state == "failed"
        and not isinstance(error, DeployFailedError)
    ):
        error = DeployFailedError(f"{name!r} did not become ready: {error.message}")
    lines: list[str] = []
    if operation.state == "failed":
        with contextlib.suppress(ByzerLabError):  # a log that is gone hides no error
            lines = [
                line.text
                for line in gateway.log(name, after=-LOG_TAIL, limit=LOG_TAIL, wait=LOG_WAIT_S)
            ]
    return with_log(error, lines)
