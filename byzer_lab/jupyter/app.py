"""The Jupyter server extension: ``jupyter lab --ByzerLabApp.read_only=True`` and its like."""

from __future__ import annotations

from pathlib import Path

from jupyter_server.extension.application import ExtensionApp
from traitlets import Bool

from byzer_lab.jupyter.gateway import GatewayClient
from byzer_lab.jupyter.handlers import HANDLERS
from byzer_lab.jupyter.watcher import ClusterWatcher

STATE_EVENT = "https://byzer-lab.dev/events/state/v1"


class ByzerLabApp(ExtensionApp):
    """Stands between the sidebar and the cluster, and keeps the cluster's token on this side."""

    name = "byzer_lab"
    load_other_extensions = True

    read_only = Bool(
        False, help="Show the cluster, but refuse every change to it with status 403."
    ).tag(config=True)

    def initialize_settings(self) -> None:
        """Declare the event and make what the handlers need."""
        self.serverapp.event_logger.register_event_schema(Path(__file__).parent / "events.yaml")
        self.gateway = GatewayClient()
        self.watcher = ClusterWatcher(self.gateway, self._emit_nudge, self.log)

    def initialize_handlers(self) -> None:
        """Add the endpoints."""
        self.handlers.extend(HANDLERS)

    async def stop_extension(self) -> None:
        """End the watcher with the server. The cluster goes on."""
        # A server that failed to load the extension stops it all the same.
        if hasattr(self, "watcher"):
            await self.watcher.close()
            await self.gateway.close()

    def _emit_nudge(self, epoch: str, rev: int) -> None:
        self.serverapp.event_logger.emit(schema_id=STATE_EVENT, data={"epoch": epoch, "rev": rev})
