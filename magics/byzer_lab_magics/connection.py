"""The magics' way to the cluster."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from byzer_lab.errors import ModelNotFoundError
from byzer_lab.records import DeploymentRecord, StateSnapshot

if TYPE_CHECKING:
    from byzer_lab.client.session import Session


def running_session() -> Session | None:
    """The connection where a cluster runs; starts none."""
    from byzer_lab.client.session import existing_session  # with httpx: not at load time

    return existing_session()


def connect(shell: Any) -> Session:
    """The connection; starts a cluster where none runs, and shows how that goes.

    Raises:
        ClusterError: None can be started.
    """
    from byzer_lab.client.session import session
    from byzer_lab.cluster.connect import connect_cluster
    from byzer_lab_magics.show import StateLine

    found = running_session()
    if found is not None:
        return found
    line = StateLine(shell, "Byzer Lab")
    line.running("starting a local cluster")
    try:
        with line.ticking():
            connect_cluster(progress=line.running)
    except BaseException:
        line.end("failed", f"not started after {line.seconds:.1f} s")
        raise
    line.end("succeeded", f"local cluster started in {line.seconds:.1f} s")
    return session()


def find(snapshot: StateSnapshot, name: str) -> DeploymentRecord:
    """The deployment of that name.

    Raises:
        ModelNotFoundError: There is none.
    """
    names = [record.spec.name for record in snapshot.deployments]
    for record in snapshot.deployments:
        if record.spec.name == name:
            return record
    close = get_close_matches(name, names, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise ModelNotFoundError(
        f"There is no deployment {name!r}; there is: {', '.join(names) or 'none'}.{hint}"
    )


NO_CLUSTER = "No Byzer Lab is running; %llm_deploy starts one."
