"""Looks at the cluster: which backends it has, what is free, what is deployed."""

from __future__ import annotations

from urllib.parse import urlsplit

from byzer_lab.engines import BACKENDS
from byzer_lab.records import BackendRecord
from byzer_lab.widgets.draft import World

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def this_machine() -> World:
    """What a cluster would have that is started here."""
    return World(
        [
            BackendRecord(
                name=name,
                summary=backend.summary,
                installed=backend.installed,
                install=backend.install,
                concurrency=backend.concurrency,
            )
            for name, backend in BACKENDS.items()
        ]
    )


def the_cluster() -> World:
    """What the running cluster has; :func:`this_machine` where none runs.

    Raises:
        ClusterError: It doesn't answer.
    """
    from byzer_lab.client.session import existing_session

    session = existing_session()
    if session is None:
        return this_machine()
    state = session.gateway.state()
    return World(
        backends=[record for record in session.gateway.backends() if record.name in BACKENDS],
        cluster=state.cluster,
        taken={record.spec.name: record.state for record in state.deployments},
        local=urlsplit(session.runtime.url).hostname in LOOPBACK,
    )


def in_words(world: World) -> str:
    """The cluster in one line."""
    if world.cluster is None:
        return "No cluster runs yet; Deploy starts one on this machine."
    cluster = world.cluster
    nodes = f"{cluster.nodes} node{'s' if cluster.nodes != 1 else ''}"
    amounts = [
        f"{there.total - there.used:g} of {there.total:g} {unit} free"
        for there, unit in ((cluster.cpus, "CPUs"), (cluster.gpus, "GPUs"))
        if there.total
    ]
    return " · ".join([nodes, *amounts, *([] if cluster.gpus.total else ["no GPUs"])])
