"""The worker: a Ray actor that hosts one engine. The registry's launcher makes it."""

from __future__ import annotations

import asyncio
import contextlib
import traceback
from typing import TYPE_CHECKING, Any

from byzer_lab.engines.base import Engine, EngineConfig, LoadProgress
from byzer_lab.engines.families import make_engine
from byzer_lab.errors import ByzerLabError, EngineDeadError, EngineError, describe
from byzer_lab.log_capture import LogCapture
from byzer_lab.records import DeploymentSpec
from byzer_lab.secrets import Redactor, resolve
from byzer_lab.web import bind, make_app, make_server, url_of
from byzer_lab.workers.admission import Admission
from byzer_lab.workers.endpoint import worker_routes
from byzer_lab.workers.reporter import Reporter

if TYPE_CHECKING:
    from ray.actor import ActorHandle

DRAIN_POLL_S = 0.05
BUNDLED = "bundled"


class Worker:
    """Loads an engine, serves it over HTTP, drains, and is then ended by its supervisor.

    Args:
        worker_id: Its id.
        spec: The deployment it belongs to.
        secrets: Values of the references in the spec.
        registry: Handle of the registry.
        token: Bearer token that its endpoint asks for.
    """

    def __init__(
        self,
        worker_id: str,
        spec: DeploymentSpec,
        secrets: dict[str, str],
        registry: ActorHandle,
        token: str,
    ) -> None:
        import ray

        self._spec = spec
        self._secrets = secrets
        self._token = token
        self._node = ray.util.get_node_ip_address()
        self._redact = Redactor([*secrets.values(), token])
        self._admission = Admission(spec.name, spec.worker_concurrency, spec.queue_limit)
        self._reporter = Reporter(worker_id, registry, self._admission, self._node)
        self._log = LogCapture(
            self._redact, lambda lines: registry.worker_log.remote(worker_id, lines)
        )
        self._draining = asyncio.Event()
        self._life: asyncio.Task[ByzerLabError | None] | None = None

    async def run(self) -> ByzerLabError | None:
        """Live; a later call, by a restarted registry, joins the same life.

        Returns:
            Why the engine could not be loaded, or ``None`` after draining.
        """
        if self._life is None:
            self._life = asyncio.create_task(self._live())
        self._reporter.send()
        return await asyncio.shield(self._life)

    async def drain(self) -> None:
        """Refuse new requests, finish the running ones, then return from :meth:`run`."""
        self._draining.set()

    async def _live(self) -> ByzerLabError | None:
        engine: Engine | None = None
        try:
            engine = await self._load()
            await self._serve(engine)
        except ByzerLabError as error:
            return self._redact.error(error)
        except Exception as error:
            traceback.print_exc()  # into the deployment's log
            return EngineError(self._redact(describe(error)))
        finally:
            if engine is not None:
                await engine.close()
            self._log.flush()
        return None

    async def _load(self) -> Engine:
        self._reporter.set("starting", "preparing the engine")
        config = EngineConfig(
            model_path=_resolve_model(self._spec.model_path),
            pretrained_model_type=self._spec.pretrained_model_type,
            infer_params=resolve(self._spec.infer_params, self._secrets),
            concurrency=self._spec.worker_concurrency,
            gpus=self._spec.gpus_per_worker,
        )
        engine = make_engine(self._spec.backend, config)
        loop = asyncio.get_running_loop()

        def report(progress: LoadProgress) -> None:
            phase = self._redact(progress.phase)
            loop.call_soon_threadsafe(self._reporter.progress, phase, progress.fraction)

        await asyncio.to_thread(engine.load, report)
        return engine

    async def _serve(self, engine: Engine) -> None:
        listener = bind(self._node, 0)
        reporter = self._reporter
        loop = asyncio.get_running_loop()
        dead: asyncio.Future[EngineDeadError] = loop.create_future()

        def give_up(error: EngineDeadError) -> None:
            if not dead.done():
                dead.set_result(error)

        routes = worker_routes(
            engine, self._admission, reporter.count, give_up, self._redact, reporter.load
        )
        server = make_server(make_app(routes, self._token))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:
            await asyncio.sleep(0.005)
        print(f"ready at {url_of(listener)}")
        reporter.set("ready", url=url_of(listener), meta=self._redact.wire(engine.meta()))
        sending = asyncio.create_task(reporter.send_load_forever())
        try:
            draining = asyncio.ensure_future(self._drained())
            ends: set[asyncio.Future[Any]] = {draining, dead}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            draining.cancel()
            if dead.done():
                raise dead.result()
        finally:
            sending.cancel()
            server.should_exit = True
            with contextlib.suppress(asyncio.CancelledError):
                await serving

    async def _drained(self) -> None:
        await self._draining.wait()
        self._admission.draining = True
        while not self._admission.idle:
            await asyncio.sleep(DRAIN_POLL_S)


def _resolve_model(model_path: str) -> str:
    if model_path != BUNDLED:
        return model_path
    from byzer_lab.bundled import bundled_model

    return str(bundled_model())
