"""The cluster's state as the Jupyter server knows it, merged from the gateway's deltas."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

from byzer_lab.jobs import JobRecord, JobSpec
from byzer_lab.records import (
    ClusterRecord,
    DeploymentRecord,
    DeploymentSpec,
    OperationRecord,
    StateSnapshot,
)

ENDED_OPERATIONS_KEPT = 50


class _Record(Protocol):
    @property
    def spec(self) -> DeploymentSpec | JobSpec: ...

    @property
    def rev(self) -> int: ...


R = TypeVar("R", bound=_Record)


class _Named(Generic[R]):
    """Records by name, and the names of those that ended."""

    def __init__(self) -> None:
        self._records: dict[str, R] = {}
        self._removed: dict[str, int] = {}

    def clear(self) -> None:
        self._records.clear()
        self._removed.clear()

    def merge(self, changed: list[R], removed: list[str], rev: int) -> None:
        for name in removed:
            self._records.pop(name, None)
            self._removed[name] = rev
        for record in changed:
            self._records[record.spec.name] = record
            self._removed.pop(record.spec.name, None)

    def changed(self, known: int) -> list[R]:
        return [record for record in self._records.values() if record.rev > known]

    def removed(self, known: int) -> list[str]:
        return [name for name, at in self._removed.items() if at > known]


class MergedState:
    """Merges snapshots and deltas, and answers what changed since any revision it can vouch for."""

    def __init__(self) -> None:
        self._epoch = ""
        self._rev = 0
        # Removals before this revision were never seen; whoever is older gets everything.
        self._complete_since = 0
        self._cluster: ClusterRecord | None = None
        self._deployments: _Named[DeploymentRecord] = _Named()
        self._jobs: _Named[JobRecord] = _Named()
        self._operations: dict[str, OperationRecord] = {}

    @property
    def epoch(self) -> str:
        """Epoch of the registry that was seen last; empty when none was."""
        return self._epoch

    @property
    def rev(self) -> int:
        """Revision of the newest snapshot merged."""
        return self._rev

    @property
    def is_empty(self) -> bool:
        """Whether no snapshot has been merged yet."""
        return self._cluster is None

    def merge(self, update: StateSnapshot) -> bool:
        """Take in an answer of the gateway.

        Returns:
            Whether anything is new.
        """
        if (update.epoch, update.rev) == (self._epoch, self._rev):
            return False
        if update.full:
            self._deployments.clear()
            self._jobs.clear()
            self._operations.clear()
            self._complete_since = update.rev
        self._epoch, self._rev, self._cluster = update.epoch, update.rev, update.cluster
        self._deployments.merge(update.deployments, update.removed, update.rev)
        self._jobs.merge(update.jobs, update.removed_jobs, update.rev)
        self._operations.update({operation.id: operation for operation in update.operations})
        self._forget_old_operations()
        return True

    def since(self, epoch: str | None, rev: int | None) -> StateSnapshot | None:
        """What changed since ``rev`` of ``epoch``, everything where that can't be told.

        Returns:
            ``None`` while no snapshot has been merged.
        """
        if self._cluster is None:
            return None
        full = rev is None or epoch != self._epoch or not self._complete_since <= rev <= self._rev
        known = -1 if full or rev is None else rev
        return StateSnapshot(
            epoch=self._epoch,
            rev=self._rev,
            full=full,
            cluster=self._cluster,
            deployments=self._deployments.changed(known),
            removed=[] if full else self._deployments.removed(known),
            operations=[record for record in self._operations.values() if record.rev > known],
            jobs=self._jobs.changed(known),
            removed_jobs=[] if full else self._jobs.removed(known),
        )

    def _forget_old_operations(self) -> None:
        ended = [item for item in self._operations.values() if item.finished_at is not None]
        ended.sort(key=lambda item: item.finished_at or 0.0)
        for operation in ended[:-ENDED_OPERATIONS_KEPT]:
            del self._operations[operation.id]
