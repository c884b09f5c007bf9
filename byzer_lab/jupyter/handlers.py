"""The extension's HTTP endpoints (docs/http-api.md). Thin: each passes on or asks the watcher."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any

import msgspec
from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from jupyter_server.extension.handler import ExtensionHandlerMixin
from tornado.web import authenticated

from byzer_lab import __version__
from byzer_lab.bounds import NAME_PATTERN
from byzer_lab.errors import ByzerLabError, InvalidRequestError

if TYPE_CHECKING:
    from byzer_lab.jupyter.app import ByzerLabApp

MAX_LOG_WAIT_S = 30.0


class ReadOnlyError(ByzerLabError):
    """This Jupyter server may look at the cluster but not change it."""

    code = "read_only"
    status = 403


class ByzerLabHandler(ExtensionHandlerMixin, APIHandler):
    """Base of the endpoints: Byzer Lab's error bodies, authorization resource, no traces."""

    auth_resource = "byzer_lab"

    @property
    def app(self) -> ByzerLabApp:
        """The extension."""
        app: ByzerLabApp = self.settings["byzer_lab"]
        return app

    def refuse_if_read_only(self) -> None:
        """Raise :class:`ReadOnlyError` where the server is configured to change nothing."""
        if self.app.read_only:
            raise ReadOnlyError("This Jupyter server may only look at the cluster (read-only).")

    def answer(self, value: Any, status: int = 200) -> None:
        """Finish with a struct, a dictionary or bytes that are JSON already."""
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.finish(value if isinstance(value, bytes) else msgspec.json.encode(value))

    async def pass_on(
        self, method: str, path: str, params: dict[str, str] | None = None, wait_s: float = 0.0
    ) -> None:
        """Send the call to the gateway and answer with its answer."""
        body = self.request.body or None
        response = await self.app.gateway.request(method, path, params, wait_s, body)
        self.answer(response.content, response.status_code)

    def given(self, *names: str) -> dict[str, str]:
        """Those of the query parameters that the caller sent."""
        sent = {name: self.get_query_argument(name, None) for name in names}
        return {name: value for name, value in sent.items() if value is not None}

    def number(self, name: str, kind: type[int] | type[float], default: Any = None) -> Any:
        """A query parameter as a number.

        Raises:
            InvalidRequestError: It is none.
        """
        text = self.get_query_argument(name, None)
        try:
            return default if text is None else kind(text)
        except ValueError:
            raise InvalidRequestError(f"{name} must be a number, not {text!r}.") from None

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Give our errors their own status and body."""
        error = (kwargs.get("exc_info") or (None, None))[1]
        if isinstance(error, ByzerLabError):
            self.answer({"error": error.to_wire()}, error.status)
        else:
            super().write_error(status_code, **kwargs)

    def log_exception(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Our errors are answers, not accidents: one line, no traceback."""
        if isinstance(value, ByzerLabError):
            self.log.info("Byzer Lab: %s", value.message)
        else:
            super().log_exception(typ, value, tb)


class InfoHandler(ByzerLabHandler):
    """What this extension is and allows."""

    @authenticated
    @authorized
    async def get(self) -> None:
        """Version and whether changes are allowed."""
        self.answer({"version": __version__, "read_only": self.app.read_only})


class StateHandler(ByzerLabHandler):
    """The cluster's state; polled, so it must not keep an idle server alive."""

    _track_activity = False

    @authenticated
    @authorized
    async def get(self) -> None:
        """All of it, or what changed since a revision."""
        epoch = self.get_query_argument("epoch", None)
        self.answer(await self.app.watcher.state(epoch, self.number("since", int)))


class ClusterHandler(ByzerLabHandler):
    """Starts and stops the cluster; how it goes is in the state."""

    @authenticated
    @authorized
    async def post(self, action: str) -> None:
        """Begin, and answer at once."""
        self.refuse_if_read_only()
        if action == "start":
            self.app.watcher.start_cluster()
        else:
            self.app.watcher.stop_cluster()
        self.answer({"connection": self.app.watcher.connection}, 202)


