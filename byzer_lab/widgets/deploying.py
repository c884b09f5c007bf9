"""A deploy under way, followed on threads; knows nothing of widgets."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from byzer_lab.errors import ByzerLabError, ModelNotFoundError, describe, from_wire
from byzer_lab.records import DeploymentSpec, LogLine, OperationRecord, OperationState
from byzer_lab.secrets import collect

if TYPE_CHECKING:
    from byzer_lab.client.gateway import GatewayClient

LOG_WAIT_S = 10.0
LAST_LINES_WAIT_S = 1.0
"""What an engine wrote may come a moment after its failure."""

Post = Callable[[Callable[[], None]], object]


class Watcher(Protocol):
    """Is told how a deploy goes, always on the thread that ``post`` leads to."""

    def running(self, phase: str, progress: float | None = None) -> None:
        """It is at this phase."""

    def log(self, lines: list[str]) -> None:
        """Its workers have written these lines."""

    def ended(self, state: OperationState, sentence: str) -> None:
        """It ended; the sentence says why where it failed."""


class Deploying:
    """One deploy.

    Args:
        spec: What to deploy.
        replace: Take down a deployment of that name.
        watcher: Who is told.
        post: Runs a function on the thread that may touch what the watcher shows.
    """

    def __init__(
        self, spec: DeploymentSpec, *, replace: bool, watcher: Watcher, post: Post
    ) -> None:
        self._spec = spec
        self._replace = replace
        self._watcher = watcher
        self._post = post
        self._lock = threading.Lock()
        self._cancelled = False
        self._begun: tuple[GatewayClient, OperationRecord] | None = None
        self._over = threading.Event()

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread(self._run)

    def cancel(self) -> None:
        """Give it up; returns at once."""
        with self._lock:
            self._cancelled = True
            begun = self._begun
        if begun is not None:
            self._thread(lambda: self._cancel(*begun))

    @staticmethod
    def _thread(target: Callable[[], None]) -> None:
        threading.Thread(target=target, name="byzer-lab-form", daemon=True).start()

    def _run(self) -> None:
        try:
            last = self._follow(self._connect())
            error = from_wire(last.error).message if last.error else ""
            self._end(last.state, error)
        except Exception as error:
            self._end("failed", describe(error))

    def _connect(self) -> GatewayClient:
        from byzer_lab.client.session import existing_session, session
        from byzer_lab.cluster.connect import connect_cluster

        found = existing_session()
        if found is None:
            self._tell("starting a local cluster", None)
            connect_cluster(progress=lambda phase: self._tell(phase, None))
            found = session()
        return found.gateway

    def _follow(self, gateway: GatewayClient) -> OperationRecord:
        secrets = collect(self._spec.infer_params)
        began = time.time()
        last = gateway.deploy(self._spec, secrets=secrets, replace=self._replace)
        with self._lock:
            self._begun = (gateway, last)
        if self._cancelled:
            self._cancel(gateway, last)
        self._thread(lambda: self._read_log(gateway, began))
        for change in gateway.watch(last):
            self._tell(change.phase, change.progress)
            last = change
        return last

    def _tell(self, phase: str, progress: float | None) -> None:
        self._post(lambda: self._watcher.running(phase, progress))

    def _end(self, state: OperationState, sentence: str) -> None:
        self._over.set()
        self._post(lambda: self._watcher.ended(state, sentence))

    def _cancel(self, gateway: GatewayClient, operation: OperationRecord) -> None:
        try:
            gateway.cancel(operation.id)
        except ByzerLabError as error:
            said = error.message
            self._post(lambda: self._watcher.log([f"Not cancelled: {said}"]))

    def _read_log(self, gateway: GatewayClient, began: float) -> None:
        """Pass on what the workers write until a moment after the end."""
        seen = 0
        over = False
        while not over:
            over = self._over.is_set()
            wait = LAST_LINES_WAIT_S if over else LOG_WAIT_S
            try:
                lines = gateway.log(self._spec.name, after=seen, wait=wait)
            except ModelNotFoundError:  # not there yet, where it replaces another; or cancelled
                self._over.wait(LAST_LINES_WAIT_S)
                continue
            except ByzerLabError:
                return  # the operation will say it
            seen = max([seen, *(line.seq for line in lines)])
            self._pass_on([line for line in lines if line.time >= began])

    def _pass_on(self, lines: list[LogLine]) -> None:
        if lines:
            self._post(lambda: self._watcher.log([line.text for line in lines]))
