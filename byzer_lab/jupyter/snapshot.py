"""The cluster's state as the Jupyter server knows it, merged from the gateway's deltas."""

from __future__ import annotations

from byzer_lab.records import ClusterRecord, DeploymentRecord, OperationRecord, StateSnapshot

ENDED_OPERATIONS_KEPT = 50


class MergedState:
    """Merges snapshots and deltas, and answers what changed since any revision it can vouch for."""

    def __init__(self) -> None:
        self._epoch = ""
        self._rev = 0
        # Removals before this revision were never seen; whoever is older gets everything.
        self._complete_since = 0
        self._cluster: ClusterRecord | None = None
        self._deployments: dict[str, DeploymentRecord] = {}
        self._operations: dict[str, OperationRecord] = {}
        self._removed: dict[str, int] = {}

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
            self._operations.clear()
            self._removed.clear()
            self._complete_since = update.rev
        self._epoch, self._rev, self._cluster = update.epoch, update.rev, update.cluster
        for name in update.removed:
            self._deployments.pop(name, None)
            self._removed[name] = update.rev
        for deployment in update.deployments:
            self._deployments[deployment.spec.name] = deployment
            self._removed.pop(deployment.spec.name, None)
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
            deployments=[record for record in self._deployments.values() if record.rev > known],
            removed=[] if full else [name for name, at in self._removed.items() if at > known],
            operations=[record for record in self._operations.values() if record.rev > known],
        )

    def _forget_old_operations(self) -> None:
        ended = [item for item in self._operations.values() if item.finished_at is not None]
        ended.sort(key=lambda item: item.finished_at or 0.0)
        for operation in ended[:-ENDED_OPERATIONS_KEPT]:
            del self._operations[operation.id]