class DeploymentsHandler(ByzerLabHandler):
    """The deployments."""

    @authenticated
    @authorized
    async def post(self) -> None:
        """Deploy."""
        self.refuse_if_read_only()
        await self.pass_on("POST", "/api/deployments")


class DeploymentHandler(ByzerLabHandler):
    """One deployment."""

    @authenticated
    @authorized
    async def delete(self, name: str) -> None:
        """Undeploy."""
        self.refuse_if_read_only()
        await self.pass_on("DELETE", f"/api/deployments/{name}", self.given("force"))


class ScaleHandler(ByzerLabHandler):
    """Changes the number of a deployment's workers."""

    @authenticated
    @authorized
    async def post(self, name: str) -> None:
        """Scale."""
        self.refuse_if_read_only()
        await self.pass_on("POST", f"/api/deployments/{name}/scale")


class LogsHandler(ByzerLabHandler):
    """A log of a deployment or a job; followed, so it must not keep an idle server alive."""

    _track_activity = False

    @authenticated
    @authorized
    async def get(self, path: str, *_: str) -> None:
        """Lines after a number, waiting for new ones if asked."""
        wait_s = min(self.number("wait", float, 0.0), MAX_LOG_WAIT_S)
        params = self.given("after", "limit", "wait")
        await self.pass_on("GET", f"/api/{path}", params, wait_s)


class JobHandler(ByzerLabHandler):
    """One training job."""

    @authenticated
    @authorized
    async def delete(self, name: str) -> None:
        """Forget it; its files too where that is asked."""
        self.refuse_if_read_only()
        await self.pass_on("DELETE", f"/api/jobs/{name}", self.given("files", "force"))


class JobActionHandler(ByzerLabHandler):
    """Stops, resumes or cancels a job."""

    @authenticated
    @authorized
    async def post(self, name: str, action: str) -> None:
        """Begin, and answer at once; how it goes is in the state."""
        self.refuse_if_read_only()
        await self.pass_on("POST", f"/api/jobs/{name}/{action}")


class PointsHandler(ByzerLabHandler):
    """A job's curves; asked for while it runs, so it must not keep an idle server alive."""

    _track_activity = False

    @authenticated
    @authorized
    async def get(self, name: str) -> None:
        """Points after a step."""
        await self.pass_on("GET", f"/api/jobs/{name}/points", self.given("after"))


class CancelHandler(ByzerLabHandler):
    """Asks an operation to stop."""

    @authenticated
    @authorized
    async def post(self, operation: str) -> None:
        """Cancel."""
        self.refuse_if_read_only()
        await self.pass_on("POST", f"/api/operations/{operation}/cancel")


_NAME = f"({NAME_PATTERN.pattern})"

HANDLERS: list[tuple[str, type[ByzerLabHandler]]] = [
    (r"/byzer-lab/info", InfoHandler),
    (r"/byzer-lab/state", StateHandler),
    (r"/byzer-lab/cluster/(start|stop)", ClusterHandler),
    (r"/byzer-lab/deployments", DeploymentsHandler),
    (rf"/byzer-lab/deployments/{_NAME}", DeploymentHandler),
    (rf"/byzer-lab/deployments/{_NAME}/scale", ScaleHandler),
    (rf"/byzer-lab/(deployments/{_NAME}/logs|jobs/{_NAME}/log)", LogsHandler),
    (rf"/byzer-lab/jobs/{_NAME}", JobHandler),
    (rf"/byzer-lab/jobs/{_NAME}/(stop|resume|cancel)", JobActionHandler),
    (rf"/byzer-lab/jobs/{_NAME}/points", PointsHandler),
    (r"/byzer-lab/operations/([A-Za-z0-9_-]+)/cancel", CancelHandler),
]
